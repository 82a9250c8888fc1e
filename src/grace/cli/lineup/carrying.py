"""Carrying a lineup from the command line: here, in the background, or by watching a process that does."""

import sys
from typing import TYPE_CHECKING

from grace.cli.exits import INTERRUPTED
from grace.cli.options import count

if TYPE_CHECKING:
    from grace.lineup.backend import Backend
    from grace.lineup.folder import LineupFolder
    from grace.lineup.runner import Carried


def carry_lineup(folder: "LineupFolder", backend: "Backend", *, parallel: int, stop_on_failure: bool) -> int:
    """Carry a lineup's models, tell what becomes of each, and return the exit code. The caller holds the lock."""
    from grace.calls.display import make_progress
    from grace.lineup.journal import Journal
    from grace.lineup.runner import carry

    worst = 0

    try:
        with make_progress() as progress, Journal(folder.journal) as journal, backend:
            for carried in carry(
                folder, backend, journal, progress, parallel=parallel, stop_on_failure=stop_on_failure
            ):
                _tell(folder, carried)
                worst = max(worst, 0 if carried.good else 1)
    except KeyboardInterrupt:
        print(f"grace: interrupted; `{resume_command(folder)}` goes on from there", file=sys.stderr)
        return INTERRUPTED
    _tell_times(folder)
    print(f"{folder.path}: {count(len(folder.lineup.models), 'model')}, nothing left running; proof: {folder.cleanup}")
    return worst


def resume_command(folder: "LineupFolder", command: str = "resume") -> str:
    """The command that goes on with a lineup, or another one about it, as it is typed."""
    where = f" --lineups {folder.path.parent}" if str(folder.path.parent) != "lineups" else ""
    return f"grace lineup {command} {folder.path.name}{where}"


def begin_detached(folder: "LineupFolder", *, parallel: int, stop_on_failure: bool) -> None:
    """Have a process in the background carry the lineup, and say how to watch it."""
    from grace.lineup.background import LOG, start

    given = ["--parallel", str(parallel), *(["--stop-on-failure"] if stop_on_failure else [])]
    pid = start(folder, given)
    print(f"{folder.path}: carried by process {pid}, which prints to {folder.path / LOG}")
    print(f"  `{resume_command(folder, 'status')}` shows how far it is, `{resume_command(folder)}` waits for its end")
    print(f"  `kill {pid}` stops it; it can be resumed")


def tell_followed(folder: "LineupFolder") -> int:
    """Print the steps that another process takes until it ends, then the outcome, and return the exit code."""
    from grace.lineup.background import follow
    from grace.lineup.journal import histories
    from grace.lineup.runner import outcome

    for entry in follow(folder):
        said = f": {entry.facts['error']}" if "error" in entry.facts else ""
        print(f"{entry.time} {folder.model(entry.model).name}: {entry.step} {entry.event}{said}", flush=True)
    journal = histories(folder.journal)
    worst = 0
    for model in folder.lineup.models:
        carried = outcome(model, journal.get(model))
        if carried is None:
            print(f"{folder.model(model).name}: not carried yet; `{resume_command(folder)}` goes on")
        else:
            _tell(folder, carried)
        worst = max(worst, 0 if carried and carried.good else 1)
    _tell_times(folder)
    return worst


def _tell_times(folder: "LineupFolder") -> None:
    """Print what each model took beside its forecast."""
    from grace.lineup.foreseen import compare_with_actual

    for each in compare_with_actual(folder):
        if each.sentence:
            print(f"{folder.model(each.model).name} {each.sentence}")


def _tell(folder: "LineupFolder", carried: "Carried") -> None:
    name = folder.model(carried.model).name
    if carried.error:
        print(f"{name}: failed: {carried.error}")
        return
    print(f"{name}: {'home already' if carried.earlier else 'asked, home and removed'}")
    for judged in carried.judged:
        print(f"  {judged.study}: {judged.verdict} ({folder.model(carried.model) / judged.report})")
