"""`grace lineup`: run, status, clean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.asking import end
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.lineup.folder import LineupFolder
    from grace.lineup.runner import Carried

lineup_app = typer.Typer(
    help="Carry models, one after the other: serve, ask, bring the data home, check it, leave nothing behind.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str | None, typer.Option(metavar="NAME", help="The lineup's name. Default: the profile's.")]
Folder = Annotated[Path, typer.Option(help="Folder that holds the lineups.")]


@lineup_app.command()
def run(
    profile: Annotated[str, typer.Option(help="Where the models run: local.")] = "local",
    models: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="The models, in order. Default: those of the profile.")
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(metavar="STUDY=TABLE", help="A study, or its file, with its table; may be given several times."),
    ] = None,
    name: Name = None,
    lineups: Folder = Path("lineups"),
    limit: options.Limit = None,
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", help="Stop after the first model that fails.")
    ] = False,
) -> None:
    """Carry a lineup's models, one after the other, from their weights to checked data at home.

    Each model is served, asked everything, its data is checked, and its server removed before the next one comes.
    lineups/NAME/lineup.jsonl records every step. After Ctrl-C or a crash, the same command continues where it left
    off. Exit code 1: a model failed, or its data failed a check.

    \b
    Examples:
      grace lineup run
      grace lineup run --study study1=data/study1.csv --study my_study.yaml=trials.csv --name mine
    """
    from grace.declared import checked
    from grace.lineup.folder import LineupFolder, visited
    from grace.lineup.journal import Journal
    from grace.lineup.lineup_file import LineupFile
    from grace.lineup.process import ProcessBackend
    from grace.lineup.runner import carry
    from grace.lock import locked
    from grace.models.catalogue import profile as find_profile
    from grace.models.files import find_model
    from grace.project import find_project
    from grace.stages.visit_file import VisitFile

    described = find_profile(profile)
    if not described.embedded:
        raise InputError(f"--profile {profile}: `grace lineup run` carries the profile local, on this machine, only")
    project = find_project()
    own = project.content.profiles.get(profile) if project else None
    names = tuple(models.split(",")) if models else own.models if own else (described.embedded,)
    for model in names:
        find_model(model)
    tables = list(project.tables.items()) if project else []
    visits, inputs = visited([_pair(each) for each in study] if study else tables or list(SAMPLES))
    folder = LineupFolder(lineups / (name or profile))
    content = {"name": name or profile, "profile": profile, "models": names, "limit": limit}
    asked = checked(content, "grace lineup run", LineupFile)
    worst = 0
    with locked(folder.path):
        folder.begin(asked, VisitFile(studies=visits), inputs)
        with options.progressing() as progress, Journal(folder.journal) as journal, ProcessBackend(folder) as backend:
            for carried in carry(folder, backend, journal, progress, stop_on_failure=stop_on_failure):
                _tell(folder, carried)
                worst = max(worst, 0 if carried.good else 1)
    print(f"{folder.path}: {len(names)} models, nothing left running; proof: {folder.cleanup}")
    end(worst)


SAMPLES = (("study1", Path("data/test_sample_study1.csv")), ("study2", Path("data/test_sample_study2.csv")))
"""What is asked where neither an option nor a project says."""


def _pair(text: str) -> tuple[str, Path]:
    study, sign, table = text.rpartition("=")
    if not sign or not study or not table:
        raise InputError(f"--study {text}: give a study with its table, as --study study1=data/study1.csv")
    return study, Path(table)


def _tell(folder: "LineupFolder", carried: "Carried") -> None:
    if carried.error:
        print(f"{folder.model(carried.model).name}: failed: {carried.error}")
        return
    print(f"{folder.model(carried.model).name}: {'home already' if carried.earlier else 'asked, home and removed'}")
    for judged in carried.judged:
        print(f"  {judged.study}: {judged.verdict} ({folder.model(carried.model) / judged.report})")


@lineup_app.command()
def status(
    name: Annotated[str, typer.Argument(help="The lineup's name.")] = "local", lineups: Folder = Path("lineups")
) -> None:
    """Show how far each model of a lineup is.

    \b
    Example:
      grace lineup status local
    """
    from rich.console import Console
    from rich.table import Table

    from grace.lineup.folder import LineupFolder
    from grace.lineup.journal import History, histories

    folder = LineupFolder(lineups / name)
    carried = histories(folder.journal)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("model", "state", "since", ""):
        table.add_column(heading)
    for model in folder.lineup.models:
        table.add_row(model, *carried.get(model, History()).summary)
    Console(soft_wrap=True, highlight=False, markup=False).print(table)
