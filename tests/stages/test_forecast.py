"""What asking will take: from the ledgers of earlier runs, else a guess that says so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, Command
from grace.models.catalogue import hub_models
from grace.models.plan import plan_model
from grace.models.speed import gpu_speed, guess_speed
from grace.runs import Run
from grace.stages.forecast import Span, Work, duration, forecast, measured
from timed_runs import write_run


def work(study: str = "study1", *, requests: int = 1000, done: int = 0, endpoint: str = "embedded") -> Work:
    return Work("generate", study, "tiny", endpoint, requests, done, 100.0, Span(20, 150, 512))


def test_pauses_between_sessions_are_no_work(tmp_path: Path) -> None:
    """Four at once, two seconds each: a request takes half a second, whatever the runner did in between."""
    times = [(4 + second * 2, 6 + second * 2) for second in range(50) for _ in range(4)]
    times += [(began + 100_000, ended + 100_000) for began, ended in times]
    (speed,) = measured([write_run(tmp_path / "a.run", times)])
    assert speed.seconds.likely == pytest.approx(0.5)
    assert speed.seconds.low == pytest.approx(0.45)
    assert (speed.prompt_tokens, speed.answer_tokens, speed.records) == (200, 50, 400)


def test_the_range_is_that_of_slow_and_fast_stretches(tmp_path: Path) -> None:
    fast = [(second, second + 1) for second in range(400)]
    slow = [(400 + 3 * place, 403 + 3 * place) for place in range(400)]
    (speed,) = measured([write_run(tmp_path / "a.run", fast + slow)])
    assert (speed.seconds.low, speed.seconds.likely, speed.seconds.high) == pytest.approx((1, 2, 3))


def test_what_is_left_is_counted_and_the_source_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a.run", [(second, second + 1) for second in range(100)])
    made = forecast([work(done=400)], measured([run]), gpus=2, start=Span(60, 120, 600), weights=7)
    assert made.asking.likely == pytest.approx(600)
    assert made.hours.likely == pytest.approx(0.2)
    assert made.gpu_hours.likely == pytest.approx(0.4)
    assert made.answer_tokens.likely == 600 * 50
    assert not made.guessed
    assert "a.run (100 requests)" in made.source
    assert made.as_json()["gpu_hours"]["likely"] == pytest.approx(0.4)
    finished = forecast([work(done=1000)], measured([run]), gpus=2, start=Span(60, 120, 600))
    assert finished.seconds == Span(0, 0, 0)


def test_another_study_or_address_widens_the_range(tmp_path: Path) -> None:
    speeds = measured([write_run(tmp_path / "a.run", [(second, second + 1) for second in range(100)])])
    same, elsewhere, other = (
        forecast([each], speeds) for each in (work(), work(endpoint="http://gpu:8000"), work("study2"))
    )
    assert elsewhere.asking.high == pytest.approx(same.asking.high * 1.5)
    assert "another address" in elsewhere.source
    assert other.asking.likely > same.asking.likely  # longer answers are expected than were measured
    assert "scaled from the study study1" in other.source


def test_the_nearest_run_is_taken(tmp_path: Path) -> None:
    steady = [(second, second + 1) for second in range(40)]
    runs = [
        write_run(tmp_path / "other.run", steady * 5, study="study2"),
        write_run(tmp_path / "own.run", steady),
        write_run(tmp_path / "model.run", steady, model="large"),
        write_run(tmp_path / "scores.run", steady, experiment="score"),
    ]
    assert "own.run" in forecast([work()], measured(runs)).source


def test_without_a_run_it_is_a_guess(tmp_path: Path) -> None:
    few = write_run(tmp_path / "few.run", [(0, 1)] * 5)
    made = forecast([work()], measured([few]), guess_speed("smollm2-135m", embedded=True))
    assert made.guessed
    assert made.source.startswith("a guess: from 98 MB of weights")
    assert forecast([work()], ()).source == "a guess: nothing is known of the server's speed"


@pytest.mark.parametrize(
    "damage", [b"", b"\n", b'{"status": "answered"}\n' * 20, b"no json\n", b'{"tokens": 1}\n' * 20]
)
def test_a_damaged_run_shows_no_speed(tmp_path: Path, damage: bytes) -> None:
    run = write_run(tmp_path / "a.run", [(0, 1)])
    run.ledger.write_bytes(damage)
    assert measured([run, Run(tmp_path / "none.run")]) == ()


def test_every_plan_of_the_lineup_has_a_guess() -> None:
    """Larger models are slower, and none is faster or slower than any server of its size ever was."""
    for profile in ("rtx3090", "a100"):
        guesses = {name: gpu_speed(plan_model(model, profile=profile)) for name, model in hub_models().items()}
        for name, guess in guesses.items():
            assert guess, name
            assert 50 < guess.writing < 50_000, name
            assert 200 < guess.reading < 200_000, name
        assert guesses["llama-3-70b-instruct"].writing < guesses["llama-3-8b-instruct"].writing  # type: ignore[union-attr]


@given(st.floats(0, 1e7))
def test_durations_are_short_words(seconds: float) -> None:
    number, unit = duration(seconds).split()
    assert unit in ("s", "min", "h")
    assert float(number) * {"s": 1, "min": 60, "h": 3600}[unit] == pytest.approx(seconds, rel=0.06, abs=0.06)


# --- the commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "requests", "words"), [("query", 10, "Updated question"), ("score", 60, "percent")]
)
def test_a_dry_run_shows_prompts_and_writes_nothing(
    grace: Command, tmp_path: Path, command: str, requests: int, words: str
) -> None:
    table = ROOT / "data" / "test_sample_study1.csv"
    shown = grace(command, "study1", "--input", table, "--output", tmp_path / "out" / "a.csv", "--dry-run")
    assert shown.code == 0, shown.err
    assert words in shown.out
    assert f"{requests} requests" in shown.out
    assert "a guess" in shown.out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_finds_the_mistakes_of_a_run(grace: Command, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    assert grace("query", "study1", "--input", table, "--output", tmp_path / "o.csv", "--dry-run").code == 2


def test_prices_of_the_project_say_what_a_run_costs(
    grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grace.yaml").write_text("prices: {tiny: {prompt: 1000, answer: 10000, currency: EUR}}\n")
    asked = forecast([work(requests=1000, done=500)], [])
    prompts, answers = (getattr(asked, f"{what}_tokens").likely for what in ("prompt", "answer"))
    assert (prompts, answers) == (50_000, 75_000)
    assert asked.money.startswith(f"about {prompts / 1e6 * 1000 + answers / 1e6 * 10_000:.2f} EUR (")
    options = ("--input", ROOT / "data" / "test_sample_study1.csv", "--output", tmp_path / "a.csv", "--dry-run")
    assert "EUR" not in grace("query", "study1", *options, "--model-name", "smollm2-135m").out
    (tmp_path / "grace.yaml").write_text("prices: {smollm2-135m: {prompt: 1, answer: 2}}\n")
    assert " USD (" in grace("query", "study1", *options, "--model-name", "smollm2-135m").out
    (tmp_path / "grace.yaml").write_text("prices: {smollm2-135m: {prompt: -1, answer: 2}}\n")
    assert "prices.smollm2-135m.prompt: must be 0 or more" in grace("query", "study1", *options).err


def test_a_long_run_begins_with_an_estimate(query: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "about" not in query().err.replace("about every", "")
    monkeypatch.setattr("grace.stages.forecast.MINUTE", 0.001)
    said = query("--limit", "2", "--output", tmp_path / "again.csv").err
    assert "requests: about" in said
