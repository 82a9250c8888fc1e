"""Rules about manifests, whoever wrote them: what a cluster forbids, and what cannot work."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.policy.check import check_manifests
    from grace.policy.cluster_file import load_cluster
    from grace.policy.reading import read
    from grace.policy.rule import Severity

__all__ = ["Severity", "check_manifests", "load_cluster", "read"]

__getattr__ = exported(__name__, load_cluster="cluster_file", read="reading", check_manifests="check", Severity="rule")
