"""`grace lineup status` and `grace lineup watch`."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.arguments import has_reader
from grace.cli.lineup.options import LineupName, Lineups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from grace.lineup.watching import LineupStatus, ModelStatus, Watcher
    from grace.progress import Progress

Prometheus = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The cluster's Prometheus, for the use of GPUs. Default: that of grace.yaml."),
]


def status(
    name: LineupName = "local",
    lineups: Lineups = Path("lineups"),
    prometheus: Prometheus = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """Show how far each model of a lineup is, and what can be seen of its server.

    Columns that nobody can fill are left out. Warnings say what to do before a policy of the cluster is broken.

    \b
    Examples:
      grace lineup status local
      grace lineup status rtx3090 --json
    """
    import orjson
    from rich.console import Console

    with options.progressing() as progress:
        seen = _watcher(name, lineups, prometheus, progress).look()
    if as_json:
        print(orjson.dumps(seen.as_json(), option=orjson.OPT_INDENT_2).decode())
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(_table(seen))
    for line in _remarks(seen):
        console.print(line)


def watch(
    name: LineupName = "local",
    lineups: Lineups = Path("lineups"),
    prometheus: Prometheus = None,
    interval: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="How often to look.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Show the same as `grace lineup status`, again and again, until the lineup's process ends. Ctrl-C ends only this.

    \b
    Example:
      grace lineup watch local
    """
    from rich.console import Console, Group
    from rich.live import Live

    def shown(seen: "LineupStatus") -> Group:
        return Group(_table(seen), *_remarks(seen))

    with options.progressing() as progress:
        watcher = _watcher(name, lineups, prometheus, progress)
        seen = watcher.look()
        console = Console(highlight=False, markup=False)
        with Live(shown(seen), console=console, auto_refresh=False) as live:
            while not once and not seen.closed and has_reader():
                time.sleep(interval)
                seen = watcher.look()
                live.update(shown(seen), refresh=True)


def _watcher(name: str, lineups: Path, prometheus: str | None, progress: "Progress") -> "Watcher":
    from grace.errors import GraceError
    from grace.lineup.backends import backend_for
    from grace.lineup.folder import LineupFolder
    from grace.lineup.watching import Watcher

    folder = LineupFolder(lineups / name)
    lineup = folder.lineup
    try:
        backend = backend_for(lineup, folder)
    except GraceError as error:  # what is at home can be shown all the same
        progress.note(f"{error}; only what is at home is shown")
        backend = None
    return Watcher(folder, backend, progress, prometheus)


def _table(seen: "LineupStatus") -> "Table":
    """One row for each model, without the columns that nobody can fill."""
    from rich.table import Table
    from rich.text import Text

    rows = [dict(_cells(model)) for model in seen.models]
    table = Table(box=None, padding=(0, 2, 0, 0))
    kept = [heading for heading in rows[0] if heading in ("model", "state") or any(row[heading] for row in rows)]
    for heading in kept:
        table.add_column(heading, justify="left" if heading in ("model", "state", "seen") else "right")
    for row in rows:
        table.add_row(*(Text(row[heading]) for heading in kept))
    return table


def _cells(model: "ModelStatus") -> "Iterator[tuple[str, str]]":
    from grace.stages.forecast import duration

    servers = [one.server for one in model.sightings if one.server]
    server = servers[0] if servers else None
    waiting = "" if server is None or server.running is None else f"{server.running:.0f}+{server.waiting or 0:.0f}"
    share = {
        "KV": server.kv_use if server else None,
        "prefix hits": server.prefix_hit_rate if server else None,
        "GPU": model.gpu_use,
    }
    yield "model", _safe(model.model)
    yield "state", _safe(model.phase)
    yield "for", _ago(model.since)
    yield "answered", f"{model.answered:,}" + (f" of {model.requests:,}" if model.requests is not None else "")
    yield "failed", f"{model.failed:,}" if model.failed else ""
    yield "a minute", f"{model.rate * 60:.3g}" if model.rate is not None else ""
    yield "left", duration(model.seconds_left) if model.seconds_left else ""
    yield "queue", waiting
    for heading, value in share.items():
        yield heading, "" if value is None else f"{value:.0%}"
    yield "restarts", str(model.restarts or "")
    yield "seen", _safe(", ".join(f"{one.what} {one.state}" for one in model.sightings))
    yield "age", "" if model.age is None else duration(model.age)


def _remarks(seen: "LineupStatus") -> list[str]:
    """What the table has no room for: causes, warnings, and who carries the lineup."""
    causes = [f"{_safe(model.model)}: {_safe(model.cause, 500)}" for model in seen.models if model.cause]
    warnings = [f"warning: {_safe(text, 500)}" for model in seen.models for text in model.warnings]
    carrier = f"process {seen.carrier} carries it" if seen.carrier else "no process of this machine carries it now"
    return [*causes, *warnings, f"{seen.name}: {carrier}"]


def _safe(text: str, most: int = 80) -> str:
    """A text of a server, a pod or a model, as a terminal only shows it."""
    from grace.text import printable, shortened

    return shortened(printable(text), most)


def _ago(since: str) -> str:
    from grace.stages.forecast import duration

    return duration(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())) if since else ""
