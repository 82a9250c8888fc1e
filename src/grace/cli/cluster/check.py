"""`grace cluster check`: name every rule that manifests break."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from grace.errors import InputError


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES|DIR...", help="Manifests, or folders of them; - is standard input."),
    ] = None,
    cluster: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="The cluster they are for, or a file that describes one.")
    ] = "nrp",
    format: Annotated[
        Literal["text", "json", "sarif"], typer.Option(help="Text for people, json for programs, sarif for code hosts.")
    ] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse warnings too.")] = False,
    show_suppressed: Annotated[
        bool, typer.Option("--show-suppressed", help="Also list findings that an annotation suppresses (text only).")
    ] = False,
    explain: Annotated[str | None, typer.Option(metavar="RULE", help="Only explain a rule.")] = None,
) -> None:
    """Check manifests against Kubernetes' schemas and rules, and those of a cluster. Contacts no cluster.

    Checks all files together: a Service in one file selects pods of another. What cannot be read, as a template, is
    named and counted. Exit code 0: no error. 4: an error. 2: nothing could be checked. docs/policy-rules.md lists all
    rules, and says how to suppress one.

    \b
    Examples:
      grace cluster check kubernetes/
      grace cluster check server.yaml service.yaml client.yaml --strict
      grace cluster check kubernetes/ --format sarif > findings.sarif
      grace cluster check --explain NRP001
    """
    from grace.policy.check import check_manifests, find_rule, rules_for
    from grace.policy.cluster_file import load_cluster
    from grace.policy.formats import as_json, as_sarif, as_text, explanation
    from grace.policy.reading import survey

    if explain is not None:
        typer.echo(explanation(find_rule(explain)), nl=False)
        return
    if not files:
        raise InputError("give files or a folder of manifests; `grace cluster check --help` has examples")
    described = load_cluster(cluster)
    if remark := described.outdated(date.today()):
        typer.echo(f"grace: note: {remark}", err=True)
    with _uncollected():
        reading = survey(files)
        report = check_manifests(reading.manifests, described, reading.unread, reading.generated)
    if format == "json":
        typer.echo(as_json(report), nl=False)
    elif format == "sarif":
        typer.echo(as_sarif(report, rules_for(described)), nl=False)
    else:
        typer.echo(as_text(report, show_suppressed), nl=False)
    if report.refuses(strict):
        raise typer.Exit(4)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage: a check makes hardly any, and looking for it takes an eighth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
