"""A sample of an archive's questions is asked again, of the same model and of another one."""

import shutil
from importlib import resources
from pathlib import Path

import pytest

from conftest import Command
from grace.archive.rerun import RerunScores
from tiny_gguf import write_tiny_gguf


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: Command) -> str:
    """An archive of a small scored run, made by a real server."""
    monkeypatch.chdir(tmp_path)
    for name in ("study.yaml", "trials.csv"):
        shutil.copy(str(resources.files("grace.roadmap.rehearsal") / name), name)
    write_tiny_gguf(tmp_path / "one.gguf")
    model = ("--model-endpoint", "embedded", "--model-name", "one.gguf")
    assert grace("score", "study.yaml", "--input", "trials.csv", "--output", "scores.csv", *model).code == 0
    assert grace("archive", "create", "scores.run", "--to", "archived").code == 0
    return "archived"


def test_equal_questions_get_equal_numbers_and_another_model_is_refused(archive: str, grace: Command) -> None:
    again = grace("reproduce", archive, "--into", "again", "--rerun", "2")
    assert again.code == 0, again.err
    assert "asked again: largest difference 0, no noise floor was measured: the same" in again.out
    write_tiny_gguf(Path("two.gguf"), seed=7)
    other = grace("reproduce", archive, "--into", "other", "--rerun", "2", "--model-name", "two.gguf")
    assert other.code == 2
    assert "was scored with" in other.err


@pytest.mark.parametrize(
    ("largest", "floor", "failed", "good"),
    [
        (0.0, None, 0, True),
        (0.01, None, 0, False),
        (0.01, 0.02, 0, True),
        (0.03, 0.02, 0, False),
        (0.0, None, 1, False),
    ],
)
def test_the_noise_floor_says_what_is_a_difference(
    largest: float, floor: float | None, failed: int, good: bool
) -> None:
    assert RerunScores(20, failed, largest, floor).good is good
