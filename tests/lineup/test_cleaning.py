"""Leaving nothing: what Grace made goes, by name; what is somebody else's, and data without a copy, stays."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from api_server import ApiServer, status
from conftest import Command, Result
from grace.calls.display import Lines
from grace.cluster.access import connection
from grace.cluster.manifests.render import render_lineup
from grace.cluster.manifests.request import Request
from grace.files import FileFacts
from grace.lineup.cleaning import ClusterCleaning
from grace.lineup.folder import LineupFolder
from grace.lineup.lineup_file import ClusterPlace, LineupFile
from grace.lineup.process import ProcessBackend
from grace.lock import process_mark
from grace.stages.visit_file import StudyVisit, VisitFile
from volume_pods import VolumePods

OLD = "2026-10-01T12:00:00Z"
DATA = {"mine-outputs": {"mine/gemma/run/ledger.jsonl": b"data\n"}, "mine-input": {"study1.csv": b"a,b\n"}}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        running.add("{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}")
        yield running


@pytest.fixture
def pods(server: ApiServer, tmp_path: Path) -> VolumePods:
    return VolumePods(server, tmp_path / "volumes")


class Patient(connection.Clock):
    """Time that only sleeping moves."""

    seconds = 0.0

    def now(self) -> float:
        Patient.seconds += 0.01
        return Patient.seconds

    def sleep(self, seconds: float) -> None:
        Patient.seconds += seconds


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "Clock", Patient)


def add(server: ApiServer, body: dict, made: str = OLD, **metadata: object) -> None:
    """An object as the cluster has it."""
    plural = {
        "Job": "jobs",
        "Pod": "pods",
        "Service": "services",
        "ConfigMap": "configmaps",
        "Secret": "secrets",
        "PersistentVolumeClaim": "persistentvolumeclaims",
    }[body["kind"]]
    body = json.loads(json.dumps(body))
    name = body["metadata"]["name"]
    body["metadata"] |= {"namespace": "lab", "uid": f"uid-of-{plural}-{name}", "creationTimestamp": made, **metadata}
    if body["kind"] == "PersistentVolumeClaim":
        body["status"] = {"phase": "Bound"}
    server.objects[plural, "lab", name] = body


@pytest.fixture
def lineup(server: ApiServer, pods: VolumePods) -> list[str]:
    """All objects of lineup `mine`, with a pod of each Job, and files on its volumes; their names."""
    request = Request(profile="rtx3090", model=["gemma-2-2b-it"], lineup="mine", namespace="lab")
    objects = [each for file in render_lineup(request).files for each in file.objects]
    for body in objects:
        add(server, body)
        if body["kind"] == "Job":
            name = body["metadata"]["name"]
            owner = {"uid": f"uid-of-jobs-{name}", "controller": True, "kind": "Job", "name": name}
            pod = {"apiVersion": "v1", "kind": "Pod", **body["spec"]["template"], "status": {"phase": "Running"}}
            pod["metadata"] = {**pod["metadata"], "name": f"{name}-x7k2p", "ownerReferences": [owner]}
            add(server, pod)
    for claim, files in DATA.items():
        for name, content in files.items():
            path = pods.folder / claim / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return sorted(name for plural, _, name in server.objects if plural != "namespaces")


@pytest.fixture
def clean(server: ApiServer, tmp_path: Path, grace: Command) -> Command:
    kubeconfig = server.kubeconfig(tmp_path / "config")

    def run(*arguments: object) -> Result:
        options = ["--kubeconfig", kubeconfig, "--namespace", "lab", "--lineups", tmp_path / "lineups"]
        return grace("lineup", "clean", *arguments, *options)

    return run


def bring_home(tmp_path: Path) -> None:
    for number, content in enumerate(content for files in DATA.values() for content in files.values()):
        path = tmp_path / "lineups" / "mine" / "anything" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def there(server: ApiServer) -> list[str]:
    return sorted(name for plural, _, name in server.objects if plural != "namespaces")


def proof(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "lineups" / "mine" / "cleanup.json").read_bytes())["lineup"]


def test_all_goes_by_name_and_is_proven_gone(
    server: ApiServer, pods: VolumePods, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    bring_home(tmp_path)
    done = clean("mine")
    assert done.code == 0, done.err
    assert "nothing is left" in done.out
    assert there(server) == []
    said = proof(tmp_path)
    assert sorted(each.partition("/")[2] for each in said["removed"]) == lineup
    assert (said["left"], said["kept"], said["unseen"]) == ([], {}, [])
    assert {policy for name, policy in pods.deleted if name in lineup} == {"Foreground"}
    for asked in server.asked:  # by name and uid, never by a label alone
        assert asked.method != "DELETE" or asked.body["preconditions"]["uid"]
    assert clean("mine").code == 0


def test_nothing_is_changed_by_looking(server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path) -> None:
    done = clean("mine", "--dry-run")
    assert done.code == 0, done.err
    assert all(name in done.out for name in lineup)
    assert "3 PersistentVolumeClaim" in done.out
    assert not [asked for asked in server.asked if asked.changes]
    assert not (tmp_path / "lineups").exists()


def test_a_volume_whose_files_are_not_home_stays(
    server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    done = clean("mine")
    assert done.code == 4
    assert "kept PersistentVolumeClaim/mine-outputs: 1 of its files have no copy at home: mine/gemma/run" in done.out
    assert "`grace lineup fetch mine` brings them" in done.out
    assert there(server) == ["mine-input", "mine-outputs"]
    bring_home(tmp_path)
    (tmp_path / "lineups" / "mine" / "anything" / "0").write_bytes(b"dat4\n")
    assert clean("mine").code == 4
    assert there(server) == ["mine-outputs"]
    bring_home(tmp_path)
    assert clean("mine").code == 0
    assert there(server) == []


def test_an_archive_s_copy_counts(server: ApiServer, lineup: list[str], tmp_path: Path) -> None:
    import hashlib

    held = {FileFacts(hashlib.sha256(content).hexdigest(), len(content)) for content in (b"data\n", b"a,b\n")}
    with connection.connect(server.kubeconfig(tmp_path / "config")) as api:
        cleaning = ClusterCleaning(api, "lab", "mine", tmp_path / "nowhere", "python:3", archived=held.__contains__)
        assert cleaning.clean(Lines()).kept == {}
    assert there(server) == []


def test_a_verified_archive_is_a_copy_and_an_altered_one_is_none(
    server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    from grace.archive.crate import About
    from grace.archive.create import ArchiveRequest, create_archive
    from grace.archive.store import FolderStore
    from grace.progress import Silence

    bring_home(tmp_path)
    kept = sorted((tmp_path / "lineups/mine/anything").iterdir())
    bag = FolderStore(tmp_path / "bag")
    create_archive(ArchiveRequest(kept, About("kept", (), ""), results=False), bag, Silence())
    for path in kept:
        path.unlink()
    assert clean("mine").code == 4
    copy = next(
        path for path in (tmp_path / "bag/data").rglob("*") if path.is_file() and path.read_bytes() == b"data\n"
    )
    copy.write_bytes(b"dat4\n")
    refused = clean("mine", "--archive", tmp_path / "bag")
    assert refused.code == 4
    assert "is not as it was made" in refused.err
    assert there(server) == ["mine-input", "mine-outputs"]
    copy.write_bytes(b"data\n")
    assert clean("mine", "--archive", tmp_path / "bag").code == 0
    assert there(server) == []


def test_a_lineup_is_cleaned_where_it_was_made_whatever_the_project_says(
    server: ApiServer, lineup: list[str], tmp_path: Path, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grace.yaml").write_text("namespace: elsewhere\n")
    server.add("{apiVersion: v1, kind: Namespace, metadata: {name: elsewhere}, status: {phase: Active}}")
    table = tmp_path / "t.csv"
    table.write_text("a\n1\n")
    place = ClusterPlace(namespace="lab")
    content = LineupFile(name="mine", profile="rtx3090", models=("gemma-2-2b-it",), place=place)
    visit = VisitFile(studies=(StudyVisit(study="study1", input="input/t.csv"),))
    LineupFolder(tmp_path / "lineups" / "mine").begin(content, visit, {"input/t.csv": table})
    kubeconfig = server.kubeconfig(tmp_path / "config")
    seen = grace("lineup", "clean", "mine", "--dry-run", "--kubeconfig", kubeconfig)
    assert "lineup mine in lab" in seen.out
    assert "mine-outputs" in seen.out
    given = grace("lineup", "clean", "mine", "--dry-run", "--kubeconfig", kubeconfig, "--namespace", "elsewhere")
    assert "lineup mine in elsewhere: nothing" in given.out
    unknown = grace("lineup", "clean", "other", "--dry-run", "--kubeconfig", kubeconfig)
    assert "lineup other in elsewhere" in unknown.out


def test_weights_can_be_kept(server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path) -> None:
    bring_home(tmp_path)
    assert clean("mine", "--keep-weights").code == 4
    assert there(server) == ["mine-weights"]


@pytest.mark.parametrize("phase", ["Running", "Pending"])
def test_what_somebody_else_made_stays_and_so_does_the_volume_that_it_uses(
    server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path, phase: str
) -> None:
    bring_home(tmp_path)
    volumes = [{"name": "o", "persistentVolumeClaim": {"claimName": "mine-outputs"}}]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "by-hand", "labels": {"grace/lineup": "mine"}}}
    add(server, {**body, "spec": {"volumes": volumes}, "status": {"phase": phase}})
    add(server, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub", "labels": {"a": "b"}}})
    managed = {"app.kubernetes.io/managed-by": "grace"}
    add(server, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "labels": managed}})
    other = {"kind": "ConfigMap", "metadata": {"name": "x", "labels": {**managed, "grace/lineup": "other"}}}
    add(server, {"apiVersion": "v1", **other})
    done = clean("mine")
    assert done.code == 4
    assert "kept Pod/by-hand: was not made by Grace" in done.out
    assert "kept PersistentVolumeClaim/mine-outputs: is used by Pod/by-hand" in done.out
    assert there(server) == ["by-hand", "hub", "mine-outputs", "token", "x"]


def test_a_volume_that_never_came_is_no_reason_to_wait(
    server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    for name in ("mine-outputs", "mine-input"):
        server.objects["persistentvolumeclaims", "lab", name]["status"]["phase"] = "Pending"
    assert clean("mine").code == 0
    assert there(server) == []


def test_what_does_not_go_is_named_within_a_limit(
    server: ApiServer, pods: VolumePods, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    bring_home(tmp_path)
    pod = next(name for name in lineup if name.endswith("it-x7k2p") and "weights" not in name)
    server.objects["pods", "lab", pod]["spec"]["nodeName"] = "gpu-7"
    pods.stuck = {pod}
    done = clean("mine")
    assert done.code == 5
    assert f"Pod/{pod} (is being deleted, on gpu-7: is that node up?)" in done.err
    assert proof(tmp_path)["left"]
    pods.stuck = set()
    del server.objects["pods", "lab", pod]
    assert clean("mine").code == 0


def test_an_object_that_came_under_the_same_name_meanwhile_stays(
    server: ApiServer, pods: VolumePods, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    bring_home(tmp_path)
    key = ("configmaps", "lab", "mine-lineup")
    answer, done = server.fault, []

    async def replaced(number: int, request):  # type: ignore[no-untyped-def]
        if request.method == "DELETE" and not done:
            done.append(number)
            server.objects[key] = {**server.objects[key], "metadata": {**server.objects[key]["metadata"], "uid": "new"}}
        return await answer(number, request)

    server.fault = replaced
    assert clean("mine").code == 5
    assert there(server) == ["mine-lineup"]


def test_kinds_that_one_may_not_list_are_no_proof(
    server: ApiServer, lineup: list[str], clean: Command, tmp_path: Path
) -> None:
    bring_home(tmp_path)
    server.denied = {"list secrets"}
    done = clean("mine")
    assert done.code == 5
    assert "may not list Secret" in done.err
    assert proof(tmp_path)["unseen"] == ["Secret"]
    assert there(server) == []


def test_what_was_forgotten_is_found_by_its_age(server: ApiServer, lineup: list[str], clean: Command) -> None:
    new = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    labels = {"app.kubernetes.io/managed-by": "grace", "grace/lineup": "young"}
    add(server, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "labels": labels}}, new)
    done = clean("--older-than", "7d")
    assert "lineup mine in lab" in done.out
    assert "`grace lineup clean mine` removes it" in done.out
    assert "young" not in done.out
    assert "lineup young in lab" in clean("--older-than", "1h").out
    assert "nothing of Grace's is so old" in clean("--older-than", "9000w").out
    assert not [asked for asked in server.asked if asked.changes]

    add(server, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fresh", "labels": labels}}, new)
    server.objects["configmaps", "lab", "fresh"]["metadata"]["labels"] = {**labels, "grace/lineup": "mine"}
    clean("mine", "--older-than", "7d")
    assert {"fresh", "new"} <= set(there(server))
    assert "mine-lineup" not in there(server)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--older-than 7d"),
        (["mine", "--older-than", "soon"], "as 7d"),
        (["../mine"], "no lineup has this name"),
        (["Mine"], "no lineup has this name"),
    ],
)
def test_wrong_arguments_are_named(clean: Command, arguments: list[str], message: str) -> None:
    done = clean(*arguments)
    assert done.code == 2
    assert message in done.err


def test_in_a_namespace_that_is_not_one_s_own_nothing_is_claimed(server: ApiServer, clean: Command) -> None:
    server.own = {"other"}
    done = clean("mine")
    assert done.code == 4
    assert "you may list nothing" in done.err


def test_an_expired_login_ends_it(server: ApiServer, lineup: list[str], clean: Command) -> None:
    async def expired(number: int, request):  # type: ignore[no-untyped-def]
        return status(401, "Unauthorized", "Unauthorized")

    server.fault = expired
    done = clean("mine")
    assert done.code == 5
    assert "401" in done.err


def local_lineup(tmp_path: Path) -> LineupFolder:
    folder = LineupFolder(tmp_path / "lineups" / "mine")
    table = tmp_path / "t.csv"
    table.write_text("a\n1\n")
    lineup = LineupFile(name="mine", profile="local", models=("smol",))
    folder.begin(lineup, VisitFile(studies=(StudyVisit(study="study1", input="input/t.csv"),)), {"input/t.csv": table})
    return folder


def test_servers_that_outlived_their_runner_end(
    tmp_path: Path, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.lineup.process.END_SECONDS", 0.2)
    folder = local_lineup(tmp_path)
    stubborn = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE) as server:
        assert server.stdout
        server.stdout.readline()
        folder.model("smol").mkdir()
        record = {"pid": server.pid, "mark": process_mark(server.pid)}
        (folder.model("smol") / ".server.json").write_bytes(orjson.dumps(record))
        assert ProcessBackend(folder).leftovers() == (f"process {server.pid}, the server of smol",)
        options = ["mine", "--lineups", tmp_path / "lineups"]
        assert f"process {server.pid}" in grace("lineup", "clean", *options, "--dry-run").out
        done = grace("lineup", "clean", *options)
        assert done.code == 0, done.err
        assert f"removed process {server.pid}" in done.out
        assert server.wait() == -signal.SIGKILL
    assert proof(tmp_path)["left"] == []
    assert "nothing is left" in grace("lineup", "clean", *options).out


def test_on_this_machine_data_and_tables_are_where_they_belong(tmp_path: Path, grace: Command) -> None:
    folder = local_lineup(tmp_path)
    (folder.model("smol") / "study1.run").mkdir(parents=True)
    (folder.model("smol") / "study1.run" / "ledger.jsonl").write_text("{}\n")
    options = ["mine", "--lineups", tmp_path / "lineups"]
    assert "smol: 1 file, 3 bytes, all as they are there" in grace("lineup", "fetch", *options).out
    assert "all tables are there" in grace("lineup", "put", *options).out
    missing = grace("lineup", "fetch", "other", "--lineups", tmp_path / "lineups")
    assert missing.code == 2
    assert "is not a lineup" in missing.err


def test_a_stranger_s_process_of_the_same_number_is_left_alone(tmp_path: Path, grace: Command) -> None:
    folder = local_lineup(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        folder.model("smol").mkdir()
        (folder.model("smol") / ".server.json").write_bytes(orjson.dumps({"pid": stranger.pid, "mark": "1"}))
        assert grace("lineup", "clean", "mine", "--lineups", tmp_path / "lineups").code == 0
        assert stranger.poll() is None
        stranger.communicate(b"\n")
