"""Gates, overrides, frozen thresholds and requests: what is refused, and what is said of it afterwards."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
import yaml

from conftest import ROOT, Command
from grace.roadmap.disclosures import disclosures, disclosures_near
from grace.roadmap.freeze import canonical, uuid7
from grace.roadmap.ground import Ground

A100 = ("lineup", "run", "--profile", "a100")


def test_scarce_gpus_are_refused_and_the_refusal_says_what_is_missing(project: Path, grace: Command) -> None:
    refused = grace(*A100)
    assert refused.code == 4
    for phase in range(4):
        assert f"Phase {phase} lacks" in refused.err
    for command in ('grace roadmap attest 0.7.4 --note "', "grace roadmap freeze", "grace request a100", "--override"):
        assert command in refused.err
    assert len(refused.err.splitlines()) < 14


def test_the_first_model_needs_less_than_all(project: Path, grace: Command) -> None:
    first = grace("lineup", "run", "--profile", "rtx3090", "--models", "gemma-2-2b-it")
    assert first.code == 4
    assert "Phase 1" not in first.err
    beyond = grace("lineup", "run", "--profile", "rtx3090")
    assert beyond.code == 4
    assert "Phase 1 lacks" in beyond.err
    assert "grace roadmap freeze" in beyond.err


def test_an_open_gate_lets_the_first_model_pass(project: Path, grace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0.2", "0.7.4"):
        grace("roadmap", "attest", name, "--note", "done")
    assert grace("roadmap", "check", "0").code == 0
    passed: list[str] = []
    monkeypatch.setattr("grace.lineup.backends.backend_for", lambda lineup, *_: passed.append(lineup.name) or 1 / 0)
    grace("lineup", "run", "--profile", "rtx3090", "--models", "gemma-2-2b-it")
    assert passed == ["rtx3090"]


def test_a_dry_run_asks_no_gate(project: Path, grace: Command) -> None:
    told = grace(*A100, "--dry-run")
    assert told.code != 4


def test_local_lineups_pass(project: Path, grace: Command) -> None:
    assert "home already" in grace("lineup", "run").out


def test_an_override_passes_and_is_kept_and_reported(
    project: Path, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "write what you saw" in grace(*A100, "--override", " ").err
    monkeypatch.setattr("grace.lineup.backends.backend_for", lambda *_: 1 / 0)
    passed = grace(*A100, "--override", "the deadline is tomorrow")
    assert passed.code == 70  # past the gate
    entry = Ground.here().evidence.entries[-1]
    assert (entry.kind, entry.subject, entry.facts["reason"]) == ("override", "a100", "the deadline is tomorrow")
    assert "0.7.4" in entry.facts["missing"]
    assert grace(*A100).code == 70  # the same lineup continues
    assert grace(*A100, "--name", "another").code == 4
    said = disclosures_near(project / "lineups" / "local" / "one" / "colours.run")
    assert any("passed closed gates" in line and "the deadline is tomorrow" in line for line in said)
    grace("report", "lineups/local/one/colours.run", "--out", "outputs/report.html")
    grace("paper", "lineups/local/one/colours.run", "--out", "outputs/paper")
    assert "the deadline is tomorrow" in Path("outputs/report.html").read_text()
    assert "the deadline is tomorrow" in Path("outputs/paper/paper.md").read_text()


def test_no_override_of_a_broken_chain(project: Path, grace: Command) -> None:
    grace("roadmap", "check", "0")
    Path("evidence.jsonl").write_text("")
    refused = grace(*A100, "--override", "no matter")
    assert refused.code == 2
    assert "was cut short" in refused.err


def test_on_a_road_without_a_cluster_gpus_stay_refused(project: Path, grace: Command) -> None:
    grace("roadmap", "road", "local", "--reason", "no cluster")
    refused = grace(*A100)
    assert refused.code == 4
    assert "grace roadmap road cluster" in refused.err


# --- frozen thresholds -----------------------------------------------------------------------------------------------

MINIMAL = {
    "seed": 42,
    "producer": {"id": "studio-11.co"},
    "version": "prml/0.1",
    "threshold": 0.85,
    "metric": "accuracy",
    "dataset": {
        "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "id": "imagenet-val-2012",
    },
    "created_at": "2026-05-01T12:00:00Z",
    "comparator": ">=",
    "claim_id": "01900000-0000-7000-8000-000000000000",
}
"""The first published test vector of PRML 0.1."""


@pytest.mark.parametrize(
    ("change", "digest"),
    [
        ({}, "1a3466cc08ee7fb60a726ea1c4db6ecf48a9f847b9b7523bfb54b2ffaefee546"),
        ({"threshold": 0.86}, "b96b5b8d613e29d8c28c1cf91c03821b02224c41188c6128743fa2d55639d4bb"),
        (
            {
                "claim_id": "01900000-0000-7000-8000-000000000002",
                "producer": {"id": "üniversite.edu.tr"},
            },
            "6cf48a868f8f2fec59647d4b8327a27aba7dc219c14ab799ad85398a5aa9e1b6",
        ),
        (
            {
                "claim_id": "01900000-0000-7000-8000-000000000005",
                "metric": "exact_match",
                "comparator": "==",
                "threshold": 1,
                "dataset": {"id": "synth-100", "hash": "abcdef0123456789" * 4},
                "seed": 7,
            },
            "fc2bf632dfb10bac8cf88b0c0756af2b53175c9b3078ae34aaf6ce63102c1b56",
        ),
    ],
    ids=["minimal", "threshold", "letters", "whole number"],
)
def test_manifests_have_the_published_digests(change: dict[str, object], digest: str) -> None:
    assert hashlib.sha256(canonical({**MINIMAL, **change})).hexdigest() == digest


def test_a_uuid_of_version_7_is_one() -> None:
    names = [uuid7() for _ in range(100)]
    assert len(set(names)) == 100
    assert all(len(name) == 36 and name[14] == "7" and name[19] in "89ab" for name in names)
    assert uuid7()[:8] >= names[0][:8]


def test_thresholds_are_frozen_once_and_changes_are_deviations(project: Path, grace: Command) -> None:
    frozen = grace("roadmap", "freeze", "--producer", "ada.example")
    assert frozen.code == 0
    path = Path("roadmap/frozen/colours-extracted.prml.yaml")
    manifest = yaml.safe_load(path.read_text())
    needed = ["version", "claim_id", "created_at", "metric", "comparator", "threshold", "dataset", "seed", "producer"]
    assert set(needed) <= set(manifest)
    assert (manifest["version"], manifest["comparator"], manifest["threshold"]) == ("prml/0.1", ">=", 0.95)
    assert manifest["dataset"]["hash"] == hashlib.sha256(Path("trials.csv").read_bytes()).hexdigest()
    sums = dict(line.split("  ")[::-1] for line in Path("roadmap/frozen/frozen.sha256").read_text().splitlines())
    assert sums[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "nothing changed" in grace("roadmap", "freeze").err

    with open("grace.yaml", "a") as file:
        file.write("thresholds: {extracted: 0.5}\n")
    assert list(disclosures(Ground.here())) == [
        "The threshold colours-extracted was frozen (E2) as 0.95, and is now 0.5."
    ]
    assert "--reason" in grace("roadmap", "freeze").err
    assert grace("roadmap", "freeze", "--reason", "the model is small").code == 0
    again = yaml.safe_load(path.read_text())
    assert (again["claim_id"], again["threshold"]) == (manifest["claim_id"], 0.5)
    assert again["prior_hash"] == sums[path.name]
    assert "frozen anew" in " ".join(disclosures(Ground.here()))


def test_an_edited_frozen_threshold_does_not_count(project: Path, grace: Command) -> None:
    grace("roadmap", "freeze")
    path = Path("roadmap/frozen/colours-extracted.prml.yaml")
    path.write_text(path.read_text().replace("0.95", "0.5"))
    found = next(
        item
        for phase in json.loads(grace("roadmap", "status", "--json").out)["phases"]
        for item in phase["items"]
        if item["id"] == "2.0.1"
    )
    assert found["state"] == "open"
    assert "not what was frozen" in found["found"]


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_says_what_why_and_how_long(project: Path, grace: Command) -> None:
    grace("roadmap", "check", "0")
    told = grace("request", "a100", "--dry-run")
    assert told.code == 0
    for words in ("llama-3-70b-instruct | 2 |", "at most 2 at once", "GPU hours", "each GPU needs 131.4 GiB", "E2, "):
        assert words in told.out
    assert "All hours are guesses" in told.out
    assert not Path("roadmap/request-a100.md").exists()
    assert "reservation of" in grace("request", "reservation", "--dry-run").out
    assert grace("request", "exception", "--dry-run").out.count("not needed") == 3


def test_nobody_asks_before_it_is_time(project: Path, grace: Command) -> None:
    refused = grace("request", "a100")
    assert refused.code == 4
    assert "Phase 2 lacks" in refused.err


@pytest.mark.parametrize(
    ("until", "message"),
    [("soon", "is not a date"), ("2020-01-01", "is over already"), ("2999-01-01", "nothing was requested yet")],
)
def test_an_approval_needs_a_request_and_a_date(project: Path, grace: Command, until: str, message: str) -> None:
    refused = grace("request", "approve", "--until", until, "--note", "granted")
    assert refused.code == 2
    assert message in refused.err


# --- decisions -------------------------------------------------------------------------------------------------------


def test_nothing_is_decided_without_data_and_a_page(project: Path, grace: Command) -> None:
    assert grace("roadmap", "decide", "2").code == 4
    assert grace("roadmap", "decide", "2", "--go", "--note", "fine").code == 4
    assert grace("roadmap", "decide", "1", "--go", "--note", "fine").code == 2
    assert "grace request approve" in grace("roadmap", "decide", "3", "--go", "--note", "granted").err


def test_the_timeline_has_every_model_of_both_phases(project: Path, grace: Command) -> None:
    rows = json.loads(grace("roadmap", "timeline", "--json", "--figure", "outputs/timeline.png").out)
    assert [row["phase"] for row in rows] == [2] * 6 + [4] * 6
    assert all(row["hours"]["low"] <= row["hours"]["likely"] <= row["hours"]["high"] for row in rows)
    assert Path("outputs/timeline.png").read_bytes().startswith(b"\x89PNG")
    assert grace("roadmap", "timeline").out.count("a guess") == 12


# --- ways around a gate: none of them opens it -----------------------------------------------------------------------


def open_phase_0(grace: Command) -> None:
    for name in ("0.2", "0.7.4"):
        assert grace("roadmap", "attest", name, "--note", "done").code == 0


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lineups that passed the gates."""
    names: list[str] = []
    monkeypatch.setattr("grace.lineup.backends.backend_for", lambda lineup, *_: names.append(lineup.name) or 1 / 0)
    return names


