"""NRP: storage classes and their access modes, local storage, and files that several pods write."""

import posixpath
import re
from collections.abc import Iterator

from grace.models.plan import GIB
from grace.policy.documents import Container, FieldPath, Manifest, Scene, Workload, together
from grace.policy.placeholders import placeholder_at
from grace.policy.pods import place_of, pod_amount
from grace.policy.programs import Program, programs
from grace.policy.quantities import quantity
from grace.policy.references import claims
from grace.policy.rule import Hit, Severity, broken, changed, error, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import CEPH, LOCAL
from grace.policy.servers import model_servers
from grace.policy.sizes import weights_bytes

CLASS = ("spec", "storageClassName")
OUTPUTS = ("--output", "--out", "--output-file", "--output-path", "--output-csv", "--out-file", "--outfile")
APART = ("--shard", "--leader")
"""Options of Grace with which the pods of one Job do not write the same file."""
MANY = ("ReadWriteMany", "ReadOnlyMany")
BLOCK = (
    ".rbd.csi.ceph.com",
    "cinder.csi.openstack.org",
    "disk.csi.azure.com",
    "ebs.csi.aws.com",
    "linstor.csi.linbit.com",
    "pd.csi.storage.gke.io",
    "rancher.io/local-path",
)
"""How provisioners of block devices, and of folders of one node, are called."""
_BLOCK = re.compile(r"rook-ceph-block|ceph-rbd|linstor", re.IGNORECASE)
LISTED = "`kubectl get storageclass` lists those that exist"
_CLAIM = example("shared-claim")
_JOB = example("writing-job")
_INDEX = "-$(JOB_COMPLETION_INDEX)"
_NOT_ROOT = "restartPolicy: Never\n      securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000}"
_SERVER = example("cached-server")


@error(
    "NRP021",
    "storage class that is not for everyone",
    why="It belongs to others; its volumes may be removed without warning.",
    source=CEPH,
    fix="Take another class: `grace cluster preflight` or `kubectl get storageclass` lists them.",
    examples=broken(_CLAIM, ("rook-cephfs-central", "rook-cephfs-tide")),
)
def check_forbidden(scene: Scene) -> Iterator[Hit]:
    for manifest, path, name in _classes(scene):
        storage = scene.cluster.storage_class(name)
        if storage and storage.forbidden:
            yield Hit(manifest, path, f"{storage.name} is {storage.forbidden}")


@warning(
    "NRP022",
    "storage class that is not known",
    why="A claim of a class that does not exist stays Pending, and so does every pod that uses it.",
    source=CEPH,
    fix="Name a class that `kubectl get storageclass` lists; for data of your own, rook-cephfs for several pods and "
    "rook-ceph-block for one.",
    examples=broken(_CLAIM, ("rook-cephfs-central", "standard")),
)
def check_known(scene: Scene) -> Iterator[Hit]:
    for manifest, path, name in _classes(scene) if scene.cluster.storage.classes else ():
        volumes = (volume.at(CLASS) for volume in scene.kind("PersistentVolume"))
        named = manifest.at((*path[:-1], "volumeName")) or name in volumes  # which need no class, if they are there
        if name and not named and not placeholder_at(manifest, path) and not scene.cluster.storage_class(name):
            message = f"{name} is not a storage class that we know on {scene.cluster.title}; {LISTED}"
            yield Hit(manifest, path, message)


@warning(
    "NRP023",
    "storage class whose data may be deleted",
    why="The cluster purges it when it needs the space, without asking. What lies there alone is lost then.",
    source=CEPH,
    fix="Take another class, or keep a copy elsewhere.",
    examples=broken(_CLAIM, ("rook-cephfs-central", "rook-cephfs-ucsd")),
)
def check_purged(scene: Scene) -> Iterator[Hit]:
    for manifest, path, name in _classes(scene):
        storage = scene.cluster.storage_class(name)
        if storage and storage.purged:
            yield Hit(manifest, path, f"data of {storage.name} may be deleted at any time")


@error(
    "NRP024",
    "access mode that the storage class does not have",
    why="Block storage (RBD) is attached to one node, and what is on CVMFS is only read. The claim stays Pending.",
    source=CEPH,
    fix="Write a mode that the class has. For several pods that write take a class of CephFS, as rook-cephfs.",
    examples=broken(_CLAIM, ("rook-cephfs-central", "rook-ceph-block")),
)
def check_access(scene: Scene) -> Iterator[Hit]:
    for manifest, path in claims(scene):
        spec = manifest.at(path) or {}
        name = spec.get("storageClassName") or ""
        storage = scene.cluster.storage_class(name)
        modes = spec.get("accessModes") or []
        if spec.get("volumeName") or spec.get("volumeMode") == "Block":
            continue  # of a volume that is there, or of a bare device, which several nodes can have
        for mode in modes if storage else [mode for mode in modes if _is_of_one_node(scene, name, mode)]:
            if not storage or mode not in storage.access:
                has = f" (they can be {', '.join(storage.access)})" if storage else ": they are for one node"
                message = f"volumes of {name} cannot be {mode}{has}"
                yield Hit(manifest, (*path, "accessModes"), message)


