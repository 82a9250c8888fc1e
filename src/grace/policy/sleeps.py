"""Programs that sleep: which do, and which of them wait for something in a loop."""

import ast
import warnings

from grace.policy.programs import Program

IDLE = {"sleep", "usleep", "echo", "printf", "date", "true", ":", "false"}
"""Programs that do nothing: a loop of them waits for nothing."""


def is_sleep(program: Program) -> bool:
    """Whether a program takes time and does nothing: sleep, `tail -f /dev/null`, Python that ends in a sleep."""
    if program.name in ("sleep", "usleep"):
        return True
    if program.name == "tail" and "/dev/null" in program.words:
        return any(word == "--follow" or (word[:1] == "-" and word[-1:] in "fF") for word in program.words)
    return "sleep" in program.code and _ends_in_sleep(program.code)


def waits(program: Program) -> bool:
    """Whether a sleep is in a loop that ends by itself, and that does more than sleep."""
    if not program.loops or program.words[1:2] == ("infinity",):
        return False
    loop = program.loops[-1]
    if loop.endless and not loop.background:
        return False
    return any(command.program not in IDLE for command in loop.commands)


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
