"""Gathering: loads each group of runs once, and makes from it all content of a report or paper, or says why not."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grace.analysis.analyze import MERGED, Analysis, Table, analyze_frame
from grace.analysis.compare import Comparison, compare_models
from grace.analysis.compare_sides import Side, side_of
from grace.analysis.figures import theme_named
from grace.analysis.frames import Frame, read_frame, read_parts
from grace.analysis.studies import analysis_of
from grace.errors import InputError
from grace.progress import Progress, Silence
from grace.quality.merge import Merged, merge_groups
from grace.quality.report import Report as QualityReport
from grace.quality.validate import validate_runs
from grace.report import tables
from grace.report.ran import model_name, runs_table
from grace.runs import Run
from grace.stages.related import Related, check_asked_alike, groups_of
from grace.studies.study import Study

REVIEW = "review.csv"


@dataclass(frozen=True)
class Quality:
    """Whether the data of one model are good enough.

    `name` is the model's, with the run's folder; `report` is that of `grace validate`, None where it could not check
    (`why`); `flagged` are the rows that it flags, as review.csv has them.
    """

    name: str
    report: QualityReport | None
    flagged: tuple[Mapping[str, str], ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Lost:
    """A run that cannot be read: its folder and why."""

    run: str
    why: str


@dataclass(frozen=True)
class Part:
    """All that a report says about one study.

    Attributes:
        groups: the runs, those of each model together.
        frame: the merged rows; None where nothing could be merged.
        analysis: None where there is none of this study, or nothing to analyse; `notes` say why.
        comparisons: those of each model with the first one.
        quality: that of each model.
        lost: runs that could not be read.
        notes: what a reader should know first.
        tables: tables of numbers, by the names of their files.
    """

    study: Study
    groups: tuple[Related, ...]
    frame: Frame | None
    analysis: Analysis | None
    comparisons: tuple[Comparison, ...]
    quality: tuple[Quality, ...]
    lost: tuple[Lost, ...]
    notes: tuple[str, ...]
    request: "ReportRequest"
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def kept_all(self) -> bool:
        """Whether trials would have been excluded by their knowledge answers, and were not."""
        excludes = self.analysis is not None and analysis_of(self.study).excludes
        return excludes and not self.request.exclusions


@dataclass(frozen=True)
class ReportRequest:
    """The runs of a report or paper, and how they are analysed.

    Attributes:
        exclusions: whether trials of study 1 are excluded by their knowledge answers.
        extraction, scores: those of a single run, where several fit.
        theme: the theme of the figures.
        disclosed: what a reader should know about the road to the results, in sentences.
    """

    runs: Sequence[Run]
    exclusions: bool = True
    extraction: Run | None = None
    scores: Run | None = None
    theme: str = "paper"
    disclosed: tuple[str, ...] = ()

    @property
    def options(self) -> Iterator[str]:
        """The options of a command for the same, besides runs and theme; runs are named without folders."""
        if not self.exclusions:
            yield "--no-exclusions"
        for name, run in (("extraction", self.extraction), ("scores", self.scores)):
            if run:
                yield from (f"--{name}", run.path.name)


def request_of(
    runs: Sequence[Path],
    exclusions: bool,
    extraction: Path | None,
    scores: Path | None,
    theme: str,
    disclosed: tuple[str, ...] = (),
) -> ReportRequest:
    """The request of a command. Raises InputError where there is no such theme."""
    return ReportRequest(
        [_run(path) for path in runs],
        exclusions,
        _run(extraction) if extraction else None,
        _run(scores) if scores else None,
        theme_named(theme).name,
        disclosed,
    )


def _run(path: Path) -> Run:
    """The run in a folder; one that was given as `.` has a name and neighbours too."""
    return Run(path.resolve() if path.name in ("", "..") else path)


def gather(request: ReportRequest, folder: Path, progress: Progress) -> list[Part]:
    """Merge, analyse, compare and check runs, each study on its own.

    Args:
        request: the runs, and how.
        folder: an empty folder for intermediate files.
        progress: told how far merging is, and what comes next.

    Raises:
        InputError: an argument is not a run, several runs may belong to one, or those of one model were asked in
            different ways.
    """
    by_study: dict[str, list[Related]] = {}
    groups = groups_of(request.runs, request.extraction, request.scores)
    check_asked_alike(groups)
    for group in groups:
        by_study.setdefault(group.study.name, []).append(group)
    return [_part(groups, request, folder / name, progress) for name, groups in by_study.items()]


def _part(groups: Sequence[Related], request: ReportRequest, folder: Path, progress: Progress) -> Part:
    study = groups[0].study
    readable, lost = list(groups), list[Lost]()
    merged = _merged(readable, folder / MERGED, progress)
    if isinstance(merged, str):  # a group that cannot be read spoils the merging of all
        readable, lost = _readable(groups, folder / "alone")
        if readable and lost:
            merged = _merged(readable, folder / MERGED, progress)
    analysis, notes = _analysed(study, readable, merged, request)
    notes = [note for note in notes if not any(one.why in note for one in lost)]
    frame = None if isinstance(merged, str) else merged.frame
    progress.note(f"{study.name}: checking the data's quality")
    quality = tuple(_checked(group, folder / f"quality_{place}") for place, group in enumerate(groups))
    comparisons = () if isinstance(merged, str) else tuple(_compared(readable, merged, notes, progress))
    values = dict(analysis.tables) if analysis else {}
    values |= {"runs": runs_table(groups), "quality": tables.of_quality([(one.name, one.report) for one in quality])}
    if frame and not isinstance(merged, str):
        values |= {"design": tables.of_design(study, frame)}
        values |= tables.of_values(frame, merged.file.deciders)
        if analysis:
            values |= tables.of_summary(analysis, frame) | tables.of_people(study)
            values |= tables.of_parameters(study, comparisons)
            values |= tables.of_references(analysis.fits, analysis.patterns)
    values |= tables.of_comparisons(comparisons)
    return Part(study, tuple(groups), frame, analysis, comparisons, quality, tuple(lost), tuple(notes), request, values)


@dataclass(frozen=True)
class _Joined:
    """The merged rows of some groups of runs, and their file."""

    file: Merged
    frame: Frame


def _merged(groups: Sequence[Related], folder: Path, progress: Progress) -> _Joined | str:
    """The rows of some groups of one study, or why they cannot be merged."""
    try:
        file = merge_groups(groups, folder, progress, csv_alone=True)
        return _Joined(file, read_frame(file.paths[0], groups[0].study))
    except InputError as error:
        return by_name(error, groups)


def _readable(groups: Sequence[Related], folder: Path) -> tuple[list[Related], list[Lost]]:
    """The groups whose rows can be merged, and the others with the reason."""
    readable, lost = [], []
    for group in groups:
        try:
            merge_groups([group], folder, Silence(), csv_alone=True)
        except InputError as error:
            lost.append(Lost(group.base.path.name, by_name(error, [group])))
        else:
            readable.append(group)
    return readable, lost


def _analysed(
    study: Study, groups: Sequence[Related], merged: _Joined | str, request: ReportRequest
) -> tuple[Analysis | None, list[str]]:
    """The analysis, and what a reader should know about it and about the rows."""
    lacking = [f"{merged}."] if isinstance(merged, str) else list(merged.file.notes)
    if isinstance(merged, str):
        return None, [f"There is no analysis: {merged}."]
    try:
        return analyze_frame(study, merged.frame, merged.file.paths[0], request.exclusions, merged.file.notes), []
    except InputError as error:
        return None, [f"There is no analysis: {by_name(error, groups)}.", *lacking]


def by_name(text: object, groups: Sequence[Related]) -> str:
    """A message with runs by their names, as they are named everywhere else."""
    text = str(text)
    for run in (run for group in groups for run in group.runs):
        text = text.replace(str(run.path), run.path.name)
    return text


def _checked(group: Related, folder: Path) -> Quality:
    model, run = model_name(group), group.base.path.name
    name = f"{model} ({run})" if model else run
    try:
        report = validate_runs(group, folder, {}, Silence())
        with open(folder / REVIEW, newline="", encoding="utf-8") as file:
            flagged = tuple(csv.DictReader(file))
    except InputError as error:
        return Quality(name, None, why=by_name(error, [group]))
    return Quality(name, report, flagged)


def _compared(groups: Sequence[Related], merged: _Joined, notes: list[str], progress: Progress) -> Iterator[Comparison]:
    """Each model with the first."""
    if len(groups) < 2:
        return
    progress.note("comparing")
    sides: list[Side] = []
    frames = read_parts(merged.file.paths[0], groups[0].study, merged.file.parts)
    for group, frame in zip(groups, frames, strict=True):
        try:
            sides.append(side_of(group.base, group, frame))
        except InputError as error:
            notes.append(f"{by_name(error, groups)}.")
    for other in sides[1:]:
        try:
            yield compare_models(sides[0], other)
        except InputError as error:
            notes.append(f"{by_name(error, groups)}.")
