"""A lineup of two models in a modelled cluster: a study of things, and table models in vLLM's dialect."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from grace.cluster.access.connection import Api, connect
from grace.declared import checked
from grace.lineup.folder import LineupFolder, visited
from grace.lineup.journal import Journal
from grace.lineup.kubernetes import KubernetesBackend, request_of
from grace.lineup.lineup_file import LineupFile
from grace.lineup.runner import Carried, carry
from grace.lock import locked
from grace.stages.visit_file import VisitFile
from modelled_cluster import ModelledCluster
from table_model import TableServer
from things import MODEL, STUDY, TRIALS

NAMESPACE = "lab"
MODELS = ("gemma-2-2b-it", "gemma-2-9b-it")
RUNS = ("things.run", "things_scores.run")
_READY = """
{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: rook-cephfs}, provisioner: x.cephfs.csi.ceph.com}
---
{apiVersion: v1, kind: Secret, metadata: {name: huggingface-token, namespace: lab}, data: {token: c2VjcmV0LXZhbHVl}}
"""


class Killed(BaseException):
    """The runner is killed: nothing after this is done. (What `with` closes holds nothing on the cluster.)"""


@dataclass
class Notes:
    """Progress that keeps what it is told."""

    texts: list[str] = field(default_factory=list)

    def begin(self, total: int, done: int, what: str = "requests") -> None: ...

    def advance(self, failed: bool, by: int = 1) -> None: ...

    def note(self, text: str) -> None:
        self.texts.append(text)

    def fault(self, text: str) -> None:
        self.texts.append(text)


@dataclass
class ModelledLineup:
    """A lineup, its cluster, and the model servers."""

    folder: LineupFolder
    cluster: ModelledCluster
    servers: dict[str, TableServer]
    kubeconfig: Path
    notes: Notes = field(default_factory=Notes)

    def connect(self) -> Api:
        return connect(self.kubeconfig, read_seconds=60.0, clock=self.cluster.clock)

    def backend(self) -> KubernetesBackend:
        request = request_of(self.folder, namespace=NAMESPACE, image="registry.example/grace:1")
        return KubernetesBackend(self.folder, self.connect(), request)

    def run(self, kill_after: int | None = None) -> list[Carried]:
        """Carry it as `grace lineup run` does; with `kill_after`, killed right after so many lines of its journal."""
        with locked(self.folder.path), _Mortal(self.folder.journal, kill_after) as journal, self.backend() as backend:
            return list(carry(self.folder, backend, journal, self.notes))

    @property
    def lines(self) -> list[dict[str, Any]]:
        path = self.folder.journal
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def pods(self, component: str) -> list[Any]:
        """Keys of the living pods of a component."""
        return [
            key
            for key, body in self.cluster.all("pods")
            if body["metadata"]["labels"].get("app.kubernetes.io/component") == component
            and body["status"].get("phase") in ("Pending", "Running")
        ]

    def left(self) -> list[str]:
        """What is on the cluster that was made for a model alone."""
        return [
            f"{key[0]}/{key[2]}"
            for key, body in self.cluster.objects.items()
            if "grace/model" in (body["metadata"].get("labels") or {})
        ] + [f"pods/{key[2]}" for key, _ in self.cluster.all("pods")]

    def answers(self, model: str) -> dict[str, Counter[str]]:
        """How often each request of each run was answered, by the ledgers that came home."""
        counts = {}
        for run in RUNS:
            lines = (self.folder.model(model) / run / "ledger.jsonl").read_text().splitlines()
            records = map(json.loads, lines)
            counts[run] = Counter(record["key"] for record in records if record["status"] != "failed")
        return counts

    def assert_home(self, models: Sequence[str] = MODELS) -> None:
        """All that was asked is here, was asked once, and nothing is left there."""
        for model in models:
            for run, counts in self.answers(model).items():
                assert counts, run
                assert set(counts.values()) == {1}, (model, run, counts)
            listed = json.loads((self.folder.model(model) / "files.json").read_text())
            assert "things.csv" in listed
            assert json.loads(self.folder.cleanup.read_text())[model]["left"] == []
        assert self.left() == []


class _Mortal(Journal):
    """A journal whose writer is killed after so many lines."""

    def __init__(self, path: Path, kill_after: int | None) -> None:
        super().__init__(path)
        self._left = kill_after

    def _write(self, *arguments: Any) -> None:
        super()._write(*arguments)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Killed


@contextmanager
def modelled_lineup(tmp_path: Path, models: Sequence[str] = MODELS) -> Iterator[ModelledLineup]:
    """A lineup that has begun, and a cluster that is ready for it."""
    study, table = tmp_path / "things.yaml", tmp_path / "things.csv"
    study.write_text(STUDY + "protocols: {plain: {turns: {ask: 'What is {{ thing }} like?'}}}\n")
    table.write_text(TRIALS)
    visits, inputs = visited([(str(study), table)])
    folder = LineupFolder(tmp_path / "lineups" / "trial")
    place = {"cluster": "nrp", "namespace": NAMESPACE, "image": "registry.example/grace:1"}
    content = {"name": "trial", "profile": "rtx3090", "models": list(models), "place": place}
    folder.begin(checked(content, "test", LineupFile), VisitFile(studies=visits), inputs)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(TableServer(MODEL, "vllm", name=name)) for name in models}
        cluster = stack.enter_context(ModelledCluster(folder=tmp_path / "cluster"))
        stack.callback(lambda: cluster.do(cluster.end_all_work))
        cluster.models = {name: server.url for name, server in servers.items()}

        def ready() -> None:
            for body in yaml.safe_load_all(_READY):
                plural = {"Namespace": "namespaces", "StorageClass": "storageclasses", "Secret": "secrets"}[
                    body["kind"]
                ]
                cluster.new((plural, body["metadata"].get("namespace", ""), body["metadata"]["name"]), body)
            cluster.add_node("n1", gpu=1)
            cluster.add_node("n2", gpu=1)

        cluster.do(ready)
        yield ModelledLineup(folder, cluster, servers, cluster.kubeconfig(tmp_path / "kubeconfig"))
