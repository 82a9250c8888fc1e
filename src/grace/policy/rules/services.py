"""Rules about how pods are reached: selectors, Services, and the addresses that clients ask."""

import re
from collections.abc import Iterator
from typing import Any

from grace.policy.documents import FieldPath, Manifest, Scene, Workload, embedded, meet, template_labels
from grace.policy.engines import VLLM, engines
from grace.policy.placeholders import placeholder_at
from grace.policy.pods import operator_holds
from grace.policy.programs import programs
from grace.policy.rule import Hit, Severity, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example

SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController")
LINKED = ("vllm",)
"""Programs that read variables of their own which a Service of their name would set: NAME_PORT=tcp://..."""
DEPLOYING = {"Application", "ApplicationSet", "HelmChart", "HelmRelease", "Kustomization", "Rollout"}
"""Custom resources that bring what is written elsewhere, with any name and labels."""
PODLESS = re.compile(r".*(Monitor|Rule|Route|Certificate|Issuer|Policy|Gateway|Secret|VirtualService)")
"""Custom resources that make no pods, although they often have the name of some."""
_URL = re.compile(r"\b(https?)://([a-z0-9]([-a-z0-9.]*[a-z0-9])?)(?::([0-9]{1,5}))?(?![-\w.@:])", re.ASCII)
_HOST = re.compile(r"(?<![-\w./:@])()([a-z]([-a-z0-9.]*[a-z0-9])?):([0-9]{4,5})(?![-\w.@:/])(?<!image=)", re.ASCII)
"""The same without http://, as --address=ray-head:6379."""
_SERVER = example("plain-server")
_SERVICE = example("plain-service")
_CLIENT = example("plain-client")
_INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: vllm-gemma-2b, port: {number: 8000}}}}
"""
_ALL = f"{_SERVER}---\n{_SERVICE}---\n{_CLIENT}"
_SERVICES = kubernetes("Service", "concepts/services-networking/service/")
_SELECTORS = kubernetes("Labels and Selectors", "concepts/overview/working-with-objects/labels/")


@error(
    "K8S012",
    "selector that does not select the workload's own pods",
    why="The cluster refuses a Deployment whose selector does not match the labels of its template.",
    source=kubernetes("Deployments", "concepts/workloads/controllers/deployment/#selector"),
    fix="Write the same labels in spec.selector.matchLabels and in spec.template.metadata.labels.",
    examples=broken(_SERVER, ("matchLabels: {app: vllm-server}", "matchLabels: {app: vllm}")),
)
def check_selector(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        selector = workload.manifest.at(("spec", "selector"))
        if workload.custom or workload.kind not in SELECTING or not isinstance(selector, dict):
            continue
        if workload.kind == "ReplicationController":
            selector = {"matchLabels": selector}
        unmet = ", ".join(_unmet(selector, workload.pod_labels))
        if unmet:
            message = f"the selector requires {unmet}, and the pods of the template have {_labels(workload.pod_labels)}"
            yield Hit(workload.manifest, ("spec", "selector"), message)


def _unmet(selector: dict[str, Any], labels: dict[str, str]) -> Iterator[str]:
    """What a selector asks for and labels do not have."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            yield f"{key}={value}"
    for term in selector.get("matchExpressions") or []:
        key, operator, values = term["key"], term["operator"], term.get("values") or []
        if operator_holds(operator, labels.get(key), values) is False:
            yield f"{key} {operator} {', '.join(map(str, values))}".strip()


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "no labels"


