"""Access to a cluster: one connection, requests that are repeated where that is harmless, and errors in plain words."""

import json
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import urlencode

from grace.cluster.access.answers import ApiAnswer, ApiError, ApiRefusal, warnings_of
from grace.cluster.access.faults import not_yours, refusal, unreached
from grace.cluster.access.kubeconfig import Target, decoded, find_kubeconfig, find_target
from grace.cluster.access.login import Credential, log_in, without_secrets
from grace.cluster.access.paths import Resource, path_of
from grace.cluster.names import check_namespace
from grace.errors import GraceError, InputError
from grace.version import __version__

if TYPE_CHECKING:
    from kubernetes.client.api_client import ApiClient
    from kubernetes.client.rest import RESTResponse
    from websocket import WebSocket

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
ANSWER_SECONDS = 120.0
"""The longest that an answer may take as a whole, so that one that comes drop by drop does not hold anybody."""
TRIES = 4
MOST_WAIT = 30.0
"""Seconds between two tries at most; a server that asks for a longer pause is not waited for."""
PAGE = 100
"""Objects asked for at once: a node may be described by 20 kB and more."""

MANAGER = "grace"
"""The author of fields, as the cluster records it."""

_TRANSIENT = {429, 500, 502, 503, 504}
_REFUSALS = {400, 403, 422}
_REFUSED_UNTOUCHED = {429, 503}
"""Statuses with which the cluster says that it did nothing, so that any request may be repeated."""
Propagation = Literal["Background", "Foreground", "Orphan"]
"""What becomes of the objects that a deleted one owns: deleted after it, deleted before it, or left alone."""
T = TypeVar("T")


