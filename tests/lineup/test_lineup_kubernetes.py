"""Whole lineups in a modelled cluster: preempted, evicted, refused, lost, killed and resumed, with real ledgers."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from canned import error
from grace.errors import ClusterAway
from grace.lineup.backend import State
from grace.lineup.journal import Event, Step
from grace.lineup.watching import Watcher
from modelled_lineup import MODELS, Killed, ModelledLineup, modelled_lineup
from modelled_pods import Play

ONE = MODELS[:1]
MODEL = ONE[0]
GPU = "nvidia.com/gpu"
VLLM = "vllm/vllm-openai"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy or kubeconfig of the machine that the tests run on."""
    for name in os.environ:
        if name.upper().endswith("_PROXY") or name.startswith("KUBE"):
            monkeypatch.delenv(name)


@pytest.fixture
def lineup(tmp_path: Path) -> Iterator[ModelledLineup]:
    """A lineup of one model."""
    with modelled_lineup(tmp_path, ONE) as made:
        yield made


VLLM_REPORT = b"""
vllm:num_requests_running{engine="0"} 12
vllm:num_requests_waiting{engine="0"} 3
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:prefix_cache_queries_total{engine="0"} 400
vllm:prefix_cache_hits_total{engine="0"} 300
"""


@contextmanager
def reporting(report: bytes) -> Iterator[str]:
    """A server that says this on /metrics; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(report)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


def at_request(lineup: ModelledLineup, path: str, happens: Callable[[], Any], number: int = 1) -> None:
    """Have something happen on the cluster when the model gets its so manieth request to a path, once."""
    server = lineup.servers[MODEL]
    before = server.fail

    def fail(asked: str, count: int, body: dict[str, Any]) -> Any:
        if asked == path and count == number:
            lineup.cluster.soon(happens)
        return before(asked, count, body) if before else None

    server.fail = fail


def preempted(lineup: ModelledLineup) -> None:
    for key in lineup.pods("visit"):
        lineup.cluster.preempt(key)


def carried_well(lineup: ModelledLineup, models: tuple[str, ...] = ONE) -> None:
    carried = lineup.run()
    assert [each.error for each in carried] == [None] * len(models)
    lineup.assert_home(models)


def failed(lineup: ModelledLineup) -> str:
    """The error of a lineup of one model, of which nothing is left."""
    (carried,) = lineup.run()
    assert carried.error
    assert lineup.left() == []
    return carried.error


def test_two_models_are_carried_one_after_the_other_and_nothing_is_left(tmp_path: Path) -> None:
    with modelled_lineup(tmp_path) as lineup:
        carried_well(lineup, MODELS)
        started = [each for each in lineup.cluster.started if each.startswith(("visit", "weights"))]
        assert sorted(started) == sorted(f"{what} {model}" for model in MODELS for what in ("weights", "visit"))
        visit = next(line for line in lineup.lines if line["step"] == "visit" and line["event"] == "done")
        assert visit["finished"] > 0
        assert not visit["failed"]
        again = lineup.run()
        assert all(each.earlier for each in again)


def test_preempted_twice_its_login_ended_once_and_the_runner_killed_once_all_is_asked_once(
    lineup: ModelledLineup, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(lineup.cluster.token)
    lineup.cluster.kubeconfig(lineup.kubeconfig, user={"tokenFile": str(token)})

    def login_ends() -> None:
        lineup.cluster.tokens[lineup.cluster.token] = lineup.cluster.now - 61.0
        lineup.cluster.tokens["another"] = float("inf")
        token.write_text("another")

    at_request(lineup, "/v1/chat/completions", lambda: preempted(lineup))
    at_request(lineup, "/v1/chat/completions", login_ends, 2)
    at_request(lineup, "/v1/completions", lambda: preempted(lineup))
    with pytest.raises(Killed):
        lineup.run(kill_after=7)  # the visit has begun, and goes on without its runner
    carried_well(lineup)
    assert lineup.cluster.started.count(f"visit {MODEL}") >= 2


def test_a_preemption_is_told_to_a_runner_that_watches(lineup: ModelledLineup) -> None:
    at_request(lineup, "/v1/chat/completions", lambda: preempted(lineup))
    carried_well(lineup)
    assert any("Preempted" in text or "preempted" in text for text in lineup.notes.texts)


@pytest.mark.slow
def test_killed_after_each_line_of_the_journal_it_goes_on_and_doubles_nothing(lineup: ModelledLineup) -> None:
    killed_after: list[tuple[str, str]] = []
    lines = 1
    while True:
        try:
            lineup.run(kill_after=lines)
            break
        except Killed:
            last = lineup.lines[-1]
            killed_after.append((last["step"], last["event"]))
            assert len(lineup.pods("visit")) <= 1
            # What is done is not done again: the next session begins after it.
            lines = 1 if killed_after[-1] in (("visit", "done"), ("fetch", "done")) else lines + 1
    assert killed_after == [(step, event) for step in Step for event in (Event.BEGUN, Event.DONE)]
    lineup.assert_home(ONE)
    assert lineup.cluster.started.count(f"visit {MODEL}") == 1
    assert lineup.cluster.started.count(f"weights {MODEL}") == 1


def test_watches_that_are_cut_and_forgotten_lose_nothing(lineup: ModelledLineup) -> None:
    lineup.cluster.cuts = 5
    at_request(lineup, "/v1/chat/completions", lineup.cluster.forget)
    carried_well(lineup)


def test_a_login_that_has_ended_stops_the_lineup_and_what_runs_goes_on(lineup: ModelledLineup) -> None:
    def login_ends() -> None:
        lineup.cluster.tokens[lineup.cluster.token] = lineup.cluster.now - 61.0

    at_request(lineup, "/v1/chat/completions", login_ends)
    with pytest.raises(ClusterAway, match=r"log in again.*adopts it"):
        lineup.run()
    assert [key[2] for key, _ in lineup.cluster.all("jobs") if "weights" not in key[2]] == [f"trial-{MODEL}"]
    lineup.cluster.tokens[lineup.cluster.token] = float("inf")
    carried_well(lineup)
    assert lineup.cluster.started.count(f"visit {MODEL}") == 1


def test_an_evicted_pod_costs_no_try_and_nothing_is_asked_again(lineup: ModelledLineup) -> None:
    def evicted() -> None:
        for key in lineup.pods("visit"):
            lineup.cluster.evict(key)

    for number in (1, 2):
        at_request(lineup, "/v1/chat/completions", evicted, number)
    carried_well(lineup)
    assert any("ephemeral-storage" in text for text in lineup.notes.texts)


def test_a_pod_on_a_lost_node_is_given_up_and_its_job_goes_on_elsewhere(lineup: ModelledLineup) -> None:
    def lost() -> None:
        (key,) = lineup.pods("visit")
        pod = lineup.cluster.objects[key]
        lineup.cluster.lose_node(pod["spec"]["nodeName"])
        lineup.cluster.work[pod["metadata"]["uid"]].process.kill()

    at_request(lineup, "/v1/chat/completions", lost)
    carried_well(lineup)
    assert lineup.cluster.now > 300 + 120
    assert any("is lost with its node" in text for text in lineup.notes.texts)


def test_a_job_that_somebody_deleted_is_made_again_when_its_orphans_have_ended(lineup: ModelledLineup) -> None:
    def orphaned() -> None:
        (key,) = [key for key, _ in lineup.cluster.all("jobs") if "weights" not in key[2]]
        lineup.cluster.delete(key, None)

    at_request(lineup, "/v1/chat/completions", orphaned)
    carried_well(lineup)
    assert lineup.cluster.started.count(f"visit {MODEL}") == 2
    assert any("was not removed by this lineup" in text for text in lineup.notes.texts)


def test_what_preflight_finds_stops_a_model_before_anything_is_made(lineup: ModelledLineup) -> None:
    refusal = 'admission webhook "validate.nrp" denied the request: the namespace has no description'
    lineup.cluster.admit = lambda body: ([], refusal if body["kind"] == "Job" else "")
    assert "the namespace has no description" in failed(lineup)
    assert [line["kind"] for line in lineup.lines if line["event"] == "failed"] == ["Refused"]
    assert lineup.cluster.started == []
    lineup.cluster.admit = lambda body: ([], "")
    carried_well(lineup)


def pods_of_visits(body: dict[str, Any]) -> bool:
    """Whether it is a pod that a Job's controller makes to ask."""
    labels = body["metadata"].get("labels") or {}
    made = body["kind"] == "Pod" and "generateName" not in body["metadata"]
    return made and labels.get("app.kubernetes.io/component") == "visit"