def test_the_first_model_is_the_first_only_once(project: Path, grace: Command, passed: list[str]) -> None:
    """The project's file names another first model after each lineup, so that all of them would be first."""
    open_phase_0(grace)
    grace("lineup", "run", "--profile", "rtx3090", "--models", "gemma-2-2b-it", "--name", "one")
    assert passed == ["one"]
    content = yaml.safe_load(Path("grace.yaml").read_text())
    content["profiles"]["rtx3090"] = {"models": ["gemma-2-9b-it"]}
    Path("grace.yaml").write_text(yaml.safe_dump(content))
    refused = grace("lineup", "run", "--profile", "rtx3090", "--name", "two")
    assert refused.code == 4
    assert "Phase 1 lacks" in refused.err
    assert passed == ["one"]


def test_a_lineup_whose_gate_closed_serves_no_further_model(project: Path, grace: Command, passed: list[str]) -> None:
    open_phase_0(grace)
    grace("lineup", "run", "--profile", "rtx3090", "--models", "gemma-2-2b-it", "--name", "one")
    with open("trials.csv", "a") as file:
        file.write("3,grass,green,yes\n")  # what a person read were other data
    for options in ((), ("--detach",)):
        refused = grace("lineup", "resume", "one", *options)
        assert refused.code == 4, options
        assert "Phase 0 lacks 0.7.4" in refused.err
    assert passed == ["one"]

    line = {"model": "gemma-2-2b-it", "step": "serve", "event": "begun", "time": "2026-11-01T12:00:00.000Z"}
    Path("lineups/one/lineup.jsonl").write_text(json.dumps(line) + "\n")
    grace("lineup", "resume", "one")  # what runs there is brought home and removed all the same
    assert passed == ["one", "one"]