@note(
    "K8S013",
    "labels only on the pods, so that cleaning up by label finds nothing",
    why="kubectl's -l looks at the labels of the object itself. `kubectl delete deployment -l app=x` says that there "
    "is nothing to delete, and the GPU stays in use. Said once for all objects.",
    source=_SELECTORS,
    fix="Write the labels into the object's own metadata too, or delete objects by their names.",
    examples=broken(_SERVER, ("  labels: {app: vllm-server}\nspec:", "spec:")),
    once=True,
)
def check_own_labels(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        labels = workload.pod_labels.items()
        if workload.template_path and not workload.custom and labels and not labels & workload.manifest.labels.items():
            example = next(f"{key}={value}" for key, value in labels)
            own = "does not have its pods' labels itself" if workload.manifest.labels else "has labels only on its pods"
            message = f"{own}: `kubectl delete {workload.kind.lower()} -l {example}` misses it"
            yield Hit(workload.manifest, ("metadata", "labels"), message)


@note(
    "K8S014",
    "Service whose pods are not in these files",
    why="If no pod anywhere has the labels that it selects, it has an address where nobody answers. Where a workload "
    "of the same file has them in part, this is a warning: one of the two is probably misspelt.",
    source=_SERVICES,
    fix="Compare its selector with the labels in spec.template of the workload that it is for; if that is in another "
    "file, check both together.",
    examples=broken(_ALL, ("selector: {app: vllm-server}", "selector: {app: vllm}")),
)
def check_selects(scene: Scene) -> Iterator[Hit]:
    for service in scene.kind("Service"):
        selector = service.at(("spec", "selector")) or {}
        if not selector or scene.partial(service) or scene.selected(service.namespace, selector):
            continue
        if any(_may_be_selected(each, service.namespace, selector) for each in scene.broken):
            continue
        if any(placeholder_at(service, ("spec", "selector", key)) for key in selector):
            continue
        message = f"no pod in these files has the labels that it selects: {_labels(selector)}"
        own = [each for each in scene.workloads if each.manifest.source.file == service.source.file]
        near = next((each for each in own if selector.keys() & each.pod_labels.keys()), None)
        if near:
            message += f"; those of {near.manifest.title} have {_labels(near.pod_labels)}"
        yield Hit(service, ("spec", "selector"), message, severity=Severity.WARNING if near else None)


def _may_be_selected(manifest: Manifest, namespace: str, selector: dict[str, str]) -> bool:
    """Whether an object that no rule reads may make the pods that a selector means.

    That is so where it is invalid and its pods have no labels that can be read, or those; where it has them anywhere;
    and for a custom resource whose name or group the selector has, as operators label what they make.
    """
    if not meet(manifest.namespace, namespace):
        return False
    if not manifest.kind or (manifest.kind in DEPLOYING and not embedded(manifest)):
        return True
    if (labels := template_labels(manifest)) is not None:
        return _has(labels, selector) or (not labels and manifest.kind not in ("Job", "CronJob"))
    group = manifest.api_version.partition("/")[0]
    if "." not in group or group.endswith(".k8s.io") or PODLESS.fullmatch(manifest.kind):
        return False
    named = bool(manifest.name) and any(manifest.name in text for text in selector.values())
    domains = [key.partition("/")[0] for key in selector if "/" in key]
    return named or any(f".{group}".endswith(f".{domain}") for domain in domains) or _has(manifest.body, selector)


def _has(value: object, selector: dict[str, str]) -> bool:
    """Whether a value is a mapping with all pairs of a selector, or contains one."""
    if isinstance(value, list):
        return any(_has(inner, selector) for inner in value)
    if not isinstance(value, dict):
        return False
    own = {key: str(inner).lower() for key, inner in value.items() if not isinstance(inner, dict | list)}
    alike = all(own.get(key) == wanted.lower() for key, wanted in selector.items())
    return alike or any(_has(inner, selector) for inner in value.values())


@warning(
    "K8S015",
    "Service that leads to a port that no container declares",
    why="Requests are refused, if the server really listens at the port that its container declares.",
    source=_SERVICES,
    fix="Make targetPort the port at which the server listens, and declare that one as its containerPort.",
    examples=broken(_ALL, ("targetPort: http", "targetPort: 8080")),
)
def check_target(scene: Scene) -> Iterator[Hit]:
    for service in scene.kind("Service"):
        selected = scene.selected(service.namespace, service.at(("spec", "selector")) or {})
        containers = [container for workload in selected for container in workload.containers]
        declared = [port for container in containers for port in container.body.get("ports") or []]
        silent = any(not container.body.get("ports") for container in containers if not container.init)
        texts = " ".join(
            text for container in containers for text in (*container.line, *container.env.values()) if text
        )
        for number, port in enumerate(service.at(("spec", "ports")) or []):
            target = port.get("targetPort", port.get("port"))
            targets = {entry.get("name" if isinstance(target, str) else "containerPort") for entry in declared}
            elsewhere = not isinstance(target, str) and (silent or re.search(rf"\b{target}\b", texts))
            if selected and target not in targets and not elsewhere:
                names = [f"{entry.get('containerPort')} {entry.get('name', '')}".strip() for entry in declared]
                message = f"leads to port {target}, and the pods that it selects declare {', '.join(names) or 'none'}"
                yield Hit(service, ("spec", "ports", number, "targetPort"), message)


@note(
    "K8S038",
    "Ingress whose Service is not in these files",
    why="Whoever asks its address gets an error (503), until there is a Service of that name with that port. A "
    "Service that is here and lacks the port is a warning.",
    source=kubernetes("Ingress", "concepts/services-networking/ingress/"),
    fix="See whether it is there (`kubectl get service`), or check its file together with this one.",
    examples=broken(
        f"{_SERVER}---\n{_SERVICE}---\n{_INGRESS}",
        ("backend: {service: {name: vllm-gemma-2b", "backend: {service: {name: vllm"),
    ),
)
def check_ingress(scene: Scene) -> Iterator[Hit]:
    for ingress in scene.kind("Ingress"):
        for path, backend in _backends(ingress):
            name, port = backend.get("name", ""), backend.get("port") or {}
            service = scene.near("Service", name, ingress)
            if service is None and not scene.partial(ingress) and not placeholder_at(ingress, (*path, "name")):
                message = f"the Service {name!r} must exist already: `kubectl get service {name}`"
                yield Hit(ingress, (*path, "name"), message)
            elif service and service not in scene.broken:
                ports = service.at(("spec", "ports")) or []
                key = "name" if "name" in port else "port"
                asked = port.get("name", port.get("number"))
                if not ports and service.at(("spec", "type")) == "ExternalName":
                    continue  # another host has it, and the controller asks there
                if asked is not None and asked not in [entry.get(key) for entry in ports]:
                    has = ", ".join(str(entry.get(key)) for entry in ports if key in entry) or "no such ports"
                    message = f"leads to port {asked}; the Service {name} has {has}"
                    yield Hit(ingress, (*path, "port"), message, severity=Severity.WARNING)


def _backends(ingress: Manifest) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """Services that an Ingress leads to, each with its path."""
    places: list[FieldPath] = [("spec", "defaultBackend", "service")]
    for rule, each in enumerate(ingress.at(("spec", "rules")) or []):
        count = len((each.get("http") or {}).get("paths") or [])
        places += [("spec", "rules", rule, "http", "paths", number, "backend", "service") for number in range(count)]
    yield from ((place, backend) for place in places if isinstance(backend := ingress.at(place), dict))


@warning(
    "K8S016",
    "address that no Service makes reachable",
    why="Names of Pods, Deployments and Jobs are not host names; those of Services are. Without a Service of that "
    "name in that namespace, every request of the client fails. A Service that another file may bring is a note, also "
    "for host:port in an argument beside other Services.",
    source=kubernetes("DNS for Services and Pods", "concepts/services-networking/dns-pod-service/"),
    fix="Ask the Service by its name, or add a Service of that name; one in another namespace is called "
    "NAME.NAMESPACE.",
    examples=(f"{_SERVER}---\n{_CLIENT}", _ALL),
)
def check_address(scene: Scene) -> Iterator[Hit]:
    for manifest, path, url, name, namespace in _addresses(scene):
        if scene.find("Service", namespace, name):
            continue
        same = [each for each in scene.workloads if each.name == name and not each.custom]
        elsewhere = [service.namespace for service in scene.kind("Service") if service.name == name]
        if elsewhere:
            message = f"{url}: the Service {name} is in namespace {elsewhere[0]}; these files have none in {namespace}"
            yield Hit(manifest, path, message)
        elif same and not scene.partial(manifest) and not same[0].spec.get("hostname"):
            its = [service.name for service in scene.kind("Service") if same[0] in _selected(scene, service)]
            if its:
                message = f"{url}: {name!r} is the name of a {same[0].kind}; its Service is called {its[0]!r}"
                yield Hit(manifest, path, message)
            else:
                message = f"{url}: these files have no Service {name!r}, and a {same[0].kind} alone has no address"
                yield Hit(manifest, path, message, severity=Severity.NOTE)
        elif not same and _is_endpoint(str(manifest.at(path)), url) and not _may_be_brought(scene, manifest, name):
            message = f"{url}: these files have no Service {name!r}; see `kubectl get service {name}`"
            yield Hit(manifest, path, message, severity=Severity.NOTE)


def _is_endpoint(text: str, address: str) -> bool:
    """Whether an address of one word without http:// is a text, or an option's value in it: --redis=cache:6379."""
    if "://" in address or "." in address:
        return False
    options = [word[: -len(address)] for word in text.split() if word.endswith(address) and word != address]
    named = [option for option in options if re.fullmatch(r"--?[A-Za-z][\w.-]*=", option)]
    return text == address or any(
        not re.search(r"image|model|tag|user|owner", option, re.IGNORECASE) for option in named
    )


def _may_be_brought(scene: Scene, manifest: Manifest, name: str) -> bool:
    """Whether a Service that an object asks for may stand where no rule reads: an operator names it after its resource.

    Without any Service beside it, the object's file may be all that is checked of its folder.
    """
    custom = [*scene.broken, *(each.manifest for each in scene.embedded)]
    made = any(each.kind in DEPLOYING or (each.name and each.name in name) for each in custom)
    return made or scene.partial(manifest) or not scene.kind("Service")


def _selected(scene: Scene, service: Manifest) -> tuple[Workload, ...]:
    return scene.selected(service.namespace, service.at(("spec", "selector")) or {})


@error(
    "K8S021",
    "address with a port that the Service does not have",
    why="A Service takes requests at its own ports only (`port`), not at those of its containers (`targetPort`).",
    source=_SERVICES,
    fix="Ask the Service's port, or give the Service that port.",
    examples=broken(_ALL, ("http://vllm-gemma-2b:8000", "http://vllm-gemma-2b:8080")),
)
def check_port(scene: Scene) -> Iterator[Hit]:
    for manifest, path, url, name, namespace in _addresses(scene):
        service = scene.find("Service", namespace, name)
        if service is None or service in scene.broken or service.at(("spec", "type")) == "ExternalName":
            continue
        if service.at(("spec", "clusterIP")) == "None":
            continue  # its name leads to the pods themselves, whatever its ports are
        scheme, _, rest = url.rpartition("://")
        given = rest.partition(":")[2]
        port = int(given) if given else 443 if scheme == "https" else 80
        ports = [entry.get("port") for entry in service.at(("spec", "ports")) or []]
        if port not in ports:
            has = ", ".join(map(str, ports)) or "no ports"
            yield Hit(manifest, path, f"{url}: the Service {name} has {has}, not {port}")


def _addresses(scene: Scene) -> Iterator[tuple[Manifest, FieldPath, str, str, str]]:
    """Addresses in commands, arguments and variables that can be a Service's, with its name and namespace."""
    for workload, container in scene.containers:
        values = enumerate(container.body.get("env") or [])
        texts = [
            *container.words,
            *(((*container.path, "env", number, "value"), entry.get("value", "")) for number, entry in values),
        ]
        for path, text in texts:
            for match in (*_URL.finditer(text), *_HOST.finditer(text)):
                name, _, rest = match[2].partition(".")
                namespace = rest.removesuffix(".cluster.local").removesuffix(".svc")
                if "." not in namespace and name != "localhost":
                    yield workload.manifest, path, match[0], name, namespace or workload.manifest.namespace


@error(
    "K8S022",
    "Service whose name sets the server's own variables",
    why="Each Service sets NAME_PORT=tcp://... in all pods of its namespace that start later. vLLM reads VLLM_PORT as "
    "a number, and does not start.",
    source="vLLM documentation, Environment Variables, https://docs.vllm.ai/en/latest/configuration/env_vars.html",
    fix="Write enableServiceLinks: false into the spec of the pods, or give the Service another name.",
    examples=(f"{_SERVER}---\n{changed(_SERVICE, ('name: vllm-gemma-2b', 'name: vllm'))}", _ALL),
)
def check_links(scene: Scene) -> Iterator[Hit]:
    for service in scene.kind("Service"):
        if service.name not in LINKED:
            continue
        for workload in scene.workloads:
            linked = workload.spec.get("enableServiceLinks") is not False and _runs(scene, workload, service.name)
            if linked and workload.manifest.namespace == service.namespace:
                variable = f"{service.name.upper()}_PORT"
                message = (
                    f"the Service {service.name!r} sets {variable} in these pods, which {service.name} reads itself"
                )
                yield Hit(workload.manifest, (*workload.path, "enableServiceLinks"), message)


def _runs(scene: Scene, workload: Workload, program: str) -> bool:
    """Whether a container runs a program but does not set its NAME_PORT, so that the cluster does.

    A program of a longer name is another one, and so is an image of one: mock-vllm.
    """
    engine = next(each for each in engines() if each.name == VLLM)
    image = re.compile(rf"(.*/)?{program}(?!.*(mock|fake|stub))([-_/:@].*)?", re.IGNORECASE)
    for container in workload.containers:
        running = programs(scene, workload, container)
        named = any(each.name == program or engine.runs(each) for each in running)
        started = not container.body.get("command") and image.fullmatch(container.image)
        if (named or started) and f"{program.upper()}_PORT" not in container.env:
            return True
    return False
