"""The road of an endpoint that somebody else serves: what lineups of it prove, and every way to pretend."""

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import roads
from conftest import Command, Result
from grace.files import FileList
from grace.ledger import Record
from grace.lineup.journal import Step
from grace.roadmap.ground import YOUR_NOTE, Ground
from grace.roadmap.status import Standing, Status
from ledgers import reword, rewrite
from table_model import TableServer
from things import MODEL

NAMES = ("small", "acme/large")
LINEUP = Path("lineups/api")
SMALL, LARGE = LINEUP / "small", LINEUP / "acme-large"
OF_PHASE_2 = ("2.1.1", "2.2.1", "2.2.7", "2.2.9", "2.3.1", "2.4.1", "2.5.1")
MOST = 25
"""Commands; a road that needs more goes in circles."""


def item(name: str) -> tuple[Standing, str]:
    """How far an item is, and what was found."""
    found = Status(Ground.here()).item(name)
    return found.state, found.text


def serving(name: str) -> TableServer:
    """A server that scores, too: somebody's vLLM."""
    return TableServer(MODEL, "vllm", name=name, answer="yes")


def typed(grace: Command, command: str) -> Result:
    """Run a printed command as a user types it, who writes a note of their own."""
    words = shlex.split(command.replace(YOUR_NOTE, "all of it was read"))
    assert words[0] == "grace"
    return grace(*words[1:])


def set_project(folder: Path, **content: object) -> None:
    """Change some fields of a project's file."""
    path = folder / "grace.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **content}))


