"""lineup.yaml: what a lineup was asked to do. Written once; the same command again must ask for the same."""

from typing import Annotated

from pydantic import Field, PositiveInt

from grace.declared import Strict
from grace.stages.visit_file import VisitFile


class LineupFile(Strict):
    """What a lineup carries.

    Attributes:
        name: of the lineup's folder, and of its objects on a cluster.
        profile: where the models run.
        models: in order.
        visit: what each model is asked; its paths start at the lineup's folder, which has copies of all tables.
        limit: only so many rows of each table.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
    profile: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    visit: VisitFile
    limit: PositiveInt | None = None
