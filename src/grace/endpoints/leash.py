"""Runs a command that ends with its owner: `leash.py SECONDS COMMAND...`, a group of processes of its own.

Standard input ends when the owner closes it or dies. Then the command is asked to end (SIGTERM), and after SECONDS
it is killed with all that it started. Without that, a vLLM whose owner was killed would keep its GPUs.

`grace.endpoints.vllm` starts it by its path, so it imports nothing of Grace. No prctl: it works on macOS, too.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def main() -> None:
    """Run the command, and end as it ended."""
    seconds, *command = sys.argv[1:]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    released = threading.Event()
    threading.Thread(target=_end_with_owner, args=(process, float(seconds), released), daemon=True).start()
    code = process.wait()
    if released.is_set():
        _kill_group()
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler to reset
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _end_with_owner(process: "subprocess.Popen[bytes]", seconds: float, released: threading.Event) -> None:
    sys.stdin.buffer.read()
    released.set()
    process.terminate()
    try:
        process.wait(seconds)
    finally:
        _kill_group()


def _kill_group() -> None:
    """Kill this process and all that it started: servers leave workers behind."""
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
