"""Which back end carries a lineup: the profile says it."""

from grace.errors import InputError
from grace.lineup.backend import Backend
from grace.lineup.folder import LineupFolder
from grace.lineup.lineup_file import LineupFile
from grace.models.catalogue import profile


def backend_for(lineup: LineupFile, folder: LineupFolder) -> Backend:
    """The back end of a lineup's profile, not yet entered.

    Raises:
        InputError: there is no such profile, or none that can carry it.
    """
    from grace.lineup.process import ProcessBackend

    if profile(lineup.profile).embedded:
        return ProcessBackend(folder)
    raise InputError(f"--profile {lineup.profile}: `grace lineup run` carries the profile local, on this machine, only")
