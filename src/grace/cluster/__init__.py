"""Kubernetes: access to a cluster (access/), the manifests of a lineup (manifests/), a trial of both (preflight/)."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.cluster.manifests.render import render_lineup, write_rendering
    from grace.cluster.manifests.request import Request
    from grace.cluster.messages import explain

__all__ = ["Request", "explain", "render_lineup", "write_rendering"]

__getattr__ = exported(
    __name__,
    Request="manifests.request",
    explain="messages",
    render_lineup="manifests.render",
    write_rendering="manifests.render",
)
