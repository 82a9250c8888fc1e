"""The command line: reads arguments, calls one function, prints. Heavy imports wait until a command needs them."""

import os
import sys

import typer

from grace.cli.agreement import agreement
from grace.cli.analyze import analyze
from grace.cli.archive import archive_app, reproduce
from grace.cli.arguments import checked, open_streams
from grace.cli.cluster import cluster_app
from grace.cli.compare import compare
from grace.cli.data import data_app
from grace.cli.endpoint import check_endpoint
from grace.cli.exits import DEFECT, exit_code
from grace.cli.export import export
from grace.cli.extract import extract
from grace.cli.join import join
from grace.cli.lineup import lineup_app
from grace.cli.merge import merge
from grace.cli.models import models_app
from grace.cli.noise import noise
from grace.cli.paper import paper
from grace.cli.project import config, init
from grace.cli.query import query
from grace.cli.report import report
from grace.cli.request import request_app
from grace.cli.review import review
from grace.cli.roadmap import roadmap_app
from grace.cli.runs import runs_app
from grace.cli.score import score
from grace.cli.serve import serve
from grace.cli.study import study_app
from grace.cli.validate import validate
from grace.cli.view import view
from grace.cli.visit import visit
from grace.errors import GraceError
from grace.project import find_project

app = typer.Typer(
    name="grace",
    help="Run behavioural experiments on language models, from a laptop to a shared GPU cluster.",
    epilog="Start with docs/quickstart.md. --debug before the command shows a traceback with every error.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would cost a tenth of a second at each start
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(short_help="Ask a model about every trial (Experiment 1).")(query)
app.command(short_help="Measure the exact probability of every answer (Experiment 2).")(score)
app.command(short_help="Ask a model everything while it is loaded: all studies of a file, both experiments.")(visit)
app.command(short_help="Find the values in the answers of Experiment 1.")(extract)
app.command(short_help="Check extracted values on a local web page.")(review)
app.command(short_help="Tell how far reviewers agree (Krippendorff's alpha).")(agreement)
app.command(short_help="Look around in runs on a local web page.")(view)
app.command(short_help="Make one table for the analysis from a study's runs.")(merge)
app.command(short_help="Run the statistics of study 1 or 2.")(analyze)
app.command(short_help="Compare two models on the same trials: are they equivalent?")(compare)
app.command(short_help="Write a report as one web page.")(report)
app.command(short_help="Write the parts of a paper: methods, results, tables, figures.")(paper)
app.command(short_help="Ask some questions of a score again and measure the differences.")(noise)
app.command(short_help="Check whether tables are good enough to analyse.")(validate)
app.command(short_help="Remake the table of a run.")(export)
app.command(short_help="Put the shards of a run together.")(join)
app.command(short_help="Serve a model on this machine.")(serve)
app.command(short_help="Begin a project: write a commented grace.yaml.")(init)
app.command(short_help="Show the project's defaults, and where each comes from.")(config)
app.command("check-endpoint", short_help="Check whether a model server can be used.")(check_endpoint)
app.command(short_help="Make the results of an archive again, and compare them.")(reproduce)
app.add_typer(archive_app, name="archive")
app.add_typer(cluster_app, name="cluster")
app.add_typer(data_app, name="data")
app.add_typer(lineup_app, name="lineup")
app.add_typer(models_app, name="models")
app.add_typer(request_app, name="request")
app.add_typer(roadmap_app, name="roadmap")
app.add_typer(study_app, name="study")
app.add_typer(runs_app, name="runs", short_help="List the runs that there are, or remove some.")


def _version(show: bool) -> None:
    if show:
        from grace.version import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    debug: bool = typer.Option(False, "--debug", help="Show a traceback with every error."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    if debug:
        os.environ["GRACE_DEBUG"] = "1"
    if project := find_project():
        context.default_map = project.defaults()


checked(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error becomes one message and its exit code."""
    open_streams()
    try:
        try:
            app(arguments)
        finally:
            sys.stdout.flush()  # what nobody can read is an error here, and none after the end
    except Exception as error:
        if os.environ.get("GRACE_DEBUG"):
            raise
        message, code = _message_of(error)
        print(f"grace: {message}", file=sys.stderr)
        sys.exit(code)


def _message_of(error: Exception) -> tuple[str, int]:
    """What to print about an error, and its exit code."""
    match error:
        case GraceError():
            return str(error), exit_code(error)
        case OSError():  # a file or disk that failed unexpectedly
            return str(error), 2
    message = f"{type(error).__name__}: {error}. This is a defect of Grace; `grace --debug ...` shows where"
    return message, DEFECT
