"""Credentials: the token or certificate that a kubeconfig's user shows, from itself, a file or a login plugin."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grace.cluster.access.kubeconfig import ExecPart, ProviderPart, Target, decoded, expiry_of
from grace.errors import ClusterError, InputError
from grace.text import printable

MOST_TEXT = 600
_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*")
PLUGIN_SECONDS = 300
"""Seconds for a login plugin to end: people may have to log in, in a browser that it opens."""


@dataclass(frozen=True)
class Credential:
    """What is shown to the server.

    Attributes:
        authorization: the header; empty when there is none.
        certificate, key: of the client, in PEM, or files of them.
        renewable: asking for it again may give another one.
        secrets: texts that no message may hold.
    """

    authorization: str = field(default="", repr=False)
    certificate: bytes | Path | None = field(default=None, repr=False)
    key: bytes | Path | None = field(default=None, repr=False)
    renewable: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def shown(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.authorization or self.certificate)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A line of at most `MOST_TEXT` characters of what a server or program said, without tokens in it."""
    for secret in secrets:
        text = text.replace(secret, "***")
    line = printable(" ".join(_WEB_TOKEN.sub("***", text).split()))
    return line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]} ..."


def log_in_again(target: Target) -> str:
    """What to do when there is no login, or it is no longer taken."""
    return (
        f"log in again: `kubectl get pods{target.options}` starts the login, or get the kubeconfig anew from the "
        f"cluster's portal. Such logins live for about 30 minutes; what runs longer should use a ServiceAccount"
    )


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore")
    token: str = ""
    certificate: str = Field("", alias="clientCertificateData")
    key: str = Field("", alias="clientKeyData")


class _Printed(BaseModel):
    """What a login plugin prints."""

    model_config = ConfigDict(extra="ignore")
    status: _Status


def log_in(target: Target) -> Credential:
    """The credential of a target's user. Runs the login plugin, when the kubeconfig names one and nothing else.

    Raises:
        InputError: the kubeconfig's user is invalid, or names files that are not there or a plugin that is not
            installed.
        ClusterError: the token has expired, or the plugin failed.
    """
    user = target.user
    if user.auth_provider:
        return _of_provider(target, user.auth_provider)
    token = user.token or (_text(target, user.token_file, "tokenFile") if user.token_file else "")
    if token:
        return _bearer(target, token, renewable=bool(user.token_file and not user.token))
    if user.exec:
        return _of_plugin(target, user.exec)
    if user.username and user.password:
        both = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        return Credential(f"Basic {both}", *_certificate(target), secrets=(user.password, both))
    return Credential("", *_certificate(target))


def _bearer(target: Target, token: str, *, renewable: bool) -> Credential:
    expires = expiry_of(token)
    if expires is not None and expires < time.time():
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(expires))
        again = log_in_again(target)
        raise ClusterError(f"{target.title}: the token of user {target.user_name} expired at {when}; {again}")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError(f"{target.title}: the token of user {target.user_name} holds characters that no token has")
    return Credential(f"Bearer {token}", *_certificate(target), renewable=renewable, secrets=(token,))


def _certificate(target: Target) -> tuple[bytes | Path | None, bytes | Path | None]:
    """The client's certificate and key; data counts before files, as for kubectl."""
    user = target.user
    certificate = _data_or_file(target, user.client_certificate_data, user.client_certificate, "client-certificate")
    key = _data_or_file(target, user.client_key_data, user.client_key, "client-key")
    if (certificate is None) != (key is None):
        raise InputError(f"{target.title}: user {target.user_name} has only one of client-certificate and client-key")
    return certificate, key


def _data_or_file(target: Target, data: str, file: str, what: str) -> bytes | Path | None:
    if data:
        return decoded(data, f"{what}-data", target)
    return _file(target, file, what) if file else None


def _file(target: Target, name: str, what: str) -> Path:
    path = target.folders[1] / Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"{target.title}: {what} names {path}, which is not there")
    return path


def _text(target: Target, name: str, what: str) -> str:
    path = _file(target, name, what)
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read; {target.title} names it as {what}") from None


def _of_provider(target: Target, provider: ProviderPart) -> Credential:
    token = (provider.config or {}).get("id-token", "")
    if provider.name != "oidc":
        raise InputError(
            f"{target.title}: user {target.user_name} logs in with the auth-provider {printable(provider.name)!r}, "
            f"which Kubernetes no longer supports; get a kubeconfig with a login plugin (exec)"
        )
    if not token:
        raise ClusterError(f"{target.title}: user {target.user_name} has no token yet; {log_in_again(target)}")
    return _bearer(target, token, renewable=False)


def _of_plugin(target: Target, plugin: ExecPart) -> Credential:
    """Run the plugin as https://kubernetes.io/docs/reference/access-authn-authz/authentication/ describes."""
    title = f"{target.title}: the login plugin {printable(plugin.command)}"
    output = _run(target, plugin, title)
    try:
        status = _Printed.model_validate_json(output).status
    except ValidationError:
        raise ClusterError(f"{title} printed no ExecCredential with a status; run it yourself to see why") from None
    if status.token:
        return _bearer(target, status.token, renewable=True)
    if status.certificate and status.key:
        pair = status.certificate.encode(), status.key.encode()
        return Credential("", *pair, renewable=True, secrets=(status.key,))
    raise ClusterError(f"{title} gave neither token nor certificate; {log_in_again(target)}")


def _run(target: Target, plugin: ExecPart, title: str) -> bytes:
    """What the plugin prints. Raises InputError and ClusterError, whose messages begin with the title."""
    command = _program(target, plugin)
    _name_once(f"grace: {target.title}: user {printable(target.user_name)} logs in with {printable(command)}\n")
    shown = sys.stderr.isatty()  # people may have to read what it says, as the address to log in at
    try:
        ended = subprocess.run(
            [command, *(plugin.args or ())],
            stdin=None if shown else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            env={**os.environ, **{each.name: each.value for each in plugin.env or ()}, **_info(target, plugin, shown)},
            timeout=PLUGIN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{title} did not end within {PLUGIN_SECONDS:.0f} s; {log_in_again(target)}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "an argument or variable that no program takes"
        raise InputError(f"{title} cannot be run: {reason}") from None
    if ended.returncode:
        last = (ended.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        said = f" ({without_secrets(last[0], ())})" if last else ""
        raise ClusterError(f"{title} failed with exit code {ended.returncode}{said}; {log_in_again(target)}")
    return ended.stdout


@cache
def _name_once(sentence: str) -> None:
    """Say which program a kubeconfig starts, before it runs: a kubeconfig of somebody else may start any."""
    sys.stderr.write(sentence)


def _program(target: Target, plugin: ExecPart) -> str:
    """The plugin's program; a path in the kubeconfig starts at the kubeconfig's folder."""
    name = printable(plugin.command)
    if os.sep in plugin.command:
        command = (target.folders[1] / Path(plugin.command).expanduser()).absolute()  # never looked up in PATH
        path = str(command) if os.access(command, os.X_OK) else None
    else:
        path = shutil.which(plugin.command)
    if path is None:
        hint = printable(" ".join(plugin.install_hint.split()))[:500]
        raise InputError(
            f"{target.title}: logs in with the program {name}, which is not installed here; "
            f"{hint or 'install it (kubelogin is kubectl-oidc_login), or get a kubeconfig with a ServiceAccount token'}"
        )
    return path


def _info(target: Target, plugin: ExecPart, interactive: bool) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        spec["cluster"] = target.cluster.model_dump(by_alias=True, exclude_defaults=True)
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    return {"KUBERNETES_EXEC_INFO": json.dumps(info)}
