"""`grace serve` as a process of its own, for tests."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from limits import HANG


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", Sequence[str]]]:
    """`grace serve` and the four lines that it prints when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "grace", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline() for _ in range(4)]
        finally:
            process.kill()


def ends(process: "subprocess.Popen[str]", number: int) -> None:
    """Send a signal that ends the process, as it should."""
    process.send_signal(number)
    out, err = process.communicate(timeout=HANG)
    assert (process.returncode, out, err) == (0, "", "")
