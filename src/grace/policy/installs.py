"""Where programs install packages: pip, uv, conda, poetry and npm, in the folder and environment of their script."""

import posixpath
import re
from collections.abc import Iterator, Sequence

from grace.policy.documents import Container
from grace.policy.programs import Program

_PIP = re.compile(r"pip[0-9.]*|pipx")
_CONDA = {"conda", "mamba", "micromamba"}
_NODE = {"npm": ("install", "i", "ci", "add"), "pnpm": ("install", "i", "add"), "yarn": ("install", "add")}
_SYSTEM = ("/usr", "/opt", "/bin", "/root", "/venv")


def installs(container: Container, running: Sequence[Program]) -> Iterator[tuple[Program, str]]:
    """Programs that install packages, each with folders that it may install them into, the likely one first."""
    folder, environment = container.body.get("workingDir", "/"), ""
    for program in running:
        words = program.words
        if program.name in ("cd", "pushd") and len(words) > 1:
            folder = posixpath.join(folder, words[1])
        elif entered := _entered(program):
            environment = posixpath.join(folder, entered)
        for target in _targets(program, environment):
            path = posixpath.join(folder, target)
            if "$" not in path and "~" not in path:
                yield program, path


def _entered(program: Program) -> str:
    """The environment that a program makes a script enter; empty for other programs."""
    named = " ".join(program.words[1:2])
    if program.name in (".", "source") and named.endswith("/bin/activate"):
        return named.removesuffix("/bin/activate")
    if program.name in _CONDA and named == "activate" and "/" in " ".join(program.words[2:3]):
        return program.words[2]
    return ""


def _targets(program: Program, environment: str) -> Iterator[str]:
    """Folders that a program installs packages into; none when it installs nothing."""
    words, settings = program.words, program.settings
    if is_pip(program):
        given = program.option("-t", "--target", "--prefix", "--root") or settings.get("PIP_TARGET")
        if given:
            yield given
            return
        if "--user" in words:
            yield from filter(None, (settings.get("PYTHONUSERBASE"), settings.get("HOME")))
        yield from filter(None, (environment, settings.get("VIRTUAL_ENV"), program.option("--python")))
    elif program.name in _CONDA and {"install", "create", "update"} & set(words[1:3]):
        prefixes = ("MAMBA_ROOT_PREFIX", "CONDA_ENVS_PATH", "CONDA_ENVS_DIRS")
        given = program.option("-p", "--prefix")
        yield from filter(None, (given, *(settings.get(name) for name in prefixes), environment))
    elif _makes_environment(words):
        named = [word for word in words[{"virtualenv": 1, "uv": 2}.get(program.name, 3) :] if not word.startswith("-")]
        yield from named or [".venv"]
    elif program.name == "uv" and words[1:2] in (("sync",), ("add",), ("run",)):
        yield settings.get("UV_PROJECT_ENVIRONMENT") or ".venv"
        return
    elif program.name == "poetry" and words[1:2] in (("install",), ("add",), ("sync",)):
        inside = settings.get("POETRY_VIRTUALENVS_IN_PROJECT", "").lower() in ("1", "true")
        home = settings.get("POETRY_VIRTUALENVS_PATH") or settings.get("HOME", "")
        yield from filter(None, (".venv" if inside else environment or home,))
        return
    elif program.name in _NODE and (words[1:2] == () or words[1] in _NODE[program.name]):
        if not {"-g", "--global"} & set(words) and (len(words) > 1 or program.name == "yarn"):
            yield posixpath.join(program.option("--prefix", "-C", "--cwd") or ".", "node_modules")
        return
    elif "conda" in " ".join(words[:2]).lower() and "-p" in words:  # an installer's script
        yield from filter(None, (program.option("-p"),))
        return
    else:
        return
    folder = posixpath.dirname(posixpath.dirname(words[0]))
    if folder.startswith("/") and not folder.startswith(_SYSTEM):
        yield folder


def is_pip(program: Program) -> bool:
    """Whether a program is a pip that installs."""
    words = program.words
    if program.is_python:
        return words[1:4] == ("-m", "pip", "install")
    if program.name == "uv":
        return words[1:3] in (("pip", "install"), ("pip", "sync"))
    return _PIP.fullmatch(program.name) is not None and "install" in words[1:]


def _makes_environment(words: tuple[str, ...]) -> bool:
    """Whether a command makes a virtual environment."""
    name = words[0].rpartition("/")[2]
    return (
        name == "virtualenv"
        or words[1:3] in (("-m", "venv"), ("-m", "virtualenv"))
        or (name == "uv" and words[1:2] == ("venv",))
    )
