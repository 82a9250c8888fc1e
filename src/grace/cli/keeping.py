"""Keeping what a command has made as evidence of the project's roadmap, where there is a project."""

from collections.abc import Sequence
from pathlib import Path

import typer


def keep_result(kind: str, files: Sequence[Path], runs: Sequence[Path], sentence: str = "") -> None:
    """Have the evidence of the project around the files know them; say so where it cannot. `kind` is one of `Made`."""
    from grace.roadmap.results import Made, record_result

    if note := record_result(Made(kind), files, runs, sentence):
        typer.echo(f"grace: note: {note}", err=True)
