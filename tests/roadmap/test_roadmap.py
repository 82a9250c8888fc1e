"""The roadmap of a project: what a real lineup proves, and every way to pretend, none of which proves anything."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Command
from grace.files import FileList
from grace.ledger import Record
from grace.lineup.journal import Step, histories
from grace.roadmap.ground import Ground
from grace.roadmap.said import record_archive
from grace.roadmap.status import Standing, Status
from ledgers import rewrite

LINEUP = Path("lineups/local")
ONE = LINEUP / "one"


def state(name: str) -> Standing:
    return Status(Ground.here()).item(name).state


def found(name: str) -> str:
    return Status(Ground.here()).item(name).text


def test_a_fresh_folder_says_what_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    monkeypatch.chdir(tmp_path)
    told = json.loads(grace("roadmap", "status", "--json").out)
    assert told["phase"] == 0
    assert told["next"]["command"].startswith("grace lineup run --profile local")
    assert "--study study1=data/study1.csv" in told["next"]["command"]
    assert not list(tmp_path.iterdir())  # status writes nothing


def test_status_is_one_screen(project: Path, grace: Command) -> None:
    told = grace("roadmap", "status")
    assert told.code == 0
    lines = told.out.splitlines()
    assert len(lines) <= 32
    assert max(map(len, lines)) <= 120
    assert 'grace roadmap attest 0.7.4 --note "WRITE WHAT YOU SAW"' in told.out


def test_a_local_lineup_proves_what_it_can(project: Path, grace: Command) -> None:
    assert grace("roadmap", "check", "0").code == 1  # a person's words are left
    for name in ("0.3.2", "0.3.3", "0.5.1", "0.5.3", "0.6.1", "0.6.3", "0.6.4", "0.7.1", "0.7.2", "0.7.3", "0.7.5"):
        assert state(name) is Standing.PROVEN, found(name)
    item = Status(Ground.here()).item("0.7.1")
    assert item.entries == ("E2",)
    entries = Ground.here().evidence.entries
    assert grace("roadmap", "check", "0").code == 1
    assert Ground.here().evidence.entries == entries  # nothing new, nothing added


def test_runs_of_commands_prove_it_as_well(project: Path, grace: Command) -> None:
    shutil.move(ONE, "outputs")
    shutil.rmtree(LINEUP)
    assert state("0.6.1") is Standing.PROVEN, found("0.6.1")
    assert state("0.6.3") is Standing.PROVEN
    assert state("0.7.1") is Standing.OPEN
    grace("roadmap", "check", "0")
    assert Status(Ground.here()).item("0.6.1").entries == ("E2",)


def test_a_person_says_what_only_a_person_knows(project: Path, grace: Command) -> None:
    refused = grace("roadmap", "attest", "0.7.4", "--note", "WRITE WHAT YOU SAW")
    assert refused.code == 2
    assert "write what you saw" in refused.err
    assert grace("roadmap", "attest", "0.7.4", "--note", "read all of them", "--by", "Ada").code == 0
    assert state("0.7.4") is Standing.ATTESTED
    assert "says Ada: read all of them" in found("0.7.4")
    said = grace("roadmap", "attest", "0.2", "--note", "the group's account")
    assert said.out.count("attested by") == 4
    assert "is checked, not attested" in grace("roadmap", "attest", "0.7.1", "--note", "yes").err


def test_a_word_about_data_holds_for_these_data_only(project: Path, grace: Command) -> None:
    grace("roadmap", "attest", "0.7.4", "--note", "read all of them")
    with open("trials.csv", "a") as file:
        file.write("3,grass,green,yes\n")
    assert state("0.7.4") is Standing.STALE
    assert "colours changed since" in found("0.7.4")


# --- ways to pretend: none of them proves anything -------------------------------------------------------------------


def edit_output() -> None:
    text = (ONE / "colours.csv").read_text()
    (ONE / "colours.csv").write_text(text.replace("snow", "sn0w", 1))


def edit_output_and_list() -> None:
    edit_output()
    files = FileList.read(ONE, ONE / "files.json")
    FileList.of(ONE, [ONE / name for name in files.entries]).write(ONE / "files.json")


def remove_answer() -> None:
    path = ONE / "colours.run" / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def empty_run() -> None:
    (ONE / "colours.run" / "ledger.jsonl").write_bytes(b"")


def remove_a_run() -> None:
    shutil.rmtree(ONE / "colours_scores.run")


def journal_of_another_lineup() -> None:
    """A journal that says that all went well, from a lineup of yesterday."""

    def move(records: list[Record]) -> None:
        for record in records:
            record["time"] = "2025-01-01" + record["time"][10:]

    rewrite(LINEUP / "lineup.jsonl", move)


def no_clean_up() -> None:
    (LINEUP / "cleanup.json").unlink()


def something_left() -> None:
    proof = json.loads((LINEUP / "cleanup.json").read_bytes())
    proof["one"]["left"] = ["process 1, the server of one"]
    (LINEUP / "cleanup.json").write_text(json.dumps(proof))


def unfinished() -> None:
    lines = (LINEUP / "lineup.jsonl").read_bytes().splitlines(keepends=True)
    (LINEUP / "lineup.jsonl").write_bytes(b"".join(lines[:8]))


def another_table_in_the_run() -> None:
    with open(ONE / "colours.run" / "input.csv", "a") as file:
        file.write("3,grass,green,yes\n")


def list_without_files() -> None:
    (ONE / "files.json").write_text("{}")


CHEATS: list[tuple[Callable[[], None], str]] = [
    (edit_output, "colours.csv: was changed or removed since it came home"),
    (edit_output_and_list, "is not the list that the journal noted"),
    (remove_answer, "was changed or removed since it came home"),
    (empty_run, "is empty: nothing was answered"),
    (remove_a_run, "was changed or removed"),
    (journal_of_another_lineup, "and not in the visit of"),
    (no_clean_up, "has no proof for one"),
    (something_left, "left process 1"),
    (unfinished, "visit done"),
    (another_table_in_the_run, "is not the table that was asked about"),
    (list_without_files, "is missing or empty"),
]


@pytest.mark.parametrize(("cheat", "message"), CHEATS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_lineup_that_was_tampered_with_proves_nothing(
    project: Path, grace: Command, cheat: Callable[[], None], message: str
) -> None:
    cheat()
    assert grace("roadmap", "check", "0").code == 1
    for name in ("0.7.1", "0.7.2", "0.7.3", "0.7.5"):
        assert state(name) is not Standing.PROVEN
    assert message in found("0.7.1")
    assert not Ground.here().evidence.entries


@pytest.mark.parametrize(("cheat", "message"), CHEATS, ids=lambda value: getattr(value, "__name__", ""))
def test_so_too_after_it_was_proven_once(
    project: Path, grace: Command, cheat: Callable[[], None], message: str
) -> None:
    grace("roadmap", "check", "0")
    assert state("0.7.1") is Standing.PROVEN
    cheat()
    assert state("0.7.1") is not Standing.PROVEN


def test_a_rewritten_journal_shows_though_it_fits(project: Path, grace: Command) -> None:
    """Outputs, list and journal are changed together, after the evidence was written."""
    grace("roadmap", "check", "0")
    edit_output_and_list()
    digest = FileList.read(ONE, ONE / "files.json").sha256

    def note(records: list[Record]) -> None:
        for record in records:
            if record["step"] == Step.FETCH and record["event"] == "done":
                record["sha256"] = digest

    rewrite(LINEUP / "lineup.jsonl", note)
    assert "was rewritten since E2" in found("0.7.1")


def test_a_copied_lineup_is_a_copy(project: Path, grace: Command) -> None:
    grace("roadmap", "check", "0")
    shutil.copytree(LINEUP, "lineups/second")
    troubles = json.loads(grace("roadmap", "status", "--json").out)["troubles"]
    assert any("lineups/second" in trouble and "is a copy" in trouble for trouble in troubles)
    assert state("0.7.1") is Standing.PROVEN  # by the one that was seen first


def test_a_lineup_of_this_machine_is_none_of_a_cluster(project: Path, grace: Command) -> None:
    shutil.copytree(LINEUP, "lineups/rtx3090")
    shutil.rmtree(LINEUP)
    text = Path("lineups/rtx3090/lineup.yaml").read_text()
    Path("lineups/rtx3090/lineup.yaml").write_text(text.replace("profile: local", "profile: rtx3090"))
    assert "was asked on this machine, which is not the profile rtx3090" in found("1.6.2")


def test_a_run_of_another_study_proves_nothing(project: Path) -> None:
    text = Path("study.yaml").read_text().replace("name: colours", "name: hues")
    Path("study.yaml").write_text(text)
    assert "asks the study colours, which is none of this project's" in found("0.7.1")
    assert state("0.6.1") is Standing.OPEN


def test_changed_prompts_make_it_stale(project: Path, grace: Command) -> None:
    grace("roadmap", "check", "0")
    Path("study.yaml").write_text(Path("study.yaml").read_text().replace("usually", "mostly"))
    assert state("0.7.1") is Standing.STALE
    assert "the study colours or its prompts changed since" in found("0.7.1")


def test_a_version_that_behaves_differently_makes_it_stale(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace.roadmap.traces.__version__", "7.0.0")
    assert state("0.7.1") is Standing.STALE
    assert "and 7.0.0 behaves differently" in found("0.7.1")


def test_an_edited_table_of_a_run_alone_proves_nothing(project: Path) -> None:
    shutil.move(ONE, "outputs")
    shutil.rmtree(LINEUP)
    with open("outputs/colours.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["model_response"] = "yes, of course"
    with open("outputs/colours.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert state("0.6.1") is Standing.OPEN
    assert "ledger (answers)" in found("0.6.1")


def test_a_broken_chain_closes_everything(project: Path, grace: Command) -> None:
    grace("roadmap", "check", "0")
    grace("roadmap", "attest", "0.7.4", "--note", "read all of them")
    text = Path("evidence.jsonl").read_text()
    Path("evidence.jsonl").write_text(text.replace("read all of them", "read none of them"))
    assert state("0.7.4") is Standing.OPEN
    assert state("0.7.1") is Standing.OPEN
    assert "is not as it was written" in " ".join(grace("roadmap", "status").out.split())


# --- roads -----------------------------------------------------------------------------------------------------------


def test_the_road_without_a_cluster_skips_its_phases_and_says_why(project: Path, grace: Command) -> None:
    assert grace("roadmap", "road", "cloud", "--reason", "x").code == 2
    assert grace("roadmap", "road", "local", "--reason", "we have no cluster", "--by", "Ada").code == 0
    status = Status(Ground.here())
    assert [bool(phase.skipped) for phase in status.phases] == [False, True, False, True, True, False]
    assert "E2: we have no cluster" in status.phase(1).skipped
    assert status.item("0.2.1").state is Standing.SKIPPED
    grace("roadmap", "attest", "0.7.4", "--note", "read all of them")
    coming = Status(Ground.here()).next
    assert coming
    assert coming.command == "grace roadmap freeze"
    assert Status(Ground.here()).item("2.1.1").text.startswith("no thresholds are frozen yet")


def test_a_profile_without_models_proves_nothing(project: Path, grace: Command) -> None:
    assert grace("roadmap", "road", "api", "--reason", "we have no cluster").code == 0
    status = Status(Ground.here())
    assert [bool(phase.skipped) for phase in status.phases] == [False, True, False, True, True, False]
    for name in ("2.1.1", "2.2.1", "2.2.9", "2.4.1", "2.5.1", "2.S1"):
        assert status.item(name).state is Standing.OPEN, name
    assert "grace.yaml names no models of it" in status.item("2.1.1").text


def test_what_a_project_leaves_out_is_skipped_with_its_reason(project: Path) -> None:
    with open("grace.yaml", "a") as file:
        file.write("roadmap: {leave_out: {'0.2': no gated model is used}}\n")
    assert state("0.2.3") is Standing.SKIPPED
    assert found("0.2.3") == "left out by grace.yaml: no gated model is used"


def test_explain_says_what_proves_an_item_and_where_the_plan_is_wrong(project: Path, grace: Command) -> None:
    told = grace("roadmap", "explain", "2.1")
    assert "the AWQ repository that the plan names does not exist" in " ".join(told.out.split())
    assert "did you mean" in grace("roadmap", "explain", "0.77").err
    assert "A gate waits for it." in told.out


def test_histories_are_those_of_the_journal(project: Path) -> None:
    assert histories(LINEUP / "lineup.jsonl")[str(Path("models/one.gguf"))].closed


def test_an_archive_counts_with_all_answers_as_they_are(project: Path, grace: Command) -> None:
    grace("roadmap", "road", "local", "--reason", "we have no cluster")
    assert state("5.4.3") is Standing.OPEN
    facts = {"files": 12, "sha256": "0" * 64}
    record_archive(Ground.here(), "archives/other", facts | {"ledgers": ["1" * 64]})
    assert "archives/other: does not hold the answers of" in found("5.4.3")
    assert grace("archive", "create", LINEUP, "--to", "archives/colours", "--no-results").code == 0
    assert grace("archive", "verify", "archives/colours").code == 0
    assert state("5.4.3") is Standing.PROVEN, found("5.4.3")
    assert "archives/colours" in found("5.4.3")


# --- what was made of runs -------------------------------------------------------------------------------------------

REPORT, PAPER = Path("outputs/report.html"), Path("outputs/paper/paper.md")


@pytest.fixture
def made(project: Path, grace: Command) -> Path:
    """A project without a cluster, with a report and a paper of its data."""
    grace("roadmap", "road", "local", "--reason", "we have no cluster")
    assert grace("report", ONE / "colours.run", "--out", REPORT).code == 0
    assert grace("paper", ONE / "colours.run", "--out", PAPER.parent).code == 0
    assert state("5.1.3") is Standing.PROVEN, found("5.1.3")
    assert state("5.3.1") is Standing.PROVEN, found("5.3.1")
    return project


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "not as it was written",
    ),
    "empty": (lambda path: path.write_bytes(b""), "not as it was written"),
    "foreign": (lambda path: path.write_text("<h1>A report</h1>\n# A paper\n"), "not as it was written"),
    "gone": (lambda path: path.unlink(), "is gone since"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_report_or_paper_proves_nothing(made: Path, how: str) -> None:
    spoil, message = SPOILT[how]
    spoil(REPORT)
    spoil(PAPER)
    for item in ("5.1.3", "5.3.1"):
        assert state(item) is Standing.STALE
        assert message in found(item)


def test_a_report_may_not_be_edited_and_a_paper_may(made: Path) -> None:
    REPORT.write_text(REPORT.read_text().replace("colours", "colors", 1))
    PAPER.write_text(PAPER.read_text().replace("## Methods\n", "## Methods\n\nWe thank Ada.\n"))
    assert state("5.1.3") is Standing.STALE
    assert state("5.3.1") is Standing.PROVEN
    table = next((PAPER.parent / "tables").glob("*.csv"))
    table.write_text(table.read_text() + "1\n")
    assert f"{table.name}: is not as it was written" in found("5.3.1")


def test_a_run_that_is_compared_with_itself_proves_nothing(project: Path, grace: Command) -> None:
    grace("roadmap", "road", "local", "--reason", "we have no cluster")
    scores = ONE / "colours_scores.run"
    assert grace("compare", scores, scores, "--out", "outputs/same", "--no-figures").code == 0
    assert "compares a run with itself" in found("5.1.1")


def test_what_leads_out_of_the_project_proves_nothing(project: Path, tmp_path: Path) -> None:
    shutil.move(LINEUP, tmp_path / "another")
    LINEUP.symlink_to(tmp_path / "another", target_is_directory=True)
    assert state("0.7.1") is Standing.OPEN
    assert "leads out of the project" in found("0.7.1")


def test_a_lineup_that_was_seen_on_one_profile_is_none_of_another(project: Path, grace: Command) -> None:
    """Data of phase 2 with another label, after it was proven: no copy, and nothing in the journal changed."""
    grace("roadmap", "check", "0")
    text = (LINEUP / "lineup.yaml").read_text()
    shutil.move(LINEUP, "lineups/api")
    endpoint = "endpoint: {url: http://localhost:1}"
    Path("lineups/api/lineup.yaml").write_text(
        text.replace("profile: local", "profile: api").replace("endpoint: null", endpoint)
    )
    grace("roadmap", "road", "api", "--reason", "we have no cluster")
    assert state("2.1.1") is Standing.OPEN
    troubles = json.loads(grace("roadmap", "status", "--json").out)["troubles"]
    assert any("are those of the profile local (E2)" in trouble for trouble in troubles)


def test_files_that_no_command_of_grace_made_prove_nothing(project: Path, grace: Command) -> None:
    grace("roadmap", "road", "local", "--reason", "we have no cluster")
    for path in (REPORT, PAPER, Path("outputs/compare.json")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"sentence": "They are the same."}')
    assert "no report of this project's runs yet" in found("5.1.3")
    assert "no paper of this project's runs yet" in found("5.3.1")
    assert "no comparison of this project's runs yet" in found("5.1.1")


def test_a_result_of_other_answers_is_older_than_the_data(made: Path) -> None:
    with open(ONE / "colours.run" / "ledger.jsonl", "a") as file:
        file.write("\n")
    assert state("5.1.3") is Standing.STALE


def test_a_result_of_a_stranger_s_run_proves_nothing(project: Path, grace: Command) -> None:
    grace("roadmap", "road", "local", "--reason", "we have no cluster")
    shutil.copytree(ONE / "colours.run", "elsewhere/colours.run")
    manifest = json.loads(Path("elsewhere/colours.run/run.json").read_text())
    manifest["id"] = "another"
    Path("elsewhere/colours.run/run.json").write_text(json.dumps(manifest))
    assert grace("report", "elsewhere/colours.run", "--out", REPORT).code == 0
    assert "is no run of this project that holds together" in found("5.1.3")
