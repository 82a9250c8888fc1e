"""lineup.yaml: the models that a lineup carries, and where. Written once; the same command again must say the same."""

from typing import Annotated

from pydantic import Field, PositiveInt, field_validator

from grace.declared import Strict


class LineupFile(Strict):
    """What a lineup carries.

    Attributes:
        name: of the lineup's folder, and of its objects on a cluster.
        profile: where the models run.
        models: in order.
        limit: only so many rows of each table.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
    profile: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    limit: PositiveInt | None = None

    @field_validator("models")
    @classmethod
    def _once(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((model for model in models if models.count(model) > 1), None)
        if twice:
            raise ValueError(f"lists {twice} twice")
        return models
