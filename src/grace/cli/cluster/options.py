"""Options that all commands that contact a cluster share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from grace.cluster.access.connection import Api

Kubeconfig = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Kubeconfig. Default: KUBECONFIG, then ~/.kube/config, then the pod's."),
]
Context = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context in the kubeconfig. Default: the current one.")
]
Namespace = Annotated[
    str | None, typer.Option(metavar="NAME", help="Namespace. Default: the context's, then that of the cluster's file.")
]
ClusterName = Annotated[
    str, typer.Option("--cluster", metavar="NAME|FILE", help="nrp, or a file that describes a cluster.")
]


def connect(kubeconfig: Path | None, context: str | None) -> "Api":
    """A connection; its warnings go to standard error."""
    from grace.cluster.access.connection import connect as connected

    api = connected(kubeconfig, context)
    for warning in api.target.warnings:
        typer.echo(f"grace: warning: {warning}", err=True)
    return api
