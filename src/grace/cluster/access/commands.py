"""Commands in pods: their input and output as streams, and how they ended (the API's `exec`, over a websocket)."""

import json
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of
from grace.text import printable

if TYPE_CHECKING:
    from websocket import WebSocket

IDLE_SECONDS = 60.0
TOTAL_SECONDS = 3600.0
MOST_ERRORS = 8192
"""Bytes of what a command says on its error output, the last ones."""
PIECE = 1 << 15
"""Bytes of input in one frame."""

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""https://kubernetes.io/docs/reference/using-api/api-concepts/: the first byte of a frame is its stream's number. Only
the fifth version, which clusters have since 1.30, can close one."""
_IN, _OUT, _ERROR, _STATUS, _CLOSE = 0, 1, 2, 3, 255
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class CommandEnd:
    """How a command ended.

    Attributes:
        code: its exit code.
        errors: the end of what it said on its error output.
    """

    code: int
    errors: str


def execute(
    api: Api,
    namespace: str,
    pod: str,
    command: Sequence[str],
    *,
    container: str = "",
    stdin: IO[bytes] | None = None,
    stdout: Callable[[bytes], object] | None = None,
    idle_seconds: float = IDLE_SECONDS,
    seconds: float = TOTAL_SECONDS,
) -> CommandEnd:
    """Run a command in a container of a pod, and wait until it ends.

    Args:
        api: the connection.
        namespace: of the pod.
        pod: its name.
        command: the program and its arguments; no shell reads them, and everybody who may look at the pod may.
        container: one of its containers; empty when it has only one.
        stdin: what the command reads; it is read in pieces, and the command's input ends with it. On a cluster before
            1.30 the input cannot be ended: there the command must know how much to read.
        stdout: takes what the command writes, piece by piece, as it comes; what it raises ends the command's
            connection. Without it the output is dropped.
        idle_seconds: the longest time in which no byte moves.
        seconds: the longest time as a whole.

    Returns:
        The exit code, whatever it is, and the errors.

    Raises:
        ApiError: the pod is not there or does not run, the connection was cut, or a limit was reached; the message
            names it. With status 0 the command may have done its work, or a part of it.
    """
    path = path_of("api", "v1", "namespaces", namespace, "pods", pod, "exec")
    query = [("command", word) for word in command]
    query += [("container", container)] if container else []
    query += [("stdin", "true")] if stdin else []
    query += [("stdout", "true"), ("stderr", "true")]
    socket = api.socket(path, query, PROTOCOLS)
    running = _Running(api, f"{pod}: `{printable(' '.join(command))[:80]}`", socket, stdin, stdout)
    try:
        return running.ended(idle_seconds, seconds)
    finally:
        socket.shutdown()  # type: ignore[no-untyped-call]


@dataclass
class _Running:
    """A command that runs. What fits is sent and what comes is taken, so that neither side waits for the other."""

    api: Api
    title: str
    socket: "WebSocket"
    stdin: IO[bytes] | None
    stdout: Callable[[bytes], object] | None
    waiting: bytes = b""
    """A part of the input on its way; a frame that has begun must end before another one is sent."""
    errors: bytearray = field(default_factory=bytearray)
    status: bytearray = field(default_factory=bytearray)
    stream: int = _STATUS
    """The one that a continued frame belongs to."""

    def ended(self, idle_seconds: float, seconds: float) -> CommandEnd:
        """Wait for the end. Raises ApiError."""
        from websocket import WebSocketException

        clock = self.api.clock
        began = moved = clock.now()
        while True:
            try:
                if self._move():
                    moved = clock.now()
                if self.status and (end := self._end()):
                    return end
            except (WebSocketException, OSError) as error:
                if self.status and (end := self._end()):
                    return end
                raise ApiError(f"{self.title}: the connection was cut before it ended ({error})") from None
            if clock.now() - moved > idle_seconds:
                raise ApiError(f"{self.title}: no byte moved for {idle_seconds:g} s; is its node up?")
            if clock.now() - began > seconds:
                raise ApiError(f"{self.title}: did not end within {seconds:g} s")

    def _move(self) -> bool:
        """Send and receive what is possible now; whether any byte moved."""
        if not self.waiting and self.stdin:
            self.waiting = self._next()
        plain = self.socket.sock
        if plain is None:
            raise OSError("closed")
        if getattr(plain, "pending", lambda: 0)():
            return self._receive()
        outwards = [plain] if self.waiting else []
        readable, writable, _ = select.select([plain], outwards, [], _LOOK_SECONDS)
        moved = False
        if readable:
            moved = self._receive()
        if writable:
            self.waiting = self.waiting[plain.send(self.waiting) :]
            moved = True
        return moved

    def _next(self) -> bytes:
        """The next frame of the input."""
        assert self.stdin is not None
        piece = self.stdin.read(PIECE)
        if piece:
            return self._frame(bytes((_IN,)) + piece)
        self.stdin = None
        closable = self.socket.getsubprotocol() == PROTOCOLS[0]
        return self._frame(bytes((_CLOSE, _IN))) if closable else b""

    def _receive(self) -> bool:
        from websocket import ABNF, WebSocketConnectionClosedException

        frame = self.socket.recv_frame()  # type: ignore[no-untyped-call]
        if frame.opcode == ABNF.OPCODE_CLOSE:
            raise WebSocketConnectionClosedException("closed by the cluster")
        if frame.opcode == ABNF.OPCODE_PING:
            self.waiting += self._frame(frame.data, ABNF.OPCODE_PONG)
            return False
        if frame.opcode not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT, ABNF.OPCODE_CONT) or not frame.data:
            return False
        content = frame.data if isinstance(frame.data, bytes) else frame.data.encode()
        if frame.opcode != ABNF.OPCODE_CONT:
            self.stream, content = content[0], content[1:]
        self._take(content)
        return bool(content)

    def _take(self, content: bytes) -> None:
        if self.stream == _OUT and content and self.stdout:
            self.stdout(content)
        elif self.stream == _ERROR:
            self.errors += content
            del self.errors[:-MOST_ERRORS]
        elif self.stream == _STATUS:
            self.status += content

    def _frame(self, content: bytes, kind: int | None = None) -> bytes:
        from websocket import ABNF

        frame: bytes = ABNF.create_frame(content, ABNF.OPCODE_BINARY if kind is None else kind).format()
        return frame

    def _end(self) -> CommandEnd | None:
        """What the status says; None while a part of it is missing."""
        try:
            status: dict[str, Any] = json.loads(bytes(self.status))
        except ValueError:
            return None
        errors = self.errors.decode(errors="replace")
        if status.get("status") == "Success":
            return CommandEnd(0, errors)
        for cause in (status.get("details") or {}).get("causes") or []:
            if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdecimal():
                return CommandEnd(int(cause["message"]), errors)
        said = printable(str(status.get("message") or "the cluster says no more"))
        raise ApiError(f"{self.title}: could not be run: {said}", int(status.get("code") or 0), said)
