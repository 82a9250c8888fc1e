"""Calls: a task carried out from its checks to its table, for the command line and for Python, with progress shown."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.calls.blocking import ask, extract, score
    from grace.calls.run_table import IncompleteWarning, RunTable, load_run

__all__ = ["IncompleteWarning", "RunTable", "ask", "extract", "load_run", "score"]

__getattr__ = exported(
    __name__,
    ask="blocking",
    score="blocking",
    extract="blocking",
    RunTable="run_table",
    IncompleteWarning="run_table",
    load_run="run_table",
)