def test_pods_that_admission_refuses_are_no_pods_that_wait(lineup: ModelledLineup) -> None:
    refusal = 'admission webhook "gatekeeper" denied the request: too many violations'
    lineup.cluster.admit = lambda body: ([], refusal if pods_of_visits(body) else "")
    error = failed(lineup)
    assert "too many violations" in error
    assert "given up after" in error
    assert [line["kind"] for line in lineup.lines if line["event"] == "failed"] == ["Refused"]
    lineup.cluster.admit = lambda body: ([], "")
    carried_well(lineup)


def full_after_weights(lineup: ModelledLineup) -> None:
    """Have the quota of GPUs used up by others as soon as the weights are there."""

    def admit(body: dict[str, Any]) -> tuple[list[str], str]:
        if pods_of_visits(body) and "full" not in lineup.cluster.quota:
            lineup.cluster.quota |= {GPU: 0, "full": 1}
        return [], ""

    lineup.cluster.admit = admit


def test_a_quota_that_is_full_is_waited_for(lineup: ModelledLineup) -> None:
    full_after_weights(lineup)
    lineup.cluster.do(lambda: lineup.cluster.at(1800.0, lineup.cluster.quota.clear))
    lineup.cluster.do(
        lambda: lineup.cluster.at(1800.0, lambda: setattr(lineup.cluster, "admit", lambda body: ([], "")))
    )
    carried_well(lineup)
    assert any("the namespace has a quota" in text for text in lineup.notes.texts)


