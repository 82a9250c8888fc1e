"""The studies that have a report of their own, by name."""

from grace.report.study1 import STUDY1
from grace.report.study2 import STUDY2

REPORTS = {report.name: report for report in (STUDY1, STUDY2)}
