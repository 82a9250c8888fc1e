"""Reasoning models: the text between a rendered prompt and the answer itself (`catalogue.yaml`, `reasoning`).

Where a model reasons first, the tokens after the prompt are not its answer. The answer is scored after an empty
reasoning, at the start of the final channel.
"""

from collections.abc import Sequence

from grace.models.catalogue import reasoning


def answer_start(prompt_end: str, names: Sequence[str]) -> str | None:
    """The text to put after a prompt so that the answer comes next; None for a model that is not known to reason.

    Args:
        prompt_end: how the rendered prompt ends.
        names: the model's names, such as its served name and hub repository.
    """
    for family in reasoning():
        named = not family.names or _mentions(names, family.names)
        if named and not _mentions(names, family.but_not) and prompt_end.endswith(family.prompt_ends):
            return family.answer_start
    return None


def _mentions(names: Sequence[str], parts: Sequence[str]) -> bool:
    return any(part in name.lower() for part in parts for name in names)
