"""Pictures: figures inside a page, as data URIs, within a budget of bytes."""

from base64 import b64encode
from dataclasses import dataclass

from grace.analysis.figures import Drawing, encoded

TYPES = {"svg": "image/svg+xml", "png": "image/png"}
BUDGET = 3_600_000
"""Bytes for all figures of a page: a page is below five million."""
FEW = 150_000
"""A drawing of fewer bytes as vectors is not tried as dots, which would usually take more."""
DENSITY = 110
"""Pixels per inch: a figure for paper is a little larger on a screen."""
LONGEST = 160
"""Characters of the text for those who cannot see a figure; its caption has the rest."""


@dataclass(frozen=True)
class Picture:
    """A figure in a page.

    `name` is that of its file elsewhere; `source` is a data URI, "" where there was no room; `alt` is the caption in
    short; `width` is in pixels.
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

    def picture(self, drawing: Drawing) -> Picture:
        """A figure, as vectors or dots; where no room is left, without its source."""
        kind, data = _smallest(drawing)
        source = f"data:{TYPES[kind]};base64,{b64encode(data).decode()}"
        if len(source) > self.bytes:
            source = ""
        self.bytes -= len(source)
        # the caption's first words, as far as they are short; the tables have the numbers
        caption = drawing.caption
        short = caption if len(caption) <= LONGEST else f"{caption[:LONGEST].rpartition(' ')[0]}..."
        width = round(DENSITY * drawing.figure.get_figwidth())
        return Picture(drawing.name, source, caption, f"Figure: {short}", width)


def _smallest(drawing: Drawing) -> tuple[str, bytes]:
    """A drawing as vectors, or as dots where vectors are many and dots are fewer; the kind and the bytes."""
    vectors = encoded(drawing, "svg")
    if len(vectors) <= FEW:
        return "svg", vectors
    dots = encoded(drawing, "png")
    return ("png", dots) if len(dots) < len(vectors) else ("svg", vectors)
