"""`grace cluster`: from a lineup to a shared Kubernetes cluster, checked before anything is submitted."""

import typer

from grace.cli.cluster.audit import audit
from grace.cli.cluster.check import check
from grace.cli.cluster.explain import explain
from grace.cli.cluster.gpus import gpus
from grace.cli.cluster.preflight import preflight
from grace.cli.cluster.render import render
from grace.cli.cluster.secret import secret

cluster_app = typer.Typer(
    help="Write manifests for a Kubernetes cluster, check them, and ask the cluster whether it would accept them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cluster_app.command(short_help="Write the manifests of a lineup.")(render)
cluster_app.command(short_help="Name every rule that manifests break.")(check)
cluster_app.command(short_help="Say of each rule of the cluster how manifests meet it.")(audit)
cluster_app.command(short_help="Check whether the cluster is ready and would accept the manifests.")(preflight)
cluster_app.command(short_help="Say what a message of the cluster means, and what to do.")(explain)
cluster_app.command(short_help="List the cluster's GPUs by product.")(gpus)
cluster_app.command(
    short_help="Store the model hub's token as a Secret.",
    context_settings={"allow_extra_args": True},  # it refuses them itself, and does not repeat them
)(secret)
