"""A small pod that lets commands from outside read or write a volume, and ends by itself."""

from typing import Any

from kubernetes import client as k8s

from grace.cluster.access.pods import COMPONENT, LINEUP, MODEL
from grace.cluster.manifests.parts import container_security, environment, mount, pod, small
from grace.version import __version__

TRANSFER = "transfer"
"""The pod's component, and its container."""
DATA = "/data"
"""Where the volume is."""
CODE = "GRACE_BESIDE"
"""The variable with the text of the program that commands run; it would make the address of every command long."""
RUN = f"import os; exec(os.environ[{CODE!r}])"
"""What a command runs: that text."""
LIFE_SECONDS = 4 * 3600
"""After so long the pod ends, whoever has forgotten it; NRP lets bare pods live for six hours."""

_WAIT = "import signal as s; s.pthread_sigmask(s.SIG_BLOCK, {s.SIGTERM}); s.sigwait({s.SIGTERM})"
"""The first process of a container gets no signal that it does not wait for."""


def volume_pod(
    name: str,
    *,
    namespace: str,
    lineup: str,
    claim: str,
    image: str,
    code: str,
    read_only: bool,
    model: str = "",
    secret: str = "",
) -> dict[str, Any]:
    """The pod as it is sent. It is bare: a Job must not wait in idleness, and nothing starts such a pod again.

    Args:
        name: its name.
        namespace: where it is.
        lineup: whose it is.
        claim: of the volume.
        image: one with Python.
        code: the text of what commands run in it.
        read_only: whether the volume cannot be written.
        model: whose data it brings home, as labels name models; empty where it is no model's.
        secret: the Secret with the keys of a bucket, as variables of commands; empty for none.
    """
    keys = [k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=secret))] if secret else None
    container = k8s.V1Container(
        name=TRANSFER,
        image=image,
        command=["python", "-c", _WAIT],
        env=environment({CODE: code, "PYTHONDONTWRITEBYTECODE": "1"}),
        env_from=keys,
        resources=small(),
        security_context=container_security(),
        volume_mounts=[mount("data", DATA, read_only)],
    )
    source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim, read_only=True if read_only else None)
    spec = pod([container], [k8s.V1Volume(name="data", persistent_volume_claim=source)], deadline=LIFE_SECONDS)
    labels = {
        "app.kubernetes.io/name": "grace",
        COMPONENT: TRANSFER,
        "app.kubernetes.io/managed-by": "grace",
        "app.kubernetes.io/version": __version__,
        LINEUP: lineup,
    }
    labels |= {MODEL: model} if model else {}
    metadata = k8s.V1ObjectMeta(name=name, namespace=namespace, labels=labels)
    body = k8s.V1Pod(api_version="v1", kind="Pod", metadata=metadata, spec=spec)
    with k8s.ApiClient() as client:
        sent: dict[str, Any] = client.sanitize_for_serialization(body)
        return sent
