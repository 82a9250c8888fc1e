"""Analysis: the tables of a study's statistics, from runs or from any table of values, and a summary of what was done.

Several models share the same tables; the first column, `model_name`, distinguishes them, if the analysed table has it.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace.analysis import scores
from grace.analysis.frames import Frame, read_frame
from grace.analysis.general import people_tables
from grace.analysis.studies import ANALYSES, analysis_of
from grace.analysis.study_analysis import Lines, Results, StudyAnalysis
from grace.analysis.trials import Cell, ModelTrials, Trial
from grace.columns import MODEL
from grace.errors import InputError
from grace.extras import STATISTICS, check_analysis
from grace.files import FileFacts, FileList, replacing, sha256_of
from grace.progress import Progress
from grace.quality.merge import merge_groups
from grace.runs import Run
from grace.stages.related import Related, groups_of
from grace.studies.study import Study, load_study
from grace.table_files import AUTO
from grace.tables import TableFormat, write_table
from grace.version import __version__

if TYPE_CHECKING:
    from grace.analysis.references import Fit, Pattern

MERGED = "merged"
"""The folder with the table that was made from runs, inside the folder of the results."""
SUMMARY = "summary.json"
REFERENCES = ("references", "patterns")
"""Tables of the comparison with people, written when there is one."""
NOTHING = "none of the rows can be analysed"
SCORES_ALONE = "the table has no answers of Experiment 1, only probabilities"
UNCALIBRATED = (
    "the answers were sampled at {}, and probabilities are those at 1, so they are not held against each "
    "other; `grace query --temperature 1` samples answers for that"
)

CLUSTERS = (
    "rows are clustered by stimulus, which is an item (story_shortname, Domain) within a condition, or where there is "
    "no such column, all that a trial shows; replications of a row are of its stimulus. "
    "n_effective = n / (1 + (m - 1) r): r is the intraclass correlation of a stimulus's rows within its cell, m the "
    "sum of squared numbers of rows of a stimulus over n (Kish 1965)"
)


@dataclass(frozen=True)
class Table:
    """A table of results."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Analysis:
    """The results of an analysis.

    Attributes:
        study: its name.
        source: the table that was analysed.
        tables: by name, as `means` for `means.csv`.
        fits: how near each model comes to people and to the rational speech act model; empty where the table is not
            enough.
        patterns: which effects of people each model shows.
        summary: what was read, left out and done, ready for JSON.
        table_format: how the source is to be read.
    """

    study: str
    source: Path
    tables: Mapping[str, Table]
    fits: "tuple[Fit, ...]"
    patterns: "tuple[Pattern, ...]"
    summary: Mapping[str, Any]
    table_format: TableFormat = AUTO

    @property
    def empty(self) -> bool:
        """Whether no model had anything to analyse."""
        return "distributions" not in self.tables and not any(
            one["analysed"] for one in self.summary["models"].values()
        )


def analyze_table(name: str, path: Path, exclusions: bool = True, given: TableFormat = AUTO) -> Analysis:
    """Analyse a table of a study: merged, structured, of probabilities, or annotated by people.

    Args:
        name: a built-in study, or the path of a study file.
        path: a table of any kind of file; order of columns and further ones do not matter.
        exclusions: whether trials are excluded by their knowledge answers and by marks in columns drop_...
        given: how the table is to be read.

    Raises:
        InputError: there is no such study or table, or the table lacks what it needs.
    """
    check_analysis(figures=False)
    study = load_study(name)
    return replace(analyze_frame(study, read_frame(path, study, given), path, exclusions), table_format=given)


def analyze_runs(
    runs: Sequence[Run],
    out: Path,
    progress: Progress,
    exclusions: bool = True,
    extraction: Run | None = None,
    scores_run: Run | None = None,
) -> list[tuple[Analysis, Path]]:
    """Merge runs and analyse the table: each study on its own, several models of a study together.

    Args:
        runs: of answers, extractions or probabilities; one that belongs to another adds nothing.
        out: the folder for results; for runs of several studies, each has a folder of its name in it.
        progress: told how far merging is.
        exclusions: as in `analyze_table`.
        extraction: the one to use, where several belong to a single run.
        scores_run: the probabilities, in the same way.

    Returns:
        For each study its analysis, and the folder for its results. The merged table is already there.

    Raises:
        InputError: a run cannot be read.
    """
    check_analysis(figures=False)
    by_study: dict[str, list[Related]] = {}
    for group in groups_of(runs, extraction, scores_run):
        by_study.setdefault(group.study_of(group.given).name, []).append(group)
    analyses = []
    for name, own in by_study.items():
        folder = out / name if len(by_study) > 1 else out
        merged = merge_groups(own, folder / MERGED, progress)
        study, table = own[0].study_of(own[0].given), merged.paths[0]
        analyses.append((analyze_frame(study, read_frame(table, study), table, exclusions, merged.notes), folder))
    return analyses


def write_analysis(analysis: Analysis, out: Path) -> list[Path]:
    """Write the tables as CSV, and the summary; the same results give the same bytes. Raises InputError."""
    import orjson

    from grace.analysis.references import write_references

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder")
    names = {*analysis.tables, *(REFERENCES if analysis.fits else ())}
    if analysis.source.resolve() in {(out / f"{name}.csv").resolve() for name in names}:
        raise InputError(f"--out {out}: has the analysed table in it, which would be replaced; choose another --out")
    _earlier(out).remove_stale(f"{name}.csv" for name in names)
    paths = []
    for name, table in analysis.tables.items():
        paths.append(out / f"{name}.csv")
        write_table(paths[-1], table.columns, table.rows)
    if analysis.fits:
        paths += write_references(out, analysis.fits, analysis.patterns)
    files = [{"file": path.name, "sha256": sha256_of(path)} for path in paths]
    paths.append(out / SUMMARY)
    with replacing(paths[-1]) as file:
        file.write(orjson.dumps({**analysis.summary, "tables": files}, option=orjson.OPT_INDENT_2))
    return paths


