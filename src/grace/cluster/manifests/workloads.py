"""The objects of one model: a Job with its server in it, or a server that stays and a Job that asks it."""

from typing import Any

from kubernetes import client as k8s

from grace.cluster.manifests.grace_container import (
    HUB,
    MAIN,
    code_volumes,
    install_containers,
    visit_container,
    visit_volumes,
)
from grace.cluster.manifests.jobs import make_job
from grace.cluster.manifests.layout import NO_PRIORITY, LineupLayout, Served
from grace.cluster.manifests.parts import labels, metadata, pod, root_reason, selector
from grace.cluster.manifests.vllm_container import (
    CHECK,
    PORT,
    affinity,
    check_container,
    server_container,
    server_volumes,
)
from grace.cluster.manifests.weights_job import catalogue_volumes
from grace.cluster.names import INDEXED

HOUR = 3600
LARGE = 10_000_000_000
"""Parameters from which on a model may take twice as long."""

HOPELESS = (2, 4, 70)
"""Exit codes of `grace visit` after which another try ends in the same way: wrong input, refused, a defect."""
FOLLOWED = 75
"""Exit code of `grace visit --leader` in a pod whose leader is gone: how that one ended counts, if anything does."""
NO_WEIGHTS = (2, 3)
"""Exit codes of `grace models path`: the weights are not there. A GPU must not wait until they are."""


def job_objects(layout: LineupLayout, served: Served) -> list[k8s.V1Job | k8s.V1Service]:
    """One visit: the server beside the container that asks, both gone when the questions are done."""
    name = layout.name(served.name, most=INDEXED)
    nodes = served.nodes
    leader = f"{name}-0.{name}" if nodes > 1 else None
    spec = pod(
        [visit_container(layout, served, f"http://127.0.0.1:{PORT}", f"http://{leader}:{PORT}" if leader else None)],
        [*visit_volumes(layout), *server_volumes(layout, served)],
        before=[
            *install_containers(layout, [HUB]),
            check_container(layout, served),
            server_container(layout, served, leader, sidecar=True),
        ],
        deadline=_deadline(served),
        priority_class=served.priority_class,
        affinity=affinity(layout, served, "visit"),
        subdomain=name if leader else None,
    )
    suppress = _quota_reason(layout, served) | root_reason(layout)
    if leader:
        suppress["NRP029"] = "only the pod with index 0 asks and writes, and the others wait (--leader)"
    job = make_job(
        metadata(layout, name, "visit", served, suppress=suppress, queued=True),
        spec,
        hopeless={MAIN: HOPELESS, CHECK: NO_WEIGHTS},
        completions=nodes if leader else layout.request.shards,
        parallelism=nodes if leader else layout.parallelism,
        leader_decides=leader is not None,
        forgiven={MAIN: (FOLLOWED,)} if leader else None,
    )
    if not leader:
        return [job]
    # A Service without an address of its own gives pods their names even before they are ready.
    names = _service(layout, served, name, "visit", cluster_ip="None", publish_not_ready_addresses=True)
    return [names, job]


def server_objects(layout: LineupLayout, served: Served) -> list[k8s.V1Deployment | k8s.V1Service | k8s.V1Job]:
    """A server that stays until it is deleted, its address, and the Job that asks it."""
    name = layout.name(served.name, most=INDEXED)
    service = _service(layout, served, name, "server", type="ClusterIP")
    return [_deployment(layout, served, name), service, _client(layout, served, name)]


def _deployment(layout: LineupLayout, served: Served, name: str) -> k8s.V1Deployment:
    spec = pod(
        [server_container(layout, served)],
        [*server_volumes(layout, served), *catalogue_volumes(layout), *code_volumes(layout)],
        before=[*install_containers(layout, [HUB]), check_container(layout, served)],
        restart="Always",
        priority_class=served.priority_class,
        affinity=affinity(layout, served, "server"),
    )
    stays = {"NRP014": "--mode server was asked for, and `kubectl delete -f` of this file frees the GPU"}
    return k8s.V1Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=metadata(layout, name, "server", served, suppress=stays | _quota_reason(layout, served), queued=True),
        spec=k8s.V1DeploymentSpec(
            replicas=1,
            revision_history_limit=1,
            progress_deadline_seconds=served.startup_seconds + HOUR,
            strategy=k8s.V1DeploymentStrategy(type="Recreate"),  # the new pod needs the GPU of the old one
            selector=k8s.V1LabelSelector(match_labels=selector(layout, "server", served)),
            template=k8s.V1PodTemplateSpec(
                metadata=k8s.V1ObjectMeta(labels=labels(layout, "server", served)), spec=spec
            ),
        ),
    )


def _service(layout: LineupLayout, served: Served, name: str, component: str, **more: Any) -> k8s.V1Service:
    """The Service of a component's pods; `more` goes into its spec."""
    return k8s.V1Service(
        api_version="v1",
        kind="Service",
        metadata=metadata(layout, name, component, served),
        spec=k8s.V1ServiceSpec(
            selector=selector(layout, component, served),
            ports=[k8s.V1ServicePort(name="http", port=PORT, target_port="http")],
            **more,
        ),
    )


def _client(layout: LineupLayout, served: Served, service: str) -> k8s.V1Job:
    return make_job(
        metadata(
            layout,
            layout.name(served.name, "client", most=INDEXED),
            "client",
            served,
            suppress=root_reason(layout),
            queued=True,
        ),
        pod(
            [visit_container(layout, served, f"http://{service}:{PORT}")],
            visit_volumes(layout),
            before=install_containers(layout),
            deadline=_deadline(served) + 6 * HOUR,
        ),
        hopeless={MAIN: HOPELESS},
        completions=layout.request.shards,
        parallelism=layout.parallelism,
    )


def _deadline(served: Served) -> int:
    """Seconds for loading and asking."""
    return served.startup_seconds + (12 if served.plan.model.parameters > LARGE else 6) * HOUR


def _quota_reason(layout: LineupLayout, served: Served) -> dict[str, str]:
    """Why a GPU with a quota is asked for without a class that needs none."""
    if layout.request.priority_class is None or served.gpu.quota is None:
        return {}
    return {"NRP016": f"rendered with --priority-class {served.priority_class or NO_PRIORITY}: a quota was granted"}
