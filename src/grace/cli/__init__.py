"""The command line: reads arguments, calls one function, prints. Heavy imports wait until a command needs them."""

import os
import sys
import traceback

import typer

from grace.cli.arguments import checked, open_streams
from grace.cli.entries import CommandEntry, group
from grace.cli.exits import DEFECT, exit_code
from grace.errors import GraceError

app = group(
    CommandEntry("query", "query:query", "Ask a model about every trial (Experiment 1)."),
    CommandEntry("score", "score:score", "Measure the exact probability of every answer (Experiment 2)."),
    CommandEntry(
        "visit", "visit:visit", "Ask a model everything while it is loaded: all studies of a file, both experiments."
    ),
    CommandEntry("extract", "extract:extract", "Find the values in the answers of Experiment 1."),
    CommandEntry("review", "review:review", "Check extracted values on a local web page."),
    CommandEntry("agreement", "agreement:agreement", "Tell how far reviewers agree (Krippendorff's alpha)."),
    CommandEntry("view", "view:view", "Look around in runs on a local web page."),
    CommandEntry("merge", "merge:merge", "Make one table for the analysis from a study's runs."),
    CommandEntry("analyze", "analyze:analyze", "Run the statistics of a study: means, tests, figures."),
    CommandEntry("compare", "compare:compare", "Compare two models on the same trials: are they equivalent?"),
    CommandEntry("report", "report:report", "Write a report as one web page."),
    CommandEntry("paper", "paper:paper", "Write the parts of a paper: methods, results, tables, figures."),
    CommandEntry("noise", "noise:noise", "Ask some questions of a score again and measure the differences."),
    CommandEntry("validate", "validate:validate", "Check whether tables are good enough to analyse."),
    CommandEntry("export", "export:export", "Remake the table of a run."),
    CommandEntry("join", "join:join", "Put the shards of a run together."),
    CommandEntry("serve", "serve:serve", "Serve a model on this machine."),
    CommandEntry("init", "project:init", "Begin a project: write a commented grace.yaml."),
    CommandEntry("config", "project:config", "Show the project's defaults, and where each comes from."),
    CommandEntry("check-endpoint", "endpoint:check_endpoint", "Check whether a model server can be used."),
    CommandEntry("reproduce", "archive:reproduce", "Make the results of an archive again, and compare them."),
    CommandEntry("archive", "archive:archive_app", "Keep everything of an experiment in one verified archive."),
    CommandEntry(
        "cluster",
        "cluster:cluster_app",
        "Write manifests for a Kubernetes cluster, check them, and ask the cluster whether it would accept them.",
    ),
    CommandEntry("data", "data:data_app", "Make, sample and check tables of trials."),
    CommandEntry(
        "lineup",
        "lineup:lineup_app",
        "Carry models, one after the other: serve, ask, bring the data home, check it, leave nothing behind.",
    ),
    CommandEntry("models", "models:models_app", "List models, compute what they need, and fetch their files."),
    CommandEntry(
        "request",
        "request:request_app",
        "Write requests for scarce GPUs from the plan and from what was measured; keep the answer.",
    ),
    CommandEntry(
        "roadmap",
        "roadmap:roadmap_app",
        "Where are we on the road to scarce GPUs, what comes next, and what is left to prove?",
    ),
    CommandEntry("study", "study:study_app", "Begin a study file, and look at what it makes of a table."),
    CommandEntry("runs", "runs:runs_app", "List the runs that there are, or remove some."),
    name="grace",
    help="Run behavioural experiments on language models, from a laptop to a shared GPU cluster.",
    epilog="Start with docs/quickstart.md. --debug before the command shows a traceback with every error.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    from grace.project import find_project

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
        message, code = _message_of(error)
        if os.environ.get("GRACE_DEBUG"):
            traceback.print_exc()
        else:
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
