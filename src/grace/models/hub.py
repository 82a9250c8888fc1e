"""A model hub, through huggingface_hub, which keeps the cache, resumes, and has the token (HF_TOKEN, or its file)."""

import os
import re
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from grace.errors import InputError, ModelFileError
from grace.models.catalogue import HubModel, Variant

_FILE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)[:/](?P<file>[\w./-]+\.gguf)", re.IGNORECASE)
_GB = 1_000_000_000
_OFFLINE = (
    *("LocalEntryNotFoundError", "IncompleteSnapshotError", "OfflineModeIsEnabled"),
    *("ConnectError", "ConnectTimeout", "ReadTimeout"),
)
"""Errors of huggingface_hub and its network layer when the hub cannot be reached."""


@dataclass(frozen=True)
class HubFile:
    """One file of a repository of a model hub."""

    repo: str
    file: str

    def __str__(self) -> str:
        return f"{self.repo}:{self.file}"


def hub_file(text: str) -> HubFile | None:
    """Read `OWNER/REPO:FILE.gguf` or `OWNER/REPO/FILE.gguf`; None when it is neither."""
    match = _FILE.fullmatch(text)
    return HubFile(match["repo"], match["file"]) if match else None


def hub_path(file: HubFile) -> Path:
    """Where the hub's cache on this machine holds the file.

    Raises:
        ModelFileError: it does not.
        InputError: huggingface_hub is not installed.
    """
    path = _hub().try_to_load_from_cache(file.repo, file.file)
    if not isinstance(path, str):
        raise ModelFileError(f"{file}: is not on this machine yet; run `grace models pull {file}`")
    return Path(path)


def hub_pull(file: HubFile) -> Path:
    """Fetch the file into the hub's cache; huggingface_hub shows the progress and continues after a break.

    Raises:
        ModelFileError: the hub cannot be reached, does not have it, or does not give it to us.
        InputError: huggingface_hub is not installed.
    """
    hub = _hub()
    try:
        return Path(hub.hf_hub_download(file.repo, file.file))
    except Exception as error:  # its network layer and the errors of that change from version to version
        raise ModelFileError(f"{file}: {_why(error, 'its page on the hub')}") from None


def snapshot_path(model: HubModel, variant: Variant, *, home: Path | None = None) -> Path:
    """The folder with a variant's files on this machine, as vLLM finds it. Asks no network.

    Args:
        model: the model.
        variant: one of its variants.
        home: HF_HOME of the server; None: the hub client's own cache.

    Raises:
        ModelFileError: they are not here, or not all of them.
        InputError: huggingface_hub is not installed.
    """
    try:
        return _snapshot(variant, home, local_files_only=True)
    except Exception:  # as above
        more = "" if variant is model.full else f" --variant {variant.name}"
        to = f" --to {home}" if home else ""
        raise ModelFileError(
            f"{variant.served_name}: its files are not all on this machine; `grace models pull {model.name}{more}{to}` "
            f"fetches them"
        ) from None


def snapshot_pull(model: HubModel, variant: Variant, *, home: Path | None = None) -> Path:
    """Fetch a variant's files into the cache that vLLM reads; after a break, only the missing files are fetched.

    Args:
        model: the model.
        variant: one of its variants.
        home: HF_HOME of the server, such as a cluster's volume of weights; None: the hub client's own cache.

    Returns:
        The folder with the files.

    Raises:
        ModelFileError: the hub cannot be reached, does not have it, or does not give it to us; or there is no room.
        InputError: huggingface_hub is not installed, or the folder cannot be written.
    """
    _check_room(variant, _cache(home))
    try:
        return _snapshot(variant, home, local_files_only=False)
    except OSError as error:
        if error.filename:  # the file system's, not the network's
            raise InputError(f"{error.filename}: {error.strerror}") from None
        raise _not_given(model, variant, error) from None
    except Exception as error:  # as above
        raise _not_given(model, variant, error) from None


def check_access(model: HubModel, variant: Variant) -> None:
    """Ask the hub whether this machine's token may read a variant.

    Raises:
        ModelFileError: it may not, there is no token, or the hub cannot be reached; the message says what to do.
        InputError: huggingface_hub is not installed.
    """
    hub = _hub()
    if variant.gated and not hub.get_token():
        raise ModelFileError(
            f"{variant.repo}: is gated, and there is no token here: make one on the hub (Settings, Access Tokens) and "
            f"set HF_TOKEN, or HF_TOKEN_PATH to a file that holds it"
        )
    try:
        hub.auth_check(variant.repo)
    except Exception as error:  # as above
        raise _not_given(model, variant, error) from None


def _snapshot(variant: Variant, home: Path | None, *, local_files_only: bool) -> Path:
    return Path(
        _hub().snapshot_download(
            variant.repo,
            revision=variant.revision,
            cache_dir=_cache(home),
            allow_patterns=list(variant.files),
            ignore_patterns=list(variant.but_not),
            local_files_only=local_files_only,
        )
    )


def _cache(home: Path | None) -> Path:
    """The folder of snapshots, as vLLM looks for it in HF_HOME."""
    return home / "hub" if home else Path(_hub().constants.HF_HUB_CACHE)


def _check_room(variant: Variant, cache: Path) -> None:
    """Raise ModelFileError before a long download if the disk is too small for it."""
    repo = cache / f"models--{variant.repo.replace('/', '--')}" / "blobs"
    blobs = [file for file in repo.iterdir() if file.suffix != ".incomplete"] if repo.is_dir() else []
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    needed = variant.weights_bytes - sum(file.stat().st_size for file in blobs)
    free = shutil.disk_usage(place).free
    if needed > free:
        raise ModelFileError(
            f"{place}: {variant.served_name} needs {needed / _GB:.1f} GB more, and {free / _GB:.1f} GB are free; --to "
            f"or HF_HOME names another folder"
        )


def _not_given(model: HubModel, variant: Variant, error: Exception) -> ModelFileError:
    others = [other.name for other in model.variants if other is not variant]
    more = f"; {model.name} has other variants ({', '.join(others)})" if others and "no such" in _why(error, "") else ""
    revision = f" at {variant.revision}" if variant.revision else ""
    return ModelFileError(f"{variant.repo}{revision}: {_why(error, model.licence.page)}{more}")


def _why(error: Exception, page: str) -> str:
    """The reason of a failure, and what to do; `page` is where a licence is accepted."""
    offline = (
        "the hub cannot be reached; check the network, HF_ENDPOINT and HF_HUB_OFFLINE, or try again: files that have "
        "arrived are kept"
    )
    reasons = {
        "GatedRepoError": f"is gated: accept its licence on {page}, and set HF_TOKEN to a token of that account",
        "RepositoryNotFoundError": "the hub has no such repository, or not for this token (HF_TOKEN or the token file)",
        "RevisionNotFoundError": "the repository has no such commit",
        "RemoteEntryNotFoundError": "the repository has no such file",
    } | dict.fromkeys(_OFFLINE, offline)
    for kind in type(error).__mro__:
        if kind.__name__ in reasons:
            return reasons[kind.__name__]
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return "the hub does not know this token: make a new one and set HF_TOKEN"
    first_line = next(iter(str(error).splitlines()), "")
    return f"the hub does not give it: {_without_token(first_line) or type(error).__name__}"


def _without_token(text: str) -> str:
    token = os.environ.get("HF_TOKEN")
    return text.replace(token, "***") if token else text


def _hub() -> ModuleType:
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise InputError("a model hub needs huggingface_hub: pip install 'grace-experiments[local]'") from None
    import_module("huggingface_hub.utils.logging").set_verbosity_error()  # it reports each retry
    return hub
