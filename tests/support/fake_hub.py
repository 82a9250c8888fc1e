"""A model hub on loopback, as huggingface_hub asks one: trees, files with ranges, gates, and whatever goes wrong."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "299a8560bedf22ed1c72a8a11e7dce4a7f9f51f8"


@dataclass
class Repo:
    """A repository of the hub.

    Attributes:
        files: content by path.
        commit: the only one it has, and its main.
        gated: only for tokens in the hub's `accepted`.
    """

    files: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False


@dataclass
class FakeHub:
    """Use as a context manager; `url` is for HF_ENDPOINT.

    Attributes:
        repos: by name.
        tokens: those that it knows. `accepted`: those of them whose account accepted all licences.
        cuts: for each of the next transfers of weights, after how many bytes it is cut; 0: it fails with 503.
        asked: path of every file that was sent, with the first byte that was asked for.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __enter__(self) -> "FakeHub":
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                hub.answer(self)

            def do_HEAD(self) -> None:
                hub.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = [unquote(part) for part in urlsplit(request.path).path.strip("/").split("/")]
        is_api = parts[:2] == ["api", "models"]
        name, rest = ("/".join(parts[2:4]), parts[4:]) if is_api else ("/".join(parts[:2]), parts[2:])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        repo = self.repos.get(name)
        if token and token not in self.tokens:
            return _send(request, 401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        if repo is None:
            return _send(request, 404 if token else 401, {"X-Error-Code": "RepoNotFound"})
        listing = is_api and rest[:1] != ["auth-check"]  # which file names there are is no secret
        if repo.gated and token not in self.accepted and not listing:
            return _send(request, 403 if token else 401, {"X-Error-Code": "GatedRepo"})
        if is_api:
            return self._api(request, repo, rest)
        return self._file(request, repo, rest[1], "/".join(rest[2:]))

    def _api(self, request: BaseHTTPRequestHandler, repo: Repo, rest: list[str]) -> None:
        if rest[0] == "auth-check":
            return _send(request, 200)
        if rest[1] not in (repo.commit, "main"):
            return _send(request, 404, {"X-Error-Code": "RevisionNotFound"})
        if rest[0] == "tree":
            tree = [_entry(path, content) for path, content in repo.files.items()]
            return _send(request, 200, {"Content-Type": "application/json"}, json.dumps(tree).encode())
        about = {"id": "x", "sha": repo.commit, "siblings": [{"rfilename": path} for path in repo.files]}
        return _send(request, 200, {"Content-Type": "application/json"}, json.dumps(about).encode())

    def _file(self, request: BaseHTTPRequestHandler, repo: Repo, revision: str, path: str) -> None:
        content = repo.files.get(path)
        if revision not in (repo.commit, "main") or content is None:
            code = "EntryNotFound" if content is None else "RevisionNotFound"
            return _send(request, 404, {"X-Error-Code": code})
        headers = {"X-Repo-Commit": repo.commit, "ETag": f'"{_digest(content)}"', "Accept-Ranges": "bytes"}
        asked = request.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
        if request.command == "GET":
            self.asked.append((path, start))
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if request.command == "GET" and self.cuts and path.endswith(".safetensors"):
            cut = self.cuts.pop(0)
            if cut == 0:
                return _send(request, 503)
            request.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                request.send_header(key, value)
            request.end_headers()
            request.wfile.write(content[:cut])
            request.close_connection = True
            return None
        return _send(request, 206 if start else 200, headers, content[start:])


def _send(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None, body: bytes = b""
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def _entry(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
    if path.endswith(".safetensors"):
        entry["lfs"] = {"oid": _digest(content), "size": len(content), "pointerSize": 134}
    return entry


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
