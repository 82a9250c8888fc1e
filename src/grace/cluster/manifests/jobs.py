"""Jobs: how often they try, when they give up, and when they go away."""

from collections.abc import Mapping

from kubernetes import client as k8s

from grace.cluster.manifests.parts import QUEUE

TRIES = 3
"""Further tries after a failure; each continues where the one before stopped."""
WEEK = 7 * 24 * 3600
LONGEST = WEEK
"""Seconds that a Job may take, including the wait for GPUs; each of its pods has a deadline of its own."""
KEPT = WEEK
"""Seconds that a finished Job stays, so that its log can be read. What it made is on a volume and stays longer."""


def make_job(
    metadata: k8s.V1ObjectMeta,
    spec: k8s.V1PodSpec,
    *,
    hopeless: Mapping[str, tuple[int, ...]],
    completions: int = 1,
    parallelism: int = 1,
    leader_decides: bool = False,
    forgiven: Mapping[str, tuple[int, ...]] | None = None,
) -> k8s.V1Job:
    """A Job.

    Args:
        metadata: its own; its pods get the same labels.
        spec: the spec of its pods.
        hopeless: exit codes by container after which another try would end in the same way.
        completions: how many pods it needs in all; if several, they have indexes.
        parallelism: how many pods run at once.
        leader_decides: the Job is done when the pod with index 0 is done; the others are ended then.
        forgiven: exit codes by container that cost no try.
    """
    indexed = completions > 1
    by_index = indexed and not leader_decides
    own = metadata.labels or {}
    labels = {key: value for key, value in own.items() if key != QUEUE}
    policy = k8s.V1SuccessPolicy(rules=[k8s.V1SuccessPolicyRule(succeeded_indexes="0")])
    return k8s.V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=metadata,
        spec=k8s.V1JobSpec(
            suspend=True if QUEUE in own else None,  # until Kueue admits it
            completions=completions,
            parallelism=parallelism,
            completion_mode="Indexed" if indexed else "NonIndexed",
            # When the leader fails, all pods that hold only a part of its model fail, too.
            backoff_limit=None if by_index else TRIES * (completions if leader_decides else 1),
            backoff_limit_per_index=TRIES if by_index else None,
            active_deadline_seconds=LONGEST,
            ttl_seconds_after_finished=KEPT,
            # The API demands it beside a failure policy. On a lost node, a pod is replaced when it is deleted by force;
            # should it live on, its lock of the run keeps the new one from writing (grace.lock).
            pod_replacement_policy="Failed",
            pod_failure_policy=_failure_policy(hopeless, forgiven or {}),
            success_policy=policy if leader_decides else None,
            template=k8s.V1PodTemplateSpec(metadata=k8s.V1ObjectMeta(labels=labels), spec=spec),
        ),
    )


def _failure_policy(
    hopeless: Mapping[str, tuple[int, ...]], forgiven: Mapping[str, tuple[int, ...]]
) -> k8s.V1PodFailurePolicy:
    """Pods that the cluster evicted do not count; what another try cannot fix ends the Job."""
    taken = k8s.V1PodFailurePolicyRule(
        action="Ignore",
        on_pod_conditions=[k8s.V1PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")],
    )
    ends = [_on_exit("FailJob", container, codes) for container, codes in hopeless.items()]
    ignored = [_on_exit("Ignore", container, codes) for container, codes in forgiven.items()]
    return k8s.V1PodFailurePolicy(rules=[taken, *ignored, *ends])


def _on_exit(action: str, container: str, codes: tuple[int, ...]) -> k8s.V1PodFailurePolicyRule:
    return k8s.V1PodFailurePolicyRule(
        action=action,
        on_exit_codes=k8s.V1PodFailurePolicyOnExitCodesRequirement(
            container_name=container, operator="In", values=list(codes)
        ),
    )
