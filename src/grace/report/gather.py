"""Gathering: all that a report or a paper tells about some runs, made once; what could not be made is said, and why."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grace.analysis.analyze import MERGED, Analysis, Table, analyze_runs
from grace.analysis.compare import Comparison, compare
from grace.analysis.compare_sides import Side, read_side
from grace.analysis.figures import theme_named
from grace.analysis.frames import Frame, read_frame
from grace.errors import InputError
from grace.progress import Progress
from grace.quality.merge import merge
from grace.quality.report import Report as QualityReport
from grace.quality.validate import validate_run
from grace.report import tables
from grace.report.ran import model_name, runs_table
from grace.runs import Run
from grace.stages.records import study_of
from grace.stages.related import Related, related
from grace.studies.study import BUILT_IN, Study

REVIEW = "review.csv"


@dataclass(frozen=True)
class Quality:
    """Whether the data of one model are good enough.

    Attributes:
        name: the model's, with the run's folder.
        report: what `grace validate` found; None where it could not look.
        flagged: the rows that it flags, as review.csv has them.
        why: why it could not look.
    """

    name: str
    report: QualityReport | None
    flagged: tuple[Mapping[str, str], ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Lost:
    """A run that is there, and of which nothing can be told: its folder and why."""

    run: str
    why: str


@dataclass(frozen=True)
class Part:
    """All that is known of one study.

    Attributes:
        study: as the runs have it.
        groups: the runs, those of each model together.
        frame: the merged rows; None where nothing could be merged.
        analysis: None where there is none of this study, or nothing to analyse; `notes` say why.
        comparisons: of each model with the first one.
        quality: of each model.
        lost: runs that could not be read.
        notes: what a reader has to know.
        wanted: what was asked for.
        tables: of numbers, by the names of their files.
    """

    study: Study
    groups: tuple[Related, ...]
    frame: Frame | None
    analysis: Analysis | None
    comparisons: tuple[Comparison, ...]
    quality: tuple[Quality, ...]
    lost: tuple[Lost, ...]
    notes: tuple[str, ...]
    wanted: "Wanted"
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The models' names, as the tables have them."""
        return list(self.frame.models) if self.frame else []

    @property
    def kept_all(self) -> bool:
        """Whether trials would have been excluded by their knowledge answers, and were not."""
        return self.study.name == "study1" and self.analysis is not None and not self.wanted.exclusions


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        runs: those given.
        exclusions: whether trials of study 1 are excluded by their knowledge answers.
        extraction, scores: of a single run, where several would do.
        theme: of the figures.
    """

    runs: Sequence[Run]
    exclusions: bool = True
    extraction: Run | None = None
    scores: Run | None = None
    theme: str = "paper"

    @property
    def options(self) -> Iterator[str]:
        """The options of a command that asks for the same, beside runs and theme; runs are named without folders."""
        if not self.exclusions:
            yield "--no-exclusions"
        for name, run in (("extraction", self.extraction), ("scores", self.scores)):
            if run:
                yield from (f"--{name}", run.path.name)


def wanted_of(
    runs: Sequence[Path], exclusions: bool, extraction: Path | None, scores: Path | None, theme: str
) -> Wanted:
    """What a command asks for. Raises InputError where there is no such theme."""
    return Wanted(
        [_run(path) for path in runs],
        exclusions,
        _run(extraction) if extraction else None,
        _run(scores) if scores else None,
        theme_named(theme).name,
    )


def _run(path: Path) -> Run:
    """The run in a folder; one that was given as `.` has a name and neighbours too."""
    return Run(path.resolve() if path.name in ("", "..") else path)


class _Silent:
    """Hears of progress, and tells nobody."""

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """Nothing."""

    def advance(self, failed: bool, by: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def fault(self, text: str) -> None:
        """Nothing."""


def gather(wanted: Wanted, folder: Path, progress: Progress) -> list[Part]:
    """Merge, analyse, compare and check runs, each study on its own.

    Args:
        wanted: the runs, and how.
        folder: for files on the way, empty.
        progress: hears how far merging is, and what comes next.

    Raises:
        InputError: something given is no run, or several runs may belong to one.
    """
    by_study: dict[str, list[Related]] = {}
    for group in _grouped(wanted):
        by_study.setdefault(study_of(_base(group)).name, []).append(group)
    return [_part(groups, wanted, folder / name, progress) for name, groups in by_study.items()]


def _grouped(wanted: Wanted) -> Iterator[Related]:
    """The runs with what belongs to them; one that belongs to another stands with that one alone."""
    if len(wanted.runs) > 1 and (wanted.extraction or wanted.scores):
        raise InputError("--extraction and --scores choose for a single RUN; give one at a time")
    covered: set[Path] = set()
    for run in wanted.runs:
        if run.path.resolve() not in covered:
            group = related(run, wanted.extraction, wanted.scores)
            covered |= {other.path.resolve() for other in group.runs}
            yield group


def _base(group: Related) -> Run:
    """The run whose rows are told: answers, or an extraction of somebody's own table, or probabilities."""
    base = group.answers or group.extraction or group.scores
    assert base is not None
    return base


