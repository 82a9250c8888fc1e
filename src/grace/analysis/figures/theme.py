"""The look of figures: a theme for paper and one for slides, colours that everybody can distinguish, safe text.

Figures are made without pyplot and drawn by the theme's settings alone: those of the user's matplotlib, its backend and
its open figures are neither read nor changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from textwrap import wrap
from typing import Any

from matplotlib import get_data_path, style
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from grace.errors import InputError
from grace.text import shortened, visible

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY = "#E69F00", "#CC79A7", "#56B4E9"
BLACK, GREY, PALE = "#000000", "#6E6E6E", "#D9D9D9"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY, BLACK)
"""The palette of Okabe & Ito (2008, jfly.uni-koeln.de/color), without its yellow, which is too pale for thin marks."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Seven colours and nine markers repeat only after 63 models; a print in black and white has the markers."""

FONT = "DejaVu Sans"
"""It comes with matplotlib, so that figures are the same on every machine."""
LONGEST = 72
"""The most letters of a name; a longer one loses its middle."""
NAMELESS = "(no name)"
SALT = "grace"
"""Ids in SVG files are hashes with this salt; without one they would differ each time."""


@dataclass(frozen=True)
class Theme:
    """Sizes.

    Attributes:
        width: that of a figure, inches: what fits between the margins of a page, or on a slide.
        height: its largest height.
        font, line: size and width, points.
        dpi: that of the PNG.
    """

    name: str
    width: float
    height: float
    font: float
    line: float
    dpi: int

    @property
    def small(self) -> float:
        """Font size of notes."""
        return self.font * 0.85

    @property
    def marker(self) -> float:
        """Size of a marker, points."""
        return self.font * 0.55

    def letters(self, share: float = 1.0) -> int:
        """How many letters fit into a share of the width, as the font runs on average."""
        return max(int(share * self.width * 72 / (self.font * 0.62)), 12)


THEMES = {
    "paper": Theme("paper", width=6.5, height=8.5, font=8, line=1.0, dpi=300),
    "slides": Theme("slides", width=12.0, height=6.75, font=15, line=2.0, dpi=150),
}


def theme_named(name: str) -> Theme:
    """A theme. Raises InputError."""
    if name not in THEMES:
        raise InputError(f"--theme {name}: there are {' and '.join(THEMES)}")
    return THEMES[name]


def _settings(theme: Theme) -> dict[str, Any]:
    return {
        "font.family": FONT,
        "font.size": theme.font,
        "axes.titlesize": theme.font,
        "axes.titlelocation": "left",
        "axes.labelsize": theme.font,
        "xtick.labelsize": theme.small,
        "ytick.labelsize": theme.small,
        "legend.fontsize": theme.small,
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "legend.handletextpad": 0.5,
        "legend.columnspacing": 1.2,
        "figure.titlesize": theme.font,
        "figure.labelsize": theme.font,
        "figure.titleweight": "bold",
        "text.parse_math": False,  # $ in a name is a dollar
        "text.usetex": False,
        "axes.unicode_minus": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": theme.line * 0.8,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": PALE,
        "grid.linewidth": theme.line * 0.5,
        "lines.linewidth": theme.line,
        "lines.markersize": theme.marker,
        "errorbar.capsize": theme.marker * 0.35,
        "xtick.major.width": theme.line * 0.8,
        "ytick.major.width": theme.line * 0.8,
        "figure.constrained_layout.use": True,
        "svg.hashsalt": SALT,
        "svg.fonttype": "path",  # looks the same where the font is not installed
        "pdf.fonttype": 42,  # TrueType: journals want no Type 3 fonts
        "savefig.facecolor": "white",
    }


@contextmanager
def styled(theme: Theme) -> Iterator[None]:
    """Draw by the theme alone; afterwards the user's settings are back."""
    with style.context(["default", _settings(theme)]):
        yield


def new_figure(theme: Theme, height: float, width: float = 1.0) -> Figure:
    """An empty figure outside of pyplot; height and width are shares of the theme's width."""
    return Figure(figsize=(width * theme.width, min(height * theme.width, theme.height)), layout="constrained")


def look_of(models: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each model."""
    return {model: (COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]) for place, model in enumerate(models)}


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(FT2Font(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf").get_charmap())


def clean(text: str) -> str:
    """Text on one line that the font can show; a letter that it lacks becomes its number, as \\u4f60."""
    return "".join(letter if ord(letter) in _glyphs() else f"\\u{ord(letter):04x}" for letter in visible(text))


def names_of(models: Sequence[str]) -> Mapping[str, str]:
    """The models' names as figures show them: clean, not too long, and all different."""
    names: dict[str, str] = {}
    for model in models:
        name = shortened(clean(model), LONGEST) or (NAMELESS if len(models) > 1 else "")
        namesakes = sum(other == name or other.startswith(f"{name} #") for other in names.values())
        names[model] = f"{name} #{namesakes + 1}" if namesakes else name
    return names


def legend_name(name: str, theme: Theme, width: float = 1.0) -> str:
    """A model's name as a legend has it, on lines of half the figure's width, which is a share of the theme's."""
    return lines_of(name or "model", theme.letters(0.5 * width))


def lines_of(name: str, letters: int) -> str:
    """A name on as many lines as it needs."""
    return "\n".join(wrap(name, max(letters, 8), break_long_words=True)) or name
