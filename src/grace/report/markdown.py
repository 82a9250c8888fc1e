"""Grids and texts as Markdown, LaTeX, CSV and HTML; foreign text is escaped, since models and servers wrote some."""

import html
import re
from collections.abc import Sequence

from grace.report.grids import Grid
from grace.text import harmless

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!~^$&@])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{GREEK SMALL LETTER ETA}": r"$\eta$",
    "\N{GREEK SMALL LETTER CHI}": r"$\chi$",
    "\N{SUPERSCRIPT TWO}": "$^2$",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}": r"\"u",
}

LONG = 40
"""A table of LaTeX with more rows than this breaks over pages."""


def plain(text: object) -> str:
    """Foreign text as Markdown that shows exactly that, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(harmless(str(text)).split()))


def fenced(text: str) -> str:
    """Foreign text as a block of Markdown that shows exactly that: its fence is longer than any that the text has."""
    text = harmless(text)
    fence = "`" * max([2, *(len(ticks) for ticks in re.findall("`+", text))]) + "`"
    return f"{fence}text\n{text}\n{fence}\n"


def markdown_table(grid: Grid) -> str:
    """A grid as a table of Markdown, with its title above and its note below."""
    lines = [f"**{plain(grid.title)}**", "", _row(grid.head), _row(["---"] * len(grid.head), escape=False)]
    lines += [_row(row) for row in grid.rows]
    if grid.note:
        lines += ["", f"*{plain(grid.note)}*"]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str], escape: bool = True) -> str:
    return f"| {' | '.join(plain(cell) if escape else cell for cell in cells)} |"


def latex(text: str) -> str:
    """Text as LaTeX that shows exactly that."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(harmless(text).split()))


def latex_table(grid: Grid) -> str:
    """A grid as a table of LaTeX; one of many rows runs over pages. Its first line says which packages it needs."""
    return _long_table(grid) if len(grid.rows) > LONG else _floating_table(grid)


def _floating_table(grid: Grid) -> str:
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        rf"\caption{{{latex(grid.title)}}}",
        rf"\label{{tab:{grid.name}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{_latex_columns(grid)}}}",
        r"\toprule",
        _latex_row(grid.head),
        r"\midrule",
        *map(_latex_row, grid.rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    if grid.note:
        lines.append(rf"\par\footnotesize {latex(grid.note)}")
    return "\n".join([*lines, r"\end{table}", ""])


def _long_table(grid: Grid) -> str:
    """A table with its head on every page; it cannot be scaled, so its letters are small."""
    head = [r"\toprule", _latex_row(grid.head), r"\midrule"]
    lines = [
        r"% needs \usepackage{booktabs,longtable}",
        r"{\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{longtable}}{{{_latex_columns(grid)}}}",
        rf"\caption{{{latex(grid.title)}}}\label{{tab:{grid.name}}}\\",
        *head,
        r"\endfirsthead",
        *head,
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *map(_latex_row, grid.rows),
        r"\end{longtable}",
    ]
    if grid.note:
        lines.append(rf"\noindent {latex(grid.note)}\par")
    return "\n".join([*lines, "}", ""])


def _latex_columns(grid: Grid) -> str:
    return "l" * grid.labels + "r" * (len(grid.head) - grid.labels)


def _latex_row(cells: Sequence[str]) -> str:
    # A row that begins with a bracket or star would be read as an option of the line end before it.
    return rf"{' & '.join('{}' + text if (text := latex(cell)).startswith(('[', '*')) else text for cell in cells)} \\"


def html_table(grid: Grid) -> str:
    """A grid as HTML, for pandoc."""
    head = "".join(f"<th>{html.escape(harmless(cell))}</th>" for cell in grid.head)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(harmless(cell))}</td>' for cell in row)}</tr>\n" for row in grid.rows
    )
    note = f"<p>{html.escape(harmless(grid.note))}</p>\n" if grid.note else ""
    title = html.escape(harmless(grid.title))
    return f"<h2>{title}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\n{note}"
