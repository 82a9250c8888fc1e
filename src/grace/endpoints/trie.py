"""The trie of an answer space's token paths, and the probability of each label from those of single tokens.

A form's event is that the answer starts with the form's tokens. Where one form is a prefix of another, the longer one
takes its part: a label gets P(form) less what longer forms below it claim. So the events of all labels exclude each
other, and their sum is the label mass: the probability that the answer starts with any of the forms.

The probability of what was not asked or not reported is the residual. For every label, and for the label mass,
p <= true value <= p + residual.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from grace.endpoints.dialects.tokens import Ask, Read

Path = tuple[int, ...]


@dataclass(eq=False)
class Node:
    """A place in an answer: the tokens up to here, the label of the form that ends here, and where it can go on."""

    path: Path
    label: str | None = None
    children: dict[int, "Node"] = field(default_factory=dict)
    ask: Ask | None = None

    def inner(self) -> Iterator["Node"]:
        """The nodes whose next token is to be asked for, this one first and parents before children."""
        if self.children:
            yield self
        for child in self.children.values():
            yield from child.inner()


class SameSpelling(Exception):
    """Forms of two labels have the same tokens, so no probability can tell them apart."""


def grow(spelled: Mapping[str, Sequence[Path]]) -> Node:
    """The trie of all labels' forms, each given as token ids.

    What lies below a form and belongs to no other label need not be asked about, and is left out.

    Raises:
        SameSpelling: two labels share a form.
    """
    root = Node(())
    for label, paths in spelled.items():
        for path in paths:
            node = root
            for place, token in enumerate(path, start=1):
                node = node.children.setdefault(token, Node(path[:place]))
            if node.label not in (None, label):
                raise SameSpelling(f"{node.label!r} and {label!r}")
            node.label = label
    _prune(root)
    for node in root.inner():
        node.ask = Ask(node.path, tuple(node.children))
    return root


def _prune(node: Node, above: str | None = None) -> set[str]:
    """Cut off what adds nothing below a form of the label `above`, and return the labels at and below a node."""
    above = above if node.label is None else node.label
    below: set[str] = set()
    for token, child in list(node.children.items()):
        labels = _prune(child, above)
        below |= labels
        if labels == {above}:
            del node.children[token]
    return below | ({node.label} if node.label is not None else set())


class TrieMass:
    """What is known so far of the probabilities in one trie, and what is still open."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._mass: dict[Path, float] = {(): 1.0}
        self._reads: dict[Path, Read] = {}
        self._open: dict[Path, Node] = {(): root}
        self._tries: dict[Path, int] = {}

    @property
    def places(self) -> int:
        """How many places were asked about."""
        return len(self._reads)

    def open_places(self, residual: float) -> list[Node]:
        """The places that must be asked about, the most probable first: the others together stay below the bound."""
        bounds = sorted((self._bound(node), node.path) for node in self._open.values())
        skipped = 0.0
        for place, (bound, _) in enumerate(bounds):
            skipped += bound
            if skipped > residual:
                return [self._open[path] for _, path in reversed(bounds[place:])]
        return []

    def ask(self, node: Node) -> Ask:
        """The question about a place, with how often it was asked before."""
        assert node.ask is not None
        return Ask(node.path, node.ask.tokens, self._tries[node.path]) if node.path in self._tries else node.ask

    def tell(self, node: Node, read: Read) -> None:
        """Take note of an answer. Parents come before children."""
        path = node.path
        self._reads[path] = read
        self._tries[path] = self._tries.get(path, 0) + 1
        self._open.pop(path, None)
        if read.unknown:
            self._open[path] = node
        mass = self._mass[path]
        for token, probability in read.probabilities.items():
            child = node.children[token]
            self._mass[child.path] = mass * probability
            if child.children and child.path not in self._reads:
                self._open[child.path] = child

    def residual(self) -> float:
        """The upper bound of the labels' probability that is still unknown."""
        return fsum(self._bound(node) for node in self._open.values())

    def labels(self, labels: Sequence[str]) -> dict[str, float]:
        """The probability of each label as far as it is known."""
        parts: dict[str, list[float]] = {label: [] for label in labels}
        self._claim(self._root, parts)
        return {label: max(0.0, fsum(part)) for label, part in parts.items()}

    def starts_with(self, path: Path) -> float | None:
        """The probability that the answer starts with these tokens, None where it was not asked."""
        return self._mass.get(path)

    def _bound(self, node: Node) -> float:
        read = self._reads.get(node.path)
        return self._mass[node.path] * (1.0 if read is None else read.unknown)

    def _claim(self, node: Node, parts: dict[str, list[float]]) -> float:
        """Give a subtree's probability to its labels, and return how much they claim or may claim of it."""
        below = fsum(self._claim(child, parts) for child in node.children.values() if child.path in self._mass)
        if node.path in self._open:
            below = min(self._mass[node.path], below + self._bound(node))
        if node.label is None:
            return below
        parts[node.label].append(max(0.0, self._mass[node.path] - below))
        return self._mass[node.path]