def test_a_quota_that_stays_full_is_a_refusal(lineup: ModelledLineup) -> None:
    full_after_weights(lineup)
    error = failed(lineup)
    assert "the namespace has a quota" in error
    assert "requests.nvidia.com/gpu=1" in error
    assert "given up after 60 minutes" in error


def test_an_image_that_cannot_be_pulled_is_named(lineup: ModelledLineup) -> None:
    image = next(
        each["image"]
        for file in lineup.backend().rendering.files
        for body in file.objects
        if body["kind"] == "Job"
        for each in body["spec"]["template"]["spec"].get("initContainers") or []
        if each["image"].startswith(VLLM)
    )
    lineup.cluster.missing_images = {image}
    error = failed(lineup)
    assert image in error
    assert "given up after 15 minutes" in error
    lineup.cluster.missing_images = set()
    carried_well(lineup)


def test_gpus_that_are_not_there_are_waited_for_and_the_reason_is_the_newest(lineup: ModelledLineup) -> None:
    lineup.cluster.do(lambda: lineup.cluster.down.update(("n1", "n2")))
    lineup.cluster.do(lambda: lineup.cluster.add_node("cpu"))
    lineup.cluster.do(lambda: lineup.cluster.at(7200.0, lineup.cluster.down.clear))
    carried_well(lineup)
    waits = [text for text in lineup.notes.texts if "Insufficient nvidia.com/gpu" in text]
    assert waits
    assert lineup.cluster.now > 7200


def test_a_model_too_large_for_its_gpu_is_given_up_after_some_crashes(lineup: ModelledLineup) -> None:
    log = "loading\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    lineup.cluster.plays["visit"] = [Play(code=1, log=log, restarts=True)]
    error = failed(lineup)
    assert "CUDA out of memory" in error
    log_file = next((lineup.folder.path / "logs").glob("*.vllm.log"))
    assert log_file.read_text() == log
    assert str(log_file) in error
    carried_well(lineup)


