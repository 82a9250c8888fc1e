"""Exit codes: how a command ends, for scripts. 0 is done; nothing outside `cli` knows these numbers."""

from grace.errors import ClusterError, EndpointError, GraceError, InputError, LeaderGone, ModelFileError, Refused

NOT_ALL_WELL = 1
"""Done, but requests failed or data did not pass their checks."""
DEFECT = 70
"""A defect of Grace (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
"""Work that was stopped and can be continued."""
_CODES: dict[type[GraceError], int] = {
    InputError: 2,
    EndpointError: 3,
    LeaderGone: 75,  # EX_TEMPFAIL: a Job's failure policy does not count it
    ModelFileError: 3,
    Refused: 4,
    ClusterError: 5,
}


def exit_code(error: type[GraceError] | GraceError | None) -> int:
    """The exit code of an error, or of a kind of errors: that of the nearest class above it that has one; 0 of none."""
    kind = error if isinstance(error, type) else type(error)
    return 0 if error is None else next((_CODES[each] for each in kind.__mro__ if each in _CODES), NOT_ALL_WELL)