def _classes(scene: Scene) -> Iterator[tuple[Manifest, FieldPath, str]]:
    """The storage class of each claim with its path; empty where none is named."""
    for manifest, path in claims(scene):
        yield manifest, (*path, CLASS[-1]), manifest.at((*path, CLASS[-1])) or ""


def _is_of_one_node(scene: Scene, name: str, mode: str) -> bool:
    """Whether a mode is not one of a class that the cluster's file does not know, by the class's object or its name.

    Many nodes can read a disk of a cloud.
    """
    if described := scene.find("StorageClass", "", name):
        provisioner = described.body.get("provisioner")
        return mode == "ReadWriteMany" and isinstance(provisioner, str) and provisioner.endswith(BLOCK)
    return mode in MANY and bool(_BLOCK.match(name))


@warning(
    "NRP025",
    "volume for several pods without a storage class",
    why="The default class is block storage, whose volumes are for one node. The claim stays Pending.",
    source=CEPH,
    fix="Write storageClassName: rook-cephfs, or another class of CephFS near to your nodes; in a copy (dataSource), "
    "the class of its source.",
    examples=broken(_CLAIM, ("  storageClassName: rook-cephfs-central\n", "")),
)
def check_default(scene: Scene) -> Iterator[Hit]:
    for manifest, path in claims(scene):
        spec = manifest.at(path) or {}
        modes = sorted({*MANY} & {*(spec.get("accessModes") or [])})
        if modes and spec.get("storageClassName") is None and spec.get("volumeName") is None:
            copied = _copied(scene, manifest, path)
            if copied == "":
                continue  # whatever class its source has, the copy needs the same
            message = f"has no storageClassName, and {copied or f'volumes of the default class cannot be {modes[0]}'}"
            yield Hit(manifest, (*path, CLASS[-1]), message)


def _copied(scene: Scene, manifest: Manifest, path: FieldPath) -> str | None:
    """Of a copy of another volume, what its source says of its class; "" where nothing does, None for no copy."""
    spec = manifest.at(path) or {}
    source = spec.get("dataSource") or spec.get("dataSourceRef")
    if not source:
        return None
    name = source.get("name", "")
    original = (
        scene.near("PersistentVolumeClaim", name, manifest) if source.get("kind") == "PersistentVolumeClaim" else None
    )
    used = original.at(CLASS) if original else None
    return f"is a copy of {name}, so that it needs the class of that: {used}" if isinstance(used, str) else ""


