"""Which tables are checked, what kind each is, and which rows it should have."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from grace.columns import REPLICATION, SEED
from grace.errors import InputError
from grace.files import sha256_of
from grace.quality.checks.rows import Trials, asking, copies_in
from grace.quality.layout import ANSWERS, MERGED, SCORES, STRUCTURED, TRIALS, Layout
from grace.runs import Run
from grace.stages.answers.records import request_seed
from grace.stages.related import Related, table_of
from grace.studies.check import guess_study
from grace.studies.study import Study, check_kin, load_study
from grace.table_files import AUTO, open_table
from grace.tables import CsvTable, TableFormat

NO_INPUT = "no --input to compare with"


@dataclass(frozen=True)
class Source:
    """A table to check.

    Attributes:
        name: its name in the report.
        path, layout, table: the file, its columns with the parts that are checked, and its rows.
        run: the run that it was made from, where that is known.
        trials: the rows that it should have; None where that is not known.
    """

    name: str
    path: Path
    layout: Layout
    table: CsvTable
    run: Run | None = None
    trials: Trials | None = None


@dataclass(frozen=True)
class Absent:
    """A table that cannot be checked: one that is damaged or not there (`failed`), or that was never requested."""

    name: str
    why: str
    failed: bool
    run: Run | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Group:
    """The tables of one study and, usually, one model.

    Attributes:
        study: the study, whose thresholds apply.
        sources, absent: the tables that are there, and those that are not.
        input, input_path: the rows of the experiment and their file; None where they are not known.
        temperature: the one at which the answers were drawn, where that is known.
    """

    study: Study
    sources: tuple[Source, ...]
    absent: tuple[Absent, ...] = ()
    input: CsvTable | None = None
    input_path: Path | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class Opener:
    """Opens tables, each once, for as long as the stack is open."""

    stack: ExitStack
    opened: dict[Path, CsvTable] = field(default_factory=dict)

    def open(self, path: Path, given: TableFormat = AUTO) -> CsvTable:
        """A file's rows, read as `given` says. Raises InputError."""
        if path not in self.opened:
            self.opened[path] = self.stack.enter_context(open_table(path, given))
        return self.opened[path]

    def input_of(self, run: Run) -> CsvTable:
        """The rows of a run's input. Raises InputError."""
        if run.input not in self.opened:
            self.opened[run.input] = self.stack.enter_context(run.table())
        return self.opened[run.input]


# Runs


def of_runs(related: Related, opener: Opener) -> Group:
    """The tables of some related runs."""
    sources: list[Source] = []
    absent: list[Absent] = []
    base, study = related.base, related.study
    for name, run in ((ANSWERS, related.answers), (STRUCTURED, related.extraction), (SCORES, related.scores)):
        table = _of_run(name, run, related, opener) if run else _never(name, study)
        if isinstance(table, Source):
            sources.append(table)
        elif table:
            absent.append(table)
    temperature = related.answers.identity.sampling.get("temperature") if related.answers else None
    return Group(study, _shared_out(sources), tuple(absent), opener.input_of(base), base.input, temperature)


def _of_run(name: str, run: Run, related: Related, opener: Opener) -> Source | Absent:
    path = table_of(run)
    if not path.exists():
        return Absent(name, f"{path} is not there", True, run, path)
    try:
        table = opener.open(path)
    except InputError as error:
        return Absent(name, str(error), True, run, path)
    if not len(table):
        return Absent(name, f"{path} has a header and no rows", True, run, path)
    layout = Layout.of(related.study_of(run), table.columns)
    layout = replace(
        layout,
        answers=name == ANSWERS or (name == STRUCTURED and layout.answers),
        fields=name == STRUCTURED,
        scores=name == SCORES,
        judges_refusals=name != SCORES,
        # of a table of somebody's own, the input's columns are those that it should have
        decimal=opener.input_of(related.base).decimal,
        asked=layout.asked and not (name == STRUCTURED and related.answers is None),
    )
    return Source(name, path, layout, table, run, _trials_of(name, run, layout, related, opener))


def _never(name: str, study: Study) -> Absent | None:
    """The note about a table that no run makes; None where the study cannot have it."""
    made_by = {ANSWERS: "query", STRUCTURED: "extract", SCORES: "score"}[name]
    can = {ANSWERS: study.conversations, STRUCTURED: study.extraction, SCORES: study.scored}[name]
    return Absent(name, f"no run of `grace {made_by}` is beside it", False) if can else None


