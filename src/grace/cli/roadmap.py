"""`grace roadmap`: status, check, explain, attest, road, freeze, decide, timeline, rehearse."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from grace.cli.entries import group
from grace.cli.exits import exit_code
from grace.cli.options import progressing
from grace.errors import InputError, Refused

roadmap_app = group()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Note = Annotated[str, typer.Option(metavar="TEXT", help="What you saw, in a sentence.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so. Default: git's user.name.")]


@roadmap_app.command()
def status(as_json: AsJson = False) -> None:
    """Show where the project is, what is next as one command, and what is left to prove. Changes nothing.

    \b
    Examples:
      grace roadmap status
      grace roadmap status --json
    """
    from grace.roadmap import words
    from grace.roadmap.ground import Ground
    from grace.roadmap.status import Status

    found = Status(Ground.here())
    print(json.dumps(words.as_json(found), indent=2) if as_json else "\n".join(words.status_lines(found)))


@roadmap_app.command()
def check(
    phase: Annotated[int | None, typer.Argument(help="Only this phase, from 0.")] = None, as_json: AsJson = False
) -> None:
    """Look at everything again, add to evidence.jsonl what is proven, and list each item with what was found.

    Exit code 1: something needed is left in the phase (without one: in any).

    \b
    Examples:
      grace roadmap check
      grace roadmap check 0
    """
    from grace.roadmap import words
    from grace.roadmap.ground import Ground
    from grace.roadmap.status import Status, record

    ground = Ground.here()
    added = record(ground)
    found = Status(ground)
    wanted = found.phases if phase is None else (found.phase(phase),)
    if as_json:
        print(json.dumps(words.as_json(found), indent=2))
    else:
        print("\n".join(words.check_lines(found, phase)))
        if added:
            print(
                f"Added to {ground.evidence.path.name}: {', '.join(f'{each.name} ({each.subject})' for each in added)}"
            )
    if not all(each.done for each in wanted):
        raise typer.Exit(1)


@roadmap_app.command()
def explain(
    name: Annotated[str, typer.Argument(metavar="ID", help="An item or a task, such as 0.7.2 or 0.7.")],
) -> None:
    """Explain an item: what proves it, what was found, what to do, and where the plan rests on a wrong fact.

    \b
    Examples:
      grace roadmap explain 0.7.2
      grace roadmap explain 2.1
    """
    from grace.roadmap import words
    from grace.roadmap.ground import Ground
    from grace.roadmap.status import Status

    print("\n".join(words.explain_lines(Status(Ground.here()), name)))


@roadmap_app.command()
def attest(
    name: Annotated[str, typer.Argument(metavar="ID", help="An item or a task, such as 0.7.4 or 0.2.")],
    note: Note,
    by: By = None,
) -> None:
    """Say that something is done which only a person can know. Your name, the date and the note are kept.

    With a task, it is said of all its items that a person may attest.

    \b
    Examples:
      grace roadmap attest 0.7.4 --note "read all 20 answers; 3 are nonsense, as expected of so small a model"
      grace roadmap attest 0.2 --note "token of the group's account; licences read"
    """
    from grace.roadmap.ground import Ground
    from grace.roadmap.said import attest as say

    for entry, item in say(Ground.here(), name, note, by):
        print(f"{entry.name}: {item.id}, {item.text}: attested by {entry.by}")


@roadmap_app.command()
def road(
    name: Annotated[str, typer.Argument(metavar="cluster|api|local", help="The road.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")],
    by: By = None,
) -> None:
    """Choose the road: with a cluster, with an API in its place, or with this machine alone.

    On the roads api and local, phases 1, 3 and 4 are skipped; the reason is kept in the evidence, and shown.

    \b
    Example:
      grace roadmap road api --reason "we have an account at an API, and no cluster"
    """
    from grace.roadmap.ground import Ground
    from grace.roadmap.said import choose_road

    ground = Ground.here()
    if name not in ground.plan.roads:
        raise InputError(f"{name}: is none of the roads {', '.join(ground.plan.roads)}")
    entry = choose_road(ground, name, reason, by)
    print(f"{entry.name}: the road is {name}; `grace roadmap status` shows it")


@roadmap_app.command()
def freeze(
    producer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who claims: a DNS name, an ORCID or a handle. Default: git's user.name."),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why frozen thresholds change.")] = None,
) -> None:
    """Freeze thresholds and planned comparisons before the data exist: one PRML manifest each, with its digest.

    A later change needs a reason, and reports and papers show it as a deviation.

    \b
    Examples:
      grace roadmap freeze
      grace roadmap freeze --reason "truncated answers are read as well as others; the limit is 0.1 now"
    """
    from grace.roadmap.freeze import freeze as freeze_all
    from grace.roadmap.ground import Ground

    entry = freeze_all(Ground.here(), producer, reason)
    print(f"{entry.name}: {len(entry.facts['claims'])} thresholds and comparisons frozen in {entry.subject}/")
    for name in entry.facts["changed"]:
        print(f"  changed: {name}")


@roadmap_app.command()
def decide(
    phase: Annotated[int, typer.Argument(metavar="2|3", help="The phase that is over.")],
    go: Annotated[
        bool | None, typer.Option("--go/--stop", help="Go on to scarce GPUs, or stop here with these results.")
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")] = None,
    by: By = None,
) -> None:
    """Decide after phase 2 whether the data are good enough (--stop) or scarce GPUs are worth asking for (--go).

    Without --go or --stop, the page to decide on is written: quality, coverage, noise floor, comparisons. A decision is
    only taken on a page that shows the data as they are now. `decide 3 --stop` says that the request was refused.

    \b
    Examples:
      grace roadmap decide 2
      grace roadmap decide 2 --stop --note "good enough: all checks passed, no difference above the noise floor"
      grace roadmap decide 3 --stop --note "refused: no A100 before March"
    """
    from grace.roadmap import decision
    from grace.roadmap.ground import Ground

    ground = Ground.here()
    if go is None:
        if phase != 2:
            raise InputError(f"decide {phase}: give --stop, or for phase 2 neither, which writes the page to decide on")
        print(f"{decision.write_page(ground)}\nRead it, then decide with --go or --stop and --note.")
        return
    entry = decision.decide(ground, phase, go, note or "", by)
    print(f"{entry.name}: {'go' if go else 'stop'}, says {entry.by}; `grace roadmap status` shows what is next")


@roadmap_app.command()
def timeline(
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw it, as .png, .pdf or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each model takes in the phases with GPUs, from measured rates where there are any, and what it took.

    \b
    Examples:
      grace roadmap timeline
      grace roadmap timeline --figure outputs/timeline.png
    """
    from rich.console import Console
    from rich.table import Table

    from grace.roadmap import forecast
    from grace.roadmap.ground import Ground
    from grace.roadmap.requests import in_words

    with progressing() as progress:
        rows = list(forecast.timeline(Ground.here(), progress))
    if figure:
        forecast.draw_timeline(rows, figure)
        print(f"Wrote {figure}", file=sys.stderr)
    if as_json:
        whole = [{"phase": row.phase, **row.forecast.as_json(), "actual_hours": row.actual} for row in rows]
        print(json.dumps(whole, indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("phase", "model", "hours", "GPU hours", "requests", "data", "took", "from"):
        table.add_column(heading)
    for row in rows:
        each = row.forecast
        took = f"{row.actual:.2g} h" if row.actual is not None else ""
        data = f"{each.storage.likely / 1e6:.2g} MB"
        source = "a guess" if each.guessed else "measured"
        gpu_hours = f"{each.gpu_hours.likely:.2g}"
        cells = (str(row.phase), each.model, in_words(each.hours), gpu_hours, f"{each.requests:,}", data, took, source)
        table.add_row(*cells)
    Console(soft_wrap=True, highlight=False, markup=False, width=160).print(table)
    for phase in dict.fromkeys(row.phase for row in rows):
        own = [row.forecast for row in rows if row.phase == phase]
        hours, of_gpus = (forecast.total(spans) for spans in ([f.hours for f in own], [f.gpu_hours for f in own]))
        gpus = f"; {in_words(of_gpus)} of GPUs" if of_gpus.high else ""
        print(f"phase {phase}: {in_words(hours)}{gpus}")


@roadmap_app.command()
def rehearse(
    folder: Annotated[Path, typer.Argument(help="A new folder for it.")] = Path("rehearsal"),
    minutes: Annotated[float, typer.Option(min=0.1, help="Begin no step after so many minutes.")] = 10.0,
    begin_only: Annotated[
        bool, typer.Option("--begin", help="Only make the folder; follow `grace roadmap status` yourself.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The model that stands in. Default: that of this machine.")
    ] = None,
) -> None:
    """Play all phases on this machine with a small model, so that every gate closes and opens once.

    Makes a project of its own whose profiles keep their names; nothing in it is proof anywhere else. Follows the
    commands that `grace roadmap status` prints. Exit code 1: the time was up before the end of the road.

    \b
    Examples:
      grace roadmap rehearse
      grace roadmap rehearse --begin mine
    """
    from time import monotonic

    from grace.models.catalogue import profiles
    from grace.models.files import find_model
    from grace.roadmap.rehearsal import begin_rehearsal, play, status_in

    begin_rehearsal(folder, find_model(model or profiles()["local"].embedded or "").path)
    if begin_only:
        print(f"{folder}: a rehearsal. Go there (cd {folder}); `grace roadmap status` says what comes first.")
        return
    end = monotonic() + 60 * minutes
    for played in play(folder, lambda command: _run_grace(command, folder), lambda: monotonic() < end):
        how = "closed, as it should be: " if played.refused else ""
        print(f"phase {played.phase}: {how}{played.command}  (exit {played.code})", flush=True)
        if played.refused and played.code != exit_code(Refused):
            raise InputError(f"the gate after phase {played.phase} did not close: {played.command}")
        if played.opened is not None:
            print(f"         the gate after phase {played.opened} is open", flush=True)
    if status_in(folder).current is not None:
        print(f"The time is up; in {folder}, `grace roadmap status` says what comes next.")
        raise typer.Exit(1)
    print(f"The end of the road. {folder}/roadmap holds what was written, {folder}/evidence.jsonl what was proven.")


def _run_grace(command: str, folder: Path) -> int:
    """Run a printed command of Grace in a folder, without a shell; what it prints is shown where it fails."""
    import shlex
    import subprocess

    from grace.cli.exits import NOT_ALL_WELL

    words = shlex.split(command)
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, NOT_ALL_WELL, exit_code(Refused)):
        print(done.stderr.strip(), file=sys.stderr)
    return done.returncode
