"""The studies that have a report of their own, by name, and the report of any other."""

from grace.report.general import general_report
from grace.report.study1 import STUDY1
from grace.report.study2 import STUDY2
from grace.report.study_report import StudyReport
from grace.studies.study import Study

REPORTS = {report.name: report for report in (STUDY1, STUDY2)}


def report_of(study: Study) -> StudyReport:
    """What is reported of a study: its own, or the same as of any."""
    return REPORTS.get(study.name) or general_report(study)
