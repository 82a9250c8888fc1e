"""Rules about the specs of pods: what the API refuses beyond its schema."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from grace.policy.documents import LASTING, Container, FieldPath, Manifest, Scene, Workload
from grace.policy.placeholders import placeholder_at
from grace.policy.pods import place_of
from grace.policy.programs import programs
from grace.policy.quantities import quantity
from grace.policy.references import claims, references
from grace.policy.rule import Hit, Severity, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.names import shown
from grace.text import did_you_mean

LARGEST = {"cpu": 1000.0, "memory": 32 * 2.0**40}
"""Cores and bytes that no server has."""
GONE_VOLUMES = {
    "cephfs",
    "flexVolume",
    "flocker",
    "gitRepo",
    "glusterfs",
    "photonPersistentDisk",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
}
"""Kinds of volumes whose drivers were removed from Kubernetes, or need one on each node."""
_SERVERS = re.compile(r"mariadbd|mongod|mysqld|neo4j|postgres|qdrant|redis-server|weaviate")
_KEPT = re.compile(r"^(.*--?|[ \t]*)appendonly[ \t]+[\"']?yes", re.MULTILINE)
"""What makes Redis keep its data, as an option or in its settings."""
_IMAGES = re.compile(r"mariadb|mongo|mysql|neo4j|pgvector|postgis|postgres(ql)?|qdrant|redis|timescaledb|weaviate")
"""Databases, as programs and as images are called. Redis is one only where it is asked to keep data."""
_CLAIMED = changed(
    example("plain-server"),
    ("vllm/vllm-openai:v0.33.0", "postgres:17.2"),
    ("args: [google/gemma-2-2b-it]", "volumeMounts: [{name: data, mountPath: /var/lib/postgresql}]"),
    ("      containers:", "      volumes: [{name: data, persistentVolumeClaim: {claimName: base}}]\n      containers:"),
)
SHARED = "/dev/shm"  # noqa: S108 - where Linux has shared memory
_JOB = example("job")
_SHARED = changed(_JOB, ("mountPath: /output", "mountPath: /dev/shm"))
_IN_MEMORY = "emptyDir: {medium: Memory, sizeLimit: 1Gi}"


@error(
    "K8S008",
    "invalid quantity, or a request above its limit",
    why="The cluster refuses 16GB (it says 16G or 16Gi), a request above its limit, and GPUs in part, without a limit, "
    "or with one that is not the request. It takes `memory: 512m`, half a byte, and no pod starts; "
    "a volume of a few bytes is a warning, since some classes round the size up.",
    source=kubernetes(
        "Resource Management for Pods and Containers", "concepts/configuration/manage-resources-containers/"
    ),
    fix="Write cores as 2 or 500m; memory, local storage and volumes as 512Mi or 16Gi; GPUs as whole numbers, equal in "
    "both parts.",
    examples=broken(_JOB, ('requests: {cpu: "1", memory: 2Gi}', 'requests: {cpu: "1", memory: 2GB}')),
)
def check_quantities(scene: Scene) -> Iterator[Hit]:
    """Requests, limits and sizes of volumes that are not quantities or contradict each other."""
    for workload, container in scene.containers:
        path = (*container.path, "resources")
        requests = workload.manifest.at((*path, "requests")) or {}
        limits = workload.manifest.at((*path, "limits")) or {}
        for part, amounts in (("requests", requests), ("limits", limits)):
            for resource, amount in amounts.items():
                above = part == "requests" and resource == "memory" and (quantity(limits.get(resource)) or 0) >= 1024
                for hit in _quantity(workload.manifest, (*path, part, resource), resource, amount):
                    starts = above and quantity(amount) is not None  # a pod has what its limit says
                    yield replace(hit, severity=Severity.WARNING) if starts else hit
        for resource, limit in limits.items():
            request, most = quantity(requests.get(resource)), quantity(limit)
            if request is None or most is None:
                continue
            if request > most:
                message = f"requests {requests[resource]} {resource} and allows {limit}: a request may not be larger"
                yield Hit(workload.manifest, (*path, "requests", resource), message)
            elif "/" in resource and request != most:
                message = f"requests {requests[resource]} {resource} and allows {limit}: of these, both are equal"
                yield Hit(workload.manifest, (*path, "requests", resource), message)
        for resource in requests:
            if "/" in resource and resource not in limits:
                message = f"requests {resource} without a limit, which devices need"
                yield Hit(workload.manifest, (*path, "requests", resource), message)
    for manifest, claim in claims(scene):
        path = (*claim, "resources", "requests", "storage")
        if (amount := manifest.at(path)) is not None:
            for hit in _quantity(manifest, path, "storage", amount):
                if (quantity(amount) or 0) <= 0:
                    yield hit
                elif _has_size(scene, manifest.at(claim)):
                    yield replace(hit, severity=Severity.WARNING)


def _has_size(scene: Scene, claim: dict[str, Any]) -> bool:
    """Whether the size of a volume claim matters: not for what others publish, nor for a volume that is there."""
    name = claim.get("storageClassName")
    storage = scene.cluster.storage_class(name or "")
    described = scene.find("StorageClass", "", name) if name else None
    texts = (name or "", str(described.body.get("provisioner")) if described else "")
    published = (storage and storage.published) or any("cvmfs" in text for text in texts)
    return not (published or name == "" or claim.get("volumeName"))


def _quantity(manifest: Manifest, path: FieldPath, resource: str, amount: object) -> Iterator[Hit]:
    number = quantity(amount)
    if number is None and placeholder_at(manifest, path):
        return  # another rule asks to fill it in
    if number is None or number < 0:
        match = re.fullmatch(r"([0-9.]+)\s*([KMGT])i?[Bb]", str(amount))
        meant = f" (did you mean '{match[1]}{match[2]}i'?)" if match else ""
        yield Hit(manifest, path, f"{shown(str(amount))} is not a quantity{meant}")
    elif "/" in resource and not number.is_integer():
        yield Hit(manifest, path, f"{amount} {resource}: devices are whole numbers")
    elif resource in ("memory", "storage", "ephemeral-storage") and 0 < number < 1024:
        bytes = "1 byte" if number == 1 else f"{number:g} bytes"
        yield Hit(manifest, path, f"{amount} of {resource} is {bytes}; Mi and Gi are the units")


@error(
    "K8S044",
    "request beyond any node",
    why="The pod waits for ever. 4000 cores are usually meant as 4000m, which are 4.",
    source=kubernetes(
        "Resource Management for Pods and Containers", "concepts/configuration/manage-resources-containers/"
    ),
    fix="Write cores as 4 or 4000m, memory as 16Gi.",
    examples=broken(_JOB, ('cpu: "1"', "cpu: 4000")),
)
def check_largest(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for resource, most in LARGEST.items():
            amount = container.request(resource) or 0
            if amount > most:
                requests = workload.manifest.at((*container.path, "resources", "requests")) or {}
                written = "requests" if resource in requests else "limits"
                what = f"{amount:g} cores" if resource == "cpu" else f"{amount / 2**40:.4g} TiB of memory"
                message = f"container {container.name} asks for {what}, which no node has"
                yield Hit(workload.manifest, (*container.path, "resources", written, resource), message)


@warning(
    "K8S041",
    "volume of a kind that is gone",
    why="Kubernetes has removed the driver, or nodes have it no longer: nothing mounts the volume.",
    source=kubernetes("Volumes", "concepts/storage/volumes/"),
    fix="Use a PersistentVolumeClaim of a storage class that the cluster has; for gitRepo, an init container.",
    examples=broken(_JOB, ("emptyDir: {}", "gitRepo: {repository: https://example.org/study.git}")),
)
def check_volumes(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for path, volume in workload.volumes:
            for kind in GONE_VOLUMES & set(volume):
                what = f"the volume {volume.get('name')} is of the kind {kind}, whose driver nodes have no longer"
                yield Hit(workload.manifest, (*path, kind), f"{what}, so the pod stays in ContainerCreating")


@error(
    "K8S009",
    "restart policy that is refused",
    why="A Job's pods end, so its restartPolicy is Never or OnFailure, and has to be written: the default, Always, is "
    "refused. With a podFailurePolicy it is Never. Pods of Deployments and their like always restart.",
    source=kubernetes("Jobs", "concepts/workloads/controllers/job/"),
    fix="Write restartPolicy: Never in the pod's spec of a Job; none in that of a Deployment.",
    examples=broken(_JOB, ("      restartPolicy: Never\n", "")),
)
def check_restarts(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        policy, path = workload.spec.get("restartPolicy"), (*workload.path, "restartPolicy")
        if workload.job_spec is not None:
            if policy not in ("Never", "OnFailure"):
                state = "is missing" if policy is None else f"is {policy!r}"
                yield Hit(workload.manifest, path, f"restartPolicy {state}; a job's is Never or OnFailure")
            elif policy != "Never" and "podFailurePolicy" in workload.job_spec:
                yield Hit(workload.manifest, path, "restartPolicy must be Never where there is a podFailurePolicy")
        elif workload.kind == "Pod":
            if policy not in (None, "Always", "Never", "OnFailure"):
                yield Hit(workload.manifest, path, f"restartPolicy is {policy!r}; it is Always, Never or OnFailure")
        elif not workload.custom and policy not in (None, "Always"):
            yield Hit(workload.manifest, path, f"restartPolicy is {policy!r}; in a {workload.kind} it is Always")


@error(
    "K8S010",
    "pod that is inconsistent",
    why="A mount of a volume that the pod does not have, a container without an image, or a name or mount path that "
    "appears twice: the cluster refuses the pod.",
    source=kubernetes("Volumes", "concepts/storage/volumes/"),
    fix="Correct what the message names: add the volume to the pod's volumes, write the image, or give each of the "
    "two a name or path of its own.",
    examples=broken(_JOB, ("{name: output, mountPath", "{name: outputs, mountPath")),
)
def check_pods(scene: Scene) -> Iterator[Hit]:
    """Mounts of volumes that do not exist, names that occur twice, containers without an image."""
    for workload in scene.workloads:
        manifest = workload.manifest
        templates = manifest.at(("spec", "volumeClaimTemplates")) or []
        volumes = [str(volume.get("name")) for _, volume in workload.volumes]
        yield from _twice(manifest, (*workload.path, "volumes"), volumes, "volume")
        volumes += [str((template.get("metadata") or {}).get("name")) for template in templates]
        names = [container.name for container in workload.containers]
        yield from _twice(manifest, (*workload.path, "containers"), names, "container")
        for container in workload.containers:
            if not container.image:
                yield Hit(manifest, (*container.path, "image"), f"container {container.name} has no image")
            mounts = container.body.get("volumeMounts") or []
            places = [str(mount.get("mountPath")) for mount in mounts]
            yield from _twice(manifest, (*container.path, "volumeMounts"), places, "mountPath")
            for number, mount in enumerate(mounts):
                if mount.get("name") not in volumes and not workload.custom:
                    meant = did_you_mean(mount.get("name", ""), volumes)
                    where = (*container.path, "volumeMounts", number, "name")
                    yield Hit(manifest, where, f"the pod has no volume {mount.get('name')!r}{meant}")


def _twice(manifest: Manifest, path: FieldPath, names: list[str], what: str) -> Iterator[Hit]:
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield Hit(manifest, path, f"{what} {name!r} appears twice")


@note(
    "K8S049",
    "volume in memory without a size",
    why="Files in it are memory of the container that writes them. Without a size the volume may take all of its "
    "limit: the container is ended (OOMKilled), where a full volume would be an error of the program. Said once for "
    "all objects.",
    source=kubernetes("Volumes, emptyDir", "concepts/storage/volumes/#emptydir"),
    fix="Write a sizeLimit beside medium: Memory, as 8Gi for /dev/shm, and a memory limit that holds it, too.",
    examples=broken(changed(_JOB, ("emptyDir: {}", _IN_MEMORY)), (", sizeLimit: 1Gi", "")),
    once=True,
)
def check_memory(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for path, volume in workload.volumes:
            folder = volume.get("emptyDir") or {}
            if folder.get("medium") == "Memory" and folder.get("sizeLimit") is None:
                message = f"the volume {volume.get('name')} is in memory, and has no sizeLimit"
                yield Hit(workload.manifest, (*path, "emptyDir"), message)


@warning(
    "K8S046",
    "database that keeps its data in its pod",
    why="What is in the container itself or in an emptyDir is lost when the pod goes: at each update, eviction and "
    "failure of its node. Where a Kustomization is beside the file, which may add a volume, this is a note.",
    source=kubernetes("Volumes", "concepts/storage/volumes/"),
    fix="Mount a volume claim where the database keeps its data, with strategy: {type: Recreate} in a Deployment.",
    examples=broken(_CLAIMED, ("persistentVolumeClaim: {claimName: base}", "emptyDir: {}")),
)
def check_databases(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        if workload.kind not in LASTING or container.init or not _is_database(scene, workload, container):
            continue
        mounts = [mount["mountPath"] for mount in container.body.get("volumeMounts") or []]
        if not any((place := place_of(workload, container, path)) and place.lasting for path in mounts):
            rendered = ("Kustomization", posixpath.dirname(workload.manifest.source.file)) in scene.generated
            message = f"container {container.name} ({container.image}) has no volume that outlives its pod"
            path = (*container.path, "volumeMounts")
            yield Hit(workload.manifest, path, message, severity=Severity.NOTE if rendered else None)


def _is_database(scene: Scene, workload: Workload, container: Container) -> bool:
    """Whether a container serves a database that keeps data, by its image and its command."""
    name = container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    running = [program.name for program in programs(scene, workload, container)]
    serves = not any(running) or any(map(_SERVERS.fullmatch, running))
    if not _IMAGES.fullmatch(name) or not serves:
        return False
    settings = (scene.near("ConfigMap", each.name, workload.manifest) for each in references(workload))
    texts = [text for config in settings if config for text in (config.body.get("data") or {}).values()]
    return "redis" not in name or any(map(_KEPT.search, (" ".join(container.line), *map(str, texts))))


@note(
    "K8S050",
    "pod that names its node",
    why="nodeName passes by the scheduler. Where no node has that name the pod is never started; where the node has no "
    "room, or not the GPU, the pod fails (OutOfcpu, OutOfnvidia.com/gpu) in place of waiting.",
    source=kubernetes("Assigning Pods to Nodes", "concepts/scheduling-eviction/assign-pod-node/#nodename"),
    fix="Select the node by its label: `nodeSelector: {kubernetes.io/hostname: NAME}`; best of all, select GPUs by "
    "nvidia.com/gpu.product, so that any node with them will do.",
    examples=broken(_JOB, ("      restartPolicy: Never\n", "      restartPolicy: Never\n      nodeName: node-3\n")),
)
def check_node(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        path, name = (*workload.path, "nodeName"), workload.spec.get("nodeName")
        if name and not placeholder_at(workload.manifest, path):
            message = f"names the node {name}, past the scheduler: `kubectl get node {name}` tells whether it is there"
            yield Hit(workload.manifest, path, message)


@note(
    "K8S051",
    "shared memory on disk",
    why="An emptyDir without `medium: Memory` is a folder on the node's disk. Mounted at /dev/shm, it takes the place "
    "of shared memory: what processes hand to each other is written to the disk, which is slow.",
    source=kubernetes("Volumes, emptyDir", "concepts/storage/volumes/#emptydir"),
    fix="Write `emptyDir: {medium: Memory, sizeLimit: 8Gi}` for the volume at /dev/shm, and a memory limit that holds "
    "it, too.",
    examples=(_SHARED, changed(_SHARED, ("emptyDir: {}", _IN_MEMORY))),
)
def check_shared_memory(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for number, mount in enumerate(container.body.get("volumeMounts") or []):
            place = place_of(workload, container, SHARED)
            if posixpath.normpath(mount["mountPath"]) != SHARED or place is None:
                continue
            if "emptyDir" in place.volume and (place.volume["emptyDir"] or {}).get("medium") != "Memory":
                message = f"container {container.name} has /dev/shm on the node's disk (the volume {mount['name']})"
                yield Hit(workload.manifest, (*container.path, "volumeMounts", number), message)
