"""llama.cpp's server as a process of its own: settings in by standard input, its address out by standard output.

`grace.endpoints.embedded` starts it by its path, so it imports nothing of Grace. It lives until standard input ends,
which happens when the parent closes it or dies for any reason: no server outlives its owner.
"""

import json
import os
import sys
from typing import Any

import xllamacpp


def main() -> None:
    """Serve until standard input ends."""
    params = xllamacpp.CommonParams()
    for name, value in json.loads(sys.stdin.buffer.readline()).items():
        _set(params, name, value)
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps(server.listening_address) + "\n")
    sys.stdout.flush()
    # The log is for the case that loading fails; from here on it would have eight lines about every request.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sys.stdin.buffer.read()
    os._exit(0)  # the server's destructor would wait for the requests under way, for minutes or forever


def _set(target: Any, name: str, value: object) -> None:
    *outer, name = name.split(".")
    for attribute in outer:
        target = getattr(target, attribute)
    setattr(target, name, set(value) if isinstance(getattr(target, name), set) else value)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