@warning(
    "NRP026",
    "volume whose root folder belongs to root",
    why="Volumes of this class ignore fsGroup: whoever is not root cannot write there.",
    source="NRP users' measurements",
    fix="Take another class, or let a root init container make a folder on it once and chown that.",
    examples=(f"{changed(_JOB, ('restartPolicy: Never', _NOT_ROOT))}---\n{_CLAIM}", f"{_JOB}---\n{_CLAIM}"),
)
def check_root_owned(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for number, mount in enumerate(container.body.get("volumeMounts") or []):
            claim = _claim(scene, workload, container, mount["mountPath"])
            storage = scene.cluster.storage_class(claim.at(CLASS) or "") if claim else None
            user = _user(workload, container)
            if storage and storage.root_owned and user and not mount.get("readOnly") and not mount.get("subPath"):
                folder = f"the folder {mount['mountPath']} is root's ({storage.name})"
                message = f"container {container.name} runs {user}, and {folder}"
                yield Hit(workload.manifest, (*container.path, "volumeMounts", number), message)


def _user(workload: Workload, container: Container) -> str:
    """The user that a container runs as, in words, if not root; empty when not known."""
    pod, own = workload.spec.get("securityContext") or {}, container.body.get("securityContext") or {}
    user = own.get("runAsUser", pod.get("runAsUser"))
    if user is not None:
        return f"as user {user}" if user else ""
    return "not as root" if own.get("runAsNonRoot", pod.get("runAsNonRoot")) else ""


def _claim(scene: Scene, workload: Workload, container: Container, path: str) -> Manifest | None:
    """The volume claim among the objects that holds a path of a container."""
    place = place_of(workload, container, path)
    return scene.near("PersistentVolumeClaim", place.claim, workload.manifest) if place and place.claim else None


@warning(
    "NRP027",
    "more local storage than the pod is given",
    why="Local storage has a limit of 50Gi per container where none is set, and emptyDirs count. Above it, the pod is "
    "evicted. A request above the limit is refused.",
    source=LOCAL,
    fix="Write ephemeral-storage into requests and limits, or use a volume claim.",
    examples=broken(_JOB, ("sizeLimit: 50Gi", "sizeLimit: 60Gi")),
)
def check_empty_dir(scene: Scene) -> Iterator[Hit]:
    usual = quantity(scene.cluster.limits.ephemeral_storage)
    for workload in scene.workloads if usual else ():
        most = _local_storage(workload, usual or 0)
        for path, volume in workload.volumes:
            folder = volume.get("emptyDir") or {}
            size = quantity(folder.get("sizeLimit"))
            if folder.get("medium") != "Memory" and size and size > most:
                message = (
                    f"the volume {volume.get('name')} may grow to {folder['sizeLimit']}, but the pod is evicted at "
                    f"{most / GIB:g} GiB of local storage"
                )
                yield Hit(workload.manifest, (*path, "emptyDir", "sizeLimit"), message)
        for container in workload.containers:
            asked = container.request("ephemeral-storage")
            if asked and asked > (usual or 0) and container.limit("ephemeral-storage") is None:
                message = (
                    f"container {container.name} requests {asked / GIB:g} GiB of local storage and names no limit, "
                    f"which is then {(usual or 0) / GIB:g} GiB"
                )
                yield Hit(workload.manifest, (*container.path, "resources", "requests", "ephemeral-storage"), message)


def _local_storage(workload: Workload, usual: float) -> float:
    """Bytes of local storage at which a pod is evicted."""
    return pod_amount(workload, lambda container: container.limit("ephemeral-storage") or usual)


@error(
    "NRP028",
    "weights that do not fit on local storage",
    why="What a container downloads to its own disk or to an emptyDir counts as local storage: 50Gi per container, if "
    "no limit is written. The pod is evicted in the middle of the download, again and again.",
    source=LOCAL,
    fix="Mount a volume claim at the hub's cache (HF_HOME), filled beforehand by a Job without a GPU.",
    examples=broken(_SERVER, ("mountPath: /cache", "mountPath: /models")),
)
def check_weights(scene: Scene) -> Iterator[Hit]:
    usual = quantity(scene.cluster.limits.ephemeral_storage)
    for server in model_servers(scene) if usual else ():
        size, most = weights_bytes(server), _local_storage(server.workload, usual or 0)
        if server.downloads and size > most:
            message = (
                f"{server.model} has about {size / GIB:.1f} GiB, and is downloaded to local storage, "
                f"where the pod is evicted at {most / GIB:g} GiB"
            )
            yield Hit(server.workload.manifest, server.where(), message)


@error(
    "NRP029",
    "one file that several pods write",
    why="On CephFS a file that several clients write blocks them or is damaged. Where the path may be that of a "
    "folder, this is a warning.",
    source=CEPH,
    fix="Give each pod a file of its own and join them at the end: what tells the pods apart stands in its name, as "
    "$(JOB_COMPLETION_INDEX) of an Indexed Job (Grace: --shard=auto/N), the rank of a training job, or the pod's name. "
    "What all need alike, as a data set, one Job writes before.",
    examples=broken(_JOB, (_INDEX, "")),
)
def check_one_writer(scene: Scene) -> Iterator[Hit]:
    writers: dict[tuple[str, str, str], list[tuple[Workload, Program]]] = {}
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            path = program.option(*OUTPUTS)
            if not path or "$" in path or any(word.startswith(APART) for word in program.words):
                continue  # each pod has a file of its own, or only one of them writes
            place = place_of(workload, container, path)
            if place and place.claim and "subPathExpr" not in place.mount:
                key = (workload.manifest.namespace, place.claim, place.rest)
                writers.setdefault(key, []).append((workload, program))
    for (_, claim, path), writing in writers.items():
        places = dict(writing)
        for group in together(places):
            pods = sum(workload.pods for workload in group)
            if pods > 1:
                names = ", ".join(dict.fromkeys(writer.manifest.title for writer in group))
                file = posixpath.splitext(path)[1] != ""
                what = f"write the same file, {path}" if file else f"may write the same files below {path}"
                message = f"{pods} pods {what} on the volume claim {claim} ({names})"
                program, severity = places[group[-1]], None if file else Severity.WARNING
                yield Hit(group[-1].manifest, program.path, message, program.row, severity)
