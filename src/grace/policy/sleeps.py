"""Programs that sleep: which do, which of them a script ends in, and which wait for something in a loop."""

import ast
import math
import re
import warnings
from collections.abc import Sequence

from grace.policy.programs import Program

IDLE = {"sleep", "usleep", "echo", "printf", "date", "true", ":", "false"}
"""Programs that do nothing: a loop of them waits for nothing."""
ASIDE = IDLE - {"sleep", "usleep"} | {"exit", "wait", "return", "trap", "set", "[", "test", "break", "continue"}
"""Programs behind which a script still ends in what stands before them."""
_AFTER = {"echo", "printf", "date", "wait"}
"""Of these, the ones behind which a pause has been one: the script goes on to say something, or to wait for work."""
LONG = 600
"""Seconds of a sleep that is more than a pause."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AMOUNT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([smhd]?)", re.ASCII)


def is_sleep(program: Program) -> bool:
    """Whether a program takes time and does nothing: sleep, `tail -f /dev/null`, Python that ends in a sleep."""
    if program.name in ("sleep", "usleep"):
        return True
    if program.name == "tail" and "/dev/null" in program.words:
        return any(word == "--follow" or (word[:1] == "-" and word[-1:] in "fF") for word in program.words)
    return "sleep" in program.code and _ends_in_sleep(program.code)


def final_sleep(running: Sequence[Program]) -> Program | None:
    """The sleep that a container gets no further than, or that its programs end in; None when there is none."""
    last = [program for program in running if program.name not in ASIDE and not program.fallback][-1:]
    if last and _is_pause(last[0]) and any(each.name in _AFTER for each in running[running.index(last[0]) + 1 :]):
        last = []
    idle = [program for program in running if is_sleep(program) and (_is_long(program) or _is_endless(program))]
    return next((program for program in [*idle, *last] if is_sleep(program) and not waits(program)), None)


def soon_ends(program: Program) -> bool:
    """Whether a sleep is in a loop of which all turns together are no more than a pause."""
    return bool(program.loops) and _is_pause(program)


def _is_pause(program: Program) -> bool:
    """Whether a sleep, with all its turns, is known to be no longer than a pause between steps."""
    turns = math.prod(loop.turns for loop in program.loops)
    amounts = len(program.words) > 1 and all(map(_AMOUNT.fullmatch, program.words[1:]))
    return program.name == "sleep" and amounts and turns > 0 and _seconds(program) * turns < LONG


def _is_long(program: Program) -> bool:
    """Whether it sleeps for ever, or too long for a pause between steps."""
    if program.name == "tail":
        return True
    return program.name == "sleep" and (program.words[1:2] == ("infinity",) or _seconds(program) >= LONG)


def _seconds(program: Program) -> float:
    """The time that it sleeps, as far as its words are amounts."""
    amounts = map(_AMOUNT.fullmatch, program.words[1:])
    return sum(float(match[1].strip(".") or 0) * _UNITS[match[2] or "s"] for match in amounts if match)


def _is_endless(program: Program) -> bool:
    loop = program.loops[-1] if program.loops else None
    return loop is not None and loop.endless and not loop.background and not _works(program)


def _works(program: Program) -> bool:
    """Whether the loop around a sleep does something else, too."""
    return any(command.program not in IDLE for command in program.loops[-1].commands)


def waits(program: Program) -> bool:
    """Whether a sleep is in a loop that ends by itself, and that does more than sleep."""
    if not program.loops or program.words[1:2] == ("infinity",):
        return False
    loop = program.loops[-1]
    if loop.endless and not loop.background:
        return False
    return _works(program)


def _ends_in_sleep(code: str) -> bool:
    """Whether a Python program ends with a sleep, possibly in a function of its own."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of a program that is not ours
            body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    functions = {one.name: one.body for one in body if isinstance(one, ast.FunctionDef)}
    while body:
        last = body[-1]
        if isinstance(last, ast.While) and len(last.body) > 1:
            return False  # it does something each time
        if isinstance(last, ast.If | ast.While):
            body = last.body
        elif isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
            called = last.value.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name == "sleep":
                return True
            body = functions.pop(name, [])  # each once: functions may call each other in a circle
        else:
            return False
    return False
