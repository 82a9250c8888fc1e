"""NRP: ways into the cluster from outside."""

from collections.abc import Iterator

from grace.policy.documents import Manifest, Scene
from grace.policy.images import is_local, is_private, without_tag
from grace.policy.placeholders import placeholder_at
from grace.policy.rule import Hit, broken, kubernetes, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import INGRESS

CLASS = "haproxy"
ANNOTATION = "kubernetes.io/ingress.class"
OTHERS = ("nginx.ingress.kubernetes.io/", "traefik.ingress.kubernetes.io/", "alb.ingress.kubernetes.io/")
"""Beginnings of annotations for other controllers."""
DATABASES = frozenset({1433, 3306, 5432, 5672, 6379, 9042, 9092, 27017})
"""Ports at which databases and queues speak TCP, which an Ingress does not carry."""
_INGRESS = example("ingress")
_JOB = example("job")


@warning(
    "NRP046",
    "way in from outside that NRP does not have",
    why="NRP's Ingress class is haproxy: of another class, nobody serves the Ingress, and annotations for other "
    "controllers are ignored. Services of type LoadBalancer are blocked, and ports of nodes are no public addresses.",
    source=INGRESS,
    fix="Write ingressClassName: haproxy into the spec of an Ingress, with a host below nrp-nautilus.io. A Service is "
    "of type ClusterIP (the default), with an Ingress before it; for yourself, `kubectl port-forward` is enough, "
    "and is the way to SSH and databases.",
    examples=broken(_INGRESS, ("ingressClassName: haproxy", "ingressClassName: nginx")),
)
def check_ways_in(scene: Scene) -> Iterator[Hit]:
    for ingress in scene.kind("Ingress"):
        places = (("spec", "ingressClassName"), ("metadata", "annotations", ANNOTATION))
        path = next((place for place in places if ingress.at(place)), places[0])
        name = ingress.at(path) or CLASS
        if name != CLASS and not placeholder_at(ingress, path):
            yield Hit(ingress, path, f"the class {name} is not on {scene.cluster.title}: nobody serves this Ingress")
            continue
        if ignored := [key for key in ingress.annotations if key.startswith(OTHERS)]:
            message = f"{CLASS} ignores the annotation {ignored[0]}"
            yield Hit(ingress, ("metadata", "annotations", ignored[0]), message)
    for service in scene.kind("Service"):
        if (kind := service.at(("spec", "type"))) in ("LoadBalancer", "NodePort"):
            names = {entry.get("port") for entry in service.at(("spec", "ports")) or []}
            forward = "an Ingress does not carry SSH, but `kubectl port-forward` does"
            other = "`kubectl port-forward` reaches a database" if names & DATABASES else "an Ingress is"
            other = forward if _is_ssh(service) else other
            message = f"a Service of type {kind} is no way in on {scene.cluster.title}; {other}"
            yield Hit(service, ("spec", "type"), message)


def _is_ssh(service: Manifest) -> bool:
    """Whether a Service leads to a server of SSH only."""
    ports = service.at(("spec", "ports")) or []
    return bool(ports) and all(
        22 in (each.get("port"), each.get("targetPort")) or each.get("name") == "ssh" for each in ports
    )


@warning(
    "NRP047",
    "image that nodes do not get",
    why="A node pulls each image from a registry on the internet. None reaches a registry at a private address, or "
    "finds on Docker Hub an image without an owner that was built on somebody's own machine (ImagePullBackOff), and "
    "with imagePullPolicy: Never none pulls it at all (ErrImageNeverPull).",
    source=kubernetes("Images", "concepts/containers/images/"),
    fix="Push the image to a public registry, or to NRP's GitLab, name it in full, and leave imagePullPolicy out.",
    examples=broken(_JOB, ("ghcr.io/example", "localhost:5000/example")),
)
def check_images(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        if ("image", without_tag(container.image)) in scene.generated:
            continue  # a Kustomization puts another one in its place
        if is_private(container.image):
            message = f"container {container.name}: no node reaches the registry of {container.image}"
            yield Hit(workload.manifest, (*container.path, "image"), message)
        elif is_local(container.image) and not placeholder_at(workload.manifest, (*container.path, "image")):
            message = f"container {container.name}: Docker Hub has no official image that we know as {container.image}"
            yield Hit(workload.manifest, (*container.path, "image"), message)
        elif container.body.get("imagePullPolicy") == "Never":
            message = f"container {container.name} starts only on a node that has {container.image} already"
            yield Hit(workload.manifest, (*container.path, "imagePullPolicy"), message)
