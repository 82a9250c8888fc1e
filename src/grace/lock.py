"""The lock of a folder: one writer at a time, named by host and process, and held with `flock` where that works.

The lock is a file with its holder's name. It is made under another name and linked into place, so that it is there with
its content or not at all. What says that its holder lives:

- `flock`, where the file system has it: held by a living process, and on one kernel by nobody once that is dead. Where
  it is free but was taken on another kernel, that proves nothing: some network file systems keep it to one machine.
- The number and start of the process, where `flock` is missing. They count only on the same machine: same host, same
  boot, same namespace of process numbers. Containers may share the first two.
- In a pod of a cluster (POD names it), nobody can see whether the pod that left a lock still lives. So its writer
  renews it: a lock that was not renewed for LEASE_SECONDS is taken over, and a writer whose lock was taken ends.

A stale lock is removed only by who holds a second one, the guard, which two cannot hold either.
"""

import errno
import fcntl
import os
import secrets
import signal
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson

from grace.errors import InputError, RunLocked
from grace.files import holding
from grace.text import printable, shortened

POD = "GRACE_POD"
"""The variable with the name of the pod that this process runs in."""
LEASE_SECONDS = 300.0
RENEW_SECONDS = 30.0
"""A writer in a pod renews its lock ten times within the time after which another one takes it over."""
EMPTY_SECONDS = 5.0
"""Seconds after which an empty lock has no owner: its maker died between two system calls."""
GUARD_SECONDS = 10.0
"""Seconds after which a guard has no owner: it is held for a few system calls only."""
PAUSE = 0.02
DRAFT_SECONDS = 3600.0
"""Seconds after which what a killed contender left is swept."""
TRIES = 5
MOST_BYTES = 4096
MOST_CHARACTERS = 80
_UNSUPPORTED = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
"""What file systems without hard links say."""


@contextmanager
def locked(folder: Path, break_lock: bool = False) -> Iterator[None]:
    """Be the only writer of a folder, which is made if it does not exist.

    Where the block fails before it writes anything, a new folder is removed again.

    A lock that a dead process of this machine left is taken over, and in a pod one that another pod no longer renews;
    any other only with `break_lock`.

    Raises:
        RunLocked: another process writes it, or may.
        InputError: the folder cannot be made or written.
    """
    path = folder / "lock"
    is_new = not folder.exists()
    pod = os.environ.get(POD, "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = _OwnLock.take(path, pod, break_lock)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}; choose another --output") from None
    _sweep(path)
    ended = Event()
    if pod:
        Thread(target=_renew, args=(path, own.content, ended), daemon=True).start()
    try:
        with holding(folder):
            yield
            is_new = False
    finally:
        ended.set()
        own.release()
        if is_new:  # and the block failed
            with suppress(OSError):  # it holds something
                folder.rmdir()


def writer_of(folder: Path) -> int | None:
    """The living process of this machine that writes a folder; None where there is none, or nobody can tell."""
    try:
        left = _LeftLock.read(folder / "lock")
    except (OSError, RunLocked):
        return None
    return left.pid if left and left.lives else None


@dataclass(frozen=True)
class _OwnLock:
    """A lock that this process holds, by an open file."""

    path: Path
    content: bytes
    fd: int

    @classmethod
    def take(cls, path: Path, pod: str, break_lock: bool) -> "_OwnLock":
        """Take the lock at `path`, also from one that is dead. Raises RunLocked, OSError."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        taken = False
        try:
            # Without hard links the lock is another file than the draft, and so not held with `flock`.
            content = orjson.dumps(_here(pod) | {"flock": _flock(fd) and _can_be_linked(draft)})
            os.write(fd, content)
            for _ in range(TRIES):
                if taken := _link(draft, path):
                    return cls(path, content, fd)
                _take_over(path, draft, break_lock)
            raise RunLocked(f"{path}: another process keeps taking this lock; wait for it to end")
        finally:
            draft.unlink(missing_ok=True)
            if not taken:
                os.close(fd)

    def release(self) -> None:
        """Remove the lock, unless it is that of somebody who broke this one."""
        with suppress(OSError):
            if (left := _LeftLock.read(self.path)) and left.content == self.content:
                self.path.unlink()
        os.close(self.fd)


@dataclass(frozen=True)
class _LeftLock:
    """A lock that is there; `inode` and `changed` distinguish it from a later one, `held` says that `flock` is."""

    path: Path
    content: bytes
    inode: int
    changed: float
    held: bool

    @classmethod
    def read(cls, path: Path) -> "_LeftLock | None":
        """The lock at `path`, None where there is none. Raises RunLocked, OSError."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                raise RunLocked(f"{path}: is not a file, as a lock is; move it away")
            return cls(path, os.read(fd, MOST_BYTES), facts.st_ino, facts.st_mtime, not _flock(fd, shared=True))
        finally:
            os.close(fd)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        try:
            facts = orjson.loads(self.content)
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}

    @property
    def holder(self) -> str:
        """Who left it, in words: somebody else's file says who."""
        host = self._facts.get("host")
        if self.pid is None or not isinstance(host, str):
            return "an unknown process on an unknown host"
        return f"process {self.pid} on {printable(shortened(host, MOST_CHARACTERS))}"

    @property
    def pid(self) -> int | None:
        """The number of the process that left it, as it says."""
        pid = self._facts.get("pid")
        return pid if type(pid) is int else None

    @property
    def on_this_kernel(self) -> bool:
        """Whether its `flock` is one that this process would see."""
        boot = _boot()
        return bool(boot) and self._facts.get("boot") == boot and self._facts.get("flock") is True

    @property
    def on_this_machine(self) -> bool:
        """Whether its process has a number that means something here; earlier versions named the host alone."""
        here = {"boot": _boot(), "pids": _pid_namespace()}
        same = all(self._facts.get(name, own) == own for name, own in here.items())
        return same and self.pid is not None and self._facts.get("host") == _host()

    @property
    def lives(self) -> bool:
        """Whether its process is one of this machine that is still there."""
        started = self._facts.get("started")
        return self.on_this_machine and started is not None and started == process_mark(self.pid or 0)

    def check(self, break_lock: bool) -> None:
        """Raise RunLocked when a process holds it, or may."""
        if self.lives or (self.held and self.on_this_kernel):
            where = "of this machine" if self.on_this_machine else "in another container of this machine"
            raise RunLocked(f"{self.path.parent}: is being written by process {self.pid} {where}; wait until it ends")
        if break_lock or not self.content:
            return
        dead = self.on_this_machine and not self.held
        if dead or (self.on_this_kernel and not self.held) or (not self.held and self._expired()):
            return
        raise RunLocked(
            f"{self.path.parent}: is being written by {self.holder}. If that machine, container or job has ended, "
            "add --break-lock to continue; if it has not, two writers would ask the model everything twice."
        )

    def _expired(self) -> bool:
        """Whether a pod's lock was not renewed for as long as that takes, which is waited for; only pods can tell."""
        if not os.environ.get(POD) or "pod" not in self._facts:
            return False
        time.sleep(min(LEASE_SECONDS, max(0.0, LEASE_SECONDS - (time.time() - self.changed))))
        return _LeftLock.read(self.path) in (self, None)


