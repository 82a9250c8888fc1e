"""Results: whatever follows from runs alone. An archive makes them when it is created, and again to be compared."""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grace.analysis.analyze import analyze_frame, write_analysis
from grace.analysis.figures import draw_analysis, theme_named, write_figures
from grace.analysis.frames import read_frame
from grace.errors import InputError
from grace.progress import Progress
from grace.quality.merge import merge_groups
from grace.quality.validate import validate_runs
from grace.report.gather import ReportRequest
from grace.report.page import write_report
from grace.report.paper import write_paper
from grace.runs import Run
from grace.stages.export import export_run
from grace.stages.related import Related, groups_of, table_of
from grace.studies.study import Study

MERGED, ANALYSIS, REPORT, PAPER = Path("merged"), Path("analysis"), Path("report.html"), Path("paper")


@dataclass(frozen=True)
class MadeResults:
    """What was made, by name in the folder, and what could not be, with the reason."""

    files: tuple[str, ...]
    missing: Mapping[str, str]


def make_results(folder: Path, runs: Mapping[str, Path], progress: Progress) -> MadeResults:
    """Make every table, check, figure and text that follows from some runs.

    The same runs give the same bytes, in whatever folder, locale or time zone.

    Args:
        folder: an empty folder; links to the runs are in it while the work goes on.
        runs: the runs' folders, by their names in the archive; the first model is what others are compared with.
        progress: told of each step.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = folder.resolve()
    links = []
    for name, path in runs.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve(), target_is_directory=True)
        links.append(link)
    missing: dict[str, str] = {}
    with contextlib.chdir(folder):  # names in results are relative, so that they are the same everywhere
        _make([Run(Path(name)) for name in runs], progress, missing)
    for link in links:
        link.unlink()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return MadeResults(tuple(files), missing)


def _make(runs: Sequence[Run], progress: Progress, missing: dict[str, str]) -> None:
    def attempt(out: Path, make: Callable[[], object]) -> None:
        progress.note(f"making {out}")
        try:
            make()
        except InputError as error:
            missing[out.as_posix()] = str(error)
            shutil.rmtree(out, ignore_errors=True)

    for run in runs:
        attempt(table_of(run), partial(export_run, run, table_of(run)))
    by_study: dict[str, list[Related]] = {}
    for group in groups_of(runs):
        by_study.setdefault(group.study.name, []).append(group)
        out = group.given.path.with_name(f"{group.given.path.stem}_quality")
        attempt(out, partial(validate_runs, group, out, {}, progress))
    for name, groups in by_study.items():
        attempt(MERGED / name, partial(merge_groups, groups, MERGED / name, progress))
        if (MERGED / name).is_dir():
            attempt(ANALYSIS / name, partial(_analyze, groups[0].study, MERGED / name / f"{name}.csv", ANALYSIS / name))
    request = ReportRequest(runs)
    attempt(REPORT, partial(write_report, request, REPORT, progress))
    attempt(PAPER, partial(write_paper, request, PAPER, progress, documents=False))


def _analyze(study: Study, table: Path, out: Path) -> None:
    analysis = analyze_frame(study, read_frame(table, study), table)
    write_analysis(analysis, out)
    write_figures(draw_analysis(analysis, theme_named("paper")), out / "figures")
