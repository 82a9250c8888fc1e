"""Reports: an HTML page about runs, and the parts of a paper; both present the analysis's tables and add no number."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.report.gather import request_of
    from grace.report.page import write_report
    from grace.report.paper import write_paper

__all__ = ["request_of", "write_paper", "write_report"]

__getattr__ = exported(__name__, write_report="page", write_paper="paper", request_of="gather")
