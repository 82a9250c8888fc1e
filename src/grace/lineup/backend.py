"""The contract of back ends: where the models of a lineup are served. The runner knows nothing else of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from grace.endpoints.metrics import ServerMetrics
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


@dataclass(frozen=True)
class Sighting:
    """Something of a model that a back end sees: a process, a pod. Its texts may come from strangers.

    Attributes:
        what: its kind and name.
        state: in a word or two.
        since: when it came into that state, ISO 8601 in UTC; empty where nobody says.
        cause: why, in words; empty where all is well.
        restarts: how often it was started again.
        seen: when this was so, ISO 8601 in UTC; empty: now.
        server: what the model server in it reports; None where there is none, or it does not answer.
        answered: requests that are answered so far, where the data is not at home yet; None where nobody says.
    """

    what: str
    state: str
    since: str = ""
    cause: str = ""
    restarts: int = 0
    seen: str = ""
    server: ServerMetrics | None = None
    answered: int | None = None


@dataclass(frozen=True)
class Cleanup:
    """What became of all that a lineup has left somewhere.

    Attributes:
        removed: what was there, and is gone.
        kept: what was not to be removed, and why.
        left: what should be gone, and is not.
        unseen: kinds of which nobody can say whether any is left.
    """

    removed: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


class Backend(ABC):
    """Where models are served, asked and removed.

    Entered once for a lineup; leaving it ends what must not outlive the runner. Every method is idempotent: called
    again after a kill it finds what is there, and does the rest. Each has a time limit, and raises an EndpointError or
    ClusterError that names the limit when it is reached. KeyboardInterrupt passes through and leaves a state that
    `adopt` can read.

    The runner calls `prepare` of the next model from a thread of its own while this one is asked, and with --parallel
    carries several models in threads, each by the other methods; no two threads ever work on one model.
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

    def sightings(self, model: str) -> tuple[Sighting, ...]:
        """What can be seen of a model now, for people who watch; by another process than the runner, too.

        Limit: ten seconds. It changes nothing, and what cannot be reached is a sighting that says so.
        """
        return ()

    def most_at_once(self, models: Sequence[str]) -> int:
        """How many of these models may be served at the same time, as memory or GPUs allow; at least 1."""
        return 1

    def put(self, progress: Progress, *, replace: bool = False) -> tuple[str, ...]:
        """Bring the lineup's tables where its models are asked, and name those that were not there yet.

        Limit: as `prepare`.

        Raises:
            Refused: another table of its name is there, and `replace` is not set.
            ClusterError: they do not arrive as they are here.
        """
        return ()

    def leftovers(self) -> tuple[str, ...]:
        """All that there is of the lineup, of whichever model or session, by kind and name. Limit: a minute."""
        return ()

    def clean(self, progress: Progress) -> Cleanup:
        """Remove all that there is of the lineup, except data that has no verified copy at home.

        The caller holds the lock of the lineup's folder: no runner is at work. Limit: ten minutes.

        Raises:
            ClusterError: the cluster is away.
        """
        return Cleanup()

    def stop(self) -> None:
        """Have the calls under way in other threads end soon, by KeyboardInterrupt; called once, at Ctrl-C."""
        return
