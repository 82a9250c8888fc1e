"""What reports and papers say about one study beyond what they say about all.

A further study's is one more instance of `StudyReport`, in a file of its own, which `studies.py` lists.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from grace.analysis.analyze import Table
from grace.report.grids import Grid, Records


@dataclass(frozen=True)
class StudyReport:
    """What is reported of one study.

    Attributes:
        name: the study's.
        grids: of its tables; the second argument is whether trials were excluded by their answers.
        results: paragraphs of results, from the tables' rows about one model.
        methods: sentences about the analysis, from the kinds of tests that were made and whether trials were excluded.
        theory: the parameters of rational speech acts by name.
        people: the table of people's results.
    """

    name: str
    grids: Callable[[Mapping[str, Table], bool], Iterable[Grid]]
    results: Callable[[Mapping[str, Records]], Iterable[str]]
    methods: Callable[[frozenset[str], bool], Iterable[str]]
    theory: Callable[[], Iterable[tuple[str, object]]]
    people: Callable[[], Table]
