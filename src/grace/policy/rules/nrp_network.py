"""NRP: ways into the cluster from outside."""

from collections.abc import Iterator

from grace.policy.documents import Scene
from grace.policy.placeholders import placeholder_at
from grace.policy.rule import Hit, broken, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import INGRESS

CLASS = "haproxy"
ANNOTATION = "kubernetes.io/ingress.class"
OTHERS = ("nginx.ingress.kubernetes.io/", "traefik.ingress.kubernetes.io/", "alb.ingress.kubernetes.io/")
"""Beginnings of annotations for other controllers."""
_INGRESS = example("ingress")


@warning(
    "NRP046",
    "way in from outside that NRP does not have",
    why="NRP's Ingress class is haproxy: of another class, nobody serves the Ingress, and annotations for other "
    "controllers are ignored. Services of type LoadBalancer are blocked, and ports of nodes are no public addresses.",
    source=INGRESS,
    fix="Write ingressClassName: haproxy into the spec of an Ingress, with a host below nrp-nautilus.io. A Service is "
    "of type ClusterIP (the default), with an Ingress before it; for yourself, `kubectl port-forward` is enough.",
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
            message = f"a Service of type {kind} is no way in on {scene.cluster.title}; an Ingress is"
            yield Hit(service, ("spec", "type"), message)
