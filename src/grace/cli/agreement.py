"""`grace agreement`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.options import count


def agreement(
    run: Annotated[list[Path], typer.Argument(help="Reviewed runs of `grace extract`; copies of one go together.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell how far people agree who reviewed the same rows: Krippendorff's alpha for each field.

    Each person's last decision about a row counts. Alpha is 1 for perfect agreement and 0 for chance.

    \b
    Examples:
      grace agreement outputs/study1_structured.run
      grace agreement ada/study1_structured.run emmy/study1_structured.run --json
    """
    from dataclasses import asdict

    from grace.review.agreement import agreement as agreement_of
    from grace.runs import Run

    agreed = agreement_of([Run(path) for path in run])
    if as_json:
        import orjson

        typer.echo(orjson.dumps(asdict(agreed), option=orjson.OPT_INDENT_2).decode())
        return
    who = ", ".join(f"{name} ({count(rows, 'row')})" for name, rows in agreed.raters.items())
    print(f"{who}; {count(agreed.rows, 'row')} by two or more")
    if agreed.seen:
        print(f"  {agreed.seen} of {agreed.decisions} decisions were not blind, which makes people agree more")
    width = max(len("field"), *(len(field.name) for field in agreed.fields))
    print(f"{'field'.ljust(width)}  {'equal':>6}  {'alpha':>6}  {'level':8}  value in some only")
    for field in agreed.fields:
        alpha = "-" if field.alpha is None else f"{field.alpha:.3f}"
        print(f"{field.name.ljust(width)}  {field.equal:>6.1%}  {alpha:>6}  {field.level:8}  {field.one_only}")
