"""GPU products as the labels of nodes name them: their memory, their age, and what a misspelt one may mean."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from grace.declared import Strict, brought
from grace.policy.cluster_file import Cluster

_OWN = re.compile(r"(?<![A-Z0-9])(A100|H100|H200|GH200|A40|RTX-A6000|RTX-8000)(?![A-Z0-9])", re.IGNORECASE)
"""Products that may have a resource of their own."""
USUAL = "nvidia.com/gpu"
"""The resource of the others."""


class Product(Strict):
    """One product; `memory` is in GB, as sold."""

    name: str
    memory: int
    capability: float


@cache
def gpu_products() -> Mapping[str, Product]:
    """Products by the value of the node label nvidia.com/gpu.product."""
    text = resources.files("grace.policy").joinpath("gpu_products.yaml").read_text(encoding="utf-8")
    return {line["name"]: Product.model_validate(line) for line in brought(text)}


def own_resource(product: str, cluster: Cluster) -> str | None:
    """The resource of a product on a cluster, its own or that of most products; None where nothing is known."""
    for gpu in cluster.gpus:
        if product in gpu.products:
            return gpu.resource
    if "-MIG-" in product:
        return None
    match = _OWN.search(product)
    if match:
        resource = f"nvidia.com/{match[1].lower().replace('-', '')}"
    else:
        resource = USUAL if (meant_product(product) or product) in gpu_products() else ""
    return resource if resource in {gpu.resource for gpu in cluster.gpus} else None


def meant_product(name: str) -> str | None:
    """The product that a misspelt name means: the one with the same letters and digits; None for others."""
    if name in gpu_products() or "-MIG-" in name or name.endswith("-SHARED"):
        return None
    plain = {_plain(product): product for product in gpu_products()}
    return plain.get(_plain(name))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]|nvidia|geforce|tesla|quadro", "", name.lower())
