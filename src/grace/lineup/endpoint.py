"""The back end of an endpoint: somebody else serves the models; they are asked from here, and nothing is started."""

from contextlib import nullcontext
from pathlib import Path
from typing import Self

from grace.endpoints.keys import read_key
from grace.endpoints.serving import Address
from grace.endpoints.transport import check_url
from grace.files import FileList
from grace.lineup.backend import Backend, State
from grace.lineup.folder import LineupFolder
from grace.lineup.here import ask_in_passes, list_data
from grace.lineup.lineup_file import EndpointPlace
from grace.progress import Progress
from grace.stages.session import RequestCounts, interrupt_sessions
from grace.stages.task import Endpoint, TaskOptions
from grace.stages.visit import tasks


class EndpointBackend(Backend):
    """Asks models by their names at one address; there is nothing to start and nothing that could be left."""

    def __init__(self, folder: LineupFolder, place: EndpointPlace) -> None:
        self._folder, self._place = folder, place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def check(self, model: str) -> None:
        """See that the address is one, and that its key is set."""
        check_url(self._place.url, "endpoint")
        read_key(self._place.api_key_env)

    def prepare(self, model: str, progress: Progress) -> None:
        """The weights are somebody else's."""

    def adopt(self, model: str) -> State:
        """Nothing is ever on its way; what was answered is in the runs."""
        return State.ABSENT

    def serve(self, model: str, progress: Progress) -> None:
        """Somebody else does; each task's handshake sees whether the model answers there."""

    def visit(self, model: str, progress: Progress) -> RequestCounts:
        """Ask; the client waits where the endpoint asks for patience, and what failed is asked again."""
        endpoint = Endpoint(url=self._place.url, model=model)
        options = TaskOptions(endpoint=endpoint, limit=self._folder.lineup.limit)
        listed = tasks(self._folder.visit, self._folder.model(model), options)
        address = Address(self._place.url, read_key(self._place.api_key_env))
        return ask_in_passes(listed, lambda: nullcontext(address), progress)

    def fetch(self, model: str, folder: Path, progress: Progress) -> FileList:
        """The data was written where it belongs; its list is made."""
        return list_data(folder)

    def remove(self, model: str) -> None:
        """Nothing was started."""

    def prove_gone(self, model: str) -> tuple[str, ...]:
        """Nothing was started, so nothing is left."""
        return ()

    def stop(self) -> None:
        """Interrupt the asking in other threads."""
        interrupt_sessions()
