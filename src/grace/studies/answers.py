"""Answer spaces: the closed set of answers to a question, the strings that count as each, and their distribution."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import fsum, log2, sqrt
from typing import Literal

from grace.errors import StudyError

Policy = Literal["canonical", "variants"]
"""Which surface forms count: the first of each label, or all of them."""
Variant = Literal["case", "stop", "apostrophe", "space"]
"""A rule that makes further surface forms from the listed ones: see `variants_of`."""


@dataclass(frozen=True)
class AnswerSpace:
    """The answers to one question.

    Attributes:
        forms: for each label its surface forms, the canonical one first; no form belongs to two labels.
        values: for each label its number; None where labels are not numbers.
        factors: for joint answers, the parts: for each label of the space the part's own label.
    """

    forms: Mapping[str, tuple[str, ...]]
    values: tuple[float, ...] | None = None
    factors: Mapping[str, Mapping[str, str]] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the study file's order."""
        return tuple(self.forms)

    def chosen(self, policy: Policy) -> dict[str, tuple[str, ...]]:
        """The surface forms that count under a policy, by label."""
        return {label: forms[:1] if policy == "canonical" else forms for label, forms in self.forms.items()}


@dataclass(frozen=True)
class Distribution:
    """The probabilities of all labels, divided by their sum, and the numbers that follow from them.

    Attributes:
        probabilities: those of the labels, in order; they sum to 1.
        entropy: the entropy in bits.
        mean, std: of the labels' numbers; None where labels are not numbers. `std` is the population's.
        marginals: for joint answers, each part's own distribution by its labels.
        marginal_entropies: their entropies in bits.
    """

    probabilities: tuple[float, ...]
    entropy: float
    mean: float | None
    std: float | None
    marginals: Mapping[str, Mapping[str, float]]
    marginal_entropies: Mapping[str, float]


def distribution(space: AnswerSpace, masses: Mapping[str, float]) -> Distribution | None:
    """Normalise the probability of each label, None when all of them are 0.

    Entropy is -sum p log2 p (Shannon 1948); mean is sum p x; std is the root of sum p (x - mean)^2.
    """
    total = fsum(masses.values())
    if total <= 0:
        return None
    probabilities = tuple(masses[label] / total for label in space.labels)
    mean = std = None
    if space.values is not None:
        mean = fsum(p * x for p, x in zip(probabilities, space.values, strict=True))
        std = sqrt(fsum(p * (x - mean) ** 2 for p, x in zip(probabilities, space.values, strict=True)))
    marginals = {
        factor: _marginal(zip(space.labels, probabilities, strict=True), level_of)
        for factor, level_of in (space.factors or {}).items()
    }
    return Distribution(
        probabilities,
        entropy(probabilities),
        mean,
        std,
        marginals,
        {factor: entropy(levels.values()) for factor, levels in marginals.items()},
    )


def entropy(probabilities: Iterable[float]) -> float:
    """Shannon's entropy in bits."""
    return max(0.0, -fsum(p * log2(p) for p in probabilities if p > 0))


def _marginal(joint: Iterable[tuple[str, float]], level_of: Mapping[str, str]) -> dict[str, float]:
    parts: dict[str, list[float]] = {level: [] for level in level_of.values()}
    for label, probability in joint:
        parts[level_of[label]].append(probability)
    return {level: fsum(part) for level, part in parts.items()}


def variants_of(forms: Sequence[str], variants: Sequence[Variant]) -> tuple[str, ...]:
    """The forms, followed by those that the variants make of them, in every combination.

    case: the first letter small and capital; stop: with and without a full stop at the end; apostrophe: ' and ’;
    space: without and with a space in front.
    """
    spellings = dict.fromkeys(forms)
    for variant in variants:
        spellings |= dict.fromkeys(_OTHER[variant](form) for form in list(spellings))
    return tuple(spellings)


def _other_case(form: str) -> str:
    place = next((place for place, character in enumerate(form) if character.isalpha()), None)
    return form if place is None else form[:place] + form[place].swapcase() + form[place + 1 :]


_OTHER: Mapping[Variant, Callable[[str], str]] = {
    "case": _other_case,
    "stop": lambda form: form.removesuffix(".") if form.endswith(".") else form + ".",
    "apostrophe": lambda form: form.replace("'", "’") if "'" in form else form.replace("’", "'"),
    "space": lambda form: form.removeprefix(" ") if form.startswith(" ") else " " + form,
}


def joint(
    factors: Mapping[str, Mapping[str, Sequence[str]]], forms: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, str]]]:
    """Combine the labels of parts: the joint space's forms by label, and each part's label by the joint one's.

    Labels of parts are joined by "_".

    Args:
        factors: parts by name; for each of their labels its pieces of text, the canonical one first.
        forms: whole answers with {name} in place of each part, the canonical one first.

    Raises:
        StudyError: two combinations have the same label.
    """
    spelled: dict[str, tuple[str, ...]] = {}
    levels: dict[str, dict[str, str]] = {factor: {} for factor in factors}
    for combination in product(*factors.values()):
        label = "_".join(combination)
        if label in spelled:
            raise StudyError(f"two combinations of parts have the label {label!r}; give the parts other labels")
        for factor, level in zip(factors, combination, strict=True):
            levels[factor][label] = level
        pieces = [factors[factor][level] for factor, level in zip(factors, combination, strict=True)]
        spelled[label] = tuple(
            dict.fromkeys(
                fill(form, dict(zip(factors, texts, strict=True))) for form in forms for texts in product(*pieces)
            )
        )
    return spelled, levels


def fill(pattern: str, pieces: Mapping[str, str]) -> str:
    """Replace each {name} by a piece of text; other braces stay."""
    return re.sub(r"\{(\w+)\}", lambda match: pieces.get(match[1], match[0]), pattern)
