"""`grace cluster preflight`: see whether a cluster is ready and would accept some manifests."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from grace.cli.asking import end
from grace.cli.cluster.options import ClusterName, Context, Kubeconfig, Namespace
from grace.cli.exits import exit_code


def preflight(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES|DIR]...", help="Manifests. Default: check only the cluster itself."),
    ] = None,
    cluster: ClusterName = "nrp",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="Output format.")] = "text",
) -> None:
    """Check whether the cluster is ready for you and would accept the manifests. Changes nothing on it.

    Checks the login, permissions, namespace, storage classes, nodes and GPUs, priority classes, quotas, secrets and
    volumes; then asks the cluster to try each object (dry run), which applies the cluster's own rules too. Each line is
    pass, fail or unknown, with what to do; unknown marks what the cluster does not show you.

    Exit code 0: nothing failed (unknown is allowed). 2: no usable kubeconfig. 4: something is missing, or refused by
    permission, quota or rule. 5: the cluster cannot be reached, fails, or rejects the login.

    \b
    Examples:
      grace cluster preflight
      grace cluster preflight kubernetes/ --namespace my-lab
      grace cluster preflight kubernetes/ --cluster my-cluster.yaml --format json
    """
    from grace.cluster.preflight.report import as_json, as_text
    from grace.cluster.preflight.sequence import preflight as look
    from grace.policy.cluster_file import load_cluster
    from grace.policy.reading import read

    described = load_cluster(cluster)
    manifests = read(files) if files else []
    report = look(manifests, described, namespace=namespace, kubeconfig=kubeconfig, context=context)
    content = as_json(report) | {"exit_code": exit_code(report.failure)}
    for line in content["lines"]:
        line["code"] = exit_code(line.pop("failure"))
    typer.echo(json.dumps(content, indent=2) if format == "json" else as_text(report))
    end(exit_code(report.failure))
