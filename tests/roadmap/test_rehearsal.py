"""The rehearsal: the printed next commands, followed literally, lead through all phases; each gate closes and opens."""

import json
import shlex
from pathlib import Path

import pytest

from conftest import Command, Result, read_rows
from grace.roadmap.disclosures import disclosures
from grace.roadmap.ground import Ground
from grace.roadmap.status import Status

MOST = 40
"""Commands; a road that needs more goes in circles."""
GUARDED = {
    0: "grace lineup run --profile rtx3090 --models models/stand-in-1.gguf --limit 10 --name rtx3090-first",
    1: "grace lineup run --profile rtx3090",
    2: "grace request a100",
    3: "grace lineup run --profile a100",
}


def typed(grace: Command, command: str) -> Result:
    """Run a command as a user types it."""
    words = shlex.split(command)
    assert words[0] == "grace"
    return grace(*words[1:])


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rehearsal that has begun, with a model that knows nothing."""
    from grace.roadmap.rehearsal import begin_rehearsal
    from tiny_gguf import write_tiny_gguf

    folder = tmp_path_factory.mktemp("rehearsal")
    write_tiny_gguf(folder / "tiny.gguf")
    return begin_rehearsal(folder / "road", folder / "tiny.gguf")


def follow(grace: Command) -> list[str]:
    """Follow the printed next commands to the end of the road, and try each gate once before; the commands."""
    phases, commands = [], []
    for _ in range(MOST):
        told = json.loads(grace("roadmap", "status", "--json").out)
        if told["phase"] is None:
            break
        phase, command = told["phase"], told["next"]["command"]
        assert command not in commands, f"{command} did not help: {told['next']}"
        if phase not in phases:
            phases.append(phase)
            if phase in GUARDED:
                refused = typed(grace, GUARDED[phase])
                assert refused.code == 4, refused.err
                assert f"Phase {phase} lacks" in refused.err
                assert command in refused.err  # the refusal names the command that comes next
        commands.append(command)
        done = typed(grace, command)
        assert done.code in (0, 1), f"{command}: {done.err}"  # 1: the model knows too little
    assert phases == [0, 1, 2, 3, 4, 5]
    assert json.loads(grace("roadmap", "status", "--json").out)["phase"] is None
    assert not Ground.here().evidence.fault
    return commands


def test_the_printed_commands_lead_to_the_end_of_the_road(
    road: Path, monkeypatch: pytest.MonkeyPatch, grace: Command
) -> None:
    monkeypatch.chdir(road)
    commands = follow(grace)
    assert [command for command in commands if command.startswith("grace lineup")] == [
        "grace lineup run --profile local --limit 10",
        GUARDED[0],
        GUARDED[1],
        GUARDED[3],
    ]
    assert "all checks" not in (road / "roadmap/decision-2.html").read_text()
    assert "stand-in-2" in (road / "roadmap/decision-2.html").read_text()
    assert "This is a rehearsal" in (road / "outputs/report.html").read_text()
    assert "This is a rehearsal" in (road / "outputs/paper/paper.md").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("one_core")
def test_so_they_do_with_the_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    """As a user plays it: `grace roadmap rehearse --begin`, then what `grace roadmap status` prints."""
    monkeypatch.chdir(tmp_path)
    begun = grace("roadmap", "rehearse", "road", "--begin")
    assert begun.code == 0, begun.err
    monkeypatch.chdir(tmp_path / "road")
    follow(grace)
    (answer, *_) = read_rows(Path("lineups/a100/stand-in-1/colours.csv"))
    assert answer["model_response"].strip()
    scores = read_rows(Path("lineups/a100/stand-in-1/colours_scores.csv"))
    assert all(0.2 < float(row["label_mass_verdict"]) <= 1.000001 for row in scores)


def test_what_was_rehearsed_is_no_proof_elsewhere(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(road)
    text = (road / "grace.yaml").read_text()
    (road / "grace.yaml").write_text(text.replace("rehearsal: true", "rehearsal: false"))
    try:
        status = Status(Ground.here())
        assert not status.phase(0).done
        assert "that of a rehearsal" in status.ground.evidence.fault
        (road / "evidence.jsonl").rename(road / "kept.jsonl")
        (road / "evidence.head").rename(road / "kept.head")
        fresh = Status(Ground.here())
        assert "was asked on this machine" in fresh.item("1.6.2").text
        (road / "kept.jsonl").rename(road / "evidence.jsonl")
        (road / "kept.head").rename(road / "evidence.head")
    finally:
        (road / "grace.yaml").write_text(text)


def test_an_approval_that_is_over_closes_the_gate_again(
    road: Path, monkeypatch: pytest.MonkeyPatch, grace: Command
) -> None:
    monkeypatch.chdir(road)
    monkeypatch.setattr("grace.roadmap.checks.said.today", lambda: "2999-01-01")
    refused = grace("lineup", "run", "--profile", "a100", "--name", "another")
    assert refused.code == 4
    assert "the approval ended on" in refused.err
    assert "grace request approve --until" in refused.err


def test_a_stop_ends_the_road_to_scarce_gpus_and_papers_say_so(
    road: Path, monkeypatch: pytest.MonkeyPatch, grace: Command
) -> None:
    monkeypatch.chdir(road)
    assert grace("roadmap", "decide", "2").code == 0
    assert grace("roadmap", "decide", "2", "--stop", "--note", "good enough").code == 0
    status = Status(Ground.here())
    assert "good enough" in status.phase(3).skipped
    assert "good enough" in status.phase(4).skipped
    refused = grace("lineup", "run", "--profile", "a100", "--name", "another")
    assert refused.code == 4
    assert "the results of phase 2 are used" in refused.err
    assert any("The results are those of phase 2" in line for line in disclosures(Ground.here()))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, grace: Command) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = grace("roadmap", "rehearse", tmp_path, "--begin", "--model", tmp_path / "no.gguf")
    assert refused.code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]
