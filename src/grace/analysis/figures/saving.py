"""Saving a drawing as PDF, SVG and PNG; the same drawing gives the same bytes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from grace.analysis.figures.theme import Theme, styled
from grace.files import replacing

FORMATS = ("pdf", "svg", "png")
PUBLISHED = ("pdf", "png")
"""The formats for a paper, and for slides and screens."""
CAPTIONS = "captions.md"
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": "Grace", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "Grace", "Date": None},
    "png": {"Software": None},
}
"""Metadata without dates and versions, which would change files that show the same."""


@dataclass(frozen=True)
class Drawing:
    """A figure that is ready to be saved.

    Attributes:
        name: that of its files, without ending.
        caption: what it shows, and what its bars and marks are; also for those who cannot see it.
        experiment: the one that its numbers are from, 1 or 2.
    """

    name: str
    figure: Figure
    caption: str
    theme: Theme
    experiment: int = 1


def encoded(drawing: Drawing, kind: str) -> bytes:
    """A drawing as a file of one of FORMATS."""
    buffer = BytesIO()
    with styled(drawing.theme):
        drawing.figure.savefig(buffer, format=kind, dpi=drawing.theme.dpi, metadata=_METADATA[kind])
    return buffer.getvalue()


def write_figures(drawings: Iterable[Drawing], folder: Path, kinds: Sequence[str] = PUBLISHED) -> list[Path]:
    """Write drawings one after the other, and captions.md with what each shows.

    Figures of an earlier analysis, which captions.md names, are removed first: they would seem to be this one's.

    Raises:
        InputError: a file cannot be written.
        ValueError: two drawings have the same name, so that the second would overwrite the first.
    """
    _remove_earlier(folder)
    paths: list[Path] = []
    captions: dict[str, str] = {}
    for drawing in drawings:
        if drawing.name in captions:
            raise ValueError(f"two figures have the name {drawing.name}")
        for kind in kinds:
            paths.append(folder / f"{drawing.name}.{kind}")
            with replacing(paths[-1]) as file:
                file.write(encoded(drawing, kind))
        captions[drawing.name] = f"**{drawing.name}.** {drawing.caption}\n"
    with replacing(folder / CAPTIONS) as file:
        file.write("\n".join(captions.values()).encode())
    return [*paths, folder / CAPTIONS]


def _remove_earlier(folder: Path) -> None:
    try:
        captions = (folder / CAPTIONS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    for name in re.findall(r"^\*\*([a-z0-9_-]+)\.\*\*", captions, re.MULTILINE):
        for kind in FORMATS:
            (folder / f"{name}.{kind}").unlink(missing_ok=True)
