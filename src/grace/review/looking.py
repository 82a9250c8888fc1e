"""Looking around in runs: which runs are shown beside each other, from reading them to the end of the page."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from grace.errors import InputError
from grace.manifest import EXTRACT, GENERATE, SCORE
from grace.progress import Progress
from grace.review.board import Board
from grace.review.lane import ModelLane
from grace.review.look_server import LookServer
from grace.runs import Run
from grace.stages.inventory import runs_below
from grace.stages.related import Related, related
from grace.stages.shard import is_shard


@dataclass(frozen=True, kw_only=True)
class View:
    """The options of the command; without runs, those below `folder` are shown."""

    runs: tuple[Run, ...] = ()
    folder: Path = Path()
    port: int = 0


@dataclass(frozen=True)
class OpenView:
    """A page that waits for its person: its address with the token, the one that opens it once, and what it shows."""

    address: str
    once: str
    boards: Sequence[Board]


def look(
    options: View, progress: Callable[[], AbstractContextManager[Progress]], opened: Callable[[OpenView], None]
) -> None:
    """Show runs on a local page until it is finished or a signal ends it. Nothing is written.

    Raises:
        InputError: there is no run, or one cannot be read, or the port cannot be used.
    """
    with ExitStack() as stack:
        with progress() as shown:
            boards = list(_boards(_groups(options), stack))
            for board in boards:
                board.index(shown)
        asyncio.run(_serve(boards, options.port, opened))


async def _serve(boards: Sequence[Board], port: int, opened: Callable[[OpenView], None]) -> None:
    await LookServer(boards).serve(port, lambda url, once: opened(OpenView(url, once, boards)))


def _groups(options: View) -> list[Related]:
    """The runs to show, each with what belongs to it."""
    runs = options.runs or tuple(_readable(options.folder))
    groups: list[Related] = []
    covered: set[Path] = set()
    # an extraction leads to its answers, so these come first
    for run in sorted(runs, key=_is_extraction):
        if run.path.resolve() in covered:
            continue
        group = _related(run)
        if not options.runs and not any(each.ledger.exists() for each in group.runs):
            continue  # it has only begun
        groups.append(group)
        covered |= {each.path.resolve() for each in group.runs}
    if not groups:
        raise InputError(f"{options.folder}: no run is here or below; give the folders of runs, as outputs/study1.run")
    return groups


def _readable(folder: Path) -> Iterator[Run]:
    """The runs of a folder that can be shown; shards are in the run that they were joined into."""
    for run in runs_below(folder):
        with suppress(InputError):
            _ = run.manifest
            if not is_shard(run.path):
                yield run


def _is_extraction(run: Run) -> bool:
    return run.identity.experiment == EXTRACT


def _related(run: Run) -> Related:
    """What belongs to a run; the run alone where several others may."""
    try:
        return related(run)
    except InputError:
        alone = {kind: run if run.identity.experiment == kind else None for kind in (GENERATE, EXTRACT, SCORE)}
        return Related(run, alone[GENERATE], alone[EXTRACT], alone[SCORE])


def _boards(groups: Iterable[Related], stack: ExitStack) -> Iterator[Board]:
    """The boards: groups about the same trials of the same study stand on one."""
    together: dict[tuple[str, ...], list[Related]] = {}
    for group in groups:
        identity = group.base.identity
        own = str(group.base.path) if identity.experiment == EXTRACT else identity.input.sha256
        together.setdefault((identity.study, own), []).append(group)
    for beside in together.values():
        base = beside[0].base
        table = stack.enter_context(base.table())
        asked = [run for group in beside for run in (group.answers, group.scores) if run]
        rows = min(len(table), max((run.scope.rows for run in asked), default=len(table)))
        replications = max((run.scope.replications for run in asked if run.identity.turns), default=1)
        lanes = [ModelLane(group, table, rows, max(1, replications)) for group in beside]
        _tell_apart(lanes)
        name = base.identity.input.file or base.path.name
        yield Board(f"{base.identity.study}: {name}", table, lanes)


def _tell_apart(lanes: Sequence[ModelLane]) -> None:
    """Name lanes of one model by their runs, too."""
    names = [lane.name for lane in lanes]
    for lane in lanes:
        if names.count(lane.name) > 1:
            lane.name = f"{lane.name} ({lane.related.base.path.stem})"
