"""Kubernetes: access to a cluster (access/), the manifests of a lineup (manifests/), a trial of both (preflight/)."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.cluster.manifests.render import render_lineup, write_rendering
    from grace.cluster.manifests.request import Request

__all__ = ["Request", "render_lineup", "write_rendering"]

__getattr__ = exported(
    __name__, Request="manifests.request", render_lineup="manifests.render", write_rendering="manifests.render"
)