def test_a_copied_lineup_is_not_resumed_past_a_gate(project: Path, grace: Command, passed: list[str]) -> None:
    text = Path("lineups/local/lineup.yaml").read_text()
    Path("lineups/forged/input").mkdir(parents=True)
    Path("lineups/forged/lineup.yaml").write_text(
        text.replace("name: local", "name: forged")
        .replace("profile: local", "profile: a100")
        .replace("models/one.gguf", "gemma-2-2b-it")
    )
    assert grace("lineup", "resume", "forged").code == 4
    assert passed == []


def test_what_was_left_out_to_pass_stays_on_record(project: Path, grace: Command, passed: list[str]) -> None:
    before = Path("grace.yaml").read_text()
    left_out = dict.fromkeys(("0.2", "0.7.4"), "no time")
    changed = {"0.7.3": {"needed": False}}
    with open("grace.yaml", "a") as file:
        file.write(yaml.safe_dump({"roadmap": {"leave_out": left_out, "items": changed}}))
    grace("lineup", "run", "--profile", "rtx3090", "--models", "gemma-2-2b-it")
    assert passed == ["rtx3090"]
    now = list(disclosures(Ground.here()))
    assert "The plan's item 0.2 was left out: no time." in now
    assert "The plan's item 0.7.3 was changed or added: needed." in now
    Path("grace.yaml").write_text(before)
    later = list(disclosures(Ground.here()))
    assert len(later) == len(now)
    assert all("when the lineup rtx3090 passed" in line for line in later)
    assert grace("lineup", "run", "--profile", "rtx3090", "--models", "gemma-2-2b-it", "--name", "again").code == 4


def test_without_the_client_a_gate_is_told_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grace: Command
) -> None:
    """Whoever installed no more than the quickstart says learns what is missing on the road, not in Python."""
    for name in ("kubernetes", *(each for each in sys.modules if each.startswith("kubernetes."))):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    asked = ("lineup", "run", "--profile", "a100", "--study", f"study1={ROOT / 'data' / 'study1.csv'}")
    assert grace("init").code == 0
    assert grace(*asked).code == 4
    plain = grace(*asked, "--dry-run")
    assert plain.code == 2
    assert "grace-experiments[cluster]" in plain.err
