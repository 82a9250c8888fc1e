"""GPUs of a cluster by product: how many, where, who may use them, and which of Grace's profiles they serve."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from grace.cluster.access.nodes import ClusterNode
from grace.models.catalogue import hub_models, profiles
from grace.policy.cluster_file import Cluster, ClusterGpu
from grace.policy.pods import DRIVER, MEMORY, REGION, ZONE
from grace.text import printable

Format = Literal["text", "json", "csv"]

FREE = "How many are free cannot be known: the pods of other namespaces are not shown to you."


@dataclass(frozen=True)
class GpuProduct:
    """All nodes with one kind of GPU.

    Attributes:
        product: the label nvidia.com/gpu.product.
        nodes: how many have it.
        usable: how many of them are ready, take new pods and have no taint.
        resources: GPUs on all nodes, by the name that pods ask for.
        usable_gpus: GPUs on usable nodes.
        memory_mib: of one GPU, as the nodes say; usually one value.
        drivers: major versions of the driver.
        regions, zones: where the nodes are.
        taints: each with how many nodes have it.
        cordoned, not_ready: nodes that take no pods now.
        gpus: names in Grace's catalogue that the cluster's file gives to the product.
        profiles: Grace's profiles that it serves.
    """

    product: str
    nodes: int
    usable: int
    resources: dict[str, int]
    usable_gpus: int
    memory_mib: tuple[int, ...]
    drivers: tuple[str, ...]
    regions: tuple[str, ...]
    zones: tuple[str, ...]
    taints: dict[str, int]
    cordoned: int
    not_ready: int
    gpus: tuple[str, ...]
    profiles: tuple[str, ...]


def gpu_products(nodes: Sequence[ClusterNode], cluster: Cluster, only: str = "") -> list[GpuProduct]:
    """Kinds of GPUs, the most numerous first; `only` those whose product contains this text, whatever the case."""
    groups: dict[str, list[ClusterNode]] = {}
    for node in nodes:
        if node.gpus or node.product:
            groups.setdefault(node.product or "(no product label)", []).append(node)
    products = [_product(name, group, cluster) for name, group in groups.items() if only.casefold() in name.casefold()]
    return sorted(products, key=lambda each: (-sum(each.resources.values()), each.product))


def usable(node: ClusterNode) -> bool:
    """Whether a node takes pods that tolerate nothing."""
    return node.ready and not node.cordoned and not any(taint.effect != "PreferNoSchedule" for taint in node.taints)


def _product(name: str, nodes: Sequence[ClusterNode], cluster: Cluster) -> GpuProduct:
    resources = sum((Counter(node.gpus) for node in nodes), Counter[str]())
    memory = {int(text) for node in nodes if (text := node.labels.get(MEMORY, "")).isdecimal()}
    names = tuple(gpu.gpu for gpu in cluster.gpus if _is(gpu, name, memory))
    return GpuProduct(
        product=name,
        nodes=len(nodes),
        usable=sum(usable(node) for node in nodes),
        resources=dict(sorted(resources.items())),
        usable_gpus=sum(sum(node.gpus.values()) for node in nodes if usable(node)),
        memory_mib=tuple(sorted(memory)),
        drivers=_labels(nodes, DRIVER),
        regions=_labels(nodes, REGION),
        zones=_labels(nodes, ZONE),
        taints=dict(Counter(str(taint) for node in nodes for taint in node.taints).most_common()),
        cordoned=sum(node.cordoned for node in nodes),
        not_ready=sum(not node.ready for node in nodes),
        gpus=names,
        profiles=_profiles(names),
    )


def _is(gpu: ClusterGpu, product: str, memory: set[int]) -> bool:
    """Whether a product is a kind of GPU of the cluster's file, with as much memory as that asks for."""
    enough = gpu.memory_above is None or not memory or max(memory) > gpu.memory_above
    return product in gpu.products and enough


def _profiles(gpus: Sequence[str]) -> tuple[str, ...]:
    """Profiles in which some model of the lineup runs on one of these GPUs, in their order."""
    used = {name for model in hub_models().values() for name, serving in model.profiles.items() if serving.gpu in gpus}
    return tuple(name for name in profiles() if name in used)


def _labels(nodes: Sequence[ClusterNode], label: str) -> tuple[str, ...]:
    return tuple(sorted({value for node in nodes if (value := node.labels.get(label))}))


def gpu_report(products: Sequence[GpuProduct], format: Format) -> str:
    """The products as a table, JSON or CSV; the table ends with what cannot be known."""
    if format == "json":
        return json.dumps([asdict(product) for product in products], indent=2)
    if format == "csv":
        return _csv(products)
    return _table(products)


_HEADINGS = ("product", "nodes", "usable", "GPUs", "usable GPUs", "memory", "driver", "regions", "profiles", "taints")


def _cells(each: GpuProduct) -> tuple[str, ...]:
    memory = "/".join(f"{mib / 1024:.0f}" for mib in each.memory_mib)
    closed = [f"{count}x {taint}" for taint, count in each.taints.items()]
    closed += [f"{each.cordoned}x cordoned"] * (each.cordoned > 0)
    closed += [f"{each.not_ready}x not ready"] * (each.not_ready > 0)
    return (
        each.product,
        str(each.nodes),
        str(each.usable),
        ", ".join(f"{count} {name}" for name, count in each.resources.items()) or "none",
        str(each.usable_gpus),
        f"{memory} GiB" if memory else "?",
        "/".join(each.drivers) or "?",
        ", ".join(each.regions[:3]) + (f" and {len(each.regions) - 3} more" if len(each.regions) > 3 else ""),
        ", ".join(each.profiles) or "-",
        ", ".join(closed[:3]) + (f" and {len(closed) - 3} more" if len(closed) > 3 else ""),
    )


def _table(products: Sequence[GpuProduct]) -> str:
    if not products:
        return "No node with such GPUs is shown to you; without --product, all are listed."
    rows = [_HEADINGS, *(tuple(map(printable, _cells(each))) for each in products)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", FREE])


def _csv(products: Sequence[GpuProduct]) -> str:
    """One line for each product; `;` separates several values of a cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(GpuProduct.__dataclass_fields__)
    writer.writerows([_flat(value) for value in asdict(product).values()] for product in products)
    return text.getvalue().rstrip("\n")


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ";".join(f"{name}={count}" for name, count in value.items())
    return ";".join(map(str, value)) if isinstance(value, tuple) else str(value)
