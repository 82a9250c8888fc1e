"""The Job that brings a model's weights to the volume that its server reads, before any GPU waits for them."""

from kubernetes import client as k8s

from grace.cluster.manifests.grace_container import (
    HUB,
    code_volumes,
    grace_container,
    install_containers,
    lineup_volume,
)
from grace.cluster.manifests.jobs import make_job
from grace.cluster.manifests.layout import LineupLayout, Served
from grace.cluster.manifests.parts import (
    LINEUP,
    WEIGHTS,
    claim_volume,
    environment,
    metadata,
    mount,
    pod,
    root_reason,
)
from grace.models.catalogue import OVERLAY

COMPONENT = "weights"
DAY = 24 * 3600

_SETTINGS = {
    # The hub's faster method keeps gigabytes in memory, and the pod has two (huggingface_hub, issue 3300).
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def weights_job(layout: LineupLayout, served: Served) -> k8s.V1Job:
    """The Job. Only it gets the token; if the model is open to everybody, it starts without one."""
    variant = served.plan.variant
    request, optional = layout.request, None if variant.gated else True
    token = k8s.V1SecretKeySelector(name=request.secret, key=request.secret_key, optional=optional)
    variables = [
        *environment(_SETTINGS),
        *catalogue_variables(layout),
        k8s.V1EnvVar(name="HF_TOKEN", value_from=k8s.V1EnvVarSource(secret_key_ref=token)),
    ]
    suppress = root_reason(layout)
    if variant.gated:
        suppress["K8S017"] = "`grace cluster secret` makes it from the environment, never from a file"
    return make_job(
        metadata(layout, layout.name("weights", served.name), COMPONENT, served, suppress=suppress),
        pod(
            [
                grace_container(
                    layout,
                    "pull",
                    ["models", "pull", *model_arguments(served)],
                    [mount("weights", WEIGHTS), *catalogue_mounts(layout)],
                    variables,
                )
            ],
            [claim_volume(layout, "weights"), *catalogue_volumes(layout), *code_volumes(layout)],
            before=install_containers(layout, [HUB]),
            deadline=DAY,
        ),
        hopeless={"pull": (2, 4, 70)},
    )


def model_arguments(served: Served) -> list[str]:
    """The options of `grace models pull` and `path` that name the weights."""
    plan = served.plan
    return [plan.model.name, f"--variant={plan.variant.name}", f"--to={WEIGHTS}"]


def catalogue_variables(layout: LineupLayout) -> list[k8s.V1EnvVar]:
    """The variable that names the user's own catalogue to `grace models`."""
    return environment({OVERLAY: f"{LINEUP}/catalogue.yaml"}) if "catalogue.yaml" in layout.files else []


def catalogue_mounts(layout: LineupLayout) -> list[k8s.V1VolumeMount]:
    """Where the catalogue is mounted."""
    return [mount("lineup", LINEUP, read_only=True)] if "catalogue.yaml" in layout.files else []


def catalogue_volumes(layout: LineupLayout) -> list[k8s.V1Volume]:
    """The volume with the catalogue."""
    return [lineup_volume(layout)] if "catalogue.yaml" in layout.files else []