@pytest.fixture(scope="module")
def finished(carried: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of this road that has its data of phase 2, of two models of one gateway. Not to be changed."""
    folder = tmp_path_factory.mktemp("api") / "project"
    shutil.copytree(carried, folder)
    with pytest.MonkeyPatch.context() as patch, serving(NAMES[0]) as one, serving(NAMES[1]) as other:
        patch.chdir(folder)
        profiles = {"local": {"models": [roads.MODEL]}, "api": {"models": [NAMES[0]]}}
        set_project(folder, endpoint=one.url, profiles=profiles)
        for words in (["roadmap", "road", "api", "--reason", "no cluster"], ["roadmap", "freeze"]):
            assert roads.call(*words) == 0
        assert roads.call("lineup", "run", "--profile", "api") in (0, 1)
        assert roads.call("lineup", "run", "--profile", "api", "--name", "api-2", "--models", NAMES[1],
                          "--model-endpoint", other.url) in (0, 1)  # fmt: skip
    return folder


@pytest.fixture
def api(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project; commands are called in it."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder


def test_runs_of_an_endpoint_prove_phase_2(api: Path, grace: Command) -> None:
    for name in OF_PHASE_2:
        assert item(name)[0] is Standing.PROVEN, item(name)
    assert grace("roadmap", "check", "2").code == 1  # a person's words are left
    assert Status(Ground.here()).item("2.1.1").entries
    told = grace("lineup", "status", "api")
    assert "home and removed" in told.out
    assert "nothing is left" in grace("lineup", "clean", "api").out
    assert grace("roadmap", "timeline").out.count(NAMES[0]) == 1


def test_every_model_of_the_profile_is_needed(api: Path) -> None:
    profiles = {"api": {"models": [*NAMES, "another"]}}
    set_project(api, profiles=profiles)
    state, found = item("2.1.1")
    assert state is Standing.OPEN
    assert found == "another: no lineup of the profile api carried it"


def test_the_printed_commands_lead_to_the_end_of_the_road(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: Command
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(carried, folder)
    monkeypatch.chdir(folder)
    grace("roadmap", "road", "api", "--reason", "we have no cluster")
    commands: list[str] = []
    with serving(NAMES[0]) as server:
        for _ in range(MOST):
            coming = Status(Ground.here()).next
            if coming is None:
                break
            assert coming.command not in commands, f"{coming.command} did not help: {coming.item}"
            commands.append(coming.command)
            assert typed(grace, coming.command).code in (0, 1), coming.command
            if coming.command == "grace roadmap explain 2.0.2":  # what no command can know
                assert "endpoint: https://" in coming.do
                set_project(folder, endpoint=server.url, model=NAMES[0])
    assert Status(Ground.here()).current is None
    assert "grace lineup run --profile api" in commands
    assert [phase.phase.number for phase in Status(Ground.here()).phases if phase.skipped] == [1, 3, 4]
    page = (folder / "roadmap/decision-2.html").read_text()
    assert "decide 2 --go" in page
    assert "Better GPUs" not in page
    assert "The road without a cluster was taken, api" in (folder / "outputs/report.html").read_text()


def test_an_endpoint_without_probabilities_leaves_experiment_2_out(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: Command
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(carried, folder)
    monkeypatch.chdir(folder)
    with TableServer(MODEL, "openai", name=NAMES[0], answer="yes", logprobs=False) as server:
        left_out = {"2.4": "the endpoint gives no probabilities"}
        set_project(folder, endpoint=server.url, model=NAMES[0], roadmap={"leave_out": left_out})
        grace("roadmap", "road", "api", "--reason", "we have no cluster")
        grace("roadmap", "freeze")
        refused = grace("lineup", "run", "--profile", "api", "--name", "both")
        assert refused.code == 1
        assert "failed" in refused.out
        command = Ground.here().filled("{run_all}")
        assert command == "grace lineup run --profile api --experiment 1"
        assert typed(grace, command).code in (0, 1)
    for name in ("2.1.1", "2.2.1", "2.3.1"):
        assert item(name)[0] is Standing.PROVEN, item(name)
    assert item("2.4.1") == (Standing.SKIPPED, "left out by grace.yaml: the endpoint gives no probabilities")


def test_the_printed_command_takes_another_name_where_a_lineup_is_of_no_use(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: Command
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(carried, folder)
    monkeypatch.chdir(folder)
    with serving(NAMES[0]) as server:
        set_project(folder, endpoint=server.url, model=NAMES[0])
        grace("roadmap", "road", "api", "--reason", "we have no cluster")
        run_all = "grace lineup run --profile api"
        assert Ground.here().filled("{run_all}") == run_all
        grace(*run_all.split()[1:], "--limit", "1")  # a try, under the usual name
        assert Ground.here().filled("{run_all}") == f"{run_all} --name api-2"
        typed(grace, f"{run_all} --name api-2")
        assert Ground.here().filled("{run_all}") == f"{run_all} --name api-2"
        grace("roadmap", "freeze")  # the data are older than the thresholds
        assert Ground.here().filled("{run_all}") == f"{run_all} --name api-3"
        typed(grace, f"{run_all} --name api-3")
        assert item("2.2.1")[0] is Standing.PROVEN
        study = Path("study.yaml")
        study.write_text(study.read_text().replace("usually", "mostly"))
        assert item("2.2.1")[0] is Standing.STALE
        assert Ground.here().filled("{run_all}") == f"{run_all} --name api-4"
        assert typed(grace, f"{run_all} --name api-4").code in (0, 1)
        assert item("2.2.1")[0] is Standing.PROVEN
    assert Ground.here().filled("{run_local}") == "grace lineup run --profile local --limit 10 --name local-2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--models", "small"), "at which address? --model-endpoint URL"),
        (("--model-endpoint", "http://localhost:1"), "which models? --models A,B"),
        (("--model-endpoint", "embedded", "--models", "small"), "at which address?"),
        (("--model-endpoint", "http://u:secret@localhost:1", "--models", "a"), "endpoint.url"),
        (("--model-endpoint", "http://localhost:1", "--models", "a/b,a-b"), "would share the folder"),
        (("--model-endpoint", "http://localhost:1", "--models", "a", "--experiment", "3"), "--experiment"),
    ],
)
def test_what_no_command_can_know_is_asked_for(
    tmp_path: Path, project: Path, grace: Command, arguments: tuple[str, ...], message: str
) -> None:
    refused = grace("lineup", "run", "--profile", "api", *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert "secret" not in refused.err
    assert not LINEUP.exists() or not (LINEUP / "lineup.yaml").exists()


def test_a_key_is_read_where_it_is_needed_and_stands_nowhere(
    project: Path, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(NAMES[0]) as server:
        words = ("lineup", "run", "--profile", "api", "--models", NAMES[0], "--model-endpoint", server.url)
        failed = grace(*words, "--api-key-env", "A_KEY")
        assert "no such environment variable" in failed.out
        monkeypatch.setenv("A_KEY", "very-secret-key")
        assert "asked, home and removed" in grace("lineup", "resume", "api").out
    texts = [path.read_bytes() for path in LINEUP.rglob("*") if path.is_file()]
    assert not any(b"very-secret-key" in text for text in texts)


# --- ways to pretend: none of them proves anything -------------------------------------------------------------------


def edit_output() -> None:
    text = (SMALL / "colours.csv").read_text()
    (SMALL / "colours.csv").write_text(text.replace("snow", "sn0w", 1))


def edit_answers_and_list() -> None:
    path = SMALL / "colours.run" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"yes"', b'"no"', 1))
    files = FileList.read(SMALL, SMALL / "files.json")
    FileList.of(SMALL, [SMALL / name for name in files.entries]).write(SMALL / "files.json")


def old_run() -> None:
    """The run was begun long before the thresholds were frozen, in a lineup of the same day."""
    day = Ground.here().evidence.entries[0].time[:10]

    for path in (SMALL / "colours.run" / "run.json", LINEUP / "cleanup.json"):
        path.write_text(path.read_text().replace(day, "2025-01-01"))
    reword(LINEUP / "lineup.jsonl", day, "2025-01-01")
    _list_anew()


def empty_run() -> None:
    (SMALL / "colours.run" / "ledger.jsonl").write_bytes(b"")
    _list_anew()


def another_study() -> None:
    for path in (SMALL / "colours.run" / "run.json", SMALL / "colours_scores.run" / "run.json"):
        path.write_text(path.read_text().replace('"colours"', '"hues"'))
    _list_anew()


def a_run_of_this_machine() -> None:
    """The stand-in's runs under the name of the endpoint's model."""
    shutil.rmtree(SMALL)
    shutil.copytree("lineups/local/one", SMALL)
    for name in ("colours", "colours_scores"):
        path = SMALL / f"{name}.run" / "run.json"
        manifest = json.loads(path.read_text())
        manifest["id"] = f"another-{name}"
        manifest["identity"]["model"]["name"] = NAMES[0]
        path.write_text(json.dumps(manifest))
    _list_anew()


def another_model() -> None:
    for name in ("colours", "colours_scores"):
        path = SMALL / f"{name}.run" / "run.json"
        path.write_text(path.read_text().replace('"small"', '"smaller"'))
    _list_anew()


def another_address() -> None:
    path = SMALL / "colours.run" / "run.json"
    manifest = json.loads(path.read_text())
    manifest["sessions"][0]["endpoint"] = "http://elsewhere.example"
    path.write_text(json.dumps(manifest))
    _list_anew()


def copied_journal() -> None:
    """The journal of the other lineup, whose model it is said to be."""
    shutil.copy("lineups/api-2/lineup.jsonl", LINEUP)
    reword(LINEUP / "lineup.jsonl", NAMES[1], NAMES[0])


def copied_runs() -> None:
    """A model that was never asked has the runs of another one."""
    profiles = {"local": {"models": [roads.MODEL]}, "api": {"models": ["never-asked"]}}
    set_project(Path(), profiles=profiles)
    shutil.copytree(LINEUP, "lineups/never")
    shutil.move("lineups/never/small", "lineups/never/never-asked")
    for name in ("lineup.yaml", "cleanup.json"):
        path = Path("lineups/never") / name
        path.write_text(path.read_text().replace("small", "never-asked"))
    reword(Path("lineups/never/lineup.jsonl"), "small", "never-asked")


def half_of_the_trials() -> None:
    path = SMALL / "colours.run" / "run.json"
    manifest = json.loads(path.read_text())
    manifest["scope"]["rows"] = 1
    path.write_text(json.dumps(manifest))
    _list_anew()


def half_of_the_answers() -> None:
    """Half of the trials were asked, and the manifest says that all were."""
    path = SMALL / "colours.run" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    _list_anew()


def truncated_chain() -> None:
    lines = Path("evidence.jsonl").read_bytes().splitlines(keepends=True)
    Path("evidence.jsonl").write_bytes(b"".join(lines[:2]))


def chain_begun_anew() -> None:
    """Without a freeze, and then with one that is younger than the data."""
    Path("evidence.jsonl").unlink()
    Path("evidence.head").unlink()
    for words in (["roadmap", "road", "api", "--reason", "no cluster"], ["roadmap", "freeze"]):
        assert roads.call(*words) == 0


def _list_anew() -> None:
    """Make the list of files, and the journal that noted it, fit what is there now."""
    files = FileList.read(SMALL, SMALL / "files.json")
    now = FileList.of(SMALL, [SMALL / name for name in files.entries if (SMALL / name).is_file()])
    now.write(SMALL / "files.json")
    digest = FileList.read(SMALL, SMALL / "files.json").sha256

    def note(records: list[Record]) -> None:
        for record in records:
            if record["step"] == Step.FETCH and record["event"] == "done":
                record["sha256"] = digest

    rewrite(LINEUP / "lineup.jsonl", note)


CHEATS: list[tuple[Callable[[], None], str]] = [
    (edit_output, "colours.csv: was changed or removed since it came home"),
    (edit_answers_and_list, "is not the list that the journal noted"),
    (old_run, "was made"),
    (empty_run, "is empty: nothing was answered"),
    (another_study, "asks the study hues, which is none of this project's"),
    (a_run_of_this_machine, "was asked on this machine, which is not the profile api"),
    (another_model, "holds answers of smaller, not of small"),
    (another_address, "was asked at http://elsewhere.example, not at"),
    (copied_journal, "is not the list that the journal noted"),
    (copied_runs, "holds answers of small, not of never-asked"),
    (half_of_the_trials, "holds a part of its trials only"),
    (half_of_the_answers, "holds a part of its trials only"),
    (truncated_chain, "the evidence does not hold"),
    (chain_begun_anew, "was begun before the thresholds were frozen"),
]


@pytest.mark.parametrize(("cheat", "message"), CHEATS, ids=lambda value: getattr(value, "__name__", ""))
def test_no_pretence_proves_phase_2(api: Path, cheat: Callable[[], None], message: str) -> None:
    cheat()
    found = {name: item(name) for name in OF_PHASE_2}
    assert not [name for name, (state, _) in found.items() if state is Standing.PROVEN], found
    assert message in found["2.1.1"][1]


@pytest.mark.parametrize("cheat", [edit_answers_and_list, another_address, copied_runs])
def test_nor_does_it_after_it_was_proven_once(api: Path, grace: Command, cheat: Callable[[], None]) -> None:
    grace("roadmap", "check", "2")
    cheat()
    found = {name: item(name) for name in OF_PHASE_2}
    assert not [name for name, (state, _) in found.items() if state is Standing.PROVEN], found


def test_a_comparison_of_two_models_counts_until_it_is_edited(api: Path, grace: Command) -> None:
    runs = (SMALL / "colours_scores.run", Path("lineups/api-2/acme-large/colours_scores.run"))
    assert grace("compare", *runs, "--out", "outputs/both", "--no-figures").code == 0
    assert item("5.1.1")[0] is Standing.PROVEN, item("5.1.1")
    path = Path("outputs/both/compare.json")
    path.write_text(path.read_text().replace("equivalent", "different"))
    assert "compare.json: is not as it was written" in item("5.1.1")[1]


def test_a_decision_is_about_the_data_that_were_there(api: Path, grace: Command) -> None:
    grace("roadmap", "attest", "2.5.4", "--note", "read all of them")
    assert grace("roadmap", "decide", "2").code == 0
    page = Path("roadmap/decision-2.html")
    text = page.read_text()
    page.write_text(text.replace("failed", "passed"))
    assert grace("roadmap", "decide", "2", "--go", "--note", "good enough").code == 4
    page.write_text(text)
    assert grace("roadmap", "decide", "2", "--go", "--note", "good enough").code == 0
    assert item("2.5.5")[0] is Standing.PROVEN
    shutil.rmtree("lineups/api-2")
    state, found = item("2.5.5")
    assert state is Standing.STALE
    assert "the data changed since" in found
