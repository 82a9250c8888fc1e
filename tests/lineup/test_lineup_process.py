"""Lineups of this machine: real servers of two tiny models, killed at random moments, and what a user gets wrong."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from conftest import ROOT, Command
from grace.lineup.journal import Event, Step, entries, histories
from grace.lock import process_mark, writer_of
from tiny_gguf import write_tiny_gguf

KILLS = int(os.environ.get("GRACE_KILLS", "6"))
ROWS = 3


@pytest.fixture
def models(tmp_path: Path) -> str:
    """Two models that know nothing, as --models takes them."""
    paths = [tmp_path / "first.gguf", tmp_path / "second.gguf"]
    for seed, path in enumerate(paths):
        write_tiny_gguf(path, seed=seed)
    return ",".join(map(str, paths))


def options(tmp_path: Path, models: str) -> list[str]:
    samples = [f"study{number}={ROOT}/data/test_sample_study{number}.csv" for number in (1, 2)]
    studies = [word for sample in samples for word in ("--study", sample)]
    return ["--models", models, *studies, "--limit", str(ROWS), "--lineups", str(tmp_path / "lineups")]


def answered(run: Path) -> Counter[str]:
    """How often each request was answered."""
    records = map(json.loads, (run / "ledger.jsonl").read_text().splitlines())
    return Counter(record["key"] for record in records if record["status"] != "failed")


def ours(tmp_path: Path) -> list[psutil.Process]:
    """Processes that serve a model of this test, or run its lineup."""
    alive = []
    for process in psutil.process_iter():
        try:
            if any(str(tmp_path) in word for word in process.cmdline()) or any(
                str(tmp_path) in file.path for file in process.open_files()
            ):
                alive.append(process)
        except psutil.Error:
            continue
    return [process for process in alive if process.pid != os.getpid()]


def test_two_models_are_carried_and_nothing_is_left(tmp_path: Path, models: str, grace: Command) -> None:
    done = grace("lineup", "run", *options(tmp_path, models))
    assert done.code == 1, done.err  # the models know nothing, so their data fails its checks
    assert "first: asked, home and removed" in done.out
    folder = tmp_path / "lineups" / "local"
    for model in ("first", "second"):
        for table in ("study1.csv", "study1_scores.csv", "study2.csv", "study2_scores.csv"):
            with open(folder / model / table, newline="") as file:
                assert len(list(csv.DictReader(file))) == ROWS
        assert json.loads((folder / "cleanup.json").read_bytes())[model]["left"] == []
        assert "study1.run/ledger.jsonl" in json.loads((folder / model / "files.json").read_bytes())
    assert all(history.closed for history in histories(folder / "lineup.jsonl").values())
    assert not ours(tmp_path)
    assert [line.split("; forecast: ")[0][:11] for line in done.out.splitlines() if " took " in line] == [
        "first took ",
        "second took",
    ]
    kept = json.loads((folder / "forecast.json").read_bytes())["models"]
    assert all(each["low"] <= each["likely"] <= each["high"] and each["took"] > 0 for each in kept)

    journal = (folder / "lineup.jsonl").read_bytes()
    again = grace("lineup", "run", *options(tmp_path, models))
    assert again.code == 1
    assert "second: home already" in again.out
    assert (folder / "lineup.jsonl").read_bytes() == journal
    assert json.loads((folder / "forecast.json").read_bytes())["models"] == kept  # no new forecast, nothing new took

    shown = grace("lineup", "status", "local", "--lineups", tmp_path / "lineups")
    assert shown.out.count("home and removed") == 2


def test_another_lineup_of_the_same_name_is_refused(tmp_path: Path, models: str, grace: Command) -> None:
    first = models.split(",")[0]
    assert grace("lineup", "run", *options(tmp_path, first)).code == 1
    refused = grace("lineup", "run", *options(tmp_path, models))
    assert refused.code == 2
    assert "is another lineup" in refused.err
    assert "--name" in refused.err


def test_a_server_that_does_not_start_is_given_up_and_the_limit_is_named(
    tmp_path: Path, models: str, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.lineup.process.START_SECONDS", 0.0)
    monkeypatch.setattr("grace.lineup.process.START_RATE", float("inf"))
    done = grace("lineup", "run", *options(tmp_path, models.split(",")[0]))
    assert done.code == 1
    assert "first: failed: " in done.out
    assert "llama.cpp did not answer within 0 s" in done.out
    assert not ours(tmp_path)


def test_a_model_that_cannot_be_served_does_not_stop_the_others(tmp_path: Path, models: str, grace: Command) -> None:
    broken = models.split(",")[0]
    Path(broken).write_bytes(b"GGUF and no more")
    done = grace("lineup", "run", *options(tmp_path, models))
    assert done.code == 1
    assert "first: failed: " in done.out
    assert "second: asked, home and removed" in done.out
    history = histories(tmp_path / "lineups" / "local" / "lineup.jsonl")[broken]
    assert history.failure
    assert history.failure[0] is Step.SERVE
    assert history.last[Step.PROVE_GONE] is Event.DONE

    write_tiny_gguf(Path(broken), seed=0)
    assert "first: asked, home and removed" in grace("lineup", "run", *options(tmp_path, models)).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "no-such-model"], "no-such-model"),
        (["--study", "study1"], "give a study with its table"),
        (["--study", "study1=no.csv"], "there is no such file"),
        (["--models", "smollm2-135m,smollm2-135m"], "twice"),
    ],
)
def test_wrong_input_is_named(tmp_path: Path, grace: Command, arguments: list[str], message: str) -> None:
    done = grace("lineup", "run", *arguments, "--lineups", tmp_path / "lineups")
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "lineups").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_random_moments_nothing_is_lost_or_asked_twice(tmp_path: Path, models: str) -> None:
    command = [sys.executable, "-m", "grace", "lineup", "run", *options(tmp_path, models)]
    draw = random.Random(17)
    folder = tmp_path / "lineups" / "local"
    kills = 0
    while True:
        runner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = folder / "lineup.jsonl"
        seen = journal.stat().st_size if journal.exists() else 0
        if kills < KILLS:  # after some more bytes of journal and ledgers, not after some time: machines differ
            await_growth(folder, runner, draw.randrange(1, 4000))
            victim = draw.choice(("runner", "server"))
            kill(runner, victim)
            kills += 1
            if victim == "runner":
                runner.wait()
                continue
        if runner.wait() in (0, 1) and kills >= KILLS:
            break
        assert journal.exists() or not seen
    for model in ("first", "second"):
        for run in ("study1.run", "study1_scores.run", "study2.run", "study2_scores.run"):
            requests = answered(folder / model / run)
            assert requests
            assert set(requests.values()) == {1}, run
        with open(folder / model / "study1.csv", newline="") as file:
            assert all(row["error"] == "" for row in csv.DictReader(file))
    assert all(history.closed for history in histories(folder / "lineup.jsonl").values())
    assert not ours(tmp_path)


def await_growth(folder: Path, runner: "subprocess.Popen[bytes]", amount: int) -> None:
    """Wait until journal and ledgers have so many bytes more, or the runner has ended."""

    def size() -> int:
        return sum(path.stat().st_size for path in folder.rglob("*.jsonl")) if folder.exists() else 0

    start = size()
    while size() < start + amount and runner.poll() is None:
        time.sleep(0.002)


def kill(runner: "subprocess.Popen[bytes]", victim: str) -> None:
    """Kill the runner, or the server that it started, with -9."""
    if victim == "runner":
        runner.kill()
        return
    try:
        servers = psutil.Process(runner.pid).children()
    except psutil.NoSuchProcess:
        return
    for server in servers:
        try:
            os.kill(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_two_models_at_once(tmp_path: Path, models: str, grace: Command) -> None:
    done = grace("lineup", "run", *options(tmp_path, models), "--parallel", "2")
    assert done.code == 1, done.err
    journal = tmp_path / "lineups" / "local" / "lineup.jsonl"
    begun = [(entry.model, entry.step) for entry in entries(journal) if entry.event is Event.BEGUN]
    first, second = models.split(",")
    assert begun.index((second, Step.SERVE)) < begun.index((first, Step.REMOVE))
    assert begun.index((first, Step.SERVE)) < begun.index((second, Step.REMOVE))
    assert all(history.closed for history in histories(journal).values())
    assert not ours(tmp_path)


def test_no_more_at_once_than_memory_holds(
    tmp_path: Path, models: str, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.lineup.process.available_memory", lambda: 1_000_000_000)
    done = grace("lineup", "run", *options(tmp_path, models), "--parallel", "2")
    assert "there is room for 1" in done.err
    journal = entries(tmp_path / "lineups" / "local" / "lineup.jsonl")
    assert [
        entry.model for entry in journal if entry.step is Step.SERVE and entry.event is Event.BEGUN
    ] == models.split(",")


def test_a_lineup_in_the_background_is_followed_and_resumed(tmp_path: Path, models: str, grace: Command) -> None:
    begun = grace("lineup", "run", *options(tmp_path, models), "--detach")
    assert begun.code == 0, begun.err
    folder = tmp_path / "lineups" / "local"
    pid = writer_of(folder)
    assert pid
    assert f"carried by process {pid}" in begun.out
    refused = grace("lineup", "run", *options(tmp_path, models))
    assert refused.code == 2
    assert f"process {pid}" in refused.err

    await_step(folder, Step.VISIT)
    os.kill(pid, signal.SIGTERM)
    while process_mark(pid):  # it ends its server, then itself
        time.sleep(0.05)
    assert "`grace lineup resume local --lineups" in (folder / "runner.log").read_text()
    assert not ours(tmp_path)

    done = grace("lineup", "resume", "local", "--lineups", tmp_path / "lineups")
    assert done.code == 1, done.err
    assert "first: asked, home and removed" in done.out
    for run in ("study1.run", "study2_scores.run"):
        assert set(answered(folder / "first" / run).values()) == {1}
    assert not ours(tmp_path)


def test_the_steps_of_another_process_are_shown(tmp_path: Path, models: str, grace: Command) -> None:
    assert grace("lineup", "run", *options(tmp_path, models), "--detach").code == 0
    followed = grace("lineup", "resume", "local", "--lineups", tmp_path / "lineups")
    assert followed.code == 1, followed.err
    assert "second: prove gone done" in followed.out
    assert "second: home already" in followed.out
    assert not [process for process in ours(tmp_path) if "llamacpp" in " ".join(process.cmdline())]


def test_resume_needs_a_lineup(tmp_path: Path, grace: Command) -> None:
    done = grace("lineup", "resume", "none", "--lineups", tmp_path)
    assert done.code == 2
    assert "grace lineup run" in done.err


def await_step(folder: Path, step: Step) -> None:
    """Wait until a step was begun."""
    while not any(entry.step is step for entry in entries(folder / "lineup.jsonl")):
        time.sleep(0.05)
