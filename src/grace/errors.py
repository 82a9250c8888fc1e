"""The exception tree: every failure that a user can act on, each with its exit code.

GraceError
├── InputError            2   a file, column, option or value is wrong
│   ├── StudyError        2   a study file does not hold together
│   ├── RunMismatch       2   a run folder belongs to other inputs, another model or other settings
│   ├── RunLocked         2   another process writes this run
│   └── LedgerCorrupt     2   a ledger holds a line that is not a record
├── EndpointError         3   a model server cannot be used
├── ModelFileError        3   a model file is missing, or is not the one it claims to be
├── Refused               4   a policy or a gate says no
└── ClusterError          5   the cluster failed

Exit code 0 means done, 1 done but with failed requests or failed checks, 70 a defect of Grace, 130 interrupted and
resumable.
"""

from typing import ClassVar


class GraceError(Exception):
    """Base of all errors that the command line prints as one message, without a traceback."""

    exit_code: ClassVar[int] = 1


class InputError(GraceError):
    """A file, column, option or value is wrong; the message names it and the next step."""

    exit_code = 2


class StudyError(InputError):
    """A study file does not hold together."""


class RunMismatch(InputError):
    """A run folder belongs to other inputs, another model or other settings."""


class RunLocked(InputError):
    """Another process writes this run, or died on another machine while it did."""


class LedgerCorrupt(InputError):
    """A ledger holds a complete line that is not a record."""


class EndpointError(GraceError):
    """A model server cannot be used as asked; the message names its URL and what it answered."""

    exit_code = 3


class ModelFileError(GraceError):
    """A model file is missing, or is not the one it claims to be."""

    exit_code = 3


class Refused(GraceError):
    """A policy or a gate says no."""

    exit_code = 4


class ClusterError(GraceError):
    """The cluster failed."""

    exit_code = 5
