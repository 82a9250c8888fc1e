"""The studies that have an analysis, by name."""

from grace.analysis.study1 import STUDY1
from grace.analysis.study2 import STUDY2
from grace.analysis.study_analysis import StudyAnalysis
from grace.errors import InputError

ANALYSES = {analysis.name: analysis for analysis in (STUDY1, STUDY2)}


def analysis_of(study: str) -> StudyAnalysis:
    """The analysis of a study of that name. Raises InputError where there is none."""
    if study not in ANALYSES:
        raise InputError(
            f"{study}: there is no analysis of this study, only of {' and '.join(ANALYSES)}; "
            "`grace merge` makes the table for one of your own"
        )
    return ANALYSES[study]
