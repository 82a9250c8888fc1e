"""Figures of the analysis: drawings of its tables and of comparisons, to be saved as PDF, SVG and PNG."""

from grace.analysis.figures.drawings import draw_analysis, draw_comparison, draw_comparisons, draw_tables
from grace.analysis.figures.saving import FORMATS, PUBLISHED, Drawing, encoded, write_figures
from grace.analysis.figures.theme import THEMES, Theme, theme_named

__all__ = [
    "FORMATS",
    "PUBLISHED",
    "THEMES",
    "Drawing",
    "Theme",
    "draw_analysis",
    "draw_comparison",
    "draw_comparisons",
    "draw_tables",
    "encoded",
    "theme_named",
    "write_figures",
]
