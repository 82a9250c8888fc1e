"""`grace data`: make, sample and check tables, on files as researchers have them."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grace.cli import main
from grace.cli.data import data_app
from grace.cli.exits import exit_code
from grace.errors import GraceError
from grace.studies.check import check_table, guess_study, sample_rows
from grace.studies.study import load_study, parse_study
from grace.tables import CsvTable

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
shared_data = pytest.mark.skipif(not SHARED.exists(), reason="needs the researcher's files")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str
    error: str


def data(*arguments: str | Path) -> Ended:
    """Run `grace data ...`."""
    result = CliRunner().invoke(data_app, [str(argument) for argument in arguments])
    if isinstance(result.exception, GraceError):
        return Ended(exit_code(result.exception), result.stdout, str(result.exception))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def study1(tmp_path: Path) -> list[dict[str, str]]:
    """Rows of a good table for study 1, to be spoilt."""
    data("synth", "study1", "--output", tmp_path / "good.csv")
    with open(tmp_path / "good.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


MORE_THAN_SEEN = "the speaker reports more than the speaker has seen (observe is greater than access)"


# synth


@pytest.mark.parametrize("number", [1, 2])
def test_the_committed_files_are_what_the_commands_of_their_readme_make(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in commands(ROOT / "data" / "README.md"):
        if line[0] != "check":
            assert data(*line).code == 0
    for name in (f"study{number}.csv", f"test_sample_study{number}.csv"):
        assert (tmp_path / "data" / name).read_bytes() == (ROOT / "data" / name).read_bytes()


def test_committed_files_are_utf8_with_plain_line_ends() -> None:
    for path in (*ROOT.glob("data/*.csv"), *ROOT.glob("examples/*/*.csv")):
        content = path.read_bytes()
        assert b"\r" not in content, path
        assert content.endswith(b"\n"), path
        content.decode("utf-8")


@pytest.mark.parametrize("participants", [1, 5, 6, 7])
def test_synth_makes_any_number_of_participants(tmp_path: Path, participants: int) -> None:
    output = tmp_path / "new" / "t.csv"
    ended = data("synth", "study1", "--output", output, "--participants", str(participants), "--seed", "5")
    assert (ended.code, ended.output) == (0, f"{output}: {6 * participants} rows of {participants} participants\n")
    assert data("check", output).code == 0


def test_synth_refuses_what_it_cannot_make(tmp_path: Path) -> None:
    output = tmp_path / "t.csv"
    ended = data("synth", "Study1", "--output", output)
    assert ended.code == 2
    assert (
        ended.error == "there is nothing to make 'Study1' from (did you mean 'study1'?); "
        "tables can be made for study1, study2, agreement"
    )
    assert data("synth", "study1", "--output", output, "--participants", "0").code == 2
    assert not output.exists()


def test_outputs_are_replaced_only_by_force(tmp_path: Path) -> None:
    output = tmp_path / "t.csv"
    output.write_text("precious")
    ended = data("synth", "study1", "--output", output)
    assert ended.code == 2
    assert ended.error == f"{output}: already exists; choose another --output, or add --force to replace it"
    assert output.read_text() == "precious"
    assert data("synth", "study1", "--output", output, "--force").code == 0
    assert data("sample", output, "--output", tmp_path / "t.csv").code == 2
    assert data("synth", "study1", "--output", tmp_path, "--force").code == 2


# sample


def test_a_sample_is_the_first_rows_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes('\ufeffa,b\r\n007,"x\n""y"""\r\n\r\n NA ,\r\nZoë,"1,5"\r\n'.encode())
    ended = data("sample", source, "--rows", "2", "--output", tmp_path / "s.csv")
    assert (ended.code, ended.output) == (0, f"{tmp_path / 's.csv'}: 2 of 3 rows\n")
    assert (tmp_path / "s.csv").read_bytes() == b'a,b\n007,"x\n""y"""\n NA ,\n'


def test_a_sample_of_more_than_there_is_takes_all(tmp_path: Path) -> None:
    (tmp_path / "source.csv").write_text("a\n1\n2\n")
    assert data("sample", tmp_path / "source.csv", "--output", tmp_path / "s.csv").output.endswith("2 of 2 rows\n")
    assert (tmp_path / "s.csv").read_text() == "a\n1\n2\n"


def test_a_seed_takes_random_rows_in_their_order() -> None:
    chosen = sample_rows(1000, 10, seed=4)
    assert list(chosen) == sorted(set(chosen))
    assert len(chosen) == 10
    assert chosen == sample_rows(1000, 10, seed=4)
    assert chosen != sample_rows(1000, 10, seed=5)
    assert list(sample_rows(1000, 3, seed=None)) == [0, 1, 2]
    assert list(sample_rows(3, 10, seed=4)) == [0, 1, 2]


