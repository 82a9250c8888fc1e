"""A run's folder has one writer, refuses what does not belong to it, and says who made it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

import grace
from grace import lock as locks
from grace.errors import GraceError, InputError, RunLocked, RunMismatch
from grace.ledger import Ledger
from grace.lock import EMPTY_SECONDS
from grace.manifest import FORMAT, Identity, RunManifest, SourceTree
from grace.runs import Run
from limits import HANG

FACTS: dict[str, Any] = {
    "experiment": "generate",
    "study": "s",
    "input": {"file": "a.csv", "rows": 2, "sha256": "aa"},
    "model": {"name": "gemma", "source": "org/gemma"},
    "sampling": {"temperature": 0.7},
    "turns": ("one", "two"),
    "seed": 1,
}
IDENTITY = Identity(**FACTS)

TAKE_AND_HOLD = """
import sys, time
from pathlib import Path
from grace.runs import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "answers.run")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x\n1\n\xff\r\n")
    return path


def holder(run: Run) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", TAKE_AND_HOLD, run.path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def plant(run: Run, content: bytes, age: float = 0.0) -> Path:
    run.path.mkdir(exist_ok=True)
    lock = run.path / "lock"
    lock.write_bytes(content)
    os.utime(lock, (time.time() - age,) * 2)
    return lock


def begun(run: Run, table: Path, study: bytes = b"") -> None:
    run.begin(IDENTITY, table, study)
    with run.session():
        pass


# The lock


def test_the_lock_names_its_holder_and_goes_with_it(run: Run) -> None:
    lock = run.path / "lock"
    with run.locked():
        told = orjson.loads(lock.read_bytes())
        assert (told["host"], told["pid"]) == (socket.gethostname(), os.getpid())
    assert not lock.exists()
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    assert not lock.exists()


def test_a_living_holder_is_left_alone(run: Run) -> None:
    process = holder(run)
    try:
        message = rf"answers\.run: is being written by process {process.pid} of this machine"
        with pytest.raises(RunLocked, match=message), run.locked():
            pytest.fail("two writers")
        assert (run.path / "lock").exists()
    finally:
        process.kill()
        process.wait()


def test_a_dead_holder_is_followed(run: Run) -> None:
    process = holder(run)
    process.kill()
    process.wait()
    assert (run.path / "lock").exists()
    with run.locked():
        assert orjson.loads((run.path / "lock").read_bytes())["pid"] == os.getpid()
    assert list(run.path.iterdir()) == []


def test_a_dead_holder_whom_nobody_has_buried_is_followed(run: Run) -> None:
    """In a container without an init a killed process stays in the table of processes for ever."""
    process = holder(run)
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    try:
        with run.locked():
            assert orjson.loads((run.path / "lock").read_bytes())["pid"] == os.getpid()
    finally:
        process.wait()


