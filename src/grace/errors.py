"""The exception tree: every failure that a user can act on. `cli.exits` gives each its exit code.

GraceError
├── InputError            a file, column, option or value is wrong
│   ├── StudyError        a study file is invalid
│   ├── RunMismatch       a run folder belongs to other inputs, another model or other settings
│   ├── RunLocked         another process writes this run
│   └── LedgerCorrupt     a ledger holds a line that is not a record
├── EndpointError         a model server cannot be used
│   └── LeaderGone        the first pod of a Job is gone, and this one only helped it
├── ModelFileError        a model file is missing, or is not the one it claims to be
├── Refused               a policy or a gate forbids it
└── ClusterError          the cluster failed
    └── ClusterAway       it cannot be reached, or no longer takes the login; what runs there goes on
"""


class GraceError(Exception):
    """Base of all errors that the command line prints as one message, without a traceback."""


class InputError(GraceError):
    """A file, column, option or value is wrong; the message names it and the next step."""


class StudyError(InputError):
    """A study file is invalid."""


class RunMismatch(InputError):
    """A run folder belongs to other inputs, another model or other settings."""


class RunLocked(InputError):
    """Another process writes this run, or died on another machine while it did."""


class LedgerCorrupt(InputError):
    """A ledger holds a complete line that is not a record."""


class EndpointError(GraceError):
    """A model server cannot be used as asked; the message names its URL and what it answered."""


class LeaderGone(EndpointError):
    """The server of a Job's first pod is gone, so that this pod, which only held a part of the model, is of no use."""


class ModelFileError(GraceError):
    """A model file is missing, or is not the one it claims to be."""


class Refused(GraceError):
    """A policy or a gate forbids it."""


class ClusterError(GraceError):
    """The cluster failed."""


class ClusterAway(ClusterError):
    """The cluster cannot be reached, or no longer takes the login. What runs there goes on without this program."""