def _sweep(path: Path) -> None:
    """Remove what contenders left that were killed long ago."""
    for draft in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):
            if time.time() - draft.lstat().st_mtime > DRAFT_SECONDS:
                draft.unlink()


def _take_over(path: Path, draft: Path, break_lock: bool) -> None:
    """Remove a lock that nobody holds. Raises RunLocked when a process holds it, or may."""
    left = _LeftLock.read(path)
    if left is None:
        return
    waited = 0.0
    while not (left.content or break_lock or waited >= EMPTY_SECONDS or time.time() - left.changed >= EMPTY_SECONDS):
        time.sleep(PAUSE)  # its maker may be about to write its name; the time of its making may be any
        waited += PAUSE
        now = _LeftLock.read(path)
        if now is None or now.inode != left.inode:
            return
        left = now
    left.check(break_lock)
    with _guard(path.with_name("lock.guard"), draft) as guarding:
        if guarding and _LeftLock.read(path) == left:
            path.unlink()


@contextmanager
def _guard(path: Path, draft: Path) -> Iterator[bool]:
    """Hold the guard, which only one can, for the length of the block; False where it is another one's."""
    waited, first = 0.0, None
    while not _link(draft, path):
        with suppress(FileNotFoundError):
            inode = path.lstat().st_ino
            first = first or inode
            if inode != first:  # others are at it
                yield False
                return
        if waited >= GUARD_SECONDS and (left := _LeftLock.read(path)) and left.inode == first and not left.held:
            path.unlink(missing_ok=True)  # whoever made it died meanwhile
        time.sleep(PAUSE)
        waited += PAUSE
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)


def _can_be_linked(draft: Path) -> bool:
    other = draft.with_suffix(".link.tmp")
    try:
        os.link(draft, other)
    except OSError:
        return False
    other.unlink()
    return True


def _link(draft: Path, path: Path) -> bool:
    """Have a file appear at `path` with the draft's content, unless one is there. Raises OSError."""
    try:
        os.link(draft, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with open(fd, "wb") as file:
        file.write(draft.read_bytes())
        file.flush()
        with suppress(FileNotFoundError):
            return path.lstat().st_ino == os.fstat(fd).st_ino  # while it was empty, it may have seemed dead
    return False


def _flock(fd: int, shared: bool = False) -> bool:
    """Take `flock` for as long as the file is open; False where another one has it, or the file system has none."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return shared and error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN)
    return True


def _here(pod: str) -> dict[str, Any]:
    """What a lock says of its holder."""
    here = {"host": _host(), "pid": os.getpid(), "started": process_mark(os.getpid())}
    here |= {"boot": _boot(), "pids": _pid_namespace(), "id": secrets.token_hex(8)}
    return here | ({"pod": pod} if pod else {})


def _host() -> str:
    """Where this process runs; the host name of a pod is not its own when a Job has indexes."""
    return os.environ.get(POD) or socket.gethostname()


def _boot() -> str:
    """What distinguishes this start of this kernel from all others; "" where nothing does."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _pid_namespace() -> str:
    """What distinguishes this namespace of process numbers from those of containers; "" where there are none."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _renew(path: Path, mine: bytes, ended: Event) -> None:
    """Renew a lock until its work has ended; if it belongs to another writer meanwhile, stop this process."""
    while not ended.wait(RENEW_SECONDS):
        with suppress(OSError):  # the volume may be away for a while
            if path.read_bytes() != mine and not ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
                return
            os.utime(path)


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
