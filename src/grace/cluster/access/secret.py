"""The Secret with the model hub's token: made from the environment or a file, never from arguments, never shown."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import MANAGER, Api
from grace.cluster.access.paths import path_of
from grace.cluster.names import check_key, check_object_name
from grace.errors import ClusterError, InputError, Refused

NAME = "huggingface-token"
KEY = "token"
VARIABLE = "HF_TOKEN"

_PLACEHOLDER = re.compile(
    r"<.*>|\$.*|\{.*|(hf_)?(x+|\.+|\*+|-+)|.*(your[-_]|[-_]here|placeholder|change-?_?me).*|token|secret|hf_(token)?",
    re.IGNORECASE,
)
_MOST = 4096


@dataclass(frozen=True)
class Token:
    """A token and where it comes from.

    Attributes:
        source: for messages: "the variable HF_TOKEN".
        doubts: signs that it may be wrong.
    """

    value: str = field(repr=False)
    source: str
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecretChange:
    """What was done with a Secret, or with `dry_run` what would be.

    Attributes:
        action: "created", "key added", "value replaced" or "unchanged".
        keys: names of all keys that it has then; values are never read out.
    """

    action: str
    namespace: str
    name: str
    keys: tuple[str, ...]
    dry_run: bool


def read_token(variable: str | None = None, file: Path | None = None) -> Token:
    """The token from a file, an environment variable, or where the hub's client keeps it.

    Args:
        variable: its name; None: HF_TOKEN, then the hub client's file.
        file: a file with nothing but the token; it goes before the variable.

    Raises:
        InputError: there is no token, or the text cannot be one.
    """
    if file is not None and variable is not None:
        raise InputError("--from-env and --from-file: give one of them")
    if file is not None:
        return _checked(_file(file), f"the file {file}")
    name = variable or VARIABLE
    if name in os.environ:
        return _checked(os.environ[name], f"the variable {name}")
    kept = _hub_file()
    if variable is None and kept.is_file():
        return _checked(_file(kept), f"the hub client's file {kept}")
    also = "" if variable else f", and {kept} is not there"
    raise InputError(
        f"the variable {name} is not set{also}; make a token on the hub (Settings, Access Tokens) and set it with "
        f"`read -rs {name} && export {name}`, which keeps it out of the shell's history"
    )


def make_secret(
    api: Api,
    token: Token,
    *,
    namespace: str,
    name: str = NAME,
    key: str = KEY,
    replace: bool = False,
    dry_run: bool = False,
) -> SecretChange:
    """Make a Secret hold a token under a key; its other keys stay as they are. With `dry_run` the cluster only tries.

    Raises:
        InputError: the name or the key is not valid.
        Refused: the key is there with another value and `replace` is not set, or the Secret cannot be changed.
        ClusterError: the cluster fails, or does not show the key afterwards.
    """
    check_names(name, key)
    value = base64.b64encode(token.value.encode()).decode()
    api.hide(token.value, value)
    path = path_of("api", "v1", "namespaces", namespace, "secrets")
    own = f"{path}{path_of(name)}"
    existing = _existing(api, own)
    if existing is None:
        api.create(path, _new(name, namespace, key, value), dry_run=dry_run)
        keys: tuple[str, ...] = (key,)
        action = "created"
    else:
        action = _action(existing, f"Secret {name} in {namespace}", key, token.value, replace)
        if action != "unchanged":
            api.merge(own, _change(existing, key, value), dry_run=dry_run)
        keys = tuple(sorted({*(existing.get("data") or {}), key}))
    if not dry_run:
        keys = key_names(api, namespace, name)
        if key not in keys:
            raise ClusterError(f"Secret {name} in {namespace}: has no key {key} afterwards (it has {', '.join(keys)})")
    return SecretChange(action, namespace, name, keys, dry_run)


def key_names(api: Api, namespace: str, name: str) -> tuple[str, ...]:
    """The names of a Secret's keys. Raises ApiError, with status 404 when there is no such Secret."""
    secret = api.get(path_of("api", "v1", "namespaces", namespace, "secrets", name))
    return tuple(sorted(secret.get("data") or {}))


def check_names(name: str, key: str) -> None:
    """Raises InputError when Kubernetes accepts no Secret of that name, or no such key in one."""
    check_object_name("--name", name)
    check_key("--key", key)


def _existing(api: Api, path: str) -> dict[str, Any] | None:
    try:
        return api.get(path)
    except ApiError as error:
        if error.status == 404 and "namespace" not in error.detail.split('"')[0]:
            return None
        raise


def _new(name: str, namespace: str, key: str, value: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": MANAGER}},
        "type": "Opaque",
        "data": {key: value},
    }


def _change(existing: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """The change, for the version that was read: the cluster refuses it when the Secret has changed since."""
    version = (existing.get("metadata") or {}).get("resourceVersion")
    labels = {"app.kubernetes.io/managed-by": MANAGER}
    metadata = {"labels": labels, **({"resourceVersion": version} if version else {})}
    return {"metadata": metadata, "data": {key: value}}


def _action(existing: Mapping[str, Any], what: str, key: str, value: str, replace: bool) -> str:
    """What to do with a Secret that is there. Raises Refused."""
    data = existing.get("data") or {}
    if key in data and _decoded(data[key]) == value:
        return "unchanged"
    if existing.get("immutable"):
        raise Refused(f"{what}: is immutable; delete it with kubectl, or choose another with --name")
    if key in data and not replace:
        raise Refused(f"{what}: the key {key} holds another value; --replace changes it (other keys stay)")
    return "value replaced" if key in data else "key added"


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _checked(text: str, source: str) -> Token:
    """A token without the newline that files end with. Its value is never quoted. Raises InputError."""
    value = text.rstrip("\r\n")
    faults = (
        (not value.strip(), "is empty"),
        (len(value) > _MOST, f"has {len(value)} characters; no token is that long"),
        (any(map(str.isspace, value)), "has a space or line break in it, which no token has; copy it again"),
        (not (value.isascii() and value.isprintable()), "has characters that no token has; copy it again"),
        (value.startswith(("'", '"')) or value.endswith(("'", '"')), "has quotation marks around it; leave them out"),
        (_PLACEHOLDER.fullmatch(value), "holds a placeholder, not a token; put your own token there"),
    )
    for holds, fault in faults:
        if holds:
            raise InputError(f"{source} {fault}")
    doubts = () if value.startswith("hf_") else (f"{source} does not begin with hf_, as tokens of the hub do",)
    return Token(value, source, doubts)


def _file(path: Path) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_MOST + 2)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a text file with a token") from None


def _hub_file() -> Path:
    """Where `hf auth login` keeps the token (huggingface_hub, environment variables)."""
    if named := os.environ.get("HF_TOKEN_PATH"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{cache}/huggingface")).expanduser() / "token"
