"""The audit: each rule of a cluster's policy, where it is written, and whether some manifests meet it."""

from collections.abc import Iterator

from grace.policy.check import CheckReport, rules_for
from grace.policy.cluster_file import Cluster


def audit(report: CheckReport, cluster: Cluster) -> Iterator[str]:
    """The lines of a Markdown page: each rule that applies to the cluster, and what a check of manifests found."""
    yield f"# Policy compliance: {cluster.title}\n"
    yield "Made by `grace cluster audit` from the rules of `grace cluster check` and the manifests given.\n"
    yield "| rule | what would break it | found | source | read |"
    yield "|---|---|---|---|---|"
    for rule in rules_for(cluster):
        broken = sum(finding.rule is rule for finding in report.findings)
        reasons = dict.fromkeys(finding.reason for finding in report.suppressed if finding.rule is rule)
        words = [f"broken {broken} times"] if broken else ["met"]
        words += [f"suppressed: {reason}" for reason in reasons]
        cells = (rule.id, rule.title, "; ".join(words), rule.source, rule.read.isoformat())
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
