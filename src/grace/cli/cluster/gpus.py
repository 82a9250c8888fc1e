"""`grace cluster gpus`: list the GPUs of a cluster."""

from typing import Annotated, Literal

import typer

from grace.cli.cluster.options import ClusterName, Context, Kubeconfig, connect


def gpus(
    product: Annotated[str, typer.Option(metavar="TEXT", help="Only products whose name contains this text.")] = "",
    format: Annotated[Literal["text", "json", "csv"], typer.Option(help="Output format.")] = "text",
    cluster: ClusterName = "nrp",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List the cluster's GPUs by product: how many, where, and which of Grace's profiles they serve.

    A node is usable if it is ready, accepts new pods and has no taint; nodes with a taint are reserved. The cluster
    does not show how many GPUs are free.

    \b
    Examples:
      grace cluster gpus
      grace cluster gpus --product 3090
      grace cluster gpus --format csv > gpus.csv
    """
    from grace.cluster.access.gpus import gpu_products, gpu_report
    from grace.cluster.access.nodes import list_nodes
    from grace.policy.cluster_file import load_cluster

    described = load_cluster(cluster)
    with connect(kubeconfig, context) as api:
        nodes = list_nodes(api)
    typer.echo(gpu_report(gpu_products(nodes, described, product), format))
