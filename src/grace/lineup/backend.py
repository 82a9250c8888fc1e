"""The contract of back ends: where the models of a lineup are served. The runner knows nothing else of them."""

from abc import ABC, abstractmethod
from enum import StrEnum
from pathlib import Path
from typing import Self

from grace.files import FileList
from grace.progress import Progress
from grace.stages.session import RequestCounts


class State(StrEnum):
    """What the world holds of a model, whatever a journal says."""

    ABSENT = "absent"
    """Nothing runs, and nothing is on its way."""
    SERVED = "served"
    """A server answers, or is on its way to."""
    ASKED = "asked"
    """All that was to be asked is asked; the data waits to be brought home."""


class Backend(ABC):
    """Where models are served, asked and removed.

    Entered once for a lineup; leaving it ends what must not outlive the runner. Every method is idempotent: called
    again after a kill it finds what is there, and does the rest. Each has a time limit, and raises an EndpointError or
    ClusterError that names the limit when it is reached. KeyboardInterrupt passes through and leaves a state that
    `adopt` can read.
    """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *exc: object) -> None: ...

    @abstractmethod
    def check(self, model: str) -> None:
        """See that this model can be served here, without starting anything. Limit: a minute.

        Raises:
            InputError, Refused: it cannot; the message says what to change.
        """

    @abstractmethod
    def prepare(self, model: str, progress: Progress) -> None:
        """Have the weights where they are served. Limit: as long as bytes come.

        Raises:
            ModelFileError: they cannot be had.
        """

    @abstractmethod
    def adopt(self, model: str) -> State:
        """What there is of a model now. Limit: a minute."""

    @abstractmethod
    def serve(self, model: str, progress: Progress) -> None:
        """Start serving, and wait until the server answers. Limit: the model's start-up time.

        Raises:
            ModelFileError: the engine cannot serve these weights.
            EndpointError: the server ended, or did not answer within the limit.
        """

    @abstractmethod
    def visit(self, model: str, progress: Progress) -> RequestCounts:
        """Ask all that is not answered yet, and give the requests by how they ended.

        One task that fails does not keep the others from being asked; a server that dies is started again a few times.
        Limit: none while answers come; each request has its own.

        Raises:
            InputError: a run belongs to other inputs, another model or other settings.
            EndpointError: the server cannot be used, or died too often.
        """

    @abstractmethod
    def fetch(self, model: str, folder: Path, progress: Progress) -> FileList:
        """Bring the data of a visit to a folder, and give the list of its files, each verified. Limit: as `prepare`.

        Raises:
            EndpointError, ClusterError: files do not arrive, or not as they are there.
        """

    @abstractmethod
    def remove(self, model: str) -> None:
        """End the server, and remove all that was made for this model alone. Limit: five minutes."""

    @abstractmethod
    def prove_gone(self, model: str) -> tuple[str, ...]:
        """What is left of a model, by looking; empty when nothing is. Limit: a minute."""
