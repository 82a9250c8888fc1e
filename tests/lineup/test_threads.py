"""What goes on beside one model: weights ahead, further models, and how they end."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest

from grace.calls.display import Lines
from grace.errors import EndpointError, ModelFileError
from grace.lineup.backend import Backend
from grace.lineup.folder import LineupFolder
from grace.lineup.journal import Journal, Step, histories
from grace.lineup.lineup_file import LineupFile
from grace.lineup.runner import Carried, carry
from grace.stages.visit_file import StudyVisit, VisitFile
from played_backend import PlayedBackend

SECONDS = 60.0
"""A wait that a test which goes well never reaches."""


@pytest.fixture
def folder(tmp_path: Path) -> LineupFolder:
    folder = LineupFolder(tmp_path / "lineups" / "played")
    lineup = LineupFile(name="played", profile="local", models=("a", "b", "c"))
    folder.begin(lineup, VisitFile(studies=(StudyVisit(study="study1", input="x.csv"),)), {})
    return folder


def carried(folder: LineupFolder, backend: Backend, **options: Any) -> Iterator[Carried]:
    with Journal(folder.journal) as journal, backend:
        yield from carry(folder, backend, journal, Lines(), **options)


def test_the_next_models_weights_come_while_one_is_asked(folder: LineupFolder) -> None:
    backend = PlayedBackend()
    prepared = Event()
    backend.at["prepare", "b"] = prepared.set
    backend.at["visit", "a"] = lambda: prepared.wait(SECONDS) or pytest.fail("b was not prepared")
    assert [each.error for each in carried(folder, backend)] == [None, None, None]
    assert backend.calls.index(("prepare", "b")) < backend.calls.index(("remove", "a"))
    assert backend.calls.index(("remove", "a")) < backend.calls.index(("serve", "b"))


def test_weights_that_cannot_be_had_fail_their_own_model_alone(folder: LineupFolder) -> None:
    backend = PlayedBackend()

    def fail() -> None:
        raise ModelFileError("no such weights")

    backend.at["prepare", "b"] = fail
    errors = {each.model: each.error for each in carried(folder, backend)}
    assert errors == {"a": None, "b": "no such weights", "c": None}
    history = histories(folder.journal)["b"]
    assert history.failure == (Step.WEIGHTS, "no such weights")
    assert history.done(Step.PROVE_GONE)


def test_a_model_that_is_home_has_no_weights_fetched_again(folder: LineupFolder) -> None:
    list(carried(folder, PlayedBackend()))
    again = PlayedBackend()
    assert all(each.earlier for each in carried(folder, again))
    assert again.calls == []


@pytest.mark.parametrize("parallel", [1, 2])
def test_stop_on_failure_begins_no_further_model(folder: LineupFolder, parallel: int) -> None:
    backend = PlayedBackend(room=parallel)
    gate = Event()

    def fail() -> None:
        raise EndpointError("it died")

    backend.at["visit", "a"] = fail
    backend.at["visit", "b"] = lambda: gate.wait(SECONDS)
    results = []
    for each in carried(folder, backend, parallel=parallel, stop_on_failure=True):
        results.append((each.model, each.error))
        gate.set()
    assert results == [("a", "it died"), ("b", None)][:parallel]
    assert ("remove", "a") in backend.calls
    assert ("serve", "c") not in backend.calls


def test_models_at_once_are_no_more_than_there_is_room_for(folder: LineupFolder) -> None:
    backend = PlayedBackend(room=2)
    here, most, lock, both = [0], [0], Lock(), Event()

    def come() -> None:
        with lock:
            here[0] += 1
            most[0] = max(most[0], here[0])
        if most[0] == 2:
            both.set()
        both.wait(SECONDS)

    def go() -> None:
        with lock:
            here[0] -= 1

    for model in "abc":
        backend.at["visit", model] = come
        backend.at["remove", model] = go
    assert len(list(carried(folder, backend, parallel=8))) == 3
    assert most[0] == 2


def test_an_interrupt_ends_the_models_of_other_threads(folder: LineupFolder) -> None:
    backend = PlayedBackend(room=2)

    def wait() -> None:
        assert backend.stopped.wait(SECONDS)
        raise KeyboardInterrupt

    def interrupt() -> None:
        raise KeyboardInterrupt

    backend.at["visit", "a"] = wait
    backend.at["visit", "b"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        list(carried(folder, backend, parallel=2))
    assert backend.stopped.is_set()
    assert not any(what == "serve" and model == "c" for what, model in backend.calls)
    backend = PlayedBackend(room=2)
    assert {each.error for each in carried(folder, backend, parallel=2)} == {None}
