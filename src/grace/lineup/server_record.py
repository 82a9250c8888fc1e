"""What is noted about the process that serves a model, so that other processes can find it and see how it is."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import orjson

from grace.endpoints.metrics import MOST_BYTES, ServerMetrics, read_metrics
from grace.endpoints.serving import ModelServer
from grace.errors import GraceError
from grace.files import replacing
from grace.lock import process_mark
from grace.runs import now

EVERY_SECONDS = 5.0
"""A server is asked for its report so often; this takes it less than a millisecond."""
ANSWER_SECONDS = 3.0


@dataclass(frozen=True)
class ServerRecord:
    """A process that serves a model.

    Attributes:
        pid, mark: its number, and what tells it from a later process of that number.
        since: when it was started, ISO 8601 in UTC.
        restarts: how often one was started for this model before it, by the same runner.
        seen: when it reported last; empty before it did.
        server: what it reported.
    """

    pid: int
    mark: str | None
    since: str = ""
    restarts: int = 0
    seen: str = ""
    server: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> "ServerRecord | None":
        """What a file says; None where it says nothing that makes sense."""
        try:
            record = cls(**orjson.loads(path.read_bytes()))
            _ = record.reported
        except (OSError, ValueError, TypeError):
            return None
        return record if type(record.pid) is int else None

    def write(self, path: Path) -> None:
        """Write it to a file. Raises InputError."""
        with replacing(path) as file:
            file.write(orjson.dumps(asdict(self)))

    @property
    def lives(self) -> bool:
        """Whether the process still runs."""
        return self.mark is not None and process_mark(self.pid) == self.mark

    @property
    def reported(self) -> ServerMetrics | None:
        """What it reported last, while it lives."""
        return ServerMetrics(**self.server) if self.server is not None else None


@contextmanager
def metered(server: ModelServer, path: Path) -> Iterator[None]:
    """Keep the record of a server up to date with what it reports, for the length of the block."""
    ended = Event()
    thread = Thread(target=_keep, args=(server, path, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(ANSWER_SECONDS)


def _keep(server: ModelServer, path: Path, ended: Event) -> None:
    while not ended.wait(EVERY_SECONDS):
        metrics, record = _ask(server), ServerRecord.read(path)
        if metrics and record and not ended.is_set():
            with suppress(GraceError):  # a full disk is the runner's to tell
                replace(record, seen=now(), server=asdict(metrics)).write(path)


def _ask(server: ModelServer) -> ServerMetrics | None:
    """What a server reports; None where it does not, or not in time."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {server.api_key}"})
        reply = connection.getresponse()
        text = reply.read(MOST_BYTES).decode(errors="replace")
        return read_metrics(text) if reply.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
