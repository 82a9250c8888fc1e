"""`grace roadmap`: status, check, explain, attest, road."""

import json
from typing import Annotated

import typer

from grace.errors import InputError

roadmap_app = typer.Typer(
    help="Where are we on the road to scarce GPUs, what comes next, and what is left to prove?",
    no_args_is_help=True,
    rich_markup_mode=None,
)

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
