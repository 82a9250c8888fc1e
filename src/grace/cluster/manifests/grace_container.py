"""The container that asks the questions, and how Grace's code comes into it."""

from collections.abc import Sequence

from kubernetes import client as k8s

from grace.cluster.manifests.layout import LineupLayout, Served
from grace.cluster.manifests.parts import (
    CODE,
    INPUT,
    LINEUP,
    OUTPUTS,
    SITE,
    TMP,
    claim_volume,
    container_security,
    empty_volume,
    environment,
    mount,
    small,
)
from grace.cluster.manifests.wheel import CodeWheel
from grace.cluster.names import file_name, literal
from grace.lock import POD
from grace.stages.visit_file import ENDING

MAIN = "grace"
"""Name of the container; the pods' failure policy reads its exit code."""
INSTALL = "install"
LAST_WORDS = "/dev/termination-log"
"""What a container writes there, its pod's status shows, after its log is gone, too."""
HUB = "huggingface_hub"
"""What Grace needs besides its core to look at weights."""

_SETTINGS = {"HOME": TMP, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "DO_NOT_TRACK": "1"}


def grace_container(
    layout: LineupLayout,
    name: str,
    arguments: Sequence[str],
    mounts: Sequence[k8s.V1VolumeMount],
    variables: Sequence[k8s.V1EnvVar] = (),
) -> k8s.V1Container:
    """A container that runs `grace`, from its image or from the wheel."""
    settings = _SETTINGS | ({"PYTHONPATH": SITE} if layout.wheel else {})
    return k8s.V1Container(
        name=name,
        image=layout.image,
        command=["python", "-m", "grace"],
        args=[literal(argument) for argument in arguments],
        env=[*environment(settings), *variables],
        resources=small(),
        security_context=container_security(),
        volume_mounts=[mount("tmp", TMP), *([mount("site", SITE, True)] if layout.wheel else []), *mounts],
    )


def install_containers(layout: LineupLayout, requirements: Sequence[str] = ()) -> list[k8s.V1Container]:
    """With a wheel, the init container that installs it on the pod's own disk, never on a shared volume."""
    if not layout.wheel:
        return []
    return [
        k8s.V1Container(
            name=INSTALL,
            image=layout.image,
            command=["python", f"{CODE}/install.py"],
            args=[layout.wheel.sha256, layout.wheel.name, SITE, *requirements],
            env=environment(_SETTINGS),
            resources=small(),
            security_context=container_security(),
            volume_mounts=[mount("tmp", TMP), mount("site", SITE), mount("code", CODE, True)],
        )
    ]


def code_volumes(layout: LineupLayout) -> list[k8s.V1Volume]:
    """What `grace_container` and `install_containers` mount."""
    volumes = [empty_volume("tmp", "1Gi")]
    if layout.wheel:
        sources = [
            k8s.V1VolumeProjection(config_map=k8s.V1ConfigMapProjection(name=name))
            for name in code_names(layout, layout.wheel)
        ]
        volumes += [
            empty_volume("site", "1Gi"),
            k8s.V1Volume(name="code", projected=k8s.V1ProjectedVolumeSource(sources=sources)),
        ]
    return volumes


def code_names(layout: LineupLayout, wheel: CodeWheel) -> list[str]:
    """The names of the ConfigMaps with the parts of the wheel."""
    return [layout.name(f"code-{number}") for number in range(len(wheel.parts))]


def visit_container(layout: LineupLayout, served: Served, endpoint: str, leader: str | None = None) -> k8s.V1Container:
    """The container that asks a model everything.

    Args:
        layout: the rendering.
        served: the model.
        endpoint: address of its server.
        leader: with several nodes, the address of the first one: the pods of the others wait until it is gone.
    """
    arguments = [
        "visit",
        f"{LINEUP}/visit.yaml",
        f"--model-name={served.name}",
        f"--model-endpoint={endpoint}",
        f"--model-revision={served.identity}",
        f"--out={OUTPUTS}/{layout.lineup}/{file_name(served.name)}",
        f"--wait={wait_seconds(layout, served)}",
    ]
    if layout.request.limit:
        arguments.append(f"--limit={layout.request.limit}")
    if served.batch_invariant:
        arguments.append("--batch-invariant")
    if layout.request.shards > 1:
        arguments.append(f"--shard=auto/{layout.request.shards}")
    if leader:
        arguments.append(f"--leader={leader}")
    mounts = [mount("lineup", LINEUP, True), mount("input", INPUT, True), mount("outputs", OUTPUTS)]
    own_name = k8s.V1EnvVarSource(field_ref=k8s.V1ObjectFieldSelector(field_path="metadata.name"))
    variables = [k8s.V1EnvVar(name=POD, value_from=own_name), *environment({ENDING: LAST_WORDS})]
    return grace_container(layout, MAIN, arguments, mounts, variables)


def wait_seconds(layout: LineupLayout, served: Served) -> int:
    """How long to wait for the server: a sidecar is up already; one behind a Service may first wait for a GPU."""
    return served.startup_seconds + (6 * 3600 if layout.request.mode == "server" else 0)


def visit_volumes(layout: LineupLayout) -> list[k8s.V1Volume]:
    """What `visit_container` mounts, code included."""
    return [
        lineup_volume(layout),
        claim_volume(layout, "input", read_only=True),
        claim_volume(layout, "outputs"),
        *code_volumes(layout),
    ]


def lineup_volume(layout: LineupLayout) -> k8s.V1Volume:
    """The volume of the lineup's ConfigMap."""
    return k8s.V1Volume(name="lineup", config_map=k8s.V1ConfigMapVolumeSource(name=layout.name("lineup")))
