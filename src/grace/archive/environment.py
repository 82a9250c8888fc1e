"""The environment that results were made in: versions, as an archive records them, and how this one differs."""

import platform
import subprocess
import venv
from importlib import metadata
from pathlib import Path

import orjson

import grace
from grace.archive.bag import PAYLOAD
from grace.archive.store import Store
from grace.cluster.manifests.wheel import make_wheel
from grace.errors import InputError
from grace.files import replacing
from grace.progress import Progress
from grace.text import printable

VERSIONS, CONSTRAINTS = "environment/versions.json", "environment/constraints.txt"
PACKAGES = ("jinja2", "matplotlib", "numpy", "orjson", "pandas", "pyarrow", "pydantic", "scipy")
"""Those whose versions show in the bytes of results."""


def versions() -> dict[str, str | None]:
    """The versions that results depend on; None where a package is not installed."""
    return {"grace": grace.__version__, "python": platform.python_version()} | {
        name: _version(name) for name in PACKAGES
    }


def environment_files() -> dict[str, bytes]:
    """The files of an archive that make the same environment elsewhere. Raises InputError, as `make_wheel`."""
    wheel = make_wheel()
    return {
        VERSIONS: orjson.dumps(versions(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        CONSTRAINTS: wheel.constraints.encode(),
        f"environment/{wheel.name}": wheel.content,
    }


def differences(archived: dict[str, str | None]) -> list[str]:
    """What is of another version here, in words."""
    here = versions()
    return [
        f"{name} {here.get(name) or 'is not installed'} here, {version or 'none'} in the archive"
        for name, version in archived.items()
        if here.get(name) != version
    ]


def run_in_archived(store: Store, into: Path, progress: Progress) -> int:
    """Reproduce an archive with its own versions, installed beside the results, and give the exit code.

    Raises:
        InputError: the versions cannot be installed; the message is pip's.
        EndpointError: the bucket cannot be used.
    """
    folder = into.with_name(f"{into.name}.environment")
    folder.mkdir(parents=True, exist_ok=True)
    names = [name.removeprefix(PAYLOAD) for name in store.sizes() if name.startswith(f"{PAYLOAD}environment/")]
    for name in names:
        with replacing(folder / Path(name).name) as file:
            for piece in store.pieces(f"{PAYLOAD}{name}"):
                file.write(piece)
    wheel = next((name for name in names if name.endswith(".whl")), None)
    if wheel is None or CONSTRAINTS not in names:
        raise InputError(f"{store.title}: has no environment/, so its versions are not on record")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    progress.note("installing the archived versions")
    package = f"{(folder / Path(wheel).name).resolve()}[analysis,parquet,archive]"
    constraints = str(folder / Path(CONSTRAINTS).name)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--constraint", constraints, package],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = printable((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        raise InputError(f"{folder}: the archived versions cannot be installed: {last}")
    return subprocess.run([python, "-m", "grace", "reproduce", store.title, "--into", str(into)]).returncode


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
