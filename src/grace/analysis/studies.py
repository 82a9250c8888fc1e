"""The studies that have an analysis of their own, by name, and the analysis of any other."""

from grace.analysis.frames import Frame
from grace.analysis.general import general_analysis
from grace.analysis.study1 import STUDY1
from grace.analysis.study2 import STUDY2
from grace.analysis.study_analysis import StudyAnalysis
from grace.studies.study import Study

ANALYSES = {analysis.name: analysis for analysis in (STUDY1, STUDY2)}


def analysis_of(study: Study, frame: Frame | None = None) -> StudyAnalysis:
    """The analysis of a study: its own, or the general one, with the conditions of a table where one is given."""
    return ANALYSES.get(study.name) or general_analysis(study, frame)