def test_a_pod_that_runs_out_of_memory_again_and_again_says_so(lineup: ModelledLineup) -> None:
    lineup.cluster.plays["visit"] = [Play(code=137, reason="OOMKilled", log="Killed\n")] * 4
    error = failed(lineup)
    assert "memory" in error
    assert "BackoffLimitExceeded" in error
    carried_well(lineup)


def test_weights_that_do_not_come_are_the_cause_and_no_gpu_is_asked_for(lineup: ModelledLineup) -> None:
    log = "grace: https://huggingface.co/google/gemma-2-2b-it: 403: the licence is not accepted\n"
    lineup.cluster.plays["weights"] = [Play(code=4, log=log)]
    error = failed(lineup)
    assert "its weights did not come" in error
    assert f"visit {MODEL}" not in lineup.cluster.started
    carried_well(lineup)


def test_a_deadline_takes_pods_and_logs_and_the_log_is_here(lineup: ModelledLineup) -> None:
    lineup.cluster.plays["visit"] = [Play(seconds=10**9, log="asked 7 of 9\n")]
    lineup.cluster.do(lambda: lineup.cluster.at(3600.0, lambda: late(lineup)))
    error = failed(lineup)
    assert "DeadlineExceeded" in error
    assert "asked 7 of 9" in next((lineup.folder.path / "logs").glob("*.grace.log")).read_text()


def late(lineup: ModelledLineup) -> None:
    for key, job in lineup.cluster.all("jobs"):
        lineup.cluster._late(key, job["metadata"]["uid"])


def test_requests_that_fail_come_home_as_failures(lineup: ModelledLineup) -> None:
    lineup.servers[MODEL].fail = lambda path, number, body: (
        error(422, "no such answer") if path == "/v1/chat/completions" and "plum" in str(body) else None
    )
    lineup.run()
    visit = next(line for line in lineup.lines if line["step"] == "visit" and line["event"] == "done")
    assert visit["failed"] == {"http 422": 2}
    assert (lineup.folder.model(MODEL) / "things.csv").exists()
    assert lineup.left() == []


def test_the_state_is_read_from_the_cluster_alone(lineup: ModelledLineup) -> None:
    with lineup.backend() as backend:
        assert backend.adopt(MODEL) is State.ABSENT
        assert backend.sightings(MODEL) == ()
    with pytest.raises(Killed):
        lineup.run(kill_after=6)
    with lineup.backend() as backend:
        assert backend.adopt(MODEL) is State.SERVED
        (seen,) = backend.sightings(MODEL)
        assert seen.state == "running"
        backend.visit(MODEL, lineup.notes)
    with lineup.backend() as backend:
        assert backend.adopt(MODEL) is State.ASKED
        backend.remove(MODEL)
        assert backend.adopt(MODEL) is State.ABSENT
        assert backend.prove_gone(MODEL) == ()


def test_what_the_server_in_a_pod_reports_is_seen_while_it_is_asked(
    lineup: ModelledLineup, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reporting(VLLM_REPORT) as address:
        monkeypatch.setattr("grace.lineup.kubernetes_metrics.ADDRESS", address)
        with pytest.raises(Killed):
            lineup.run(kill_after=6)
        with lineup.backend() as backend:
            (seen,) = backend.sightings(MODEL)
            assert seen.server
            assert (seen.server.running, seen.server.waiting, seen.server.kv_use) == (12, 3, 0.25)
            assert seen.server.prefix_hit_rate == 0.75
            (model,) = Watcher(lineup.folder, backend, lineup.notes).look().models
            assert model.sightings[0].server == seen.server
    with lineup.backend() as backend:  # nobody answers any more
        (seen,) = backend.sightings(MODEL)
        assert (seen.state, seen.server) == ("running", None)
        backend.remove(MODEL)


def test_stopping_ends_what_waits(lineup: ModelledLineup) -> None:
    with lineup.backend() as backend:
        backend.stop()
        with pytest.raises(KeyboardInterrupt):
            backend.prepare(MODEL, lineup.notes)
