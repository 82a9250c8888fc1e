"""What a lineup asks of a control plane: in the modelled cluster, and on a real one that GRACE_TEST_KUBECONFIG names.

Nothing here needs containers that run: pods may wait for ever, or be simulated.
"""

import copy
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api, connect
from grace.cluster.access.events import events_of
from grace.cluster.access.objects import labelled
from grace.cluster.access.paths import path_of
from grace.cluster.access.watching import watch
from grace.cluster.manifests.request import Request
from grace.errors import ClusterError
from grace.lineup.backend import State
from grace.lineup.kubernetes import KubernetesBackend, request_of
from modelled_lineup import MODELS, modelled_lineup

KUBECONFIG = os.environ.get("GRACE_TEST_KUBECONFIG")
MODEL = MODELS[0]
SECONDS = 60.0


class Ground:
    """A lineup of one model in a namespace of its own."""

    def __init__(self, backend: KubernetesBackend) -> None:
        self.backend, self.place = backend, backend.place
        self.api: Api = backend.place.api
        self.labels = {"grace/lineup": "trial", "grace/model": MODEL}

    @property
    def job(self) -> dict[str, Any]:
        """The Job of the visit, as it is rendered."""
        objects = [each for file in self.backend.rendering.files for each in file.objects]
        return next(each for each in objects if each["kind"] == "Job" and each["metadata"]["name"] == f"trial-{MODEL}")

    def eventually(self, look: Callable[[], Any]) -> Any:
        """What a look finds in the end."""
        ends = self.api.clock.now() + SECONDS
        while self.api.clock.now() < ends:
            if found := look():
                return found
            self.api.clock.sleep(0.5)
        raise AssertionError("it never came")

    def made(self) -> dict[str, Any]:
        """Make the Job, and wait for its pod."""
        body = self.place.put(self.job)
        self.eventually(lambda: self.place.pods_of(body["metadata"]["uid"]))
        return body


@pytest.fixture(
    params=["modelled", pytest.param("real", marks=pytest.mark.skipif(not KUBECONFIG, reason="no cluster"))]
)
def ground(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    for name in os.environ:
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    with ExitStack() as stack:
        lineup = stack.enter_context(modelled_lineup(tmp_path, [MODEL]))
        api, namespace = lineup.connect(), "lab"
        if request.param == "real":
            api.close()
            api, namespace = connect(Path(str(KUBECONFIG))), f"grace-test-{secrets.token_hex(4)}"
        stack.callback(api.close)
        if request.param == "real":
            path = path_of("api", "v1", "namespaces")
            body = api.create(path, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).body
            stack.callback(lambda: api.delete(f"{path}/{namespace}", body["metadata"]["uid"]))
        asked: Request = request_of(lineup.folder, namespace=namespace, image="registry.example/grace:1")
        backend = KubernetesBackend(lineup.folder, api, asked)
        yield Ground(backend)
        backend.remove(MODEL)


def test_a_job_is_made_once_adopted_and_removed_with_its_pods(ground: Ground) -> None:
    assert ground.backend.adopt(MODEL) is State.ABSENT
    first = ground.made()
    again = ground.place.put(ground.job)
    assert again["metadata"]["uid"] == first["metadata"]["uid"]
    assert ground.backend.adopt(MODEL) is State.SERVED
    assert {each.kind for each in labelled(ground.api, ground.place.namespace, ground.labels)} >= {"Job", "Pod"}
    ground.backend.remove(MODEL)
    assert ground.backend.prove_gone(MODEL) == ()
    assert ground.backend.adopt(MODEL) is State.ABSENT


def test_another_job_of_its_name_that_runs_is_left_alone(ground: Ground) -> None:
    ground.made()
    other = copy.deepcopy(ground.job)
    other["spec"]["template"]["spec"]["containers"][0]["args"].append("--limit=3")
    with pytest.raises(ClusterError, match="is not the one that this lineup asks for"):
        ground.place.put(other)


def test_pods_that_lost_their_job_are_found_and_removed(ground: Ground) -> None:
    job = ground.made()
    ground.api.delete(ground.place.path(job), job["metadata"]["uid"], propagation="Orphan")
    ground.eventually(lambda: ground.api.find(ground.place.path(job)) is None)
    left = ground.backend.prove_gone(MODEL)
    assert left
    assert all(title.startswith("Pod/") for title in left)
    ground.backend.remove(MODEL)
    assert ground.backend.prove_gone(MODEL) == ()


def test_only_the_object_that_is_meant_is_deleted(ground: Ground) -> None:
    job = ground.made()
    assert not ground.api.delete(ground.place.path(job), "00000000-0000-0000-0000-000000000000")
    assert ground.api.find(ground.place.path(job))


def test_fields_of_others_are_not_taken(ground: Ground) -> None:
    config = next(
        each for file in ground.backend.rendering.files for each in file.objects if each["kind"] == "ConfigMap"
    )
    ground.place.put(config)
    path = ground.place.path(config)
    theirs = {**copy.deepcopy(config), "data": {"visit.yaml": "theirs"}}
    query = {"fieldManager": "somebody", "force": "true"}
    ground.api._request("PATCH", path, query, theirs, safe=True, content="application/apply-patch+yaml")
    with pytest.raises(ApiError, match=r'conflict.*"somebody".*visit\.yaml') as caught:
        ground.place.put(config)
    assert caught.value.status == 409
    ground.api.delete(path, ground.api.get(path)["metadata"]["uid"])


def test_a_watch_sees_a_job_come_and_go(ground: Ground) -> None:
    path = path_of("apis", "batch", "v1", "namespaces", ground.place.namespace, "jobs")
    changes = watch(ground.api, path, SECONDS, labels=f"grace/model={MODEL}", beat=1.0)
    assert next(changes) is None
    job = ground.place.put(ground.job)
    seen = next(change for change in changes if change)
    assert (seen.kind, seen.body["metadata"]["uid"]) == ("ADDED", job["metadata"]["uid"])
    ground.api.delete(ground.place.path(job), job["metadata"]["uid"])
    assert next(change for change in changes if change and change.kind == "DELETED")


def test_a_pod_that_has_no_node_says_why(ground: Ground) -> None:
    """No cluster of a test has the claims of this lineup."""
    job = ground.made()
    (pod,) = ground.place.pods_of(job["metadata"]["uid"])
    notes = ground.eventually(
        lambda: [note for note in events_of(ground.api, ground.place.namespace, pod.uid) if note.warning]
    )
    assert notes[0].reason == "FailedScheduling"
