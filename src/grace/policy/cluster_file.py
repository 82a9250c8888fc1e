"""The file of a cluster (`clusters/*.yaml`): version, namespace, storage, GPUs, limits, reservations."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from grace.declared import Strict, brought, checked, read
from grace.errors import InputError
from grace.text import did_you_mean

YEAR = 365
"""Days after which a fact is worth reading again."""
AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class FactSource(Strict):
    """Where a fact stands, and when it was read there."""

    page: str
    read: date


class Fact(Strict):
    """A part of the file with the source of what it says."""

    source: FactSource | None = None


class StorageClass(Fact):
    """One storage class.

    Attributes:
        access: the access modes of its volumes.
        purged: its data may be deleted.
        root_owned: roots of its volumes belong to root, whatever fsGroup says.
        forbidden: why users may not use it; empty when they may.
    """

    name: str
    access: tuple[AccessMode, ...]
    purged: bool = False
    root_owned: bool = False
    forbidden: str = ""

    @property
    def published(self) -> bool:
        """Whether its volumes show what others publish: nobody writes there, and their size says nothing."""
        return self.access == ("ReadOnlyMany",)


class Storage(Strict):
    """Storage classes; `shared` is the one for volumes that several pods use, empty for the cluster's default."""

    shared: str = ""
    classes: tuple[StorageClass, ...] = ()


class ClusterGpu(Fact):
    """One kind of GPU, as the cluster calls it.

    Attributes:
        gpu: its name in Grace's catalogue.
        resource: the extended resource that pods ask for.
        products: values of the node label nvidia.com/gpu.product.
        memory_above: its nodes have more than this in the label nvidia.com/gpu.memory, in MiB.
        quota: how many a namespace has without asking; None: no limit.
        request: where to ask for some; empty when none is given.
    """

    gpu: str
    resource: str
    products: tuple[str, ...]
    memory_above: PositiveInt | None = None
    quota: Annotated[int, Field(ge=0)] | None = None
    request: str = ""


class PriorityClasses(Fact):
    """The classes that users may set, and those of them whose pods need no quota and can be preempted at any time."""

    allowed: tuple[str, ...] = ()
    no_quota: tuple[str, ...] = ()


class BarePod(Strict):
    """What a Pod without a controller may use."""

    hours: PositiveFloat | None = None
    gpus: PositiveInt | None = None
    memory: str | None = None
    cpu: PositiveFloat | None = None


class Limits(Strict):
    """Numbers of the cluster's rules; None where it has no such rule. Each is explained beside it in `nrp.yaml`.

    `sources` are those of the numbers, by name.
    """

    ratio: PositiveFloat | None = None
    equal_above: PositiveInt | None = None
    jobs: PositiveInt | None = None
    violators: PositiveInt | None = None
    bare_pod: BarePod = BarePod()
    gpus_of_a_node: PositiveInt | None = None
    ephemeral_storage: str | None = None
    sources: dict[str, FactSource] = Field(default_factory=dict)


class Reserved(Fact):
    """Nodes whose hostname has this beginning are reserved by a taint of that key and value."""

    hostname: str
    taint: str
    value: str


class Cluster(Strict):
    """A cluster.

    Attributes:
        kubernetes: the version whose schemas manifests are checked against, as 1.32.
        namespace: the one to use where no other is given.
        policies: the sets of rules that apply there.
        sources: of the facts in the file, by a name of the author's.
    """

    name: str
    title: str
    kubernetes: Annotated[str, Field(pattern=r"^1\.\d+$")]
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
    policies: tuple[Literal["general", "nrp"], ...] = ("general",)
    sources: dict[str, FactSource] = Field(default_factory=dict)
    storage: Storage = Storage()
    gpus: tuple[ClusterGpu, ...] = ()
    priority_classes: PriorityClasses = PriorityClasses()
    limits: Limits = Limits()
    reserved: tuple[Reserved, ...] = ()

    def outdated(self, today: date) -> str:
        """A remark when facts were read more than a year ago, which says which; empty when none was."""
        old = {source.page: source.read for source in _sources(self) if (today - source.read).days > YEAR}
        if not old:
            return ""
        pages = "; ".join(f"{page} ({read})" for page, read in sorted(old.items(), key=lambda each: each[1]))
        return f"facts about {self.title} were read more than a year ago, and may have changed: {pages}"

    def gpu(self, name: str) -> ClusterGpu:
        """A kind of GPU by its name in the catalogue. Raises InputError when the cluster has none."""
        for gpu in self.gpus:
            if gpu.gpu == name:
                return gpu
        names = ", ".join(gpu.gpu for gpu in self.gpus) or "none"
        raise InputError(f"cluster {self.name}: its file names no GPU {name!r} (it names {names})")

    def storage_class(self, name: str) -> StorageClass | None:
        """The storage class of a name; None when the file does not list it."""
        return next((storage for storage in self.storage.classes if storage.name == name), None)


def cluster_names() -> Sequence[str]:
    """Names of the clusters that come with Grace."""
    folder = resources.files("grace.policy").joinpath("clusters")
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def _sources(value: object) -> Iterator[FactSource]:
    """All sources in a part of a file."""
    if isinstance(value, FactSource):
        yield value
    elif isinstance(value, Strict):
        yield from _sources([each for _, each in value])
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _sources(each)


@cache
def load_cluster(name: str) -> Cluster:
    """A cluster by its name, or by the path of its file.

    Raises:
        InputError: there is no such cluster or file, or the file is invalid.
    """
    if re.fullmatch(r"[\w-]+", name):
        if name not in cluster_names():
            names = cluster_names()
            raise InputError(
                f"{name!r}{did_you_mean(name, names)} is not a cluster that Grace knows ({', '.join(names)}); "
                f"a file of your own is given by its path, as ./{name}.yaml"
            )
        content = resources.files("grace.policy").joinpath("clusters", f"{name}.yaml").read_bytes()
        return checked(brought(content), name, Cluster)
    return read(Path(name), Cluster)
