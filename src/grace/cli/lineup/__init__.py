"""`grace lineup`: one file for each of its commands."""

import typer

from grace.cli.lineup.clean import clean
from grace.cli.lineup.compare import compare_outputs
from grace.cli.lineup.fetch import fetch, put
from grace.cli.lineup.resume import resume
from grace.cli.lineup.run import run
from grace.cli.lineup.status import status, watch
from grace.cli.lineup.upload import upload

lineup_app = typer.Typer(
    help="Carry models, one after the other: serve, ask, bring the data home, check it, leave nothing behind.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
lineup_app.command(short_help="Carry a lineup's models, one after the other.")(run)
lineup_app.command(short_help="Go on with a lineup, or wait for the process that carries it.")(resume)
lineup_app.command(short_help="Show how far each model of a lineup is.")(status)
lineup_app.command(short_help="Show the same again and again.")(watch)
lineup_app.command("compare-outputs", short_help="Compare what two runs or lineups brought home.")(compare_outputs)
lineup_app.command(short_help="Bring home what was answered so far.")(fetch)
lineup_app.command(short_help="Bring the tables where the models are asked.")(put)
lineup_app.command(short_help="Remove all that is left, and prove that it is gone.")(clean)
lineup_app.command(short_help="Bring a folder to a bucket.")(upload)
