"""No output of any command takes the place of a file in another run, not with --force, nor through a link."""

import shutil
from itertools import product
from pathlib import Path

import pytest

from conftest import ROOT, Command
from grace.errors import InputError
from grace.files import holding, replacing
from grace.lock import locked

RUNS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"
ENDPOINT = ("--model-endpoint", "http://127.0.0.1:9", "--model-name", "canned")
STUDY1 = ("--input", ROOT / "data" / "study1.csv", *ENDPOINT)
SHOWN = ("--title", "A", "--show", "a")
COMMANDS: dict[str, tuple[object, ...]] = {
    "export": ("export", "turns.run", "--output", "{}", "--force"),
    "query": ("query", "study1", *STUDY1, "--output", "{}"),
    "score": ("score", "study1", *STUDY1, "--output", "{}"),
    "extract": ("extract", "--input", "turns.csv", "--output", "{}"),
    "join": ("join", "{}"),
    "data synth": ("data", "synth", "study1", "--participants", 1, "--output", "{}", "--force"),
    "data sample": ("data", "sample", ROOT / "data" / "study1.csv", "--output", "{}", "--force"),
    "study new": (
        "study",
        "new",
        "{}",
        "--kind",
        "choice",
        "--columns",
        "a",
        "--question",
        "Is it {{{{ a }}}}?",
        "--labels",
        "yes,no",
        *SHOWN,
    ),
    "merge": ("merge", "turns.run", "--out", "{}"),
    "analyze": ("analyze", "turns.run", "--out", "{}"),
    "compare": ("compare", "politeness.run", "politeness_other.run", "--out", "{}"),
    "report": ("report", "turns.run", "--out", "{}"),
    "paper": ("paper", "turns.run", "--out", "{}"),
    "validate": ("validate", "turns.run", "--out", "{}"),
    "archive create": ("archive", "create", "turns.run", "--to", "{}"),
    "init": ("init", "{}"),
    "cluster render": ("cluster", "render", "--profile", "rtx3090", "--out", "{}"),
    "roadmap rehearse": ("roadmap", "rehearse", "{}"),
    "visit": ("visit", "visit.yaml", *ENDPOINT, "--out", "{}"),
}
"""Each with the place that it writes to."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of another model, in the current folder, beside runs to make things of."""
    monkeypatch.chdir(tmp_path)
    for name in ("turns", "politeness", "politeness_other"):
        shutil.copytree(RUNS / f"{name}.run", f"{name}.run")
        shutil.copy(RUNS / f"{name}.csv", f"{name}.csv")
    Path("visit.yaml").write_text(f"studies: [{{study: study1, input: {ROOT / 'data' / 'study1.csv'}}}]\nquery: {{}}\n")
    return Path(shutil.copytree(RUNS / "skies.run", tmp_path / "other.run"))


@pytest.mark.parametrize(
    ("command", "place"),
    [("export", "new.csv"), ("export", "link.csv"), *product(COMMANDS, ["input.csv", "below/a.csv"])],
)
def test_a_file_of_another_run_is_never_replaced(command: str, place: str, victim: Path, grace: Command) -> None:
    (victim / "link.csv").symlink_to(victim.parent / "elsewhere.csv")
    before = contents(victim)
    done = grace(*(str(part).format(victim / place) for part in COMMANDS[command]))
    assert done.code == 2, done
    assert "other.run" in done.err
    assert contents(victim) == before
    assert not (victim.parent / "elsewhere.csv").exists()


def test_only_the_holder_of_a_run_writes_in_it(victim: Path) -> None:
    with (
        pytest.raises(InputError, match=r"is inside the run .*other\.run, which is kept as it is"),
        replacing(victim / "input.csv"),
    ):
        pass
    with locked(victim), replacing(victim / "input.csv") as file:
        file.write(b"x")
    assert (victim / "input.csv").read_bytes() == b"x"
    with (
        holding(victim / "inner.run"),
        pytest.raises(InputError, match=r"other\.run"),
        replacing(victim / "inner.run" / "run.json"),
    ):
        pass
    assert not (victim / "inner.run").exists()


def test_a_link_to_a_file_of_a_run_is_replaced_itself(victim: Path, grace: Command) -> None:
    table = victim.with_name("table.csv")
    table.symlink_to(victim / "input.csv")
    before = contents(victim)
    assert grace("export", "turns.run", "--output", table, "--force").code in (0, 1)
    assert (contents(victim), table.is_symlink()) == (before, False)
