"""What a lineup will take, before anything is started."""

from pathlib import Path

import pytest

from conftest import ROOT, Command
from grace.calls.display import Lines
from grace.lineup.folder import LineupFolder, visited
from grace.lineup.forecast import forecast_models
from grace.lineup.lineup_file import LineupFile
from grace.models.catalogue import models_of, profile
from grace.stages.forecast import Forecast
from grace.stages.visit_file import VisitFile
from timed_runs import write_run


def forecasts(tmp_path: Path, where: str) -> list[Forecast]:
    visits, inputs = visited([("study1", ROOT / "data" / "study1.csv"), ("study2", ROOT / "data" / "study2.csv")])
    lineup = LineupFile(name="plan", profile=where, models=tuple(models_of(profile(where))))
    folder = LineupFolder(tmp_path / "lineups" / "plan")
    return list(forecast_models(lineup, VisitFile(studies=visits), inputs, folder, Lines()))


@pytest.mark.parametrize("where", ["rtx3090", "a100"])
def test_six_models_on_gpus_are_hours_of_each(tmp_path: Path, where: str) -> None:
    made = forecasts(tmp_path, where)
    assert len(made) == 6
    for each in made:
        assert each.guessed
        assert each.requests == made[0].requests > 2724
        assert 0 < each.start.low <= each.start.likely <= each.start.high
        assert each.gpu_hours.likely == pytest.approx(each.hours.likely * each.gpus)
        assert 0.01 < each.gpu_hours.low < each.gpu_hours.high < 100, each.model
    assert made[4].gpus == 2
    assert made[4].weights > 39e9


def test_a_lineup_of_the_same_profile_is_measured_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one on other GPUs is not, although the model has the same name there."""
    monkeypatch.chdir(tmp_path)
    for name, where in (("slow", "rtx3090"), ("fast", "a100")):
        folder = tmp_path / "lineups" / name
        pause = 2.0 if name == "slow" else 1.0
        times = [(second * pause, (second + 1) * pause) for second in range(20)]
        write_run(
            folder / "gemma-2-2b-it" / "study1.run", times, model="gemma-2-2b-it", endpoint="http://localhost:8000"
        )
        (folder / "lineup.yaml").write_text(f"name: {name}\nprofile: {where}\nmodels: [gemma-2-2b-it]\n")
    first = forecasts(tmp_path, "rtx3090")[0]
    assert first.sources[0] == "lineups/slow/gemma-2-2b-it/study1.run (20 requests)"
    assert "guess" in first.source or first.guessed  # of the scores, nothing was measured


def test_a_dry_run_starts_and_writes_nothing(grace: Command, tmp_path: Path) -> None:
    samples = [f"study{number}={ROOT}/data/test_sample_study{number}.csv" for number in (1, 2)]
    studies = [word for sample in samples for word in ("--study", sample)]
    shown = grace("lineup", "run", "--dry-run", *studies, "--lineups", tmp_path / "lineups")
    assert shown.code == 0, shown.err
    assert "1. smollm2-135m: 90 requests" in shown.out
    assert "a guess" in shown.out or "measured" in shown.out
    assert "makes a process that serves" in shown.out
    assert list(tmp_path.iterdir()) == []
