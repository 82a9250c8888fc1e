"""lineup.yaml: the models that a lineup carries, and where. Written once; the same command again must say the same."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from grace.declared import Strict
from grace.models.catalogue import profile


class ClusterPlace(Strict):
    """Where on which cluster a lineup runs, and how it is served there: options of `grace cluster render`.

    Attributes:
        context: of the kubeconfig; None: its current one.
        cluster: nrp, or a file that describes a cluster.
        namespace: None: that of the context, else that of the cluster's file.
        image, code, variant, priority_class, batch_invariant: as `grace.cluster.manifests.request` has them.
    """

    context: str | None = None
    cluster: Annotated[str, Field(min_length=1)] = "nrp"
    namespace: str | None = None
    image: str | None = None
    code: Literal["image", "wheel"] = "image"
    variant: str | None = None
    priority_class: str | None = None
    batch_invariant: bool = False

    @property
    def request(self) -> dict[str, Any]:
        """The fields of a request for manifests, but for the namespace."""
        return self.model_dump(exclude={"context", "namespace"})


class EndpointPlace(Strict):
    """Where models answer that somebody else serves.

    Attributes:
        url: the endpoint's address; a key never stands in it.
        api_key_env: the environment variable that holds the key; None: it takes none.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
    api_key_env: str | None = None


class LineupFile(Strict):
    """What a lineup carries.

    Attributes:
        name: of the lineup's folder, and of its objects on a cluster.
        profile: where the models run.
        models: in order.
        limit: only so many rows of each table.
        place: of a lineup on a cluster.
        endpoint: of a lineup that somebody else serves.
        rehearsal: whether this machine stands in for wherever the profile runs.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
    profile: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    limit: PositiveInt | None = None
    place: ClusterPlace | None = None
    endpoint: EndpointPlace | None = None
    rehearsal: bool = False

    @property
    def local(self) -> bool:
        """Whether this machine serves the models."""
        return self.rehearsal or profile(self.profile).embedded is not None

    @property
    def on_cluster(self) -> bool:
        """Whether a cluster serves the models."""
        return not self.rehearsal and profile(self.profile).gpus

    @field_validator("models")
    @classmethod
    def _once(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((model for model in models if models.count(model) > 1), None)
        if twice:
            raise ValueError(f"lists {twice} twice")
        return models

    @model_validator(mode="after")
    def _has_an_endpoint(self) -> Self:
        if self.endpoint is None and not self.local and not self.on_cluster:
            raise ValueError(f"the profile {self.profile} needs the address of an endpoint")
        return self
