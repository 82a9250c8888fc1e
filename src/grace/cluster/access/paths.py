"""Paths of objects in a cluster's API, and the kinds of objects by which it names them."""

from dataclasses import dataclass
from urllib.parse import quote

from grace.cluster.access.answers import ApiError


@dataclass(frozen=True)
class Resource:
    """A kind of objects as the cluster names it: of `apps/v1` and `Deployment`, the plural `deployments`."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        """As "apps"; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "") -> str:
        """The path of its objects in a namespace, or of one of them."""
        parts = ["apis" if self.group else "api", *self.api_version.split("/")]
        parts += ["namespaces", namespace] if self.namespaced else []
        return path_of(*parts, self.plural, *([name] if name else []))


def path_of(*parts: str) -> str:
    """The path of a URL; no part can leave its place. Raises ApiError for a part that cannot be a name."""
    for part in parts:
        if part in ("", ".", ".."):
            raise ApiError(f"{part!r} is not a name that an object can have", status=400)
    return "".join(f"/{quote(part, safe='')}" for part in parts)
