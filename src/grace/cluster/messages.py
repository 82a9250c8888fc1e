"""What a cluster says to its users, explained: one table (messages.yaml) for `grace cluster explain` and a lineup."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import Field, TypeAdapter

from grace.declared import Strict

Speaker = Literal["login", "admission", "quota", "scheduler", "volumes", "kubelet", "job", "kubectl", "program", "mail"]
SPEAKERS: dict[Speaker, str] = {
    "login": "kubectl, on the way to the cluster",
    "admission": "the cluster, when an object is created",
    "quota": "a quota of the namespace",
    "scheduler": "the scheduler, which chooses nodes",
    "volumes": "the storage system",
    "kubelet": "the node that runs the pod",
    "job": "the controller of a Job or Deployment",
    "kubectl": "kubectl, about pods",
    "program": "a program in a pod",
    "mail": "a mail or page of the cluster",
}
"""Who says a message, in words; in the order of the documentation."""
MOST_TEXT = 200
"""Characters that three dots stand for within a pattern."""


class Message(Strict):
    """A message that a cluster gives, in all its wordings.

    Attributes:
        says: who gives it.
        patterns: its wordings; three dots stand for text that varies.
        means: what it means, without a full stop.
        do: what to do, in the imperative.
        general: it explains little, and gives way to any other message in the same text.
    """

    id: str
    says: Speaker
    patterns: tuple[str, ...] = Field(min_length=1)
    means: str
    do: str
    general: bool = False


@dataclass(frozen=True)
class Explanation:
    """A message that stands in a text.

    Attributes:
        texts: the parts of the text that are the message, in their order, each once.
    """

    message: Message
    texts: tuple[str, ...]


@cache
def messages() -> tuple[Message, ...]:
    """All messages, in the order of the table."""
    import yaml

    content = resources.files("grace.cluster").joinpath("messages.yaml").read_bytes()
    return TypeAdapter(tuple[Message, ...]).validate_python(yaml.safe_load(content))


def explain(text: str, reason: str = "") -> tuple[Explanation, ...]:
    """The messages in a text, in the order in which they begin there; none, when the table has none of them.

    Args:
        text: what kubectl, an event, a condition, a log or a mail says; a whole `kubectl describe` too.
        reason: of an event, a condition or a container, as FailedScheduling or OOMKilled; may be empty.
    """
    plain = _plain(f"{reason}: {text}" if reason else text)
    hits = [
        (hit.start(), hit.end(), each) for each in messages() for one in _compiled(each) for hit in one.finditer(plain)
    ]
    if any(not each.general for _, _, each in hits):
        hits = [hit for hit in hits if not hit[2].general]
    texts: dict[Message, dict[str, None]] = {}
    longest = 0
    for start, end, each in sorted(hits, key=lambda hit: (hit[0], -hit[1])):  # of equal ones, the first of the table
        if end > longest:  # else it stands in a message before it
            longest = end
            texts.setdefault(each, {})[plain[start:end].strip(" .:")] = None
    return tuple(Explanation(each, tuple(parts)) for each, parts in texts.items())


def nearest(text: str, most: int = 3) -> list[Message]:
    """The messages whose wordings share most rare words with a text; none when they share none."""
    words = _words(_plain(text))
    common = Counter(word for each in messages() for word in _words(" ".join(each.patterns)))

    def likeness(message: Message) -> float:
        shared = (words & _words(pattern) for pattern in message.patterns)
        return max(sum(1 / common[word] for word in each) for each in shared)

    return [each for each in sorted(messages(), key=likeness, reverse=True)[:most] if likeness(each) >= 0.5]


def as_text(explanations: Sequence[Explanation]) -> str:
    """Explanations for people: each message as it was found, who says it, what it means, and what to do."""
    blocks = [
        f"{'; '.join(each.texts)}\n"
        f"  Said by: {SPEAKERS[each.message.says]}\n"
        f"  Meaning: {each.message.means}.\n"
        f"  To do:   {each.message.do}."
        for each in explanations
    ]
    return "\n\n".join(blocks)


def _plain(text: str) -> str:
    """A text in one line with plain quotes, as the patterns have them."""
    for old in ('\\"', "\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"):
        text = text.replace(old, '"')
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


@cache
def _compiled(message: Message) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(pattern) for pattern in message.patterns)


def _pattern(pattern: str) -> re.Pattern[str]:
    """A wording as an expression.

    Dots at its beginning or end are a word (a taint in braces is one, too), dots in quotes end with them.
    """
    word = r"(?:\{[^}]{0,99}\}|[^\s,;]{1,99})"
    first, last = pattern.startswith("..."), pattern.endswith("...")
    middle = pattern[3 * first : len(pattern) - 3 * last]
    inner = re.escape(middle).replace(re.escape('"..."'), f'"[^"]{{1,{MOST_TEXT}}}"')
    inner = inner.replace(re.escape(" ... "), rf"\ (?:.{{0,{MOST_TEXT}}}?\ )?")
    inner = inner.replace(re.escape("..."), f".{{0,{MOST_TEXT}}}?")
    begins = f"(?<![^\\s,;]){word}" if first else r"(?<!\w)" if middle[:1].isalnum() else ""
    ends = f"{word}?" if last else r"(?!\w)" if middle[-1:].isalnum() else ""
    return re.compile(f"{begins}{inner}{ends}", re.IGNORECASE)
