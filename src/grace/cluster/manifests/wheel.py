"""Grace's own code on its way to a cluster without a registry: a wheel, in parts that ConfigMaps hold."""

import hashlib
import io
import zipfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from grace.errors import InputError
from grace.version import __version__

DISTRIBUTION = "grace-experiments"
PART_BYTES = 150_000
"""Bytes of the wheel in one ConfigMap. `kubectl apply` puts a copy of the whole object, in base64, into an annotation,
and annotations together have 262,144 bytes at most."""
LINE = 120
"""Characters of base64 in a line: what reads it skips line breaks."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_TAG = "py3-none-any"
WHEEL_NAME = f"{DISTRIBUTION.replace('-', '_')}-{__version__}-{_TAG}.whl"
_ENTRY_POINTS = "[console_scripts]\ngrace = grace.__main__:start\n"
"""The scripts of pyproject.toml: pip makes the command `grace` of it."""
_WHEEL = f"Wheel-Version: 1.0\nGenerator: grace\nRoot-Is-Purelib: true\nTag: {_TAG}\n"


@dataclass(frozen=True)
class CodeWheel:
    """A wheel and what is needed to install it.

    Attributes:
        name: that of its file, which tells pip name and version.
        content: its bytes; equal code gives equal bytes.
        constraints: exact versions of all that may be installed with it, as text.
    """

    name: str
    content: bytes
    constraints: str

    @property
    def sha256(self) -> str:
        """The digest of the content, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def parts(self) -> list[Mapping[str, str]]:
        """The content cut for ConfigMaps: for each one its binaryData. Keys sort in the order of the parts."""
        cut = range(0, len(self.content), PART_BYTES)
        return [
            {f"part-{number:03}": _base64(self.content[start : start + PART_BYTES])} for number, start in enumerate(cut)
        ]


def install_script() -> str:
    """The program that joins the parts again and installs the wheel: `python install.py SHA256 NAME FOLDER`."""
    return resources.files("grace.cluster.manifests").joinpath("install.py").read_text(encoding="utf-8")


def make_wheel() -> CodeWheel:
    """The wheel of the Grace that runs, as it is on this disk, changes included. Needs no network and no build tool.

    Raises:
        InputError: Grace is installed without its metadata, or with those of another version, or
            its constraints are not there.
    """
    folder = Path(str(resources.files("grace")))
    described = _metadata()
    stem = WHEEL_NAME.removesuffix(f"-{_TAG}.whl")
    files = dict(_code(folder))
    files[f"{stem}.dist-info/METADATA"] = described.encode()
    files[f"{stem}.dist-info/WHEEL"] = _WHEEL.encode()
    files[f"{stem}.dist-info/entry_points.txt"] = _ENTRY_POINTS.encode()
    files[f"{stem}.dist-info/RECORD"] = _record(files, f"{stem}.dist-info/RECORD")
    return CodeWheel(WHEEL_NAME, _zipped(files), _constraints(folder))


def _metadata() -> str:
    """The metadata for pip: name, version, requirements. Raises InputError, as `make_wheel`."""
    try:
        installed = metadata.distribution(DISTRIBUTION)
        described = installed.read_text("METADATA")
    except metadata.PackageNotFoundError:
        described = None
    if described is None:
        raise InputError(
            f"--code wheel: cannot make a wheel: {DISTRIBUTION} is not installed here with its metadata; install it "
            f"with pip, or use --code image"
        )
    if installed.version != __version__:
        raise InputError(
            f"--code wheel: the code is of version {__version__}, and pip installed {installed.version}: run "
            f"`pip install` again"
        )
    return described


def _code(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix != ".pyc" and not any(part.startswith(".") for part in inside.parts):
            yield f"{folder.name}/{inside.as_posix()}", path.read_bytes()


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    """The wheel's list of its files: path, digest, size (the binary distribution format's RECORD)."""
    lines = [
        f"{name},sha256={urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')},{len(content)}"
        for name, content in files.items()
    ]
    return "\n".join([*lines, f"{own},,", ""]).encode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file that depends on nothing but the files: no dates, one set of permissions."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def _constraints(folder: Path) -> str:
    """The exact versions: beside the code in an installed Grace, at the root of a checkout."""
    for path in (folder / "constraints.txt", folder.parents[1] / "constraints.txt"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise InputError(
        "--code wheel: constraints.txt came neither with the package nor with a checkout; use --code image"
    )


def _base64(content: bytes) -> str:
    text = b64encode(content).decode()
    return "".join(f"{text[start : start + LINE]}\n" for start in range(0, len(text), LINE))
