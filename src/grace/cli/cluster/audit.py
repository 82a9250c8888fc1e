"""`grace cluster audit`: say of every rule of a cluster how manifests meet it."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.cluster.options import ClusterName


def audit(
    files: Annotated[list[Path], typer.Argument(metavar="FILES|DIR...", help="Manifests, or folders of them.")],
    cluster: ClusterName = "nrp",
) -> None:
    """Print a page that lists each rule of the cluster: its source, when that was read, and whether manifests meet it.

    Exit code 4: a rule is broken, as in `grace cluster check`. Contacts no cluster.

    \b
    Example:
      grace cluster audit kubernetes/rtx3090 kubernetes/a100
    """
    from grace.policy.audit import audit as page
    from grace.policy.check import check_manifests
    from grace.policy.cluster_file import load_cluster
    from grace.policy.reading import survey

    described = load_cluster(cluster)
    reading = survey(files)
    report = check_manifests(reading.manifests, described, reading.unread, reading.generated)
    typer.echo("\n".join(page(report, described)))
    if report.refuses(strict=False):
        raise typer.Exit(4)
