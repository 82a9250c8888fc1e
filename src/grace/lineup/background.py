"""A lineup carried by a process of its own, which outlives its terminal; and how to wait for such a one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

from grace.errors import InputError
from grace.lineup.folder import LineupFolder
from grace.lineup.journal import JournalEntry, entries
from grace.lock import writer_of

LOG = "runner.log"
"""In a lineup's folder: what its process in the background printed."""
START_SECONDS = 60.0
"""The longest that a process may take until it has the lineup's lock."""
LOOK_SECONDS = 0.5


def start(folder: LineupFolder, options: Sequence[str]) -> int:
    """Have a process of its own session carry the lineup that a folder holds, and give its number.

    `options` are those of `grace lineup resume`.

    Raises:
        InputError: it ended at once; the message has its last words.
    """
    command = [sys.executable, "-m", "grace", "lineup", "resume", folder.path.name]
    command += ["--lineups", str(folder.path.parent), *options]
    log = folder.path / LOG
    with open(log, "ab") as file:
        began = file.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, env=os.environ
        )
    deadline = time.monotonic() + START_SECONDS
    while writer_of(folder.path) != process.pid and time.monotonic() < deadline:
        try:
            code = process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        if code in (0, 1):  # it had nothing left to do
            break
        raise InputError(f"{folder.path}: the process in the background ended at once: {_last_words(log, began)}")
    Thread(target=process.wait, daemon=True).start()  # takes note of its end, where it ends before this process
    return process.pid


def follow(folder: LineupFolder) -> Iterator[JournalEntry]:
    """The steps that another process of this machine notes from now on, until it no longer carries the lineup."""
    seen = sum(1 for _ in entries(folder.journal))
    going = True
    while going:
        going = writer_of(folder.path) is not None
        fresh = list(entries(folder.journal))[seen:]
        seen += len(fresh)
        yield from fresh
        if going:
            time.sleep(LOOK_SECONDS)


def _last_words(log: Path, began: int) -> str:
    with open(log, "rb") as file:
        file.seek(began)
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("grace: ") if lines else f"it said nothing in {log}"
