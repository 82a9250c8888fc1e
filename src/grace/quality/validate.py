"""Validation: do the tables hold what they should, and is it good enough to be analysed?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from grace.columns import MODEL, RESPONSE, SEED
from grace.errors import InputError, StudyError
from grace.manifest import EXTRACT
from grace.progress import Progress
from grace.quality.checks import CHECKS
from grace.quality.checks.balance import Balance, Usable
from grace.quality.checks.cells import quoted
from grace.quality.checks.columns import column_faults
from grace.quality.checks.ledger import InStep, compare
from grace.quality.checks.rows import Repeats, RowComparison, Trials, asking
from grace.quality.checks.seeds import FEWEST, Answers, Seeds
from grace.quality.checks.stale import Stale
from grace.quality.flags import RowChecks
from grace.quality.layout import ANSWERS, KINDS, MERGED, STRUCTURED, Layout, given, number_in, picking
from grace.quality.looks import REMEMBERED, Flagged, Tally, Thresholds, Unit
from grace.quality.page import write_page
from grace.quality.report import UNCHECKED, Report, Result, judged, write_json
from grace.quality.review import write_review
from grace.quality.sources import NO_INPUT, Absent, Group, Opener, Source, of_files, of_runs
from grace.quality.thresholds import thresholds_of
from grace.runs import Run, outside_runs
from grace.stages.belonging import strays
from grace.stages.export import export_run, made_rows
from grace.stages.fields.table import BATCH
from grace.stages.related import Related
from grace.studies.check import Cell
from grace.studies.study import completed
from grace.table_files import AUTO
from grace.tables import CsvTable, TableFormat, batches

KEEP = 1000
"""The most flags of each check that review.csv lists."""
MOST_MODELS = 50
TEMPERATURE = "temperature"
FILES = ("quality.json", "review.csv", "quality.html")


def validate_runs(runs: Related, out: Path, given: Mapping[str, float], progress: Progress, keep: int = KEEP) -> Report:
    """Check the tables of runs that belong together, and write the report to the folder `out`.

    Raises:
        InputError: a run cannot be read, or a threshold is wrong.
    """
    with ExitStack() as stack:
        opener = Opener(stack)
        return _validated(of_runs(runs, opener), out, given, progress, keep)


def validate_files(
    files: Sequence[Path],
    out: Path,
    given: Mapping[str, float],
    progress: Progress,
    input: Path | None = None,
    study: str | None = None,
    keep: int = KEEP,
    table_format: TableFormat = AUTO,
) -> Report:
    """Check some tables, and write the report to the folder `out`; `table_format` says how the input is to be read.

    Raises:
        InputError: a file cannot be read or is not a table of a study, or a threshold is wrong.
    """
    with ExitStack() as stack:
        opener = Opener(stack)
        return _validated(of_files(files, input, study, opener, table_format), out, given, progress, keep)


def _validated(group: Group, out: Path, given: Mapping[str, float], progress: Progress, keep: int) -> Report:
    thresholds = thresholds_of(group.study, given)
    outside_runs(out)
    progress.begin(sum(len(source.table) for source in group.sources), 0, "rows")
    models: dict[str, None] = {}
    results = [_absence(absent, thresholds) for absent in group.absent]
    for source in group.sources:
        inspection = Inspection(source, group, thresholds, keep)
        inspection.read(progress)
        models |= dict.fromkeys(inspection.models)
        results += inspection.results()
    results.sort(key=lambda result: KINDS.index(result.table) if result.table in KINDS else len(KINDS))
    report = Report(group, thresholds, tuple(models), tuple(results))
    for name, write in zip(FILES, (write_json, write_review, write_page), strict=True):
        write(report, out / name)
    return report


def _absence(absent: Absent, thresholds: Thresholds) -> Result:
    """The result for a table that is not there."""
    if not absent.failed:
        return Result("table", absent.name, UNCHECKED, limit=thresholds["table"], why=absent.why)
    tally = _units(1, keep=1)
    tally.fault(Flagged(None, "", absent.why))
    return judged("table", absent.name, tally, thresholds["table"], advice=_advice("table", absent.run))


def _advice(check: str, run: Run | None) -> str:
    advice = CHECKS[check].advice
    return advice.replace("RUN", str(run.path)) if run else advice


class Inspection:
    """All checks of one table.

    Attributes:
        models: names of the models in it, each with its first row; only the first ones of very many.
    """

    def __init__(self, source: Source, group: Group, thresholds: Thresholds, keep: int) -> None:
        self._source, self._group, self._thresholds, self._keep = source, group, thresholds, keep
        layout = source.layout
        self._rows = RowChecks(layout, thresholds, again=True)
        self._tallies = {name: Tally(keep) for name in self._rows.names}
        self._comparison = RowComparison(source.trials, layout, keep) if source.trials else None
        self._repeats = Repeats(layout) if not self._comparison and SEED in layout.present else None
        self._repeated = Tally(keep)
        self._seeds = Seeds() if layout.answers and SEED in layout.present else None
        long = thresholds["duplicate_answers_length"]
        self._answers = Answers(long) if self._seeds and RESPONSE in layout.present else None
        self._by_model = layout.kind == MERGED
        answers = [(other.layout, other.table) for other in group.sources if other.layout.kind == ANSWERS]
        stale = Stale(layout, answers) if layout.kind == STRUCTURED and answers else None
        self._stale = stale if stale and stale.can else None
        self._asking = asking(layout) if self._by_model else ()
        self._balances: dict[str, Balance] = {}
        self._conditions: dict[str, Counter[Cell]] | None = None
        if layout.study.design.cells and source.trials:
            self._conditions = _conditions(layout, source.trials)
            self._balances = {model: Balance(layout, own) for model, own in self._conditions.items()}
        self._stimuli = Stimuli(layout)
        self._usable = Usable(layout)
        self._pick_asked = picking(layout.columns, self._asking)
        self._pick = picking(layout.columns, (MODEL, RESPONSE, SEED, TEMPERATURE))
        self._like_ledger: InStep | None = None
        self.models: dict[str, int] = {}

    # Reading

    def read(self, progress: Progress) -> None:
        """See every row once, and beside it the row that the ledger makes."""
        table = self._source.table
        with ExitStack() as stack:
            step = self._in_step(stack)
            seen = 0
            for rows in batches(table.all_cells(), BATCH):
                if step:
                    step.see(rows)
                self._see(seen + 1, rows)
                seen += len(rows)
                progress.advance(False, len(rows))
            if step:
                step.finish()
                self._like_ledger = step if step.same else None
        if self._comparison:
            self._comparison.finish(table)
        elif self._repeats:
            self._repeated.units[""] = len(table)
            for later, first in self._repeats.finish():
                self._repeated.fault(Flagged(later, "", f"equals row {first}, seed included"))

    def _in_step(self, stack: ExitStack) -> InStep | None:
        """What compares the table with the run's ledger on the way; None where there is no run that can be read."""
        run = self._source.run
        if run is None:
            return None
        try:
            columns, rows = stack.enter_context(made_rows(run, self._source.layout.study))
        except InputError:
            return None  # the comparison afterwards says why
        return InStep(self._source.table.columns, columns, rows)

    def _see(self, first: int, rows: Sequence[Sequence[str]]) -> None:
        """See the table's next rows; `first` is the number of the first of them."""
        if self._comparison:
            self._comparison.see(rows)
        elif self._repeats:
            self._repeats.see(rows)
        if self._stale:
            self._stale.see(rows)
        by_model: dict[str, list[int]] = {}
        unshown: list[tuple[int, Unit]] = []
        for place, row in enumerate(rows):
            model, text, seed, temperature = map(given, self._pick(row))
            asked = self._pick_asked(row)
            own = model if self._by_model else ""
            by_model.setdefault(own, []).append(place)
            if self._seeds:
                self._seeds.see(asked, seed)
            if model and model not in self.models and len(self.models) < MOST_MODELS:
                self.models[model] = first + place
            if self._source.layout.study.design.cells or self._answers:
                greedy = self._by_model and number_in(temperature) == 0
                try:
                    self._see_trial(first + place, own, row, asked, "" if greedy or not seed else text, seed)
                except StudyError as error:
                    self._tallies["schema"].units[""] += 1
                    unshown.append((first + place, Unit("", [("", str(error))])))
        bad = self._see_single(first, rows, by_model)
        bad.setdefault("schema", []).extend(unshown)
        for name, flawed in bad.items():
            for number, unit in sorted(flawed, key=itemgetter(0)):
                self._tallies[name].add(number, unit)

    def _see_single(
        self, first: int, rows: Sequence[Sequence[str]], by_model: Mapping[str, Sequence[int]]
    ) -> dict[str, list[tuple[int, Unit]]]:
        """Do the checks of single rows: count units, and give those with faults by check, with the numbers of rows.

        `by_model` are the places of each model's rows, in a table of several.
        """
        bad: dict[str, list[tuple[int, Unit]]] = {}
        for model, places in by_model.items():
            for name, units, odd in self._rows.see([rows[place] for place in places]):
                for group, count in units.items():
                    self._tallies[name].units[_grouped(model, group)] += count
                for place, unit in odd:
                    own = Unit(_grouped(model, unit.group), unit.faults)
                    bad.setdefault(name, []).append((first + places[place], own))
        return bad

    def _see_trial(
        self, number: int, model: str, row: Sequence[str], asked: tuple[str, ...], text: str, seed: str
    ) -> None:
        """Add a row to the checks of what rows show the model; `text` is empty where it is no draw with a seed.

        Raises StudyError for a row whose prompt cannot be rendered.
        """
        condition, stimulus = self._stimuli.of(row)
        layout = self._source.layout
        if layout.study.design.cells and (self._conditions is None or model in self._conditions):
            if model not in self._balances:
                self._balances[model] = Balance(layout, None)
            self._balances[model].see(condition, self._usable.of(row))
        if self._answers and text:
            self._answers.see(number, hash((asked, stimulus)), text, seed)

    # Results

    def results(self) -> list[Result]:
        """The result of each check, in their order."""
        results = {result.check: result for result in self._results()}
        return [results[name] for name in CHECKS if name in results]

    def _results(self) -> Iterator[Result]:
        yield self._judged("table", _units(len(self._source.table), self._keep))
        yield self._columns()
        yield from self._of_rows()
        for name, tally in self._tallies.items():
            if name == "reread" and not tally.units:
                yield self._undone(name, "no row was read by rules alone")
                continue
            yield self._extracted(tally) if name == "extracted" else self._judged(name, tally)
        for name, why in self._rows.undone.items():
            yield self._undone(name, why)
        if not self._by_model:
            yield self._of_models()
        if self._source.layout.kind == STRUCTURED:
            yield self._of_stale()
        if self._source.layout.answers:
            yield self._of_seeds()
            yield self._of_answers()
        yield self._of_balance()
        if self._source.run:
            yield self._of_ledger(self._source.run)
            if self._source.run.identity.experiment != EXTRACT:
                yield self._of_records(self._source.run)

    def _judged(self, check: str, tally: Tally, measured: float | None = None, why: str = "") -> Result:
        limit, advice = self._thresholds[check], _advice(check, self._source.run)
        return judged(check, self._source.name, tally, limit, measured=measured, why=why, advice=advice)

    def _undone(self, check: str, why: str) -> Result:
        return Result(check, self._source.name, UNCHECKED, limit=self._thresholds[check], why=why)

    def _columns(self) -> Result:
        tally = _units(len(self._source.table.columns), self._keep)
        for flagged in column_faults(self._source.layout, self._source.trials):
            tally.fault(flagged)
        return self._judged("columns", tally)

    def _of_rows(self) -> Iterator[Result]:
        if self._comparison:
            yield self._judged("rows_missing", self._comparison.missing)
            yield self._judged("rows_unexpected", self._comparison.unexpected)
            yield self._judged("rows_duplicate", self._comparison.duplicate)
            return
        yield self._undone("rows_missing", NO_INPUT)
        yield self._undone("rows_unexpected", NO_INPUT)
        if self._repeats:
            yield self._judged("rows_duplicate", self._repeated, why="by their seeds, since there is no --input")
        else:
            yield self._undone("rows_duplicate", NO_INPUT)

    def _extracted(self, tally: Tally) -> Result:
        """Below a second threshold, the advice is that people look at the rows."""
        result = self._judged("extracted", tally)
        few = result.measured is not None and result.measured < self._thresholds["extracted_review"]
        if not few or not result.advice:
            return result
        run = self._source.run.path if self._source.run else "RUN"
        return replace(result, advice=f"a manual review is needed: `grace review {run}`; {result.advice}")

    def _of_stale(self) -> Result:
        if self._stale is None:
            return self._undone("stale", "there is no table of answers to compare with")
        return self._judged("stale", self._stale.finish(self._source.table, self._keep))

    def _of_models(self) -> Result:
        if MODEL not in self._source.layout.present:
            return self._undone("models", f"the table has no column {MODEL}")
        tally = _units(len(self._source.table), self._keep)
        first, *others = self.models.items() or [("", 0)]
        for name, row in others:
            tally.fault(Flagged(row, MODEL, f"is {quoted(name)}; row {first[1]} has {quoted(first[0])}"))
        return self._judged("models", tally, len(self.models))

    def _of_seeds(self) -> Result:
        if self._seeds is None:
            return self._undone("seeds", "the table has no column seed")
        return self._judged("seeds", self._seeds.finish(self._keep))

    def _of_answers(self) -> Result:
        name = "duplicate_answers"
        if self._answers is None:
            return self._undone(name, "the table has no column seed")
        if self._group.temperature == 0:
            return self._undone(name, "the temperature is 0, so equal prompts give equal answers")
        tally = self._answers.finish(self._keep, RESPONSE)
        if tally.units.total() < FEWEST:
            why = f"fewer than {FEWEST} stimuli have answers of several seeds that are long or differ"
            return self._undone(name, why)
        return self._judged(name, tally)

    def _of_balance(self) -> Result:
        if not self._source.layout.study.design.cells:
            return self._undone("balance", "the study's design has no cells")
        tally = Tally(self._keep)
        for model, balance in self._balances.items():
            balance.finish(tally, self._thresholds["balance"], model)
        worst = max((balance.worst for balance in self._balances.values()), default=None)
        why = "" if self._source.trials else f"among the rows that are there, since there is {NO_INPUT}"
        return self._judged("balance", tally, worst, why)

    def _of_ledger(self, run: Run) -> Result:
        source = self._source
        if self._like_ledger:
            return self._judged("ledger", _units(len(source.table) * self._like_ledger.columns, self._keep))
        names = source.trials.table.columns if source.trials else ()
        identity = (*map(source.layout.called, names), *(source.trials.by if source.trials else ()))
        with TemporaryDirectory(prefix="grace-validate-") as folder:
            fresh = Path(folder) / "from-ledger.csv"
            try:
                export_run(run, fresh, study=source.layout.study)
            except InputError as error:
                tally = _units(1, self._keep)
                tally.fault(Flagged(None, "", str(error)))
                return self._judged("ledger", tally)
            with CsvTable(fresh) as table:
                compared = compare(source.table, table, identity, self._keep)
        moved = f"{compared.moved:,} rows are in another order than in the ledger; that does no harm"
        return self._judged("ledger", compared.tally, why=moved if compared.moved else "")

    def _of_records(self, run: Run) -> Result:
        tally = _units(0, self._keep)
        try:
            for stray in strays(run, self._source.layout.study):
                tally.fault(Flagged(None, "", f"{stray.question}: {stray.why}", stray.row))
        except InputError:
            return self._undone("records", "the ledger cannot be read")
        return self._judged("records", tally)