def _trials_of(name: str, run: Run, layout: Layout, related: Related, opener: Opener) -> Trials:
    """The rows that a run's table should have: those that were asked about, with their seeds."""
    if name == SCORES:
        return Trials(opener.input_of(run), run.scope.rows, (), lambda row: [()])
    asked = related.answers
    if asked is None:  # values of a table of somebody's own
        table = opener.input_of(run)
        return Trials(table, len(table), (), lambda row: [()])
    by = tuple(name for name in (REPLICATION, SEED) if name in layout.present)
    return Trials(opener.input_of(asked), asked.scope.rows, by, _copies_of(asked, by))


def _copies_of(run: Run, by: Sequence[str]) -> Callable[[int], list[tuple[str, ...]]]:
    """The cells of `by` in each of a row's answers."""
    identity, replications = run.identity, run.scope.replications

    def copies(row: int) -> list[tuple[str, ...]]:
        cells = (
            {REPLICATION: str(number + 1), SEED: str(request_seed(identity.seed, identity.study, row, number))}
            for number in range(replications)
        )
        return [tuple([own[name] for name in by]) for own in cells]

    return copies


# Files


def of_files(
    paths: Sequence[Path], input: Path | None, study: str | None, opener: Opener, given: TableFormat = AUTO
) -> Group:
    """The tables in some files. `given` says how the input is to be read, or all of them where no input is named.

    Raises:
        InputError: a file cannot be read or recognised, or there are two inputs.
    """
    if input:
        opener.open(input, given)
    tables = [(path, opener.open(path, AUTO if input else given)) for path in dict.fromkeys(paths)]
    chosen = load_study(study) if study else _guessed([input, *paths] if input else paths, opener)
    sources: list[Source] = []
    for path, table in tables:
        check_kin(chosen, table.columns, path)
        decimal = (opener.open(input) if input else table).decimal
        layout = replace(Layout.of(chosen, table.columns), decimal=decimal)
        if layout.kind != TRIALS:
            sources.append(Source(layout.kind, path, layout, table))
            continue
        chosen.check_columns(table.columns, path)
        if input is not None:
            raise InputError(f"{path}: has no column of an output, so it is an input, beside {input}; give just one")
        input = path
    if not sources:
        raise InputError(
            f"{paths[0]}: has no column of answers, values or probabilities; give a table that `grace query`, "
            "`grace extract`, `grace score` or `grace merge` wrote (`grace data check` is for inputs)"
        )
    trials = opener.open(input) if input else None
    full = [source for source in sources if len(source.table)]
    if trials is not None:
        full = [replace(source, trials=_trials_in(source, trials)) for source in full]
    empty = tuple(
        Absent(source.name, f"{source.path} has a header and no rows", True, None, source.path)
        for source in sources
        if not len(source.table)
    )
    return Group(chosen, _shared_out(_named(full)), empty, trials, input)


def _guessed(paths: Sequence[Path], opener: Opener) -> Study:
    """The built-in study that the columns of one of the files fit. Raises InputError about the first."""
    problems: list[InputError] = []
    for path in paths:
        try:
            return guess_study(opener.open(path).columns, path)
        except InputError as error:
            problems.append(error)
    raise problems[0]


def _trials_in(source: Source, input: CsvTable) -> Trials:
    """The rows that a table should have: all of the input's, in as many copies as it seems to have of them."""
    names = (*asking(source.layout), REPLICATION) if source.layout.kind == MERGED else (REPLICATION,)
    by = tuple(name for name in names if name in source.layout.present and name not in input.columns)
    copies = copies_in(source.table, by)
    return Trials(input, len(input), by, lambda row: copies)


def _named(sources: Sequence[Source]) -> list[Source]:
    """Name tables of one kind by their files."""
    kinds = [source.name for source in sources]
    return [
        replace(source, name=f"{source.name} ({source.path.name})") if kinds.count(source.name) > 1 else source
        for source in sources
    ]


def _shared_out(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Have the answers' columns checked in one table: that of the answers, but refusals where the fields are."""
    kinds = {source.layout.kind for source in sources}
    answers, fields = ANSWERS in kinds, any(source.layout.fields for source in sources)
    shared = []
    for source in sources:
        layout = source.layout
        if layout.kind == STRUCTURED and answers:
            layout = replace(layout, answers=False)
        if layout.kind == ANSWERS and fields:
            layout = replace(layout, judges_refusals=False)
        shared.append(replace(source, layout=layout))
    return tuple(shared)


def facts_of(path: Path) -> dict[str, object]:
    """The name of a file in a report."""
    return {"file": str(path), "sha256": sha256_of(path)}
