"""The lock of a folder: one writer at a time, named by host and process.

The lock is a file, since advisory locks are unreliable on network file systems. In a pod of a cluster (POD names it),
nobody can see whether the pod that left a lock still lives. So its writer renews it: a lock that was not renewed for
LEASE_SECONDS is taken over, and a writer whose lock was taken ends.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import orjson

from grace.errors import InputError, RunLocked

POD = "GRACE_POD"
"""The variable with the name of the pod that this process runs in."""
LEASE_SECONDS = 300.0
RENEW_SECONDS = 30.0
"""A writer in a pod renews its lock ten times within the time after which another one takes it over."""
EMPTY_SECONDS = 5.0
"""Seconds after which an empty lock has no owner: its maker died between two system calls."""


@contextmanager
def locked(folder: Path, break_lock: bool = False) -> Iterator[None]:
    """Be the only writer of a folder, which is made if it does not exist.

    A lock that a dead process of this machine left is taken over, and in a pod one that another pod no longer renews;
    any other only with `break_lock`.

    Raises:
        RunLocked: another process writes it, or may.
        InputError: the folder cannot be made or written.
    """
    path = folder / "lock"
    pod = os.environ.get(POD, "")
    here = {"host": _host(), "pid": os.getpid(), "started": process_mark(os.getpid())}
    mine = orjson.dumps(here | ({"pod": pod} if pod else {}))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                break
            except FileExistsError:
                _take_over(path, break_lock)
        else:
            raise RunLocked(f"{path}: another process keeps taking this lock; wait for it to end")
        os.write(fd, mine)
        os.close(fd)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}; choose another --output") from None
    ended = Event()
    renewing = Thread(target=_renew, args=(path, mine, ended), daemon=True)
    if pod:
        renewing.start()
    try:
        yield
    finally:
        ended.set()
        with suppress(FileNotFoundError):
            if path.read_bytes() == mine:  # and not of somebody who broke it
                path.unlink()


def writer_of(folder: Path) -> int | None:
    """The living process of this machine that writes a folder; None where there is none, or nobody can tell."""
    try:
        host, pid, started = _holder((folder / "lock").read_bytes())
    except OSError:
        return None
    return pid if host == _host() and started is not None and started == process_mark(pid) else None


def _take_over(path: Path, break_lock: bool) -> None:
    """Remove a lock that nobody holds. Raises RunLocked when a process holds it, or may."""
    try:
        raw, age = path.read_bytes(), time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    if not raw and age < EMPTY_SECONDS and not break_lock:
        time.sleep(min(EMPTY_SECONDS, EMPTY_SECONDS - age))
        return
    if raw and not break_lock:  # one that stays empty was left by a process that died while making it
        host, pid, started = _holder(raw)
        if host != _host() and not _expired(path, raw):
            raise RunLocked(
                f"{path.parent}: is being written by process {pid} on {host}. If that machine or job has ended, "
                "add --break-lock to continue; if it has not, two writers would ask the model everything twice."
            )
        if host == _host() and started is not None and started == process_mark(pid):
            raise RunLocked(f"{path.parent}: is being written by process {pid} of this machine; wait until it ends")
    stale = path.with_name(f"lock.stale.{os.getpid()}")
    try:
        path.rename(stale)  # of two that find it stale, one rename succeeds
    except FileNotFoundError:
        return
    if stale.read_bytes() != raw:  # a new owner came in between: give it back
        stale.rename(path)
    else:
        stale.unlink()


def _host() -> str:
    """Where this process runs; the host name of a pod is not its own when a Job has indexes."""
    return os.environ.get(POD) or socket.gethostname()


def _renew(path: Path, mine: bytes, ended: Event) -> None:
    """Renew a lock until its work has ended; if it belongs to another writer meanwhile, stop this process."""
    while not ended.wait(RENEW_SECONDS):
        with suppress(OSError):  # the volume may be away for a while
            if path.read_bytes() != mine and not ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
                return
            os.utime(path)


def _expired(path: Path, raw: bytes) -> bool:
    """Whether a pod's lock was not renewed for as long as that takes, which is waited for; only pods can tell."""
    if not os.environ.get(POD) or b'"pod"' not in raw:
        return False
    with suppress(FileNotFoundError):
        renewed = path.stat().st_mtime
        time.sleep(max(0.0, LEASE_SECONDS - (time.time() - renewed)))
        return path.stat().st_mtime == renewed and path.read_bytes() == raw
    return True


def _holder(raw: bytes) -> tuple[str, int, str | None]:
    """Host, process and mark of its start, as a lock names them."""
    try:
        holder = orjson.loads(raw)
        return str(holder["host"]), int(holder["pid"]), holder["started"]
    except (ValueError, LookupError, TypeError):
        return "an unknown host", 0, None


def process_mark(pid: int) -> str | None:
    """A mark that distinguishes a living process from a later one with the same number; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ended = fields[0] in "ZX"  # killed, but its parent has not taken note: containers without an init
        return None if ended else fields[19]  # field 22, starttime, in ticks since boot
    except (FileNotFoundError, ProcessLookupError):
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"  # no /proc (macOS): the number must do
