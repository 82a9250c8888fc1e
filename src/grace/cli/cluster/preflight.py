"""`grace cluster preflight`: see whether a cluster is ready, and would take some manifests."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grace.cli.cluster.options import ClusterName, Context, Kubeconfig, Namespace
from grace.cli.exits import exit_code


def preflight(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES|DIR]...", help="Manifests. Without any: only the cluster itself is looked at."),
    ] = None,
    cluster: ClusterName = "nrp",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="How to print it.")] = "text",
) -> None:
    """See whether the cluster is ready for you, and would take the manifests. Nothing on it is changed.

    Looks at the login, permissions, namespace, storage classes, nodes and GPUs, priority classes, quotas, secrets and
    volumes; then the cluster is asked to try each object (dry run), which shows its own rules too. Each line is pass,
    fail or unknown, with what to do; unknown is what the cluster does not show to you.

    Ends with 0 when nothing fails (unknown is allowed), with 2 when there is no usable kubeconfig, with 5 when the
    cluster cannot be reached, fails, or does not take the login, with 4 when anything else fails: something is missing,
    or refused by permission, quota or rule.

    \b
    Examples:
      grace cluster preflight
      grace cluster preflight kubernetes/ --namespace my-lab
      grace cluster preflight kubernetes/ --cluster my-cluster.yaml --format json
    """
    from grace.cluster.preflight.report import as_json, as_text
    from grace.cluster.preflight.sequence import preflight as look
    from grace.policy.cluster_file import load_cluster
    from grace.policy.documents import read

    described = load_cluster(cluster)
    manifests = read(files) if files else []
    report = look(manifests, described, namespace=namespace, kubeconfig=kubeconfig, context=context)
    typer.echo(as_json(report, exit_code) if format == "json" else as_text(report))
    if report.failure:
        raise typer.Exit(exit_code(report.failure))
