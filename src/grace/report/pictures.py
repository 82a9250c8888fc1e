"""Pictures: figures inside of a page, as data of it, within a budget of bytes."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from grace.analysis.figures import Drawing, encoded

TYPES = {"svg": "image/svg+xml", "png": "image/png"}
BUDGET = 3_600_000
"""Bytes for all figures of a page: a page is below five million."""
FEW = 150_000
"""A drawing of so few bytes as vectors is not tried as dots, which would mostly take more."""
DENSITY = 110
"""Pixels of an inch: a figure for paper is a little larger on a screen."""
LONGEST = 160
"""Characters of what is said to those who cannot see a figure; its caption says the rest."""


@dataclass(frozen=True)
class Picture:
    """A figure in a page.

    Attributes:
        name: of its file, elsewhere.
        source: a data URI; "" where there was no room.
        caption: what it shows.
        alt: the same in short.
        width: in pixels.
    """

    name: str
    source: str
    caption: str
    alt: str
    width: int


@dataclass
class Budget:
    """What is left for figures."""

    bytes: int = BUDGET

    def pictures(self, drawings: Iterable[Drawing]) -> list[Picture]:
        """The figures, as vectors or dots; where no room is left, without their source."""
        return [self._picture(drawing) for drawing in drawings]

    def _picture(self, drawing: Drawing) -> Picture:
        kind, data = _smallest(drawing)
        source = f"data:{TYPES[kind]};base64,{b64encode(data).decode()}"
        if len(source) > self.bytes:
            source = ""
        self.bytes -= len(source)
        width = round(DENSITY * drawing.figure.get_figwidth())
        return Picture(drawing.name, source, drawing.caption, _alt(drawing.caption), width)


def _smallest(drawing: Drawing) -> tuple[str, bytes]:
    """A drawing as vectors, or as dots where vectors are many and dots are fewer; the kind and the bytes."""
    vectors = encoded(drawing, "svg")
    if len(vectors) <= FEW:
        return "svg", vectors
    dots = encoded(drawing, "png")
    return ("png", dots) if len(dots) < len(vectors) else ("svg", vectors)


def _alt(caption: str) -> str:
    """The caption's first sentences, as far as they are short; the tables have the numbers."""
    short = caption if len(caption) <= LONGEST else f"{caption[:LONGEST].rpartition(' ')[0]}..."
    return f"Figure: {short}"
