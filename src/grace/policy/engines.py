"""Servers of models that manifests run: vLLM, and others that need less to be known of them (`engines.yaml`)."""

import re
from functools import cache
from importlib import resources

from pydantic import Field

from grace.declared import Strict, brought
from grace.policy.documents import Container
from grace.policy.programs import Program

VLLM = "vLLM"


class Engine(Strict):
    """One kind of server; `engines.yaml` says what the fields mean. `loads`: it loads a model before it answers."""

    name: str
    image: str = ""
    programs: tuple[str, ...]
    modules: tuple[str, ...] = ()
    port: int
    port_variable: str = ""
    model: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    cache: str
    early: str = ""
    early_settings: dict[str, str] = Field(default_factory=dict)
    parallel: bool = False
    loads: bool = True

    def runs(self, program: Program) -> bool:
        """Whether a program is this server."""
        if program.is_python:
            return any(module in program.words for module in self.modules)
        line = " ".join((program.name, *program.words[1:2]))
        return any(line == start or program.name == start for start in self.programs)

    def settings_of(self, image: str) -> dict[str, str]:
        """The variables that an image of this server sets, where they say where downloads go."""
        tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
        own = self.image and re.search(self.image, image, re.IGNORECASE)
        return self.early_settings if own and self.early and re.match(self.early, tag) else {}

    def is_image_of(self, container: Container) -> bool:
        """Whether a container without a command runs this server, by its image."""
        first = container.line[:1]
        if not self.image or container.body.get("command") or not re.search(self.image, container.image, re.IGNORECASE):
            return False
        return bool(first) if self.name == VLLM else not first or first[0].startswith("-") or first[0] == "serve"


@cache
def engines() -> tuple[Engine, ...]:
    """All that are known."""
    text = resources.files("grace.policy").joinpath("engines.yaml").read_text(encoding="utf-8")
    return tuple(Engine.model_validate(entry) for entry in brought(text))
