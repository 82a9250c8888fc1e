"""What a shell hands to a command: checked once, in the same way for every command, before the command begins.

Names of files go into manifests, which are UTF-8, and numbers into JSON, which others read with 64 bits. What fits into
neither is wrong input, whatever a command would do with it.
"""

import gc
import io
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import signature
from pathlib import PurePath
from typing import Any, get_args

import typer
from typer.models import ArgumentInfo, OptionInfo

from grace.cli.exits import INTERRUPTED
from grace.errors import InputError

LEAST, MOST = -(2**63), 2**63 - 1
"""The whole numbers of 64 bits."""


def checked(app: typer.Typer) -> None:
    """Have all commands of an app, and of the apps in it, check what they are given, and end alike when stopped."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _checked(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            checked(group.typer_instance)
    for what in (app.registered_callback, *app.registered_groups):
        if what is not None and callable(what.callback):
            what.callback = _checked(what.callback)


def _checked(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def with_check(*context: typer.Context, **given: Any) -> Any:
        for name, value in given.items():
            for each in value if isinstance(value, list | tuple) else (value,):
                if problem := problem_of(each):
                    raise InputError(f"{_shown(command, name)} {str(each)!r}: {problem}")
        if not gc.isenabled():  # since the process began: see grace.__main__
            gc.freeze()
            gc.enable()
        try:
            with _terminable():
                return command(*context, **given)
        except KeyboardInterrupt:
            print("grace: interrupted; no file is half written", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None

    return with_check


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM, which ends jobs on clusters, do what Ctrl-C does: undo what is half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def problem_of(value: object) -> str:
    """Why no command can use a value; "" where one can."""
    if isinstance(value, str | PurePath):
        return _problem_of_text(str(value))
    if isinstance(value, int) and not LEAST <= value <= MOST:
        return "is beyond the whole numbers of 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a number that can be used"
    return ""


def _problem_of_text(text: str) -> str:
    if "\0" in text:
        return "holds a null byte, which no name and no text has"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds bytes that are no UTF-8; rename the file, or type it in a terminal that uses UTF-8"
    return ""


def _shown(command: Callable[..., Any], name: str) -> str:
    """A parameter as the user types it: "--limit", or "RUN" for what has no name."""
    annotation = signature(command).parameters[name].annotation
    for facts in get_args(annotation):
        if isinstance(facts, OptionInfo):
            return next((each for each in facts.param_decls or () if each.startswith("--")), _option(name))
        if isinstance(facts, ArgumentInfo):
            return facts.metavar or name.upper()
    return _option(name)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def has_reader() -> bool:
    """Whether somebody may still read standard output, for commands that do nothing but print."""
    return not _Outlet.lost


class _Outlet(io.BufferedWriter):
    """Standard output that may lose its reader: what nobody reads is dropped, and the command goes on with its work.

    A signal may come after each line of Python. So Python stands around the buffer and not below it: there, it would
    have the buffer write twice what was written.
    """

    lost = False

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _lose(error)
            return len(data)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            _lose(error)


def _lose(error: OSError) -> None:
    """Send what else is written nowhere. Raises InputError where more than the reader is missing."""
    _Outlet.lost = True
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if not isinstance(error, BrokenPipeError):
        raise InputError(f"standard output: cannot be written: {error.strerror}") from None


def open_streams() -> None:
    """Have the three standard streams of this process, also where they are closed, or are about to be.

    A closed one would be the number of the next file that is opened, and so what a library prints would be in it.
    """
    for number in range(3):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, and so this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _outlet(sys.stdout)


def _outlet(before: "io.TextIOWrapper | None") -> io.TextIOWrapper:
    outlet = _Outlet(io.FileIO(1, "w", closefd=False))
    if before is None:
        return io.TextIOWrapper(outlet, errors="backslashreplace")
    return io.TextIOWrapper(outlet, before.encoding, before.errors, line_buffering=before.line_buffering)
