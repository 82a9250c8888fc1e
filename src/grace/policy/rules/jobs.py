"""Rules about Jobs: when they end, when they are removed, and what a preemption costs them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from grace.policy.documents import Scene
from grace.policy.rule import Hit, Rule, Severity, changed

READ = date(2026, 11, 25)


def check_removal(scene: Scene) -> Iterator[Hit]:
    """Jobs that stay when they are done."""
    for workload in scene.workloads:
        if workload.kind == "Job" and "ttlSecondsAfterFinished" not in (workload.job_spec or {}):
            yield Hit(
                workload.manifest, ("spec", "ttlSecondsAfterFinished"), "no ttlSecondsAfterFinished: it stays when done"
            )


def check_deadline(scene: Scene) -> Iterator[Hit]:
    """Jobs that can run for ever."""
    for workload in scene.workloads:
        spec, path = workload.job_spec, workload.job_path
        if spec is None or path is None:
            continue
        if "activeDeadlineSeconds" not in spec and "activeDeadlineSeconds" not in workload.spec:
            message = "no activeDeadlineSeconds: if it hangs, it holds its resources until somebody notices"
            yield Hit(workload.manifest, (*path, "activeDeadlineSeconds"), message)


def check_preemption(scene: Scene) -> Iterator[Hit]:
    """Preemptible Jobs whose back-off limit counts preemptions."""
    for workload in scene.workloads:
        spec, path = workload.job_spec, workload.job_path
        priority = workload.spec.get("priorityClassName")
        if spec is None or path is None or priority not in scene.cluster.priority_classes.no_quota:
            continue
        if not _ignores_disruption(spec):
            limit = spec.get("backoffLimit", 6)
            message = f"pods of {priority} are preempted at any time, and {limit + 1} preemptions fail the Job"
            yield Hit(workload.manifest, (*path, "podFailurePolicy"), message)


def _ignores_disruption(spec: dict[str, Any]) -> bool:
    """Whether a Job does not count pods that the cluster took away."""
    return any(
        rule.get("action") == "Ignore"
        and any(condition.get("type") == "DisruptionTarget" for condition in rule.get("onPodConditions") or [])
        for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []
    )


_JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  name: study1
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 86400
  ttlSecondsAfterFinished: 86400
  podFailurePolicy:
    rules:
    - action: Ignore
      onPodConditions:
      - {type: DisruptionTarget, status: "True"}
  template:
    spec:
      restartPolicy: Never
      priorityClassName: opportunistic
      containers:
      - name: main
        image: ghcr.io/example/query-generator:0.3.0
"""

RULES = (
    Rule(
        id="K8S030",
        severity=Severity.NOTE,
        title="Job that stays when it is done",
        why="Finished Jobs and their pods count against limits of the namespace, and a second run of the same name is "
        "refused while the first one is there.",
        source="Kubernetes documentation, Automatic Cleanup for Finished Jobs, "
        "https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/",
        read=READ,
        mend="Write ttlSecondsAfterFinished into the Job's spec, long enough to collect results and logs first.",
        policy="general",
        check=check_removal,
        failing=(changed(_JOB, ("  ttlSecondsAfterFinished: 86400\n", "")),),
        passing=(_JOB,),
    ),
    Rule(
        id="K8S031",
        severity=Severity.NOTE,
        title="Job that can run for ever",
        why="A client that waits for a server which never answers holds its GPU until somebody looks.",
        source="Kubernetes documentation, Jobs, Job termination and cleanup, "
        "https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup",
        read=READ,
        mend="Write activeDeadlineSeconds into the Job's spec: twice of what it should take.",
        policy="general",
        check=check_deadline,
        failing=(changed(_JOB, ("  activeDeadlineSeconds: 86400\n", "")),),
        passing=(_JOB,),
    ),
    Rule(
        id="K8S032",
        severity=Severity.WARNING,
        title="preemptible Job that counts preemptions as failures",
        why="Pods of this priority class make room for others at any time. Each time counts against backoffLimit, and "
        "when that is spent the Job fails, however much of its work is done.",
        source="Kubernetes documentation, Jobs, Pod failure policy, "
        "https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy",
        read=READ,
        mend="Add a podFailurePolicy: action Ignore for the pod condition DisruptionTarget; and restartPolicy: Never.",
        policy="general",
        check=check_preemption,
        failing=(
            changed(_JOB, ("action: Ignore", "action: Count")),
            changed(_JOB, ("DisruptionTarget", "Ready")),
        ),
        passing=(
            _JOB,
            changed(_JOB, ("action: Ignore", "action: Count"), ("      priorityClassName: opportunistic\n", "")),
        ),
    ),
)
