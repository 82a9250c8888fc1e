"""Grids and texts as Markdown, LaTeX, CSV and HTML; foreign text is escaped, since models and servers wrote some."""

import html
import re
from collections.abc import Sequence

from grace.report.grids import Grid
from grace.stages.quality.review import harmless

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


def plain(text: object) -> str:
    """Foreign text as Markdown that shows just that, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(harmless(str(text)).split()))


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
    """Text as LaTeX that shows just that."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(harmless(text).split()))


def latex_table(grid: Grid) -> str:
    """A grid as a table of LaTeX; the document needs the package booktabs, and UTF-8."""
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        rf"\caption{{{latex(grid.title)}}}",
        rf"\label{{tab:{grid.name}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{'l' * grid.labels}{'r' * (len(grid.head) - grid.labels)}}}",
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


def _latex_row(cells: Sequence[str]) -> str:
    # A row that begins with a bracket would be read as an option of the line end before it.
    return rf"{' & '.join('{}' + told if (told := latex(cell)).startswith('[') else told for cell in cells)} \\"


def html_table(grid: Grid) -> str:
    """A grid as HTML, for pandoc."""
    head = "".join(f"<th>{html.escape(harmless(cell))}</th>" for cell in grid.head)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(harmless(cell))}</td>' for cell in row)}</tr>\n" for row in grid.rows
    )
    note = f"<p>{html.escape(harmless(grid.note))}</p>\n" if grid.note else ""
    title = html.escape(harmless(grid.title))
    return f"<h2>{title}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\n{note}"
