"""What many objects have in common: names and labels, security, resources, volumes."""

from collections.abc import Mapping, Sequence

from kubernetes import client as k8s

from grace.cluster.manifests.layout import LineupLayout, Served
from grace.cluster.names import file_name, literal
from grace.version import __version__

LINEUP = "/grace/lineup"
CODE = "/grace/code"
SITE = "/grace/site"
WEIGHTS = "/weights"
INPUT = "/input"
OUTPUTS = "/outputs"
TMP = "/tmp"  # noqa: S108 - of a container of its own
"""Folders in containers. All but outputs and tmp (and weights, in the Job that fetches them) are read-only."""

USER = 2000
"""The user of all containers. vLLM's image knows it as `vllm` (vllm-project/vllm, pull request 40275), and PyTorch asks
for the user's name. One number for all pods, so that each can continue with the others' files."""

SUPPRESS = "grace/ignore"
"""The annotation that says which rules of `grace cluster check` do not hold for an object, and why."""
QUEUE = "kueue.x-k8s.io/queue-name"
FULL = "ReadWriteMany"


def labels(layout: LineupLayout, component: str, served: Served | None = None) -> dict[str, str]:
    """The labels of an object and of its pods; lineup, model and component select them."""
    shared = {
        "app.kubernetes.io/name": "grace",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "grace",
        "app.kubernetes.io/version": __version__,
        "grace/profile": layout.request.profile,
        "grace/lineup": layout.lineup,
    }
    return shared | ({"grace/model": file_name(served.name)} if served else {})


def selector(layout: LineupLayout, component: str, served: Served) -> dict[str, str]:
    """The labels that only the pods of one model's component have."""
    keys = ("app.kubernetes.io/component", "grace/lineup", "grace/model")
    return {key: value for key, value in labels(layout, component, served).items() if key in keys}


def metadata(
    layout: LineupLayout,
    name: str,
    component: str,
    served: Served | None = None,
    *,
    suppress: Mapping[str, str] | None = None,
    queued: bool = False,
) -> k8s.V1ObjectMeta:
    """Name, namespace and labels of an object.

    Args:
        layout: the rendering.
        name: from `layout.name`.
        component: what it is for.
        served: the model that it belongs to.
        suppress: rules of the policy checker that do not hold for it, each with the reason.
        queued: Kueue decides when it starts, if there is a queue.
    """
    own = labels(layout, component, served) | ({QUEUE: layout.request.queue} if queued and layout.request.queue else {})
    reasons = "; ".join(f"{rule}: {reason.replace(';', ',')}" for rule, reason in (suppress or {}).items())
    return k8s.V1ObjectMeta(
        name=name, namespace=layout.namespace, labels=own, annotations={SUPPRESS: reasons} if reasons else None
    )


def root_reason(layout: LineupLayout) -> dict[str, str]:
    """Why pods that are not root may write to volumes whose root folder is root's."""
    return {"NRP026": f"the Job {layout.name('open')} opens the volumes first"} if layout.root_owned else {}


def resources(cpu: str, memory: str, disk: str, devices: Mapping[str, int] | None = None) -> k8s.V1ResourceRequirements:
    """Requests, and limits equal to them: guaranteed quality of service, and no ratio between them to observe."""
    amounts = {"cpu": cpu, "memory": memory, "ephemeral-storage": disk}
    amounts |= {name: str(number) for name, number in (devices or {}).items()}
    return k8s.V1ResourceRequirements(requests=amounts, limits=amounts)


def small() -> k8s.V1ResourceRequirements:
    """One core and below 2 GB: NRP exempts pods of this size from its rules about utilisation."""
    return resources("1", "1900Mi", "2Gi")


def pod_security() -> k8s.V1PodSecurityContext:
    """Not root; volumes are made writable for the group, once."""
    return k8s.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    )


def container_security() -> k8s.V1SecurityContext:
    """No privileges, no capabilities, nothing to write to but volumes."""
    return k8s.V1SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.V1Capabilities(drop=["ALL"]),
    )


def environment(variables: Mapping[str, str]) -> list[k8s.V1EnvVar]:
    """Variables as they are: Kubernetes replaces nothing in them."""
    return [k8s.V1EnvVar(name=name, value=literal(value)) for name, value in variables.items()]


def claim_volume(layout: LineupLayout, what: str, read_only: bool = False) -> k8s.V1Volume:
    """A volume of the lineup: input, outputs or weights."""
    source = k8s.V1PersistentVolumeClaimVolumeSource(
        claim_name=layout.name(what), read_only=True if read_only else None
    )
    return k8s.V1Volume(name=what, persistent_volume_claim=source)


def empty_volume(name: str, size: str, memory: bool = False) -> k8s.V1Volume:
    """A folder that lives as long as the pod, on its node's disk or in memory."""
    source = k8s.V1EmptyDirVolumeSource(size_limit=size, medium="Memory" if memory else None)
    return k8s.V1Volume(name=name, empty_dir=source)


def mount(name: str, path: str, read_only: bool = False) -> k8s.V1VolumeMount:
    """A volume in a container."""
    return k8s.V1VolumeMount(name=name, mount_path=path, read_only=True if read_only else None)


def pod(
    containers: Sequence[k8s.V1Container],
    volumes: Sequence[k8s.V1Volume],
    *,
    before: Sequence[k8s.V1Container] = (),
    restart: str = "Never",
    deadline: int | None = None,
    priority_class: str = "",
    affinity: k8s.V1Affinity | None = None,
    subdomain: str | None = None,
) -> k8s.V1PodSpec:
    """A pod with no more rights than it needs.

    Args:
        containers: those that do the work.
        volumes: of all containers.
        before: init containers and sidecars.
        restart: when its containers start again.
        deadline: seconds that it may run once it has a node. Unlike a Job's own, this does not count the time in which
            it waits for a GPU.
        priority_class: its priority class; empty for none.
        affinity: which nodes it may run on.
        subdomain: the headless Service that makes its name known.
    """
    return k8s.V1PodSpec(
        containers=list(containers),
        init_containers=list(before) or None,
        volumes=list(volumes),
        restart_policy=restart,
        active_deadline_seconds=deadline,
        priority_class_name=priority_class or None,
        affinity=affinity,
        subdomain=subdomain,
        security_context=pod_security(),
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=60,
    )