def test_a_process_that_got_a_dead_holders_number_is_not_the_holder(run: Run) -> None:
    plant(run, orjson.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1"}))
    with run.locked():
        assert orjson.loads((run.path / "lock").read_bytes())["started"] != "1"


def test_another_machines_lock_is_broken_only_when_told_to(run: Run) -> None:
    left = plant(run, orjson.dumps({"host": "node17.cluster", "pid": 4242, "started": "99"}), age=1e6).read_bytes()
    with pytest.raises(RunLocked) as caught, run.locked():
        pytest.fail("two writers")
    assert "process 4242 on node17.cluster" in str(caught.value)
    assert "--break-lock" in str(caught.value)
    assert (run.path / "lock").read_bytes() == left
    with run.locked(break_lock=True):
        assert orjson.loads((run.path / "lock").read_bytes())["pid"] == os.getpid()
    assert list(run.path.iterdir()) == []


POD_LOCK = {"host": "x-0-old", "pid": 7, "started": "1", "pod": "x-0-old"}


@pytest.fixture
def in_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is a pod of a Job with indexes, whose pods all have one host name and the same numbers."""
    monkeypatch.setenv("GRACE_POD", "x-0-new")
    monkeypatch.setattr(locks, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(locks, "RENEW_SECONDS", 0.05)


def test_a_pods_lock_is_taken_over_once_nobody_renews_it(run: Run, in_pod: None) -> None:
    plant(run, orjson.dumps(POD_LOCK))
    with run.locked():
        assert orjson.loads((run.path / "lock").read_bytes())["pod"] == "x-0-new"
    assert list(run.path.iterdir()) == []


def test_a_pod_that_lives_keeps_its_lock_though_its_job_is_gone(run: Run, in_pod: None) -> None:
    path = plant(run, orjson.dumps(POD_LOCK))
    ended = threading.Event()
    renewing = threading.Thread(target=locks._renew, args=(path, path.read_bytes(), ended))
    renewing.start()
    with pytest.raises(RunLocked, match="process 7 on x-0-old"), run.locked():
        pytest.fail("two writers")
    ended.set()
    renewing.join()
    assert path.read_bytes() == orjson.dumps(POD_LOCK)


def test_a_lock_that_nobody_would_renew_is_not_taken_over_by_a_pod(run: Run, in_pod: None) -> None:
    plant(run, orjson.dumps({"host": "laptop", "pid": 7, "started": "1"}), age=1e6)
    with pytest.raises(RunLocked, match="process 7 on laptop"), run.locked():
        pytest.fail("two writers")


def test_a_pods_lock_is_not_taken_over_on_another_machine(run: Run) -> None:
    plant(run, orjson.dumps(POD_LOCK), age=1e6)
    with pytest.raises(RunLocked, match="process 7 on x-0-old"), run.locked():
        pytest.fail("two writers")


def test_a_writer_in_a_pod_renews_its_lock_and_ends_when_it_is_taken(
    run: Run, in_pod: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a lost node that comes back: another pod has gone on meanwhile."""
    told = threading.Event()
    monkeypatch.setattr(locks.os, "kill", lambda pid, signal: told.set() if pid == os.getpid() else None)
    with run.locked():
        path = run.path / "lock"
        os.utime(path, (1.0, 1.0))
        while path.stat().st_mtime == 1.0:
            time.sleep(0.01)
        assert not told.is_set()
        plant(run, orjson.dumps(POD_LOCK))
        assert told.wait(HANG)
    assert (run.path / "lock").read_bytes() == orjson.dumps(POD_LOCK)


def test_who_lost_a_broken_lock_does_not_take_the_new_one_away(run: Run) -> None:
    new = orjson.dumps({"host": "node17.cluster", "pid": 4242, "started": "99"})
    with run.locked():
        plant(run, new)
    assert (run.path / "lock").read_bytes() == new


@pytest.mark.parametrize(
    "garbage", [b'{"host": "n', b"[]", b"null", b'{"host": "n"}', b'{"pid":"x","host":1}'], ids=repr
)
def test_an_unreadable_lock_is_explained_and_can_be_broken(run: Run, garbage: bytes) -> None:
    plant(run, garbage, age=1e6)
    with pytest.raises(RunLocked, match=r"an unknown host.*--break-lock"), run.locked():
        pytest.fail("two writers")
    with run.locked(break_lock=True):
        assert (run.path / "lock").read_bytes() != garbage


def test_an_empty_lock_is_given_time_and_then_followed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        plant(run, b"", age=60)

    monkeypatch.setattr("time.sleep", pause)
    plant(run, b"", age=-60)  # however long it takes to get to it, it looks new
    with run.locked():
        assert len(pauses) == 1  # its maker may be about to write its name
        assert orjson.loads((run.path / "lock").read_bytes())["pid"] == os.getpid()
    plant(run, b"", age=60)
    with run.locked():
        assert len(pauses) == 1


def test_an_empty_lock_that_gets_its_name_is_respected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = plant(run, b"")
    name = orjson.dumps({"host": "node17.cluster", "pid": 4242, "started": "99"})
    monkeypatch.setattr("time.sleep", lambda seconds: lock.write_bytes(name))
    with pytest.raises(RunLocked, match="process 4242 on node17"), run.locked():
        pytest.fail("two writers")


CONTENDERS = """
import errno, fcntl, os, sys, time
from pathlib import Path
from grace.errors import RunLocked
from grace.runs import Run
run, inside, lacking = Run(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]

def unsupported(*arguments):
    raise OSError(errno.ENOTSUP, "not supported")

if lacking in ("flock", "both"):
    fcntl.flock = unsupported
if lacking in ("links", "both"):
    os.link = unsupported

def try_once():
    try:
        with run.locked():
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            time.sleep(0.002)
            inside.unlink()
            os._exit(0)  # the lock stays behind
    except RunLocked:
        os._exit(1)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(2)

def end_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def contend():
    entered = 0
    for _ in range(25):
        child = os.fork()
        if child == 0:
            try_once()
        code = end_of(child)
        if code == 2:
            os._exit(100)
        entered += code == 0
    os._exit(entered)

contenders = []
for _ in range(8):
    contenders.append(os.fork())
    if contenders[-1] == 0:
        contend()
print(*map(end_of, contenders))
"""


@pytest.mark.parametrize("lacking", ["nothing", "flock", "links", "both"])
def test_of_eight_who_find_a_stale_lock_one_goes_on(run: Run, tmp_path: Path, lacking: str) -> None:
    """Children that die with the lock in hand, eight at a time; none may find another inside."""
    command = [sys.executable, "-c", CONTENDERS, str(run.path), str(tmp_path / "inside"), lacking]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.stderr == ""
    entered = [int(count) for count in done.stdout.split()]
    assert len(entered) == 8
    assert max(entered) < 100
    assert sum(entered) > 8
    assert {path.name for path in run.path.iterdir()} <= {"lock"}


def elsewhere(**facts: Any) -> bytes:
    """A lock of this host's name, by a process that has the number of this one, in another container or before."""
    here = {"host": socket.gethostname(), "pid": os.getpid(), "started": locks.process_mark(os.getpid())}
    return orjson.dumps(here | {"boot": locks._boot(), "pids": locks._pid_namespace()} | facts)


@pytest.mark.parametrize("facts", [{"pids": "pid:[1]"}, {"boot": "another"}, {"pids": "pid:[1]", "pid": 1}], ids=repr)
def test_a_container_that_shares_the_hosts_name_is_another_machine(run: Run, facts: dict[str, Any]) -> None:
    left = plant(run, elsewhere(**facts), age=1e6).read_bytes()
    with pytest.raises(RunLocked, match=r"container.*--break-lock"), run.locked():
        pytest.fail("two writers")
    assert (run.path / "lock").read_bytes() == left
    with run.locked(break_lock=True):
        assert (run.path / "lock").read_bytes() != left


def test_two_containers_of_one_kernel_see_each_other_by_flock(run: Run) -> None:
    """The holder's process number says nothing here, whether it lives or not."""
    program = "from grace import lock; lock._pid_namespace = lambda: 'pid:[1]'\n" + TAKE_AND_HOLD
    process = subprocess.Popen([sys.executable, "-c", program, run.path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        for break_lock in (False, True):
            with pytest.raises(RunLocked, match="in another container of this machine"), run.locked(break_lock):
                pytest.fail("two writers")
    finally:
        process.kill()
        process.communicate()
    with run.locked():
        assert orjson.loads((run.path / "lock").read_bytes())["pid"] == os.getpid()


def test_two_real_namespaces(run: Run) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-p", "-f", "true"], capture_output=True).returncode:
        pytest.skip("no namespace of process numbers can be made here")
    command = ["unshare", "-p", "-f", "--kill-child", sys.executable, "-c", TAKE_AND_HOLD, str(run.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunLocked), run.locked():
        pytest.fail("two writers")
    process.kill()
    process.communicate()
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:  # the child dies a moment later
        try:
            with run.locked():
                return
        except RunLocked:
            time.sleep(0.01)
    pytest.fail("a dead container's lock stays")


def test_a_foreign_lock_cannot_speak_to_the_terminal(run: Run) -> None:
    plant(run, orjson.dumps({"host": "\x1b[2J\x07" + "h" * 5000, "pid": 1, "started": "1"}))
    with pytest.raises(RunLocked) as caught, run.locked():
        pytest.fail("two writers")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_lock_that_is_no_file_is_not_waited_for(run: Run) -> None:
    run.path.mkdir()
    os.mkfifo(run.path / "lock")
    with pytest.raises(InputError, match="is not a file, as a lock is"), run.locked():
        pytest.fail("no lock")


def test_an_empty_lock_of_the_future_is_followed_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    plant(run, b"", age=-1e6)
    with run.locked():
        assert sum(pauses) == pytest.approx(EMPTY_SECONDS, abs=0.1)


def test_what_a_killed_breaker_left_is_followed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GUARD_SECONDS", 0.1)
    plant(run, orjson.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1"}))
    (run.path / "lock.guard").write_text("")
    with run.locked():
        assert [path.name for path in run.path.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = "cannot be written: Not a directory; choose another --output"
    with pytest.raises(InputError, match=message), Run(tmp_path / "file" / "answers.run").locked():
        pytest.fail("no such folder")


def test_what_killed_writers_left_is_swept(run: Run) -> None:
    run.path.mkdir()
    for name in (".run.json.17.tmp", ".input.csv.9.tmp", ".study.yaml.1.tmp", ".mine.tmp", "notes.txt"):
        (run.path / name).write_text("")
    with run.locked():
        assert sorted(path.name for path in run.path.iterdir()) == [".mine.tmp", "lock", "notes.txt"]


# The manifest


def test_a_run_keeps_its_inputs_byte_for_byte(run: Run, table: Path) -> None:
    begun(run, table, b"name: s\r\n")
    assert run.input.read_bytes() == table.read_bytes()
    assert run.study.read_bytes() == b"name: s\r\n"
    again = Run(run.path)
    assert again.identity == IDENTITY
    again.begin(IDENTITY, table, b"")  # a tuple is a list in JSON, and no difference
    assert again.study.read_bytes() == b"name: s\r\n"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"model": {"name": "llama", "source": "org/gemma"}}, "model.name: 'gemma' in this run, 'llama' now"),
        ({"model": {"name": "gemma"}}, "model.source: 'org/gemma' in this run, None now"),
        ({"sampling": {"temperature": 0.0}}, "sampling.temperature: 0.7 in this run, 0.0 now"),
        ({"sampling": {"temperature": 0.7, "top_k": 5}}, "sampling.top_k: None in this run, 5 now"),
        ({"turns": ["one"]}, "turns: ['one', 'two'] in this run, ['one'] now"),
        ({"seed": 2}, "seed: 1 in this run, 2 now"),
        ({"input": {"file": "b.csv", "rows": 2, "sha256": "bb"}}, "input.file: 'a.csv' in this run, 'b.csv' now"),
        ({"input": {"file": "a.csv", "rows": 2, "sha256": "bb"}}, "input.sha256: 'aa' in this run, 'bb' now"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mismatch_names_both_sides(run: Run, table: Path, change: dict[str, Any], line: str) -> None:
    begun(run, table)
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(RunMismatch, match=re.escape(f"\n  {line}\n")) as caught:
        Run(run.path).begin(Identity(**FACTS | change), table, b"")
    assert str(run.path) in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert (run.path / "run.json").read_bytes() == before


def test_the_same_table_under_another_name_is_the_same(run: Run, table: Path) -> None:
    begun(run, table)
    Run(run.path).begin(Identity(**FACTS | {"input": {"file": "moved.csv", "rows": 2, "sha256": "aa"}}), table, b"")
    assert run.identity.input.file == "a.csv"


def test_answers_without_a_manifest_are_not_taken_for_ones_own(run: Run, table: Path) -> None:
    run.path.mkdir()
    with Ledger(run.ledger) as ledger:
        ledger.append({"rows": [1]})
    with pytest.raises(InputError, match=r"answers\.run: holds answers .* but no run\.json"):
        begun(run, table)
    assert not run.exists


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"format":1,"identity":[],"sessions":[]}',
        b'{"format":1,"identity":{}}',
        *(
            b'{"format":%s,"identity":{},"sessions":[]}' % format
            for format in (b'"1"', b"true", b"2.5", b"null", b"[]")
        ),
        *(b'{"format":1,"identity":{},"sessions":[],"scope":%s}' % scope for scope in (b"null", b"5", b'"x"', b"[1]")),
    ],
    ids=repr,
)
def test_a_damaged_manifest_is_named(run: Run, table: Path, content: bytes) -> None:
    begun(run, table)
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json: is damaged"):
        Run(run.path).begin(IDENTITY, table, b"")


def test_a_later_versions_run_is_left_alone(run: Run, table: Path) -> None:
    begun(run, table)
    (run.path / "run.json").write_bytes(b'{"format":4,"identity":{},"sessions":[]}')
    with pytest.raises(InputError, match=r"run\.json: has format 4"):
        Run(run.path).begin(IDENTITY, table, b"")


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing", Path(__file__)):
        with pytest.raises(InputError, match=r"is not a run \(it has no run\.json\)"):
            _ = Run(path).manifest


def test_a_session_tells_what_worked_on_the_run(run: Run, table: Path) -> None:
    begun(run, table)
    with run.session(endpoint="http://here") as session:
        on_disk = Run(run.path).sessions[-1]
        assert on_disk.ended is None  # what a kill leaves behind
        session.finished = 7
    with pytest.raises(ZeroDivisionError), run.session(endpoint="http://there"):
        raise ZeroDivisionError
    _, first, second = Run(run.path).sessions
    assert (first.endpoint, first.finished, second.endpoint) == ("http://here", 7, "http://there")
    for session in (first, second):
        assert session.started
        assert session.ended
        assert datetime.fromisoformat(session.started) <= datetime.fromisoformat(session.ended)
        assert session.grace == grace.__version__
        assert session.host == socket.gethostname()
        assert session.python == ".".join(map(str, sys.version_info[:3]))
        assert {"aiohttp", "orjson", "pydantic", "jinja2"} <= session.packages.keys()


def test_a_session_knows_the_commit_it_runs_from(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    (tree / "src" / "grace").mkdir(parents=True)
    (tree / "src" / "grace" / "runs.py").write_text("1")
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", tree, *identity, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr("grace.runs.__file__", str(tree / "src" / "grace" / "runs.py"))
    monkeypatch.setattr(Run, "save", lambda self: None)
    run.__dict__["manifest"] = RunManifest(format=FORMAT, identity=IDENTITY, sessions=[])
    with run.session() as session:
        assert session.git == SourceTree(commit=git("rev-parse", "HEAD"), dirty=False)
    (tree / "src" / "grace" / "runs.py").write_text("2")
    with run.session() as session:
        assert session.git
        assert session.git.dirty is True
    monkeypatch.setattr("grace.runs.__file__", str(tmp_path / "site-packages" / "lib" / "grace" / "runs.py"))
    with run.session() as session:
        assert session.git is None


def test_a_full_disk_keeps_the_old_manifest(run: Run, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(run, table)
    before = (run.path / "run.json").read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GraceError, match=r"run\.json: cannot be written: No space left on device"):
        run.save()
    assert (run.path / "run.json").read_bytes() == before
    assert sorted(path.name for path in run.path.iterdir()) == ["input.csv", "run.json", "study.yaml"]


@pytest.mark.parametrize("table", ["answers.csv", "answers.parquet"])
def test_a_table_given_for_its_run_is_told_where_the_run_is(table: str, tmp_path: Path) -> None:
    (tmp_path / table).write_text("a")
    with pytest.raises(InputError) as without:
        _ = Run(tmp_path / table).manifest
    assert str(without.value).endswith("is not a run (it has no run.json)")
    run = tmp_path / "answers.run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    with pytest.raises(InputError) as beside:
        _ = Run(tmp_path / table).manifest
    assert str(beside.value).endswith(f"; give {run}, from which it was made")