def _earlier(out: Path) -> FileList:
    """The tables of an earlier analysis in a folder; any that this analysis does not make would seem to be its own."""
    import orjson

    try:
        tables = orjson.loads((out / SUMMARY).read_bytes())["tables"]
        return FileList(out, {Path(table["file"]).name: FileFacts(table["sha256"]) for table in tables})
    except (OSError, ValueError, LookupError, TypeError):
        return FileList(out, {})


def analyze_frame(
    study: Study, frame: Frame, source: Path, exclusions: bool = True, notes: Sequence[str] = ()
) -> Analysis:
    """Analyse a table that was read.

    Args:
        study: any study.
        frame: the table.
        source: the file that it was read from.
        exclusions: as in `analyze_table`.
        notes: remarks for the summary, such as those of the merging.

    Raises:
        InputError: the table lacks what it needs.
    """
    from grace.analysis.against import table_against

    analysis = analysis_of(study, frame)
    analysis.check(frame, study)
    fits: tuple[Fit, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    try:
        if analysis.has_references:
            fits, patterns = table_against(frame, study, exclusions)
    except InputError as error:
        notes = [*notes, f"not compared with people: {error}"]
    models = {
        model: _of_model(analysis, frame, study, analysis.read(rows, frame, study, exclusions))
        for model, rows in frame.models.items()
    }
    tables = {}
    for name, columns in {**analysis.tables, **scores.tables(analysis.factors)}.items():
        rows = [(model, row) for model, (own, _) in models.items() for row in own.get(name, ())]
        if not rows:
            continue
        if frame.names_models:
            tables[name] = Table((MODEL, *columns), tuple((model, *map(_cell, row)) for model, row in rows))
        else:
            tables[name] = Table(columns, tuple(tuple(map(_cell, row)) for _, row in rows))
    if analysis.name not in ANALYSES:
        people, about = people_tables(frame, study)
        tables |= {
            name: Table(tuple(columns), tuple(tuple(map(_cell, row)) for row in rows))
            for name, (columns, rows) in people.items()
        }
        notes = [*notes, *about]
    summary = {
        "study": study.name,
        "study_sha256": study.sha256,
        "input": {"file": frame.name, "rows": frame.rows, "sha256": frame.sha256},
        "exclusions": exclusions,
        "clusters": CLUSTERS,
        "models": {model: summary for model, (_, summary) in models.items()},
        "notes": list(notes),
        "versions": {"grace": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in STATISTICS},
    }
    return Analysis(study.name, source, tables, fits, patterns, summary)


def _cell(value: object) -> object:
    """A cell as it is written: whole numbers without a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _of_model(
    analysis: StudyAnalysis, frame: Frame, study: Study, trials: ModelTrials
) -> tuple[dict[str, Lines], dict[str, Any]]:
    """The results for one model: the rows of each table, and its part of the summary."""
    results = analysis.results(trials, frame, study)
    of_scores, summary = _scores([trial for trial in trials.trials if trial.inside], frame, study, analysis.conditions)
    excluded = {"excluded": dict(sorted(trials.excluded.items()))} if analysis.excludes else {}
    rows = {**results.tables, **of_scores, "tests": [test.cells for test in results.tests]}
    whole = _summary(trials, analysis.has_answers(frame), results) | excluded | summary
    if others := scores.at_other_temperatures(trials.trials) if of_scores else []:
        whole["notes"].append(UNCALIBRATED.format(" and ".join(others)))
    return rows, whole


def _scores(
    trials: Sequence[Trial], frame: Frame, study: Study, cells: Iterable[Cell]
) -> tuple[dict[str, Lines], dict[str, Any]]:
    """The tables of Experiment 2, and its part of the summary; empty where the table has no probabilities."""
    if not scores.has_scores(frame, study):
        return {}, {}
    names = [name for name in scores.quantities(study) if name in frame.columns]
    calibrations = list(scores.calibrations(trials, study))
    tables: dict[str, Lines] = {
        "distributions": list(scores.distributions(trials, study, cells, names)),
        "calibration": [row for one in calibrations for row in one.bins],
    }
    of_all = {
        one.question: {
            "answers": one.answers,
            "brier": one.brier,
            "brier_uniform": one.brier_uniform,
            "expected_calibration_error": one.ece,
        }
        for one in calibrations
    }
    return tables, {"calibration": of_all}


def _summary(trials: ModelTrials, answered: bool, results: Results) -> dict[str, Any]:
    """A model's part of the summary; `answered` is whether the table has answers of Experiment 1 at all."""
    units = {(trial.cell, trial.unit) for trial in trials.trials}
    kept = len(trials.kept)
    flawed = sorted(trials.flawed.items()) if answered else []
    first = {trial.flaw: trial.row.place for trial in reversed(trials.trials)}
    tests = {str(test.name): test for test in results.tests}
    return {
        "rows": len(trials.trials),
        "stimuli": None if any(unit is None for _, unit in units) else len(units),
        "analysed": kept if answered else 0,
        "not_usable": dict(flawed),
        "first_not_usable": {why: first[why] for why, _ in flawed},
        "undefined_tests": {name: test.note for name, test in tests.items() if test.p is None},
        "remarks_on_tests": {name: test.note for name, test in tests.items() if test.p is not None and test.note},
        "notes": [*results.notes, *([] if kept and answered else [NOTHING if answered else SCORES_ALONE])],
    }
