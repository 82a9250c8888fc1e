"""What a vLLM server is started with, read back from its command line, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grace.models.rules import Problem, weights_problems

MODULE = "vllm.entrypoints.openai.api_server"
_SHORT = {"-tp": "tensor-parallel-size", "-pp": "pipeline-parallel-size", "-dp": "data-parallel-size"} | {
    "-q": "quantization",
    "-n": "nnodes",
}
_SWITCHES = ("enable-", "disable-", "no-", "enforce-eager", "trust-remote-code", "headless")
"""The beginnings of options that take no value."""


@dataclass(frozen=True)
class VllmCommand:
    """The options of a vLLM server.

    Attributes:
        options: values by the option's long name without dashes; none for a switch.
        model: repository or folder that is served; None where the command does not say.
        by_module: started as a Python module instead of by `vllm serve`.
    """

    options: Mapping[str, tuple[str, ...]]
    model: str | None
    by_module: bool

    def value(self, option: str) -> str | None:
        """The value of an option; the last of several."""
        return self.options[option][-1] if self.options.get(option) else None

    def number(self, option: str, otherwise: int) -> int | None:
        """The same as a whole number; None where it cannot be read as one, as $(GPUS)."""
        text = self.value(option)
        if text is None:
            return otherwise
        return int(text) if text.isdecimal() else None

    def served_names(self) -> tuple[str, ...]:
        """The names that clients may use for the model."""
        return self.options.get("served-model-name") or ((self.model,) if self.model else ())


def read_vllm_command(words: Sequence[str]) -> VllmCommand:
    """Read the words of a vLLM server's command line, with or without `vllm serve` or `python -m ...api_server`."""
    rest = list(words)
    by_module = MODULE in rest
    for start in (MODULE, "serve"):
        if start in rest:
            rest = rest[rest.index(start) + 1 :]
            break
    options: dict[str, tuple[str, ...]] = {}
    bare: list[str] = []
    name = ""
    for word in rest:
        if word.startswith("-") and not word[1:].isdecimal():
            name, equals, value = word.partition("=")
            name = _SHORT.get(name) or name.lstrip("-").replace("_", "-")
            options[name] = (value,) if equals else ()
            if equals or name.startswith(_SWITCHES):
                name = ""
        elif name:
            options[name] += (word,)
            name = name if name == "served-model-name" else ""  # the one that takes several
        else:
            bare.append(word)
    model = options.get("model", ()) or tuple(bare if not by_module else ())
    return VllmCommand(options, model[0] if model else None, by_module)


def vllm_problems(arguments: Sequence[str]) -> list[Problem]:
    """What is wrong with a vLLM server's command line, as far as it tells; arguments as for `read_vllm_command`."""
    command = read_vllm_command(arguments)
    problems: list[Problem] = []
    if command.model:
        problems += weights_problems(command.model, command.value("dtype"), command.value("quantization"))
    if command.by_module:
        old = f"python -m {MODULE} is deprecated"
        problems.append(Problem("vllm-serve", old, "use `vllm serve MODEL` with the same options", note=True))
    return problems
