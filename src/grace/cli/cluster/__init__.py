"""`grace cluster`: from a lineup to a shared Kubernetes cluster, checked before anything is submitted."""

from grace.cli.entries import CommandEntry, group

REFUSES = {"context_settings": {"allow_extra_args": True}}
"""Of a command that refuses more arguments itself, and does not repeat them."""
cluster_app = group(
    CommandEntry("render", "cluster.render:render", "Write the manifests of a lineup."),
    CommandEntry("check", "cluster.check:check", "Name every rule that manifests break."),
    CommandEntry("audit", "cluster.audit:audit", "Say of each rule of the cluster how manifests meet it."),
    CommandEntry(
        "preflight",
        "cluster.preflight:preflight",
        "Check whether the cluster is ready and would accept the manifests.",
    ),
    CommandEntry("explain", "cluster.explain:explain", "Say what a message of the cluster means, and what to do."),
    CommandEntry("gpus", "cluster.gpus:gpus", "List the cluster's GPUs by product."),
    CommandEntry("secret", "cluster.secret:secret", "Store the model hub's token as a Secret.", **REFUSES),
)
