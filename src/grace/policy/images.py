"""Names of images that no node of a cluster can pull: of private registries, and of one machine only."""

import re
from functools import cache
from importlib import resources

from grace.declared import brought

_PRIVATE = re.compile(
    r"(localhost|127\.[\d.]+|10(\.\d+){3}|192\.168\.[\d.]+|172\.(1[6-9]|2\d|3[01])\.[\d.]+|([\w-]+\.)+internal|[\w-]+\.local)(:\d+)?/.+"
)
"""Images of registries that only a machine or a house reaches."""
_PLAIN = re.compile(r"([a-z0-9]+([._-]+[a-z0-9]+)*)(:[A-Za-z0-9_][\w.-]*)?", re.ASCII)
"""Images without a registry and an owner: official ones of Docker Hub, or those of somebody's own machine."""


def without_tag(image: str) -> str:
    """The name of an image, without its tag and digest."""
    folder, slash, name = image.partition("@")[0].rpartition("/")
    return folder + slash + name.partition(":")[0]


def is_private(image: str) -> bool:
    """Whether an image is in a registry that only a machine or a house reaches."""
    return _PRIVATE.fullmatch(image) is not None


def is_local(image: str) -> bool:
    """Whether an image has no registry and no owner, and is none of the official ones of Docker Hub."""
    plain = _PLAIN.fullmatch(image)
    return plain is not None and plain[1] not in _official()


@cache
def _official() -> frozenset[str]:
    """Names of Docker Hub's official images, those of earlier years included."""
    return frozenset(brought(resources.files("grace.policy").joinpath("official_images.yaml").read_bytes()))