def _name(group: Related) -> str:
    model, run = model_name(group), _base(group).path.name
    return f"{model} ({run})" if model else run


def _part(groups: Sequence[Related], wanted: Wanted, folder: Path, progress: Progress) -> Part:
    study = study_of(_base(groups[0]))
    readable, lost = list(groups), list[Lost]()
    frame, analysis, notes = _analysed(study, readable, wanted, folder, progress)
    if frame is None:  # one that cannot be read spoils the merging of all
        readable, lost = _readable(groups, wanted, folder / "alone")
        if readable and lost:
            frame, analysis, notes = _analysed(study, readable, wanted, folder, progress)
    notes = [note for note in notes if not any(one.why in note for one in lost)]
    progress.note(f"{study.name}: checking the data's quality")
    quality = tuple(_checked(group, wanted, folder / f"quality_{place}") for place, group in enumerate(groups))
    comparisons = tuple(_compared(readable, notes, progress))
    made = dict(analysis.tables) if analysis else {}
    made |= {"runs": runs_table(groups), "quality": tables.of_quality([(one.name, one.report) for one in quality])}
    if frame:
        made |= {"design": tables.of_design(study, frame)}
        if analysis:
            made |= tables.of_summary(analysis, frame) | tables.of_people(study.name)
            made |= tables.of_parameters(study.name, comparisons)
            made |= tables.of_references(analysis.fits, analysis.patterns)
    made |= tables.of_comparisons(comparisons)
    return Part(study, tuple(groups), frame, analysis, comparisons, quality, tuple(lost), tuple(notes), wanted, made)


def _readable(groups: Sequence[Related], wanted: Wanted, folder: Path) -> tuple[list[Related], list[Lost]]:
    """The groups whose rows can be merged, and the others with why they cannot."""
    readable, lost = [], []
    for group in groups:
        try:
            merge([_base(group)], folder, _Silent(), wanted.extraction, wanted.scores)
        except InputError as error:
            lost.append(Lost(_base(group).path.name, by_name(error, [group])))
        else:
            readable.append(group)
    return readable, lost


def _analysed(
    study: Study, groups: Sequence[Related], wanted: Wanted, folder: Path, progress: Progress
) -> tuple[Frame | None, Analysis | None, list[str]]:
    """The merged rows and their analysis, and what there is to know about both."""
    runs = [_base(group) for group in groups]
    if study.name in BUILT_IN:
        try:
            found = analyze_runs(runs, folder, progress, wanted.exclusions, wanted.extraction, wanted.scores)
        except InputError as error:
            notes = [f"There is no analysis: {by_name(error, groups)}."]
        else:
            return read_frame(folder / MERGED / f"{study.name}.csv", study), found[0][0], []
    else:
        notes = [f"{study.name} is a study of your own: its data are told, and there is no analysis of it."]
    try:
        made = merge(runs, folder / MERGED, progress, wanted.extraction, wanted.scores)
        return read_frame(made.paths[0], study), None, [*notes, *made.notes]
    except InputError as error:
        why = by_name(error, groups)
        return None, None, notes if any(why in note for note in notes) else [*notes, f"{why}."]


def by_name(text: object, groups: Sequence[Related]) -> str:
    """What was said, with runs by their names, as they are named everywhere else."""
    text = str(text)
    for run in (run for group in groups for run in group.runs):
        text = text.replace(str(run.path), run.path.name)
    return text


def _checked(group: Related, wanted: Wanted, folder: Path) -> Quality:
    try:
        report = validate_run(_base(group), folder, {}, _Silent(), wanted.extraction, wanted.scores)
        with open(folder / REVIEW, newline="", encoding="utf-8") as file:
            flagged = tuple(csv.DictReader(file))
    except InputError as error:
        return Quality(_name(group), None, why=by_name(error, [group]))
    return Quality(_name(group), report, flagged)


def _compared(groups: Sequence[Related], notes: list[str], progress: Progress) -> Iterator[Comparison]:
    """Each model with the first."""
    if len(groups) < 2:
        return
    progress.note("comparing")
    sides: list[Side] = []
    for group in groups:
        try:
            sides.append(read_side(_base(group).path, _Silent()))
        except InputError as error:
            notes.append(f"{by_name(error, groups)}.")
    for other in sides[1:]:
        try:
            yield compare(sides[0], other)
        except InputError as error:
            notes.append(f"{by_name(error, groups)}.")
