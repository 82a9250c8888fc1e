"""Files of a model hub, through huggingface_hub: its cache, its resuming, and the token in HF_TOKEN."""

import os
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from grace.errors import InputError, ModelFileError

_FILE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)[:/](?P<file>[\w./-]+\.gguf)", re.IGNORECASE)


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


def hub_path(wanted: HubFile) -> Path:
    """Where the hub's cache on this machine holds the file.

    Raises:
        ModelFileError: it does not.
        InputError: huggingface_hub is not installed.
    """
    found = _hub().try_to_load_from_cache(wanted.repo, wanted.file)
    if not isinstance(found, str):
        raise ModelFileError(f"{wanted}: is not on this machine yet; run `grace models pull {wanted}`")
    return Path(found)


def hub_pull(wanted: HubFile) -> Path:
    """Bring the file into the hub's cache; huggingface_hub shows the progress and goes on after a break.

    Raises:
        ModelFileError: the hub cannot be reached, does not have it, or does not give it to us.
        InputError: huggingface_hub is not installed.
    """
    hub = _hub()
    import_module("huggingface_hub.utils.logging").set_verbosity_error()  # it reports each retry
    token = os.environ.get("HF_TOKEN") or False  # False: no token from a file either
    try:
        return Path(hub.hf_hub_download(wanted.repo, wanted.file, token=token))
    except Exception as error:  # its network layer and the errors of that change from version to version
        raise ModelFileError(f"{wanted}: {_why(error)}") from None


def _why(error: Exception) -> str:
    reasons = {
        "GatedRepoError": "is gated: accept its licence on the hub, and set HF_TOKEN to a token of that account",
        "RepositoryNotFoundError": "the hub has no such repository, or not for the token in HF_TOKEN",
        "RemoteEntryNotFoundError": "the repository has no such file",
        "LocalEntryNotFoundError": "the hub cannot be reached; check the network, HF_ENDPOINT and HF_HUB_OFFLINE",
    }
    first_line = next(iter(str(error).splitlines()), "")
    return reasons.get(type(error).__name__) or f"the hub does not give it: {first_line or type(error).__name__}"


def _hub() -> ModuleType:
    try:
        return import_module("huggingface_hub")
    except ImportError:
        raise InputError("files of a model hub need huggingface_hub: pip install 'grace-experiments[local]'") from None
