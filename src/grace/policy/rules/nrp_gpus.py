"""NRP: kinds of GPU, their resources and quotas, priority classes, reserved nodes."""

import re
from collections.abc import Iterator
from typing import Any

from grace.policy.cluster_file import Cluster, Reserved
from grace.policy.documents import FieldPath, Scene, Workload
from grace.policy.gpu_products import meant_product, own_resource
from grace.policy.placeholders import placeholder_at
from grace.policy.pods import HOSTNAME, PARTS_OF_GPUS, PRODUCT, gpu_resources, named_products, node_terms
from grace.policy.rule import Hit, Severity, broken, changed, error, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import GPU_PODS, PRIORITIES, SCHEDULING, SPECIAL
from grace.text import did_you_mean

_LABELS = re.compile(
    r"nvidia\.com/(gpu\.(product|memory|count|family|replicas|machine|present|sharing-strategy|mode|clique"
    r"|compute\.(major|minor)|deploy\..*)|cuda\.(driver|runtime)(-version)?\.(major|minor|rev|revision|full)"
    r"|mig\..*|mig-.*|mps\.capable|vgpu\..*|gfd\.timestamp|gpu-driver-upgrade-state)"
)
"""Labels that NVIDIA's GPU feature discovery and operator put on nodes."""
_OF_NODES = re.compile(
    r"([\w-]+\.)*(kubernetes\.io|k8s\.io|nrp\.ai|netbox\.io|linbit\.com|rook\.io)/.*"
    r"|nautilus\.io/(OSGInstitutionID|a2a-latency|bgp-speaker|csu-tide|group|ipv6|linstor-server|network|reservation|vfio)"
)
"""Labels that nodes have for other reasons: their place, their hardware, their storage, their owner."""
PRESENT = ("In", "Exists", "Gt", "Lt")
"""Operators that a node without the label does not meet."""
USUAL = (
    "nvidia.com/gpu.product",
    "nvidia.com/gpu.memory",
    "nvidia.com/gpu.count",
    "nvidia.com/gpu.compute.major",
    "nvidia.com/cuda.driver.major",
)
GONE = {
    "gpu-type": "nvidia.com/gpu.product",
    "beta.kubernetes.io/gpu-type": "nvidia.com/gpu.product",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
"""Labels that nodes had once, with those that replace them."""
CLOUDS = re.compile(
    r"([\w-]+\.)*(aliyun\.com|alibabacloud\.com|amazonaws\.com|azure\.com|cloud\.google\.com|digitalocean\.com|"
    r"k8s\.aws|karpenter\.sh|oraclecloud\.com|volcengine\.com)/.+"
)
"""Labels and resources of nodes of commercial clouds."""
ELSEWHERE = re.compile(r"(google\.com/tpu|aws\.amazon\.com/.+|habana\.ai/.+|huawei\.com/.+|tencent\.com/.+)")
"""Resources that only those and other makers' nodes have."""
MAKERS = re.compile(r"habana\.ai/|huawei\.com/")
"""Of these, the ones of cards that anybody can buy."""
FORBIDDEN = ("nautilus.io/system", "nautilus.io/issue")
TAINTS = ("nautilus.io/reservation", "nautilus.io/hardware", "nautilus.io/science-dmz")
"""Keys of taints that users may tolerate; nodes of the last one reach no public internet."""
OLD_TAINTS = {key: f"nautilus.io/hardware={key}" for key in ("arm64", "large-gpu")}
"""Keys that had another name once, without their domain, and that users may still tolerate."""
_JOB = example("a100-job")
_POD = example("pod-on-reserved-node")
_TOLERATION = "  - {key: nautilus.io/reservation, operator: Equal, value: suncave, effect: NoSchedule}\n"


@error(
    "NRP015",
    "GPU resource that the selected nodes do not have",
    why="A100, H100, H200, GH200, A40, RTX A6000 and RTX 8000 have resources of their own, as nvidia.com/a100; "
    "nvidia.com/gpu never lands there, nor nvidia.com/a100 elsewhere. The pod waits for ever; where other products of "
    "its list do have the resource, this is a note.",
    source=GPU_PODS,
    fix="Choose one of the resources and write it into requests and limits; a pod can ask for one kind only. Then "
    "leave only its products in the list.",
    examples=broken(_JOB, ("nvidia.com/a100: 1", "nvidia.com/gpu: 1")),
)
def check_resource(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        terms = node_terms(workload)
        asked = {each for container in workload.containers for each in gpu_resources(container, scene.cluster)}
        if not asked or None in [named_products(term) for term in terms]:
            continue
        chosen = {
            value: requirement.at(value)
            for term in terms
            for requirement in term
            for value in requirement.values
            if requirement.key == PRODUCT and requirement.operator == "In"
        }
        right = {product: own_resource(product, scene.cluster) for product in chosen}
        never = sorted(product for product, resource in right.items() if resource and resource not in asked)
        if len(never) == len(chosen):
            yield from _wrong_resource(scene, workload, right)
        elif never:
            have = ", ".join(f"{product} ({right[product]})" for product in never)
            which = "this product" if len(never) == 1 else "these products"
            message = f"a pod that asks for {' and '.join(sorted(asked))} never gets {which} of its list: {have}"
            yield Hit(workload.manifest, chosen[never[0]], message, severity=Severity.NOTE)


def _wrong_resource(scene: Scene, workload: Workload, right: dict[str, str | None]) -> Iterator[Hit]:
    resources = sorted(filter(None, set(right.values())))
    ways = [f"{each} ({', '.join(name for name in sorted(right) if right[name] == each)})" for each in resources]
    for container in workload.containers:
        for resource in gpu_resources(container, scene.cluster):
            if resource not in resources:
                have = f"have {ways[0]}" if len(ways) == 1 else f"have one of {', '.join(ways)}"
                message = f"container {container.name} asks for {resource}, but the nodes that it must run on {have}"
                yield Hit(workload.manifest, (*container.path, "resources", "limits", resource), message)


@warning(
    "NRP048",
    "node with a GPU for a pod that asks for none",
    why="Without a GPU among its limits a container sees none, whatever its node has. The pod takes cores and memory "
    "from those who need the GPU.",
    source=f"{GPU_PODS}; Kubernetes documentation, Schedule GPUs, "
    "https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/",
    fix="Write the GPU into limits and requests; or remove the product from nodeSelector and nodeAffinity, if nothing "
    "computes on it.",
    examples=broken(_JOB, ("nvidia.com/a100: 1", "ephemeral-storage: 1Gi")),
)
def check_without(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        products = [(term, named_products(term)) for term in node_terms(workload)]
        if not all(named for _, named in products) or workload.kind == "DaemonSet" or _has_device(workload):
            continue
        chosen = next(each for each in products[0][0] if each.key == PRODUCT and each.operator == "In")
        names = " or ".join(sorted(set[str]().union(*(named or () for _, named in products))))
        if not placeholder_at(workload.manifest, chosen.path) and "$" not in names:
            message = f"the pod must run on a node with {names}, and no container asks for a GPU: it will see none"
            yield Hit(workload.manifest, chosen.path, message)


def _has_device(workload: Workload) -> bool:
    """Whether a pod may get a GPU: it asks for a device, or it takes what its node has."""
    if workload.spec.get("resourceClaims") or workload.spec.get("runtimeClassName"):
        return True
    for container in workload.containers:
        amounts = container.body.get("resources") or {}
        named = [*(amounts.get("limits") or {}), *(amounts.get("requests") or {})]
        if (container.body.get("securityContext") or {}).get("privileged") or any("/" in name for name in named):
            return True
    return False


@warning(
    "NRP016",
    "GPU that needs a quota",
    why="Namespaces have a quota of 0 for A100, H100, H200 and GH200, so no pod is made. A100 can be asked for; of the "
    "others, none is given.",
    source=GPU_PODS,
    fix="Write priorityClassName: opportunistic into the pod's spec: it needs no quota, but the pod can be preempted "
    "at any time. If your namespace has a quota, suppress this with that reason.",
    examples=broken(_JOB, ("      priorityClassName: opportunistic\n", "")),
)
def check_quota(scene: Scene) -> Iterator[Hit]:
    none = {gpu.resource for gpu in scene.cluster.gpus if gpu.quota == 0}
    forms = {gpu.resource: gpu.request for gpu in scene.cluster.gpus if gpu.request}
    free = scene.cluster.priority_classes.no_quota
    for workload, container in scene.containers:
        for resource in gpu_resources(container, scene.cluster):
            if resource in none and workload.spec.get("priorityClassName") not in free:
                own = (
                    f"unless your namespace was given some ({forms[resource]})"
                    if resource in forms
                    else "in every namespace"
                )
                message = f"the quota of {resource} is 0 {own}: set priorityClassName: {' or '.join(free)}"
                yield Hit(workload.manifest, (*container.path, "resources", "limits", resource), message)


@error(
    "NRP017",
    "priority class that users may not set",
    why="The cluster refuses the pods.",
    source=PRIORITIES,
    fix="Leave priorityClassName out, or set one of the allowed ones.",
    examples=broken(_JOB, ("opportunistic", "system-node-critical")),
)
def check_priority(scene: Scene) -> Iterator[Hit]:
    allowed = scene.cluster.priority_classes.allowed
    for workload in scene.workloads:
        name = workload.spec.get("priorityClassName")
        if allowed and name and name not in allowed:
            meant = did_you_mean(name, allowed, 0.8) or f" (they are {', '.join(allowed)}, or none)"
            message = f"{name!r} is not a priority class that users may set{meant}"
            yield Hit(workload.manifest, (*workload.path, "priorityClassName"), message)


@error(
    "NRP018",
    "pod that must run on a reserved node",
    why="The node belongs to somebody and has a taint that says so. A pod that does not tolerate it never runs there, "
    "and this pod may run nowhere else.",
    source=SPECIAL,
    fix="Select GPUs by nvidia.com/gpu.product instead of nodes by name; or ask the owner, and tolerate the taint.",
    examples=broken(_POD, (_TOLERATION, "  - {key: nautilus.io/hardware, operator: Exists}\n")),
)
def check_pinned(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for path, host, reserved in _pinned(workload, scene.cluster):
            if not any(_tolerates(toleration, reserved) for _, toleration in _tolerations(workload)):
                message = (
                    f"{host} is reserved ({reserved.taint}={reserved.value}), and the pod does not tolerate that: it "
                    f"waits for ever"
                )
                yield Hit(workload.manifest, path, message)


def _pinned(workload: Workload, cluster: Cluster) -> Iterator[tuple[FieldPath, str, Reserved]]:
    """Hostnames of reserved nodes that a pod requires, each once."""
    seen: set[str] = set()
    for term in node_terms(workload):
        for requirement in term:
            for host in requirement.values if requirement.key == HOSTNAME and requirement.operator == "In" else ():
                reserved = next((one for one in cluster.reserved if host.startswith(one.hostname)), None)
                if reserved and host not in seen:
                    seen.add(host)
                    yield requirement.path, host, reserved


def _tolerations(workload: Workload) -> list[tuple[FieldPath, dict[str, Any]]]:
    tolerations = enumerate(workload.spec.get("tolerations") or [])
    return [((*workload.path, "tolerations", number), body) for number, body in tolerations]


def _tolerates(toleration: dict[str, Any], reserved: Reserved) -> bool:
    key, exists = toleration.get("key", ""), toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == reserved.taint and (exists or toleration.get("value") == reserved.value)


@warning(
    "NRP019",
    "pod that tolerates a reservation",
    why="Reserved nodes are for their owners and those whom they allow. Pods of others are removed there.",
    source=SPECIAL,
    fix="Remove the toleration, unless you have the permission; then suppress this with the reason.",
    examples=(_POD, changed(_POD, (_TOLERATION, "  - {key: nautilus.io/hardware, operator: Exists}\n"))),
)
def check_reservation(scene: Scene) -> Iterator[Hit]:
    taints = {reserved.taint for reserved in scene.cluster.reserved}
    for workload in scene.workloads:
        for path, toleration in _tolerations(workload):
            if toleration.get("key", "") in taints:
                whose = f"the reservation of {owner}" if (owner := toleration.get("value")) else "all reservations"
                message = f"tolerates {whose}: that needs the owner's permission"
                yield Hit(workload.manifest, path, message)


@note(
    "NRP020",
    "label that no node is known to have",
    why="A pod that requires a label which no node has waits for ever, without an error.",
    source=f"{SCHEDULING}; NVIDIA GPU feature discovery, "
    "https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery",
    fix="See which labels nodes have: `kubectl get nodes -L nvidia.com/gpu.product` or `grace cluster gpus`.",
    examples=broken(_JOB, ("nvidia.com/gpu.product", "gpu.nvidia.com/product")),
)
def check_labels(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        unique = {requirement.path: requirement for term in node_terms(workload) for requirement in term}
        for requirement in unique.values():
            key, values = requirement.key, requirement.values
            elsewhere = key in GONE or CLOUDS.fullmatch(key)  # NRP039 says so
            if requirement.operator not in PRESENT or elsewhere or placeholder_at(workload.manifest, requirement.path):
                continue
            message = f"we know of no node with the label {key}; if none has it, the pod waits for ever"
            if not _LABELS.fullmatch(key) and ("nvidia" in key.lower() or not _OF_NODES.fullmatch(key)):
                known = {"mem": 1, "count": 2, "compute": 3, "driver": 4, "cuda": 4}
                like = next((USUAL[number] for word, number in known.items() if word in key.lower()), USUAL[0])
                like = like if values != ("true",) else "nvidia.com/gpu.present"
                meant = f" (did you mean {like!r}?)" if "nvidia" in key.lower() else ""
                yield Hit(workload.manifest, requirement.path, message + meant)
            elif key == PRODUCT and values and not any(_may_be(value, scene.cluster) for value in values):
                message = message.replace(f"label {key}", f"product {' or '.join(values)}")
                yield Hit(workload.manifest, requirement.path, message)


def _may_be(product: str, cluster: Cluster) -> bool:
    """Whether something is known of a product, or of one like it."""
    like = meant_product(product) or re.search(r"-MIG-|-SHARED|[<$]", product)
    return bool(like or not cluster.gpus or own_resource(product, cluster))


@error(
    "NRP039",
    "label that no node has",
    why="The pod requires a label that nodes had once, or that only nodes of a commercial cloud have. It waits for "
    "ever, without an error.",
    source=f"{GPU_PODS}; users' reports",
    fix="Remove it. Select GPUs by nvidia.com/gpu.product, and nodes by topology.kubernetes.io/region or /zone.",
    examples=broken(_JOB, ("nvidia.com/gpu.product", "gpu-type")),
)
def check_gone(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for term in node_terms(workload):
            for requirement in term:
                key = requirement.key
                if requirement.operator not in PRESENT:
                    continue
                if key in GONE:
                    message = f"no node has the label {key} any more; {GONE[key]} is there instead"
                    yield Hit(workload.manifest, requirement.path, message)
                elif CLOUDS.fullmatch(key):
                    message = (
                        f"no node of {scene.cluster.title} has the label {key}, which is one of a commercial cloud"
                    )
                    yield Hit(workload.manifest, requirement.path, message)


@warning(
    "NRP040",
    "GPU product that is misspelt",
    why="The label holds the product's name to the letter. No node has another spelling, so the pod never runs on that "
    "product.",
    source=f"{SCHEDULING}; NVIDIA GPU feature discovery, "
    "https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery",
    fix="Write it as the nodes do: `kubectl get nodes -L nvidia.com/gpu.product` or `grace cluster gpus` lists them.",
    examples=broken(_JOB, ("NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-SXM4-80-GB")),
)
def check_products(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        asked = {each for container in workload.containers for each in gpu_resources(container, scene.cluster)}
        unique = {requirement.path: requirement for term in node_terms(workload) for requirement in term}
        for requirement in unique.values():
            for value in requirement.values if requirement.key == PRODUCT else ():
                meant = meant_product(value)
                resource = own_resource(meant, scene.cluster) if meant else None
                if meant and (not asked or resource is None or resource in asked):  # else it is none of those asked for
                    message = f"no node has the product {value}; it is spelt {meant}"
                    yield Hit(workload.manifest, requirement.at(value), message)


@error(
    "NRP041",
    "toleration that is forbidden",
    why="Nodes with the taints nautilus.io/system and nautilus.io/issue are for the administrators, or broken.",
    source=SPECIAL,
    fix="Remove the toleration; to use a node of your own, tolerate its reservation by key and value.",
    examples=broken(_POD, (_TOLERATION, f"{_TOLERATION}  - {{key: nautilus.io/issue, operator: Exists}}\n")),
)
def check_forbidden(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for path, toleration in _tolerations(workload):
            key = toleration.get("key", "")
            if not key and toleration.get("operator") == "Exists":
                message = "tolerates every taint, so also those of reserved, broken and system nodes"
                yield Hit(workload.manifest, path, message)
            elif key in FORBIDDEN:
                yield Hit(workload.manifest, path, f"tolerates {key}, which users may not")


@note(
    "NRP042",
    "toleration that does nothing",
    why="No node has a taint of that key now, so nothing is gained by it. On NRP, taints are called "
    "nautilus.io/reservation, /hardware, /system, /issue and /science-dmz.",
    source=SPECIAL,
    fix="Remove it, or write the new name, if the pod is to run on such nodes and you may use them.",
    examples=broken(_POD, (_TOLERATION, f"{_TOLERATION}  - {{key: nautilus.io/large-gpu, operator: Exists}}\n")),
)
def check_idle(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for path, toleration in _tolerations(workload):
            key = toleration.get("key", "")
            if key.startswith("nautilus.io/") and key not in (*FORBIDDEN, *TAINTS):
                now = OLD_TAINTS.get(key.removeprefix("nautilus.io/"))
                message = f"no node has the taint {key} any more; it is {now} now" if now else ""
                yield Hit(workload.manifest, path, message or f"we know of no node with the taint {key}")


@warning(
    "NRP037",
    "resource that no node is known to have",
    why="Most GPUs are nvidia.com/gpu, whatever their product; A100, H100, H200, GH200, A40, RTX A6000, RTX 8000 and "
    "RTX PRO 6000 have resources of their own, as nvidia.com/rtxa6000. For a resource that no node has, the pod waits "
    "for ever. A misspelt one and one of a commercial cloud are errors.",
    source=GPU_PODS,
    fix="See what nodes have (`grace cluster gpus`), and ask for one of these, spelt as there; remove what no node "
    "has.",
    examples=broken(_JOB, ("nvidia.com/a100", "nvidia.com/A100")),
)
def check_known(scene: Scene) -> Iterator[Hit]:
    """Resources that the cluster's file does not know; parts of a GPU (MIG) are not checked."""
    resources = sorted({gpu.resource for gpu in scene.cluster.gpus})
    for workload, container in scene.containers if resources else ():
        for resource in gpu_resources(container, scene.cluster):
            if resource not in resources and not resource.startswith("nvidia.com/mig-"):
                digits = re.findall(r"[0-9]+", resource)
                like = [known for known in resources if set(re.findall(r"[0-9]+", known)) >= set(digits)]
                meant = did_you_mean(resource.lower(), like)
                message = f"container {container.name} asks for {resource}, and we know of no node that has it{meant}"
                path = (*container.path, "resources", "limits", resource)
                yield Hit(workload.manifest, path, message, severity=Severity.ERROR if meant else None)
        amounts = container.body.get("resources") or {}
        for resource in dict.fromkeys([*(amounts.get("limits") or {}), *(amounts.get("requests") or {})]):
            if right := _misspelt(resource, resources):
                path = (*container.path, "resources", "limits", resource)
                message = f"container {container.name} asks for {resource}, which no node has; it is spelt {right}"
                yield Hit(workload.manifest, path, message, severity=Severity.ERROR)
            if ELSEWHERE.fullmatch(resource) or CLOUDS.fullmatch(resource) or resource in PARTS_OF_GPUS:
                part = "limits" if resource in (amounts.get("limits") or {}) else "requests"
                sure = f"asks for {resource}, which no node of {scene.cluster.title} has"
                what = f"asks for {resource}, and we know of no node that has it" if MAKERS.match(resource) else sure
                path = (*container.path, "resources", part, resource)
                severity = None if MAKERS.match(resource) else Severity.ERROR
                yield Hit(workload.manifest, path, f"container {container.name} {what}", severity=severity)


def _misspelt(resource: str, resources: list[str]) -> str:
    """What a GPU's resource with another maker's name is meant to be, as nvidia/gpu; empty for others."""
    domain, _, name = resource.lower().rpartition("/")
    right = f"nvidia.com/{name}"
    return right if domain != "nvidia.com" and did_you_mean(domain, ["nvidia.com"], 0.7) and right in resources else ""
