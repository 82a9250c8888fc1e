"""`grace lineup resume`."""

from pathlib import Path

from grace.cli.asking import end
from grace.cli.lineup.carrying import begin_detached, carry_lineup, tell_followed
from grace.cli.lineup.options import Detach, LineupName, Lineups, Parallel, StopOnFailure


def resume(
    name: LineupName = "local",
    lineups: Lineups = Path("lineups"),
    parallel: Parallel = 1,
    stop_on_failure: StopOnFailure = False,
    detach: Detach = False,
) -> None:
    """Go on with a lineup as it was asked: adopt what it left, and bring home what waits.

    Its folder says what it carries, so nothing of that is repeated here. Where a process of this machine carries it
    already, its steps are shown until it ends; Ctrl-C then ends only the watching. Exit code as `grace lineup run`: a
    gate that closed since lets no further model be served.

    \b
    Example:
      grace lineup resume local
    """
    from grace.lineup.backends import backend_for
    from grace.lineup.folder import LineupFolder
    from grace.lock import locked, writer_of
    from grace.roadmap import gates
    from grace.roadmap.ground import Ground

    folder = LineupFolder(lineups / name)
    lineup = folder.lineup
    if pid := writer_of(folder.path):
        print(f"{folder.path}: carried by process {pid}; its steps until it ends:")
        end(tell_followed(folder))
        return
    if detach:
        gates.ask_again(Ground.here(), folder)
        begin_detached(folder, parallel=parallel, stop_on_failure=stop_on_failure)
        return
    gates.ask_again(Ground.here(), folder)
    with locked(folder.path):
        end(carry_lineup(folder, backend_for(lineup, folder), parallel=parallel, stop_on_failure=stop_on_failure))