class Clock:
    """The time that waiting for a cluster takes; tests have one whose time is the modelled cluster's."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def connect(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    clock: Clock | None = None,
) -> "Api":
    """Log in to a cluster. The login plugin runs now; the server is asked with the first request.

    Args:
        kubeconfig: file; None: KUBECONFIG, then ~/.kube/config, then the service account of the pod.
        context: of the kubeconfig; None: its current one.
        connect_seconds: to wait for the connection.
        read_seconds: to wait for more of an answer.
        clock: the time that passes between tries; None: this machine's.

    Raises:
        InputError: no kubeconfig, an invalid one, or no such context; or kubernetes is not installed.
        ClusterError: the login has expired, or its plugin failed.
    """
    return Api(find_target(find_kubeconfig(kubeconfig), context), connect_seconds, read_seconds, clock)


class Api:
    """A connection to a cluster. Objects go in and out as plain mappings; `with` closes it.

    Requests that change nothing are repeated after transient faults, others only when the cluster says that it did
    nothing. A login that the server no longer takes is renewed once, when it comes from a plugin or a file. Threads may
    share it.
    """

    def __init__(
        self,
        target: Target,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        """Log in. Raises as `connect`."""
        self.target = target
        self.clock = clock or Clock()
        self._timeout = (connect_seconds, read_seconds)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._resources = cache(self._ask_resources)
        self._lock = Lock()
        self._asking = Lock()
        self._hidden: tuple[str, ...] = ()
        check_client()
        self._credential = log_in(target)
        self._client = self._new_client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections, and remove the copies of a client's certificate."""
        self._client.close()  # type: ignore[no-untyped-call]
        if self._folder:
            self._folder.cleanup()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """An object. Raises ApiError, as the other methods do."""
        return self._request("GET", path, query, safe=True).body

    def find(self, path: str) -> dict[str, Any] | None:
        """An object; None when there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """All objects of a list, page by page."""
        token = ""
        while True:
            page = self.get(path, limit=str(PAGE), **query, **({"continue": token} if token else {}))
            yield from (item for item in page.get("items") or [] if isinstance(item, dict))
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def review(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a question by creating an object that the cluster does not keep, as a SelfSubjectAccessReview."""
        return self._request("POST", path, {}, body, safe=True).body

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> ApiAnswer:
        """Create an object; with `dry_run` the cluster only checks it."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", **_dry(dry_run)}
        return self._request("POST", path, query, body, safe=dry_run)

    def apply(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> ApiAnswer:
        """Create or change an object so that it has these fields (server-side apply).

        Fields that another program set to something else are left alone: the cluster answers 409, and the ApiError
        names the fields and the programs.
        """
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", **_dry(dry_run)}
        return self._request("PATCH", path, query, body, safe=True, content="application/apply-patch+yaml")

    def merge(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> ApiAnswer:
        """Change some fields of an object (merge patch)."""
        query = {"fieldManager": MANAGER, **_dry(dry_run)}
        return self._request("PATCH", path, query, body, safe=dry_run, content="application/merge-patch+json")

    def delete(
        self,
        path: str,
        uid: str,
        *,
        propagation: Propagation = "Background",
        grace_seconds: int | None = None,
    ) -> bool:
        """Delete an object, if it is the one with this uid.

        It may be there for a while afterwards: until its finalizers, its pods (Foreground) or its users (a claim of a
        volume) are gone. Without a policy the pods of a Job would go on, so there always is one.

        Args:
            path: of the object.
            uid: of the object that is meant; one that came after it under the same name stays.
            propagation: what becomes of the objects that it owns.
            grace_seconds: that a pod gets to end; 0 forgets a pod of a lost node; None: what the pod says.

        Returns:
            False when that object is gone already.
        """
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            self._request("DELETE", path, {}, body, safe=True)
        except ApiError as error:
            if error.status == 404 or (error.status == 409 and "uid" in error.detail.lower()):
                return False
            raise
        return True

    @contextmanager
    def pieces(self, path: str, idle_seconds: float, **query: str) -> Iterator[Iterator[bytes]]:
        """The answer piece by piece, as it comes: of a watch, of a log. The caller limits how long it reads.

        Args:
            path: what to get.
            idle_seconds: the longest wait for the next piece.
            query: of the request.

        Raises:
            ApiError: it is refused; within the block, with status 0, the connection was cut or nothing came.
        """
        timeout = (self._timeout[0], idle_seconds)
        response = self._repeated(partial(self._opened, "GET", path, query, timeout), safe=True)
        try:
            yield self._pieces(response, timeout)
        finally:
            response.response.close()

    def socket(self, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]) -> "WebSocket":
        """A websocket, as commands in pods use it; the caller closes it. Nothing was done yet when it fails.

        Raises:
            ApiError: it is refused, or nobody answers.
        """
        return self._repeated(partial(self._socket, path, query, protocols), safe=True)

    def hide(self, *secrets: str) -> None:
        """Keep texts out of all messages, also when the cluster repeats them."""
        self._hidden += secrets

    def namespace(self, given: str | None, usual: str) -> str:
        """The namespace to work in: the given one, else the context's, else the usual one.

        Raises:
            InputError: the given one cannot be a namespace, such as an empty name.
        """
        return (self.target.namespace or usual) if given is None else check_namespace(given)

    def resource(self, api_version: str, kind: str) -> Resource:
        """How the cluster names a kind. Raises ApiError with status 404 when it has no such kind."""
        missing = ApiError(f"the cluster has no kind {kind} in {api_version}", status=404)
        try:
            with self._asking:
                resources = self._resources(api_version)
        except ApiError as error:
            raise missing if error.status == 404 else error from None
        for resource in resources:
            if resource.kind == kind:
                return resource
        raise missing

    def _ask_resources(self, api_version: str) -> tuple[Resource, ...]:
        path = path_of("apis" if "/" in api_version else "api", *api_version.split("/"))
        entries = self.get(path).get("resources") or []
        return tuple(
            Resource(api_version, each.get("kind", ""), each.get("name", ""), bool(each.get("namespaced")))
            for each in entries
            if "/" not in each.get("name", "")
        )

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        safe: bool,
        content: str = "application/json",
    ) -> ApiAnswer:
        """One request with its repetitions; it is safe if doing it twice is like doing it once."""
        return self._repeated(partial(self._once, method, path, query, body, content), safe=safe)

    def _repeated(self, attempt: Callable[[], T], *, safe: bool) -> T:
        """An attempt with its repetitions."""
        renewed = False
        for number in range(1, TRIES + 1):
            shown = self._credential
            try:
                return attempt()
            except _Again as fault:
                if fault.error.status == 401 and shown.renewable and not renewed and number < TRIES:
                    renewed = True
                    self._renew(shown)
                    continue
                wait = fault.wait if fault.wait is not None else 0.25 * 2.0**number * random.uniform(0.5, 1.0)
                repeatable = fault.error.status != 401 and (safe or fault.untouched)
                if number >= fault.tries or not repeatable or wait > MOST_WAIT:
                    raise fault.error from None
                self.clock.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None, content: str
    ) -> ApiAnswer:
        response = self._sent(method, path, query, self._timeout, body, content)
        return self._read(method, path, response)

    def _opened(self, method: str, path: str, query: Mapping[str, str], timeout: tuple[float, float]) -> "RESTResponse":
        """A successful answer that is not read yet."""
        response = self._sent(method, path, query, timeout)
        if int(response.status) == 200:
            return response
        self._read(method, path, response)
        raise ApiError(f"{self.target.server}: answers {method} {path} with {response.status}", int(response.status))

    def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        timeout: tuple[float, float],
        body: Mapping[str, Any] | None = None,
        content: str = "",
    ) -> "RESTResponse":
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", **self._headers()}
        if body is not None:
            headers["Content-Type"] = content
        try:
            return self._client.call_api(method, self._url(path, query), headers, body, _request_timeout=timeout)
        except (ApiException, HTTPError, OSError) as error:
            raise self._unreached(error, timeout) from None

    def _read(self, method: str, path: str, response: "RESTResponse") -> ApiAnswer:
        """The whole answer."""
        try:
            content = b"".join(self._pieces(response, self._timeout, ANSWER_SECONDS))
        except BaseException:
            response.response.close()
            raise
        headers = response.headers
        listed, after = headers.get_all("Warning", []), headers.get("Retry-After")
        return self._answered(method, path, int(response.status), content, listed, after)

    def _url(self, path: str, query: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
        return f"{self.target.cluster.server.rstrip('/')}{path}{'?' if query else ''}{urlencode(query)}"

    def _headers(self) -> dict[str, str]:
        """Who asks."""
        shown = self._credential.authorization
        return {"User-Agent": f"grace/{__version__}", **({"Authorization": shown} if shown else {})}

    def _pieces(
        self, response: "RESTResponse", timeout: tuple[float, float], most: float = float("inf")
    ) -> Iterator[bytes]:
        """The content as it comes; `most` limits the seconds that it may take as a whole."""
        from urllib3.exceptions import HTTPError

        began = time.monotonic()
        try:
            while piece := response.response.read1(1 << 16):
                yield piece
                if time.monotonic() - began > most:
                    raise _Again(self._slow(most), None, untouched=False, tries=2)
        except (HTTPError, OSError, ValueError) as error:  # ValueError: closed meanwhile
            fault = self._unreached(error, timeout)
            raise fault if most < float("inf") else getattr(fault, "error", fault) from None

    def _slow(self, most: float) -> ApiError:
        return ApiError(f"{self.target.server}: an answer was not complete within {most:g} s; try again later")

    def _socket(self, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]) -> "WebSocket":
        from websocket import WebSocketBadStatusException, WebSocketException

        from grace.cluster.access.sockets import opened

        try:
            return opened(self._url(path, query), self._headers(), protocols, self._client.configuration, self._timeout)
        except WebSocketBadStatusException as error:
            self._answered("GET", path, int(error.status_code), error.resp_body or b"", [], None)
            raise ApiError(f"{self.target.server}: answers GET {path} with {error.status_code}") from None
        except (WebSocketException, OSError) as error:
            raise self._unreached(error, self._timeout) from None

    def _answered(
        self, method: str, path: str, status: int, content: bytes, warnings: list[str], after: str | None
    ) -> ApiAnswer:
        """An answer, given its Warning and Retry-After headers. Raises ApiError, _Again."""
        said = tuple(self._clean(text) for text in warnings_of(warnings))
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if 200 <= status < 300 and isinstance(body, dict):
            return ApiAnswer(body, said)
        if 200 <= status < 400:
            raise ApiError(
                f"{self.target.server}: answers {method} {path} with something that is not Kubernetes ({status}); "
                f"is its address in {self.target.title} right, and is there no login page of a network in between?",
                status,
            )
        detail = self._clean(str(body.get("message") or "")) if isinstance(body, dict) else ""
        if status == 403 and "system:anonymous" in detail:
            status = 401
        kind = ApiRefusal if status in _REFUSALS else ApiError
        message = refusal(self.target, method, path, status, detail, shown=self._credential.shown)
        error = kind(message, status, detail, said)
        if status not in _TRANSIENT and status != 401:
            raise error
        raise _Again(error, float(after) if after and after.isdecimal() else None, status in _REFUSED_UNTOUCHED)

    def not_yours(self) -> str:
        """Whose a namespace may be that refuses everything."""
        return not_yours(self.target)

    def _unreached(self, error: Exception, timeout: tuple[float, float]) -> "ApiError | _Again":
        """What kept a request from an answer."""
        kind, text = type(error).__name__, self._clean(str(getattr(error, "reason", "") or error))
        fault = unreached(self.target, kind, text, timeout)
        if fault.final:
            return ApiError(fault.message)
        return _Again(ApiError(fault.message), None, fault.untouched, 2 if fault.slow else TRIES)

    def _clean(self, text: str) -> str:
        return without_secrets(text, (*self._credential.secrets, *self._hidden))

    def _renew(self, old: Credential) -> None:
        """Log in again, unless another thread has done it."""
        with self._lock:
            if self._credential is old:
                try:
                    self._credential = log_in(self.target)
                    self._client = self._new_client()
                except GraceError as error:
                    raise ApiError(str(error), status=401) from None

    def _new_client(self) -> "ApiClient":
        from kubernetes.client.api_client import ApiClient
        from kubernetes.client.configuration import Configuration

        cluster = self.target.cluster
        settings = Configuration(host=cluster.server.rstrip("/"))
        settings.retries = False  # repeated here instead; redirects are not followed, so the token goes nowhere else
        settings.verify_ssl = not cluster.insecure_skip_tls_verify
        settings.tls_server_name = cluster.tls_server_name or None
        if cluster.proxy_url:
            settings.proxy = cluster.proxy_url
        if cluster.certificate_authority_data:
            data = decoded(cluster.certificate_authority_data, "certificate-authority-data", self.target)
            settings.ca_cert_data = data.decode(errors="replace")
        elif cluster.certificate_authority:
            path = self.target.folders[0] / Path(cluster.certificate_authority).expanduser()
            if not path.is_file():
                raise InputError(f"{self.target.title}: certificate-authority names {path}, which is not there")
            settings.ssl_ca_cert = str(path)
        if not settings.verify_ssl:
            from urllib3.exceptions import InsecureRequestWarning

            warnings.simplefilter("ignore", InsecureRequestWarning)  # said once, in the target's own warnings
        settings.cert_file = self._kept(self._credential.certificate, "client.crt")
        settings.key_file = self._kept(self._credential.key, "client.key")
        return ApiClient(settings)

    def _kept(self, content: bytes | Path | None, name: str) -> str | None:
        """A file of a certificate or key: TLS reads them from files only. The folder is for this user alone."""
        if content is None or isinstance(content, Path):
            return None if content is None else str(content)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="grace-")
        path = Path(self._folder.name, name)
        path.write_bytes(content)
        return str(path)


@dataclass(eq=False)
class _Again(Exception):
    """A fault that may pass.

    Attributes:
        wait: seconds that the server asks to wait; None when it does not say.
        untouched: certainly nothing was done.
        tries: at most.
    """

    error: ApiError
    wait: float | None
    untouched: bool
    tries: int = TRIES


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def has_client() -> bool:
    """Whether the official client is there, of whose objects manifests are made."""
    try:
        import kubernetes.client.rest  # noqa: F401
    except ImportError:
        return False
    return True


def check_client() -> None:
    """Raises InputError when the official client is not there."""
    if not has_client():
        raise InputError(
            "clusters and their manifests need the package kubernetes, which is not installed: "
            "pip install 'grace-experiments[cluster]'"
        )