def test_a_sample_never_replaces_its_source(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_text("a\n1\n")
    (tmp_path / "link.csv").symlink_to(source)
    for output in (source, tmp_path / "link.csv"):
        ended = data("sample", source, "--output", output, "--force")
        assert ended.code == 2
        assert ended.error == f"{output}: is the file to take rows from; choose another --output"
    assert source.read_text() == "a\n1\n"


# check


def test_check_shows_a_table(tmp_path: Path) -> None:
    ended = data("check", ROOT / "data" / "study1.csv")
    assert ended.code == 0
    assert [line.split() for line in ended.output.splitlines()[1:-2] if line.strip()] == [
        ["rows", "300"], ["participants", "50"], ["rows", "of", "each", "6"], ["items", "6"],
        ["distinct", "stimuli", "36"], ["access", "observe", "rows"],
        *([access, observe, "50"] for access, observe in ("11", "21", "22", "31", "32", "33")),
    ]  # fmt: skip
    assert ended.output.endswith("\nThe table fits its study.\n")


@shared_data
def test_check_of_a_researchers_files() -> None:
    first, second = (data("check", SHARED / f"study{number}.csv") for number in (1, 2))
    assert (first.code, second.code) == (0, 0)
    assert "- the items are spread unevenly: 5 to 12 rows of an item in a cell" in first.output
    assert "- the cells are uneven: 180 to 227 rows" in second.output
    for ended in (first, second):
        assert "Problems" not in ended.output
    with CsvTable(SHARED / "study1.csv") as table:
        assert check_table(load_study("study1"), table).stimuli == 36
    with CsvTable(SHARED / "study2.csv") as table:
        report = check_table(load_study("study2"), table)
        assert (report.rows, report.participants, report.items, report.rows_each) == (2424, 202, 12, (12, 12))


@pytest.mark.parametrize(("cells", "problem"), [
    ({"access": "4"}, "access '4' is outside the design (1, 2, 3) (row 3)"),
    ({"observe": ""}, "observe is missing (row 3)"),
    ({"observe": "two"}, "observe 'two' is not an integer (row 3)"),
    ({"story_setup": "NA"}, "story_setup is missing (row 3)"),
    ({"access": "1", "observe": "2"}, f"{MORE_THAN_SEEN} (row 3)"),
    ({"access": "1", "observe": "3"}, "not in the design: access '1', observe '3' (1 row)"),
])  # fmt: skip
def test_what_does_not_belong_is_named_with_its_row(
    tmp_path: Path, study1: list[dict[str, str]], cells: dict[str, str], problem: str
) -> None:
    study1[2] |= cells
    ended = data("check", written(tmp_path / "t.csv", study1))
    assert ended.code == 1
    assert f"\n- {problem}\n" in ended.output
    assert ended.output.endswith("\nThe table does not fit its study.\n")


def test_equal_oddities_are_counted_together(tmp_path: Path, study1: list[dict[str, str]]) -> None:
    for row in study1[::2]:
        row["access"] = "NA"
    ended = data("check", written(tmp_path / "t.csv", study1))
    assert "\n- access is missing (rows 1, 3, 5, 7, 9 and 145 more)\n" in ended.output


def test_a_column_of_nonsense_does_not_fill_memory_or_screen(tmp_path: Path, study1: list[dict[str, str]]) -> None:
    rows = [row | {"access": f"x{number}"} for number, row in enumerate(study1 * 10)]
    with CsvTable(written(tmp_path / "t.csv", rows)) as table:
        report = check_table(load_study("study1"), table)
    assert sum(oddity.count for oddity in report.oddities if oddity.column == "access") == 3000
    assert len(report.oddities) < 1010
    assert len(data("check", tmp_path / "t.csv").output.splitlines()) < 110


def test_a_condition_without_trials_is_a_problem(tmp_path: Path, study1: list[dict[str, str]]) -> None:
    rows = [row for row in study1 if (row["access"], row["observe"]) != ("2", "1")]
    ended = data("check", written(tmp_path / "t.csv", rows))
    assert ended.code == 1
    assert "\n- no row has access '2', observe '1'\n" in ended.output


def test_a_sample_too_small_for_the_design_is_fine() -> None:
    ended = data("check", ROOT / "data" / "test_sample_study2.csv")
    assert ended.code == 0
    assert "- 10 rows cannot hold the whole design: 2 of its cells have none" in ended.output


def test_remarks_are_no_failure(tmp_path: Path, study1: list[dict[str, str]]) -> None:
    for row in study1:
        row["note"] = "café"
    rows = [*study1, study1[0], study1[0], study1[7]]
    table = written(tmp_path / "t.csv", rows, encoding="cp1252")
    assert data("check", table).code == 2
    ended = data("check", table, "--encoding", "cp1252")
    assert ended.code == 0
    for remark in (
        "repeats an earlier row in every cell (rows 301, 302, 303)",
        "columns that the study does not know, kept as they are: note",
        "participants have different numbers of rows: 6 to 8",
        "the cells are uneven: 50 to 52 rows",
        "the file is read as cp1252",
    ):
        assert f"\n- {remark}\n" in ended.output


def test_tables_of_a_spreadsheet_fit_too(tmp_path: Path, study1: list[dict[str, str]]) -> None:
    path = written(tmp_path / "t.csv", study1, encoding="utf-8-sig")
    assert b"\r\n" in path.read_bytes()
    assert "Remarks" not in data("check", path).output


def test_an_optional_column_may_be_absent(tmp_path: Path) -> None:
    data("synth", "study2", "--output", tmp_path / "t.csv")
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        rows = [{name: cell for name, cell in row.items() if name != "Utterance"} for row in csv.DictReader(file)]
    ended = data("check", written(tmp_path / "t.csv", rows))
    assert ended.code == 0
    assert "- optional columns that are not there: Utterance\n" in ended.output


def test_the_study_is_guessed_from_the_columns() -> None:
    for name in ("study1", "study2"):
        columns = tuple(load_study(name).columns)
        assert guess_study(columns, Path("t.csv")).name == name
        assert guess_study((*reversed(columns), "more"), Path("t.csv")).name == name


@pytest.mark.parametrize(("content", "code", "message"), [
    ("access,observe\n1,1\n", 2, "no column 'participant_id'"),
    ("Domain,Precontext,Scenario,Goal,state,SP_Name,LS_Name,ID\n", 2, "no column 'State' (did you mean 'state'?)"),
    ("a,b\n1,2\n", 2, "has the columns of no built-in study; name its file: FILE.yaml for"),
    ("", 2, "is empty; it needs a header line and at least one row"),
    ("participant_id,story_shortname,story_setup,priorQ,speach,speachQ,knowledgeQ,access,observe\n", 2,
     "has a header and no rows"),
    ("a;b\n1;2\n", 2, "has the columns of no built-in study; name its file: FILE.yaml for"),
])  # fmt: skip
def test_tables_that_cannot_be_used(tmp_path: Path, content: str, code: int, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    ended = data("check", path)
    assert ended.code == code
    assert ended.error.startswith(f"{path}: ")
    assert message in ended.error
    assert not ended.output


def test_files_and_studies_that_are_not_there(tmp_path: Path) -> None:
    assert "No such file" in data("check", tmp_path / "none.csv").error
    ended = data("check", ROOT / "data" / "study1.csv", "--study", "studi1")
    assert (ended.code, "did you mean 'study1'?" in ended.error) == (2, True)
    ended = data("check", ROOT / "data" / "study1.csv", "--study", "study2")
    assert (ended.code, "no column 'Participant_ID' (did you mean 'participant_id'?)" in ended.error) == (2, True)


def test_a_failing_template_is_named_with_its_row(tmp_path: Path) -> None:
    study = b"{name: s, title: t, columns: {a: {}}, protocols: {p: {turns: {t: '{{ 1 / (a | int) }}'}}}}"
    (tmp_path / "t.csv").write_text("a\n1\n0\n")
    with CsvTable(tmp_path / "t.csv") as table, pytest.raises(GraceError, match=r"t\.csv, row 2: .* division by zero"):
        check_table(parse_study(study, "s.yaml"), table)


def test_a_study_without_a_design_is_checked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("{name: s, title: t, columns: {a: {}}, protocols: {p: {turns: {t: '{{ a }}'}}}}")
    (tmp_path / "t.csv").write_text("a\n[1]\n\n[red]2[/red]\n")
    ended = data("check", tmp_path / "t.csv", "--study", tmp_path / "s.yaml")
    assert ended.code == 0
    assert [line.split() for line in ended.output.splitlines()[2:4]] == [["rows", "2"], ["distinct", "stimuli", "2"]]


def test_cells_are_shown_as_they_are_never_as_markup(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "{name: s, title: '[bold]t', columns: {'[red]a': {}}, design: {cells: ['[red]a']},"
        " protocols: {p: {turns: {t: hello}}}}"
    )
    (tmp_path / "t.csv").write_text("[red]a\n[blink]x\n")
    output = data("check", tmp_path / "t.csv", "--study", tmp_path / "s.yaml").output
    assert "([bold]t)" in output
    assert "[red]a" in output
    assert "[blink]x" in output


def test_help_has_examples_for_every_command() -> None:
    for command in ("synth", "sample", "check"):
        ended = data(command, "--help")
        assert ended.code == 0
        assert re.search(rf"Examples:\n +grace data {command} ", ended.output)


# documents


def commands(path: Path) -> Iterator[list[str]]:
    """The `grace data` commands that a document shows, as lists of arguments."""
    for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if words[:2] == ["grace", "data"]:
                yield words[2:]


@pytest.mark.parametrize("document", ["data/README.md", "docs/add-a-study.md", "examples/some-and-all/README.md"])
def test_the_documents_commands_work(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    shown = list(commands(ROOT / document))
    assert shown
    for line in shown:
        made = [] if line[0] == "check" else ["--force"]
        assert data(*line, *made).code == 0, line


def test_the_guide_shows_what_check_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    guide = ROOT / "docs" / "add-a-study.md"
    (line,) = commands(guide)
    (shown,) = re.findall(r"```text\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert shown.splitlines() == [line.rstrip() for line in data(*line).output.splitlines()]


@pytest.mark.parametrize(("old", "new"), [
    ("trial,item,relation,", "trial,item,Relation,"),
    ("4,roses,some,", "4,roses,al,"),
    ("4,roses,some,", "4,roses,,"),
    (",none,Some", ",none,All"),
    ("5,towns,some,", "5,towns,"),
    (",", ";"),
])  # fmt: skip
def test_the_guide_quotes_what_is_said_of_a_table(tmp_path: Path, old: str, new: str) -> None:
    guide = (ROOT / "docs" / "add-a-study.md").read_text(encoding="utf-8").split("And about the table:")[1]
    quoted = re.findall(r"^\| `(.+?)` \|", guide, re.MULTILINE)
    example = ROOT / "examples" / "some-and-all"
    trials = (example / "trials.csv").read_text(encoding="utf-8")
    assert old in trials
    (tmp_path / "t.csv").write_text(trials.replace(old, new))
    ended = data("check", tmp_path / "t.csv", "--study", example / "study.yaml")
    assert [message for message in quoted if message in ended.output + ended.error], ended


def test_without_an_output_tables_go_to_standard_output() -> None:
    grace = [sys.executable, "-m", "grace", "data"]
    made = subprocess.run([*grace, "synth", "study1", "--participants", "2"], capture_output=True, check=True)
    assert made.stdout.count(b"\n") == 13
    assert made.stderr == b"study1: 12 rows of 2 participants\n"
    table = str(ROOT / "data" / "study1.csv")
    first = subprocess.run([*grace, "sample", table, "--rows", "10"], capture_output=True, check=True)
    assert first.stdout == (ROOT / "data" / "test_sample_study1.csv").read_bytes()


# A table of the other study


@pytest.mark.parametrize(("table", "given", "meant"), [
    ("data/study2.csv", "study1", "study2"),
    ("data/study1.csv", "study2", "study1"),
    ("data/study1.csv", "examples/some-and-all/study.yaml", "study1"),
])  # fmt: skip
def test_a_table_of_another_study_is_recognised(table: str, given: str, meant: str) -> None:
    ended = data("check", ROOT / table, "--study", given if given.startswith("study") else ROOT / given)
    assert ended.code == 2
    assert f"this looks like a table of {meant}, not of " in ended.error
    assert f"name {meant} in its place" in ended.error


@pytest.mark.parametrize("command", [
    "query study1 --input {trials} --output {out}.csv",
    "score study1 --input {trials} --output {out}.csv",
    "extract study1 --input {answers} --output {out}.csv",
    "analyze study1 --input {answers} --out {out} --no-figures",
    "validate {answers} --study study1 --out {out}",
    "validate {answers} --study study1 --input {trials} --out {out}",
])  # fmt: skip
def test_every_command_recognises_a_table_of_another_study(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials, answers = ROOT / "data" / "study2.csv", ROOT / "examples" / "answers" / "study2.csv"
    with pytest.raises(SystemExit) as ended:
        main(command.format(trials=trials, answers=answers, out=tmp_path / "out").split())
    assert ended.value.code == 2
    assert "this looks like a table of study2, not of study1" in capsys.readouterr().err


def test_synth_makes_the_sentences_of_agreement_for_everybody(tmp_path: Path) -> None:
    output = tmp_path / "t.csv"
    ended = data("synth", "agreement", "--output", output)
    assert (ended.code, ended.output) == (0, f"{output}: 48 rows\n")
    assert data("check", output).code == 0
    assert "has none" in data("synth", "agreement", "--participants", "3").error
