"""grace.yaml: found upwards, checked, overruled by options, and shown with its sources."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, Command
from grace.errors import InputError
from grace.project import FILE, find_project
from grace.project_file import TEMPLATE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder; the current folder is one below it."""
    below = tmp_path / "notes" / "today"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def test_init_writes_a_file_that_sets_nothing(project: Path, grace: Command) -> None:
    done = grace("init", project)
    assert done.code == 0
    assert "grace config" in done.out
    found = find_project()
    assert found
    assert found.path == project / FILE
    assert found.defaults() == {}
    again = grace("init", project)
    assert again.code == 2
    assert "is there already" in again.err


def test_every_example_of_the_template_is_valid(project: Path) -> None:
    lines = [line.removeprefix("# ") for line in TEMPLATE.splitlines() if line.startswith(("# ", "#   "))]
    settings = [line for line in lines if line.startswith("  ") or line.split(":")[0].isidentifier()]
    (project / FILE).write_text("\n".join(settings))
    found = find_project()
    assert found
    content = found.content.model_dump(exclude={"rehearsal"})  # only `grace roadmap rehearse` sets it
    assert all(content.values()), [name for name, value in content.items() if not value]


def test_options_take_their_defaults_from_the_project(project: Path, grace: Command) -> None:
    (project / FILE).write_text("model: gemma\nnamespace: my-lab\nthresholds: {truncated: 0.25}\n")
    assert "gemma" in grace("query", "--help").out
    assert "my-lab" in grace("cluster", "render", "--help").out
    shown = grace("config")
    assert shown.code == 0
    assert "gemma" in shown.out
    assert "Grace's default" in shown.out


def test_an_option_overrules_the_project(project: Path, grace: Command) -> None:
    (project / FILE).write_text("cluster: no-such-cluster\n")
    table = ROOT / "src/grace/policy/rules/examples"
    assert "no-such-cluster" in grace("cluster", "check", table).err
    assert "no-such-cluster" not in grace("cluster", "check", table, "--cluster", "nrp").err


def test_a_study_finds_its_table(project: Path, grace: Command) -> None:
    (project / FILE).write_text("studies: [{study: study1, input: data/mine.csv}]\n")
    missing = grace("query", "study1", "--output", "out.csv")
    assert missing.code == 2
    assert "../../data/mine.csv" in missing.err
    other = grace("query", "study2", "--output", "out.csv")
    assert other.code == 2
    assert "--input is missing" in other.err
    assert "study1" in other.err


def test_without_a_project_the_table_is_asked_for(project: Path, grace: Command) -> None:
    done = grace("score", "study1", "--output", "out.csv")
    assert done.code == 2
    assert "--input is missing" in done.err
    assert grace("config").code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modell: x", "no field 'modell' (did you mean 'model'?)"),
        ("studies: [{study: study1}]", "studies"),
        ("thresholds: {truncated: many}", "truncated"),
        ("- a list", "must hold fields"),
        ("model: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_named(project: Path, text: str, message: str) -> None:
    (project / FILE).write_text(text)
    with pytest.raises(InputError) as error:
        find_project()
    assert str(project / FILE) in str(error.value)
    assert message in str(error.value)


def test_no_command_pays_for_a_project_that_is_not_there(tmp_path: Path) -> None:
    look = (
        "import sys, grace.cli, grace.project; grace.project.find_project(); "
        "print({'pydantic', 'yaml'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
