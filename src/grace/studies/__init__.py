"""Studies: what models are asked; each study is one declarative file."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.studies.check import check_table, guess_study
    from grace.studies.study import Study, load_study

__all__ = ["Study", "check_table", "guess_study", "load_study"]

__getattr__ = exported(__name__, Study="study", load_study="study", guess_study="check", check_table="check")
