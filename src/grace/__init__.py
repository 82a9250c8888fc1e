"""Grace runs behavioural experiments on language models; from Python: `grace.ask`, `score`, `extract`, `load_run`."""

from typing import TYPE_CHECKING

from grace.exports import exported
from grace.version import __version__

if TYPE_CHECKING:
    from grace import aio
    from grace.calls.blocking import ask, extract, score
    from grace.calls.run_table import IncompleteWarning, RunTable, load_run
    from grace.errors import (
        EndpointError,
        GraceError,
        InputError,
        LedgerCorrupt,
        ModelFileError,
        RunLocked,
        RunMismatch,
        StudyError,
    )
    from grace.tables import TableFormat

__all__ = [
    "EndpointError",
    "GraceError",
    "IncompleteWarning",
    "InputError",
    "LedgerCorrupt",
    "ModelFileError",
    "RunLocked",
    "RunMismatch",
    "RunTable",
    "StudyError",
    "TableFormat",
    "__version__",
    "aio",
    "ask",
    "extract",
    "load_run",
    "score",
]

__getattr__ = exported(
    __name__,
    ask="calls.blocking",
    score="calls.blocking",
    extract="calls.blocking",
    load_run="calls.run_table",
    RunTable="calls.run_table",
    IncompleteWarning="calls.run_table",
    TableFormat="tables",
    GraceError="errors",
    InputError="errors",
    StudyError="errors",
    RunMismatch="errors",
    RunLocked="errors",
    LedgerCorrupt="errors",
    EndpointError="errors",
    ModelFileError="errors",
    aio="",
)


def __dir__() -> list[str]:
    return __all__