class Stimuli:
    """What rows of a table show the model; those that show the same share one value."""

    def __init__(self, layout: Layout) -> None:
        self._study, self._decimal = layout.study, layout.decimal
        self._pick = picking(layout.columns, list(map(layout.called, layout.study.columns)))
        self._pick_shown = picking(layout.columns, list(map(layout.called, layout.study.shown)))
        self._earlier: dict[tuple[str, ...], tuple[Cell, int]] = {}

    def of(self, row: Sequence[str]) -> tuple[Cell, int]:
        """The condition of a row, and a hash: rows with the same stimulus have the same. Raises StudyError."""
        key = self._pick_shown(row)
        shown = self._earlier.get(key)
        if shown is None:
            if len(self._earlier) == REMEMBERED:
                self._earlier.clear()
            cells = dict(zip(self._study.columns, self._pick(row), strict=True))
            full = self._study.complete(cells, self._decimal)
            shown = self._earlier[key] = self._study.condition(full), hash(tuple(self._study.stimulus(full)))
        return shown


def _grouped(model: str, group: str) -> str:
    """The group of a unit in a table of several models; the model is "" in others."""
    return f"{model}, {group}" if model and group else model or group


def _units(count: int, keep: int) -> Tally:
    return Tally(keep, Counter({"": count}))


def _conditions(layout: Layout, trials: Trials) -> dict[str, Counter[Cell]]:
    """How many rows of each condition there should be, by model; the model is "" where a table has just one."""
    conditions: dict[str, Counter[Cell]] = {}
    place = trials.by.index(MODEL) if MODEL in trials.by else None
    known: dict[tuple[str, ...], Cell] = {}
    shown = picking(trials.table.columns, [name for name in trials.table.columns if name in layout.study.shown])
    copies = len(trials.copies(0)) if place is None and trials.rows else 0
    for row, cells in enumerate(islice(trials.table.all_cells(), trials.rows)):
        key = shown(cells)
        condition = known.get(key)
        if condition is None:
            condition = layout.study.condition(completed(layout.study, trials.table, row))
            if len(known) < REMEMBERED:
                known[key] = condition
        if place is None:
            conditions.setdefault("", Counter())[condition] += copies
            continue
        for copy in trials.copies(row):
            conditions.setdefault(copy[place], Counter())[condition] += 1
    return conditions
