"""`grace study`: begin a study file, and look at what it makes of a table, before any model is asked."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grace.cli.entries import group
from grace.cli.options import reads_table
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.tables import TableFormat

study_app = group()


@study_app.command()
@reads_table
def new(
    table_format: "TableFormat",
    output: Annotated[Path, typer.Argument(help="The study file to write, as my_study.yaml.")],
    input: Annotated[Path | None, typer.Option(help="The table of trials; its header gives the columns.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="The columns, with commas between, where there is no table.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="What the study is about.")] = None,
    show: Annotated[str | None, typer.Option(help="The column that the model sees.")] = None,
    question: Annotated[str | None, typer.Option(help="What the model is asked about it.")] = None,
    kind: Annotated[Literal["choice", "rating", "text"] | None, typer.Option(help="The kind of the answers.")] = None,
    labels: Annotated[str | None, typer.Option(help="The answers of a choice, with commas between.")] = None,
    low: Annotated[int, typer.Option(help="The lowest point of a rating.")] = 1,
    high: Annotated[int, typer.Option(help="The highest point of a rating.")] = 7,
) -> None:
    """Write a first study file, commented, from a few answers.

    What no option says is asked for, if somebody is there to answer.

    \b
    Examples:
      grace study new my_study.yaml --input trials.csv
      grace study new mood.yaml --columns item,sentence --title "Mood" --show sentence \\
          --question "Is the speaker glad? Answer yes or no." --kind choice --labels yes,no
    """
    from grace.studies.blank import Blank, check_kind, check_shown
    from grace.studies.study import parse_study
    from grace.table_files import open_table
    from grace.text import latin

    if output.exists():
        raise InputError(f"{output}: is there already; choose another name, or move it away")
    if input is not None:
        with open_table(input, table_format) as table:
            names = list(table.columns)
    else:
        names = _list(_asked(columns, "--columns", "The columns of the table, with commas between"))
    shown = _asked(show, "--show", f"The column that the model sees ({', '.join(names)})")
    check_shown(shown, names)
    asked = _asked(question, "--question", "What is the model asked about it?")
    chosen = _asked(kind, "--kind", "The kind of the answers (choice, rating, text)")
    check_kind(chosen)
    answers = _list(_asked(labels, "--labels", "The answers, with commas between")) if chosen == "choice" else []
    name = re.sub(r"[^a-z0-9]", "_", latin(output.stem.lower()))
    blank = Blank(
        name=name if name[:1].isalpha() else f"study_{name}",
        title=_asked(title, "--title", "What is the study about?"),
        columns=names,
        shown=shown,
        ask=asked,
        kind=chosen,
        labels=answers,
        low=low,
        high=high,
    )
    text = blank.text()
    parse_study(text.encode(), str(output))
    output.write_text(text, encoding="utf-8")
    table_name = input or "TABLE"
    print(f"{output}: written; `grace study check {output} --input {table_name}` shows what a model will see")


@study_app.command()
@reads_table
def check(
    table_format: "TableFormat",
    study: Annotated[str, typer.Argument(metavar="FILE", help="The study file, or the name of a built-in study.")],
    input: Annotated[Path, typer.Option(help="The table of trials.")],
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 1,
    answer: Annotated[list[str] | None, typer.Option(help="An answer to read; may be given several times.")] = None,
) -> None:
    """Show what a model will see of the first rows, what a request looks like, and what is read in an answer.

    Nothing is asked, and nothing is written. `grace data check` looks at all rows of the table.

    \b
    Examples:
      grace study check my_study.yaml --input trials.csv
      grace study check my_study.yaml --input trials.csv --rows 3 --answer "Yes, I think so."
    """
    import json

    from grace.quality.thresholds import thresholds_of
    from grace.stages import preview
    from grace.studies.people import check_people
    from grace.studies.study import load_study
    from grace.studies.vary import crossed
    from grace.table_files import open_table
    from grace.text import harmless

    own = load_study(study)
    thresholds_of(own)
    with open_table(input, table_format) as given, crossed(given, own.vary) as table:
        own.check_columns(table.columns, table.path)
        check_people(own)
        if not len(table):
            raise InputError(f"{table.path}: has a header but no rows")
        variants = len(table) // len(given)
        for part in preview.shown(own, table, rows * variants):
            print(f"--- row {part.row}, {part.name}" + (f" ({part.variant})" if part.variant else ""))
            for message in part.messages:
                print(f"[{message['role']}] {harmless(message['content'])}")
            for label, forms in part.answers.items():
                print(f"  {label}: {', '.join(repr(form) for form in forms)}")
        if body := preview.request(own, table):
            print("--- a request of `grace query`")
            print(harmless(json.dumps(body, ensure_ascii=False, indent=2)))
        for text, values in preview.read(own, table, answer or ()):
            print(f"--- read in {harmless(text)!r}")
            for name, value in values.values.items():
                print(f"  {name}: {'nothing' if value is None else value}{_why(values.errors.get(name))}")


def _why(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _asked(given: str | None, option: str, words: str) -> str:
    """What an option says, or somebody at the terminal. Raises InputError where nobody is there."""
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise InputError(f"{option} is missing, and nobody is at the terminal to ask")
    return str(typer.prompt(words))


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
