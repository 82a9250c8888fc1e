"""Arguments and options that several commands have in common, and how they are read."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grace.cli.completing import complete_model, complete_study
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.progress import Progress
    from grace.stages.shard import Shard as PartOfRun
    from grace.stages.task import Endpoint

_TABLE_OPTIONS: dict[str, tuple[Any, Any]] = {
    "encoding": (
        Annotated[
            str | None,
            typer.Option(metavar="NAME", help="Encoding of a table that is not UTF-8, such as cp1252 or shift_jis."),
        ],
        None,
    ),
    "delimiter": (
        Annotated[
            str | None,
            typer.Option(metavar="CHAR", help="What separates cells, such as ';' or tab. Default: what the rows show."),
        ],
        None,
    ),
    "decimal": (
        Annotated[
            str | None,
            typer.Option(metavar=",|.", help="What stands before decimals in numbers. Default: what the rows show."),
        ],
        None,
    ),
    "skip_rows": (
        Annotated[
            int, typer.Option(min=0, metavar="N", help="Leave out N rows below the header; 2 for Qualtrics' exports.")
        ],
        0,
    ),
    "sheet": (
        Annotated[str | None, typer.Option(metavar="NAME", help="Sheet of a spreadsheet. Default: the first one.")],
        None,
    ),
}
"""The options of every command that reads a table of the user's own."""


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of how its table is to be read; it gets them as `table_format`."""
    signature = inspect.signature(command)

    @wraps(command)
    def with_format(**arguments: Any) -> None:
        from grace.tables import TableFormat

        given = {name: arguments.pop(name) for name in _TABLE_OPTIONS}
        given["delimiter"] = {"tab": "\t", "\\t": "\t"}.get(given["delimiter"], given["delimiter"])
        if given["decimal"] not in (None, ",", "."):
            raise InputError(f"--decimal {given['decimal']}: is neither , nor .")
        command(**arguments, table_format=TableFormat(**given))

    own = [parameter for name, parameter in signature.parameters.items() if name != "table_format"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _TABLE_OPTIONS.items()
    ]
    with_format.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    with_format.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *more)}
    return with_format


StudyName = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]",
        help="study1, study2, agreement, or a study file's path. Default: the built-in study that fits the columns.",
        autocompletion=complete_study,
    ),
]
Input = Annotated[
    Path | None,
    typer.Option(help="Table of trials: CSV, .xlsx, .jsonl or .parquet. Default: the study's in grace.yaml."),
]
Output = Annotated[
    Path, typer.Option(help="Table to write, .csv or .parquet. For a.csv and a.parquet, the run is in a.run/.")
]
Extraction = Annotated[
    Path | None, typer.Option(metavar="RUN", help="The run of `grace extract`, if several belong to the RUN.")
]
Scores = Annotated[
    Path | None, typer.Option(metavar="RUN", help="The run of `grace score`, if several belong to the RUN.")
]
SpreadsheetSafe = Annotated[
    bool,
    typer.Option("--spreadsheet-safe", help="Put an apostrophe before cells of CSV that spreadsheets run as formulas."),
]
NoExclusions = Annotated[
    bool, typer.Option("--no-exclusions", help="Study 1: keep all trials, whatever their knowledge answers and marks.")
]
Theme = Annotated[str, typer.Option(metavar="paper|slides", help="The look of the figures.")]
ModelEndpoint = Annotated[str, typer.Option(help="Address of a model server, or 'embedded'.")]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="K/N",
        help="Ask only part K (from 0) of N, in a separate run; `grace join` puts the parts together. "
        "auto/N takes K from JOB_COMPLETION_INDEX, as Kubernetes sets it.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        help="The model's name on the server. Default: the only one there; embedded: smollm2-135m.",
        autocompletion=complete_model,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N rows.")]
Concurrency = Annotated[str, typer.Option(metavar="auto|N", help="Simultaneous requests.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer.")]
MaxRetries = Annotated[int, typer.Option(min=0, help="Retries after transient faults.")]
ApiKeyEnv = Annotated[
    str | None, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
]
ModelRevision = Annotated[
    str | None,
    typer.Option(help="The weights (revision, quantization), if the server does not report them."),
]
BatchInvariant = Annotated[
    bool,
    typer.Option(
        "--batch-invariant",
        help="Note with the run that answers do not depend on what the server computes beside them, as vLLM's with "
        "VLLM_BATCH_INVARIANT=1; `grace noise` checks it.",
    ),
]
BreakLock = Annotated[bool, typer.Option("--break-lock", help="Continue a run whose writer died on another machine.")]


def read_input(input: Path | None, study: str | None) -> tuple[Path, str | None]:
    """The table of trials and its study; what is not given is what grace.yaml says. Raises InputError."""
    from grace.project import FILE, find_project

    if input is not None:
        return input, study
    project = find_project()
    tables = project.tables if project else {}
    if study is None and len(tables) == 1:
        study = next(iter(tables))
    if study is None or study not in tables:
        what = f"{study} has" if study else "the study has"
        where = f"{project.path} lists {', '.join(tables) or 'no study'}" if project else f"there is no {FILE}"
        raise InputError(f"--input is missing, and {what} no table in {FILE}: {where}")
    return tables[study], study


def read_endpoint(
    url: str, model: str | None, concurrency: str, timeout: float, max_retries: int, api_key_env: str | None
) -> "Endpoint":
    """The endpoint to ask. Raises InputError."""
    from grace.calls.carry import endpoint_of

    return endpoint_of(url, model, read_concurrency(concurrency), timeout, max_retries, api_key_env)


def read_concurrency(text: str) -> int | None:
    """A number of requests at once, None for "auto". Raises InputError."""
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise InputError(f"--concurrency {text}: is neither 'auto' nor a number from 1")


def read_shard(text: str | None) -> "PartOfRun | None":
    """A part of a run. Raises InputError."""
    from grace.stages.shard import Shard as PartOfRun

    return None if text is None else PartOfRun.parse(text)


@contextmanager
def progressing() -> "Iterator[Progress]":
    """Show the progress of long work that asks no model."""
    from grace.calls.display import make_progress

    with make_progress() as progress:
        yield progress


def beside(given: Path, ending: str) -> Path:
    """The default place of what is made from a run or table: `outputs/a_merged` for `outputs/a.run`."""
    path = given if given.name else given.resolve()  # the current folder has a name too
    return path.with_name(f"{path.stem}{ending}")


def count(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number} {what}{'s' * (number != 1)}"
