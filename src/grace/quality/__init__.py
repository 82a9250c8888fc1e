"""Data quality: are the tables of an experiment good enough to be analysed?"""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.quality.merge import merge_runs
    from grace.quality.validate import validate_files, validate_runs

__all__ = ["merge_runs", "validate_files", "validate_runs"]

__getattr__ = exported(__name__, merge_runs="merge", validate_runs="validate", validate_files="validate")
