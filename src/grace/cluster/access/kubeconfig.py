"""Kubeconfig files: finding them, reading them as kubectl does, and the login that they describe.

The official client's own loader is not used for this: of several files it takes the last `current-context`, kubectl
the first; it logs the failure of a login plugin and goes on without any login; and it writes into these files.
"""

import base64
import binascii
import json
import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from grace.declared import bytes_of, checked, loaded
from grace.errors import InputError
from grace.text import did_you_mean, printable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, the cluster's certificate and its namespace."""

NEXT_STEP = (
    "get one from the cluster's portal and save it as ~/.kube/config, or name it with --kubeconfig FILE or KUBECONFIG"
)

AGAIN = "; get it again from the cluster's portal"


class _Loose(BaseModel):
    """Part of a kubeconfig; Grace ignores the fields that it does not need."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=lambda name: name.replace("_", "-"))


class ClusterPart(_Loose):
    """How to reach a server."""

    server: str
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""

    @field_validator("server")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not the address of a server, such as https://cluster.example:6443")
        return value


class Variable(_Loose):
    """An environment variable of a login plugin."""

    name: str
    value: str = Field("", repr=False)


class ExecPart(_Loose):
    """A login plugin: a program that prints a token."""

    command: str = Field(min_length=1)
    args: tuple[str, ...] | None = None
    env: tuple[Variable, ...] | None = None
    api_version: str = Field(alias="apiVersion")
    install_hint: str = Field("", alias="installHint")
    provide_cluster_info: bool = Field(False, alias="provideClusterInfo")


class ProviderPart(_Loose):
    """The old way to log in, before plugins."""

    name: str
    config: Mapping[str, str] | None = Field(None, repr=False)


class UserPart(_Loose):
    """Who logs in."""

    client_certificate: str = ""
    client_certificate_data: str = Field("", repr=False)
    client_key: str = ""
    client_key_data: str = Field("", repr=False)
    token: str = Field("", repr=False)
    token_file: str = Field("", alias="tokenFile")
    username: str = ""
    password: str = Field("", repr=False)
    exec: ExecPart | None = None
    auth_provider: ProviderPart | None = None


class ContextPart(_Loose):
    """A cluster and a user together."""

    cluster: str
    user: str = ""
    namespace: str = ""


class _Named(_Loose):
    name: str


class _NamedCluster(_Named):
    cluster: ClusterPart


class _NamedUser(_Named):
    user: UserPart


class _NamedContext(_Named):
    context: ContextPart


class _KubeconfigFile(_Loose):
    current_context: str | None = None
    clusters: tuple[_NamedCluster, ...] | None = None
    users: tuple[_NamedUser, ...] | None = None
    contexts: tuple[_NamedContext, ...] | None = None


Part = TypeVar("Part", ClusterPart, UserPart, ContextPart)
_Parts = dict[str, tuple[Part, Path]]
"""Parts by name, each with its file."""


@dataclass(frozen=True)
class Kubeconfig:
    """Several files as one; of equal names, that of the first file counts.

    Attributes:
        files: that were read.
        current: the context where none is asked for; may be empty.
        given: the file that was asked for; None when it is one of the usual ones.
    """

    files: tuple[Path, ...]
    current: str
    given: Path | None = field(default=None, kw_only=True)
    clusters: _Parts[ClusterPart] = field(repr=False)
    users: _Parts[UserPart] = field(repr=False)
    contexts: _Parts[ContextPart] = field(repr=False)

    @property
    def where(self) -> str:
        """The files, for messages."""
        return ", ".join(map(str, self.files))


@dataclass(frozen=True)
class Target:
    """A cluster and a user: what `access.connection.connect` needs.

    Attributes:
        where: files it comes from, for messages.
        context: its name; empty inside a pod.
        namespace: the one that the context names; empty when none.
        user_name: as the kubeconfig calls the user; empty when there is none.
        folders: those of the files with the cluster and the user, from which paths in them start.
        warnings: what should be fixed, although it works.
        options: those that led here, for other commands (of kubectl too): " --context lab"; empty when none was given.
    """

    where: str
    context: str
    namespace: str
    user_name: str
    cluster: ClusterPart
    user: UserPart
    folders: tuple[Path, Path]
    warnings: tuple[str, ...] = ()
    options: str = ""

    @property
    def server(self) -> str:
        """Address of the server, without a user or password in it."""
        parts = urlsplit(self.cluster.server.rstrip("/"))
        return printable(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))

    @property
    def title(self) -> str:
        """The context and where it is defined, for messages."""
        return f"context {self.context} of {self.where}" if self.context else self.where


def find_kubeconfig(given: Path | None = None) -> Kubeconfig | None:
    """Read the kubeconfig: the file given, else those that KUBECONFIG names, else ~/.kube/config.

    Returns:
        None when nothing is given and no file is there.

    Raises:
        InputError: a given file is not there, cannot be read, or is not a kubeconfig.
    """
    if given is not None:
        return replace(_merge([given]), given=given)
    named = os.environ.get("KUBECONFIG", "")
    if named:
        paths = [Path(name).expanduser() for name in named.split(os.pathsep) if name]
        present = [path for path in paths if path.exists()]
        if not present:
            raise InputError(f"KUBECONFIG names {printable(named)}, which is not there; {NEXT_STEP}")
        return _merge(present)
    usual = Path("~/.kube/config").expanduser()
    return _merge([usual]) if usual.exists() else None


def find_target(config: Kubeconfig | None, context: str | None = None) -> Target:
    """The cluster and user of a context; without a kubeconfig, those of the pod that this process runs in.

    Raises:
        InputError: there is neither a kubeconfig nor a pod, there is no such context, or it is not complete.
    """
    if config is None:
        return _own_pod(context)
    name = context or config.current
    choices = ", ".join(map(printable, config.contexts)) or "none"
    if not name:
        raise InputError(f"{config.where}: names no current context; choose with --context NAME (it has {choices})")
    if name not in config.contexts:
        raise InputError(
            f"{config.where}: has no context {name!r}{did_you_mean(name, config.contexts)}; it has {choices}"
        )
    chosen, file = config.contexts[name]
    cluster, cluster_file = _of("cluster", chosen.cluster, name, config.clusters, file)
    parts = urlsplit(cluster.server)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise InputError(
            f"{cluster_file}: the server of context {name!r} has an address with http: your login would travel "
            f"unprotected; it must begin with https"
        )
    user, user_file = (
        _of("user", chosen.user, name, config.users, file) if chosen.user else (UserPart.model_validate({}), file)
    )
    return Target(
        config.where,
        printable(name),
        chosen.namespace,
        printable(chosen.user),
        cluster,
        user,
        (cluster_file.parent, user_file.parent),
        _warnings(config.files, cluster),
        _options(config.given, context),
    )


def _options(kubeconfig: Path | None, context: str | None) -> str:
    given = {"kubeconfig": kubeconfig, "context": context}
    return "".join(f" --{name} {shlex.quote(str(value))}" for name, value in given.items() if value)


def _of(what: str, name: str, context: str, parts: "_Parts[Part]", file: Path) -> tuple[Part, Path]:
    if name not in parts:
        raise InputError(
            f"{file}: context {context!r} names the {what} {name!r}, which is not there; get the file again from the "
            f"cluster's portal"
        )
    return parts[name]


def _own_pod(context: str | None) -> Target:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    token = SERVICE_ACCOUNT / "token"
    if not (host and port and token.is_file()):
        raise InputError(f"there is no kubeconfig (KUBECONFIG is not set, ~/.kube/config is not there); {NEXT_STEP}")
    if context:
        raise InputError(f"--context {context}: inside a pod there is no kubeconfig with contexts; leave it out")
    namespace = SERVICE_ACCOUNT / "namespace"
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Target(
        where=f"service account of this pod ({SERVICE_ACCOUNT})",
        context="",
        namespace=namespace.read_text().strip() if namespace.is_file() else "",
        user_name="service account",
        cluster=ClusterPart.model_validate(
            {"server": f"https://{address}", "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt")}
        ),
        user=UserPart.model_validate({"tokenFile": str(token)}),
        folders=(SERVICE_ACCOUNT, SERVICE_ACCOUNT),
    )


def _warnings(files: Sequence[Path], cluster: ClusterPart) -> tuple[str, ...]:
    warnings = [
        f"{file}: other users of this machine can read it, and with it log in as you; chmod 600 {file}"
        for file in files
        if os.name == "posix" and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    ]
    if cluster.insecure_skip_tls_verify:
        warnings += ["insecure-skip-tls-verify is set: anyone on the way can pose as the server and take your login"]
    return tuple(warnings)


def _merge(paths: Sequence[Path]) -> Kubeconfig:
    read = [(path, _read(path)) for path in paths]
    current = next((file.current_context for _, file in read if file.current_context), "")
    clusters: _Parts[ClusterPart] = {}
    users: _Parts[UserPart] = {}
    contexts: _Parts[ContextPart] = {}
    for path, file in read:
        for cluster in file.clusters or ():
            clusters.setdefault(cluster.name, (cluster.cluster, path))
        for user in file.users or ():
            users.setdefault(user.name, (user.user, path))
        for context in file.contexts or ():
            contexts.setdefault(context.name, (context.context, path))
    return Kubeconfig(tuple(paths), current, clusters, users, contexts)


def _read(path: Path) -> _KubeconfigFile:
    """A kubeconfig file. Errors never quote its text, which holds secrets. Raises InputError."""
    content = loaded(bytes_of(path, f"; {NEXT_STEP}"), str(path), next_step=AGAIN, secret=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is empty, or is not a kubeconfig; {NEXT_STEP}")
    return checked(content, str(path), _KubeconfigFile, AGAIN)


def decoded(text: str, what: str, target: Target) -> bytes:
    """The bytes of a `...-data` field. Raises InputError."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InputError(f"{target.title}: {what} is not base64{AGAIN}") from None


def expiry_of(token: str) -> float | None:
    """The time when a JSON web token expires, in seconds since 1970, unverified; None for other tokens."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return float(expires) if isinstance(expires, int | float) else None
