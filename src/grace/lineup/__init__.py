"""Lineups: models one after the other, each served, asked, its data brought home, and removed, with a journal."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.lineup.backend import Backend
    from grace.lineup.folder import LineupFolder
    from grace.lineup.lineup_file import LineupFile
    from grace.lineup.process import ProcessBackend
    from grace.lineup.runner import Carried, carry

__all__ = ["Backend", "Carried", "LineupFile", "LineupFolder", "ProcessBackend", "carry"]

__getattr__ = exported(
    __name__,
    Backend="backend",
    LineupFolder="folder",
    LineupFile="lineup_file",
    ProcessBackend="process",
    Carried="runner",
    carry="runner",
)
