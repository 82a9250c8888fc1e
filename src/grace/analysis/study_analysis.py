"""What the analysis knows about one study: its design, how its rows are read, its tests, its references.

The analysis of a further study is one more instance of `StudyAnalysis`, in a file of its own, which `studies.py` lists.
Its own figures are listed in `figures/drawings.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grace.analysis.distances import Array
from grace.analysis.effects import Effect
from grace.analysis.frames import Frame, Row
from grace.analysis.statistics import Tested
from grace.analysis.trials import Cell, ModelTrials, Trial
from grace.studies.study import Study

Lines = Sequence[tuple[object, ...]]
"""The rows of a table of results, under its columns."""


@dataclass(frozen=True)
class Results:
    """The results from the answers of one model: the rows of each table, the tests, and what a reader should know."""

    tables: Mapping[str, Lines]
    tests: Sequence[Tested] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class EffectSizes:
    """Effects of people of which only the sizes are published: contrasts, (effects, conditions, labels), and sizes."""

    weights: Array
    sizes: Array


@dataclass(frozen=True)
class StudyAnalysis:
    """The analysis of one study. Arrays have their conditions and labels in the order of `conditions` and `labels`.

    Attributes:
        factors: the columns of results that name a condition.
        needs: the columns of a table that give a row's condition, in words.
        conditions: the names of conditions, by cell.
        labels: what distributions are over.
        scale: the labels' places on a scale, shape (labels,); None for labels without an order.
        tables: the columns of each table of results.
        sources: the sources of distributions in Experiment 2: by name, a column for each label.
        whole_answer: the name of a whole answer of Experiment 1 in comparisons.
        excludes: whether trials are excluded by their answers.
        check: checks that a table has conditions and something to analyse; raises InputError.
        has_answers: whether a table has answers of Experiment 1.
        reader: for a table, a function that interprets a row.
        results: tables and tests of one model.
        effects: contrasts of conditions that people show or do not show.
        predictions: of rational speech acts, shape (conditions, labels).
        own_predictions: the same with the prior that the answers of a model tell; None where they tell none.
        people: how many people chose which label, shape (conditions, labels), or effect sizes where no counts are
            published.
        cell_title: the name of a condition in figures.
        has_references: whether there are people and a theory to hold it against.
    """

    name: str
    factors: tuple[str, ...]
    needs: str
    conditions: Mapping[Cell, str]
    labels: tuple[str, ...]
    scale: Array | None
    tables: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, tuple[str, ...]]
    whole_answer: str
    excludes: bool
    check: Callable[[Frame, Study], None]
    has_answers: Callable[[Frame], bool]
    reader: Callable[[Frame, Study], Callable[[Row], Trial]]
    results: Callable[[ModelTrials, Frame, Study], Results]
    effects: Callable[[], tuple[Effect, ...]]
    predictions: Callable[[], Array]
    own_predictions: Callable[[Sequence[Row]], Array | None]
    people: Callable[[], Array | EffectSizes]
    cell_title: Callable[[Cell], str]
    has_references: bool = True

    def read(self, rows: Sequence[Row], frame: Frame, study: Study, exclusions: bool) -> ModelTrials:
        """The trials of one model."""
        return ModelTrials(tuple(map(self.reader(frame, study), rows)), exclusions)
