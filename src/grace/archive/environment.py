"""The environment that results were made in: versions, as an archive records them, and how this one differs."""

import platform
import re
import subprocess
import venv
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import orjson
from pydantic import RootModel

from grace.archive.bag import PAYLOAD
from grace.archive.store import S3, Store
from grace.archive.verify import intact
from grace.cluster.manifests.wheel import make_wheel
from grace.errors import InputError
from grace.files import replacing
from grace.progress import Progress
from grace.text import printable
from grace.version import __version__

VERSIONS, CONSTRAINTS = "environment/versions.json", "environment/constraints.txt"
WHEEL = re.compile(r"environment/grace_experiments-[0-9A-Za-z.+]+-py3-none-any\.whl")
"""The name of Grace's own code in an archive."""
EXTRAS = "analysis,parquet,archive"
"""What of Grace makes all results, and reads an archive."""
PACKAGES = ("jinja2", "matplotlib", "numpy", "orjson", "pandas", "pyarrow", "pydantic", "scipy")
"""Those whose versions show in the bytes of results."""


class Versions(RootModel[dict[str, str | None]]):
    """environment/versions.json of an archive: a version by the name of its package, None where it was not there."""


def versions() -> dict[str, str | None]:
    """The versions that results depend on; None where a package is not installed."""
    return {"grace": __version__, "python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def environment_files() -> dict[str, bytes]:
    """The files of an archive that make the same environment elsewhere. Raises InputError, as `make_wheel`."""
    wheel = make_wheel()
    return {
        VERSIONS: orjson.dumps(versions(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        CONSTRAINTS: wheel.constraints.encode(),
        f"environment/{wheel.name}": wheel.content,
    }


def differences(archived: Mapping[str, str | None]) -> list[str]:
    """What is of another version here, in words."""
    here = versions()
    return [
        f"{name} {here.get(name) or 'is not installed'} here, {version or 'none'} in the archive"
        for name, version in archived.items()
        if here.get(name) != version
    ]


def run_in_archived(store: Store, place: str, into: Path, progress: Progress, expected: str | None = None) -> int:
    """Reproduce an archive with its own versions, installed beside the results, and give the exit code.

    The archive's own code is run, so it is read and held against its manifests first.

    Args:
        store: where the archive is.
        place: the same, as the user wrote it.
        into: the folder of the results.
        progress: told of bytes, then of each step.
        expected: the archive's digest, kept apart from it.

    Raises:
        Refused: the archive is not as it was made.
        InputError: it has no environment, or the versions cannot be installed; then the message is pip's.
        EndpointError: the bucket cannot be used.
    """
    verified = intact(store, progress, expected)
    wheels = [name for name in verified.files if WHEEL.fullmatch(name)]
    if len(wheels) != 1 or CONSTRAINTS not in verified.files:
        raise InputError(f"{store.title}: has no environment/ of Grace, so its versions are not on record")
    folder = into.with_name(f"{into.name}.environment")
    for name in (*wheels, CONSTRAINTS):
        with replacing(folder / Path(name).name) as file:
            for piece in store.pieces(f"{PAYLOAD}{name}"):
                file.write(piece)
    progress.note("installing the archived versions")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    extras = EXTRAS + (",s3" if place.startswith(S3) else "")
    package = f"{(folder / Path(wheels[0]).name).resolve()}[{extras}]"
    constraints = str(folder / Path(CONSTRAINTS).name)
    done = subprocess.run(
        [python, "-I", "-m", "pip", "install", "--quiet", "--constraint", constraints, package],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = printable((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        raise InputError(f"{folder}: the archived versions cannot be installed: {last}")
    # -I: nothing of the current folder or of PYTHONPATH takes the place of what is archived
    return subprocess.run([python, "-I", "-m", "grace", "reproduce", place, "--into", str(into)]).returncode


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
