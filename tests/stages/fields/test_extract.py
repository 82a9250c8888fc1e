"""`grace extract` by rules: the table it makes, its run, people's decisions, and runs that belong together."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from canned import CannedServer, completion, error
from conftest import ROOT, Command, Result, read_rows
from extracting import FIELDS, PLAIN, REFUSAL, VALUES, fields_of, one_message, trial, write
from grace.columns import EXTRACTED, IDENTIFYING
from grace.errors import InputError
from grace.ledger import Ledger, scan
from grace.runs import Run
from grace.stages.fields.ask import Extract
from grace.stages.fields.records import REJECTED, FieldRecords, Rows, all_rows, decide
from grace.stages.fields.table import BATCH
from grace.stages.related import answers_of, extractions_of, related, table_of
from grace.studies.study import BUILT_IN, load_study
from grace.tables import CsvTable
from limits import HANG
from outputs import manifest, rows_of
from table_model import TableServer, printable_model

pytestmark = pytest.mark.usefixtures("impatient")


def saying(texts: Mapping[str, str] | str) -> Callable[..., Any]:
    """A model that says this, or these things where its last question holds these words."""

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        question = body["messages"][-1]["content"]
        text = texts if isinstance(texts, str) else next(said for words, said in texts.items() if words in question)
        return web.json_response(completion(text))

    return handler


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Where `query` writes."""
    return tmp_path / "answers.csv"


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """Where `read` writes."""
    return tmp_path / "values.csv"


@pytest.fixture
def read(grace: Command, answers: Path, values: Path) -> Command:
    """`grace extract study1` of the answers; options given replace these, and a study first does."""

    def run(*options: object) -> Result:
        study = options[0] if options and not str(options[0]).startswith("--") else "study1"
        rest = options[1:] if options and study is options[0] else options
        usual = {"--input": answers, "--output": values}
        defaults = [part for name, value in usual.items() if name not in rest for part in (name, value)]
        return grace("extract", study, *defaults, *rest)

    return run


# The table


def test_the_fields_follow_the_answers(
    query: Command, read: Command, canned: CannedServer, answers: Path, values: Path
) -> None:
    canned.handler = saying(PLAIN)
    query()
    before = answers.read_bytes()
    done = read()
    assert done.code == 0, done
    assert done.out.splitlines() == [
        f"{values}: 12 rows (12 by rules), 12 with every field (100.0%)",
        "field          rows with a value   share  ",
        *(f"{name:<13}                 12  100.0%  " for name in FIELDS),
    ]
    given, made = rows_of(answers), rows_of(values)
    assert made[0] == [*given[0], *FIELDS, *EXTRACTED]
    assert [row[: len(given[0])] for row in made] == given
    assert {tuple(row[len(given[0]) :]) for row in made[1:]} == {(*VALUES, "rule", "1.0", "")}
    assert answers.read_bytes() == before
    assert len(canned.bodies) == 12  # nobody was asked again


def test_each_turn_of_a_conversation_is_read_for_its_own_question(
    query: Command, read: Command, canned: CannedServer, answers: Path, values: Path
) -> None:
    canned.handler = saying(
        {
            "Answer with a number from 0 to 3": "All 3 of them.",
            "Divide 100%": "0: 0%\n1: 0%\n2: 40%\n3: 60%",
            "Answer yes or no": "No.",
        }
    )
    assert query("--protocol", "sequential", "--limit", 3).code == 0
    assert {"response_prior", "response_state", "response_knowledge"} <= read_rows(answers)[0].keys()
    assert read().code == 0
    for row in read_rows(values):
        assert fields_of(row) == ["3", "0", "0", "40", "60", "no"]
        assert row["extraction_errors"] == ""


def test_study_2(read: Command, answers: Path, values: Path) -> None:
    texts = ['"It wasn’t bad."', "It was amazing!", "She would rather say nothing at all.", ""]
    write(answers, [{**trial(n, "study2"), "model_response": text} for n, text in enumerate(texts)])
    done = read("study2")
    assert done.code == 0
    assert [fields_of(row, ("Was_Wasnt", "Assessment", "response_cleaned")) for row in read_rows(values)] == [
        ["wasn't", "bad", "It wasn't bad."],
        ["was", "amazing", "It was amazing."],
        ["", "", ""],
        ["", "", ""],
    ]
    errors = [row["extraction_errors"] for row in read_rows(values)]
    assert errors[:2] == ["", ""]
    assert errors[2].startswith("Was_Wasnt, Assessment, response_cleaned: ")
    assert errors[3] == "Was_Wasnt, Assessment, response_cleaned: the answer is empty"
    assert [row["extraction_confidence"] for row in read_rows(values)] == ["1.0", "1.0", "", ""]
    assert "2 with every field (50.0%)" in done.out


def test_a_table_of_three_texts_that_somebody_else_made(read: Command, answers: Path, values: Path) -> None:
    write(
        answers,
        [
            {
                "row": 0,
                **trial(0),
                "response_story": "Based on the context, all three of them.",
                "response_speach": "I would put $90 on 3 and $10 on 2. $0 on 0 and 1.",
                "response_knowledge": "No, he does not.",
            }
        ],
    )
    assert read().code == 0
    assert fields_of(read_rows(values)[0]) == ["3", "0", "0", "10", "90", "no"]


def test_a_column_called_response(read: Command, answers: Path, values: Path) -> None:
    write(answers, [{"id": "a", "response": PLAIN}, {"id": "b", "response": PLAIN.replace(": no", ": yes")}])
    assert read().code == 0
    assert [fields_of(row) for row in read_rows(values)] == [VALUES, [*VALUES[:-1], "yes"]]
    assert [row["id"] for row in read_rows(values)] == ["a", "b"]


def test_annotations_are_kept_and_compared(read: Command, answers: Path, values: Path) -> None:
    annotations = [("3", "no"), ("2", "N"), ("3?", "uncertain N"), ("", "yes")]
    write(answers, [{"response": PLAIN, "Prior_A": prior, "Knowledge_A": known} for prior, known in annotations])
    done = read()
    assert done.code == 0
    assert rows_of(values)[0] == ["response", "Prior_A_input", "Knowledge_A_input", *FIELDS, *EXTRACTED]
    assert [(row["Prior_A_input"], row["Knowledge_A_input"]) for row in read_rows(values)] == annotations
    assert all(fields_of(row) == VALUES for row in read_rows(values))
    told = done.out.partition("Rules and the input's own columns (kept under names ending in _input):\n")[2]
    assert told.splitlines() == [
        "    Prior_A: 1 of 2 equal, 1 with a value in just one",  # "3?" is a guess, and not compared; "" is nothing
        "    Knowledge_A: 2 of 3 equal",  # "N" is a way to say no
    ]


def test_a_table_without_answers(read: Command, trials: Path, answers: Path, values: Path) -> None:
    answers.write_bytes(trials.read_bytes())
    said = one_message(read())
    for column in ("'response_prior'", "'response_story'", "'model_response'", "'response'"):
        assert column in said
    assert str(answers) in said
    assert not values.exists()
    assert not values.with_suffix(".run").exists()


def test_a_table_with_one_of_three_texts(read: Command, answers: Path) -> None:
    write(answers, [{"response_story": "All three.", "response_speach": "$100 on 3"}])
    said = one_message(read())
    assert "'response_knowledge'" in said
    assert "for knowledge" in said


def test_a_study_that_extracts_nothing(read: Command, answers: Path, tmp_path: Path) -> None:
    study = tmp_path / "mine.yaml"
    study.write_text(
        "name: mine\ntitle: Mine\ncolumns: {a: {}}\nprotocols: {single: {turns: {response: 'Is {{ a }}?'}}}"
    )
    write(answers, [{"a": "x", "model_response": "y"}])
    assert one_message(read(study)) == "mine has no extraction section, so there is nothing to extract"


def test_a_study_that_is_not_there(read: Command, answers: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    assert "did you mean 'study1'?" in one_message(read("studi1"))


def test_input_that_is_no_table(read: Command, answers: Path, values: Path) -> None:
    assert f"{answers}: cannot be read: No such file" in one_message(read())
    answers.write_text("")
    assert f"{answers}: is empty" in one_message(read())
    answers.write_text("model_response\n")
    assert f"{answers}: has a header but no rows" in one_message(read())
    answers.write_text("model_response,a\nx\n")
    assert f"{answers}, row 1 (line 2): has 1 cells, the header has 2" in one_message(read())
    assert not values.with_suffix(".run").exists()


def test_output_that_cannot_be(read: Command, answers: Path, values: Path, tmp_path: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    before = answers.read_bytes()
    assert "is the input itself" in one_message(read("--output", answers))
    assert "ends in .csv or .parquet" in one_message(read("--output", tmp_path / "values.xlsx"))
    values.write_text("mine")
    assert f"--output {values}: already exists, but " in one_message(read())
    assert values.read_text() == "mine"
    assert answers.read_bytes() == before
    assert not values.with_suffix(".run").exists()


def test_the_run_of_the_answers_is_left_alone(
    query: Command, read: Command, canned: CannedServer, answers: Path, tmp_path: Path
) -> None:
    """The output whose run would be that of the answers."""
    canned.handler = saying(PLAIN)
    query("--limit", 2)
    run = answers.with_suffix(".run")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = read("--output", tmp_path / "answers.parquet")
    assert done.code == 2
    assert "experiment: 'generate' in this run, 'extract' now" in done.err
    assert "Choose another --output" in done.err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_table_that_extract_made_is_no_input(read: Command, answers: Path, values: Path, tmp_path: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    assert read().code == 0
    said = one_message(read("--input", values, "--output", tmp_path / "again.csv"))
    assert str(values) in said
    assert "`grace extract` made" in said
    assert "--input" in said
    assert not (tmp_path / "again.csv").exists()


def test_rows_without_an_answer_say_why(
    query: Command, read: Command, canned: CannedServer, answers: Path, values: Path
) -> None:
    async def some(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        made: list[web.StreamResponse] = [
            web.json_response(completion(PLAIN)),
            error(400, "no more"),
            web.json_response(completion("")),
            web.json_response(completion(None, reasoning="so long")),
            web.json_response(completion(REFUSAL)),
            web.json_response(completion(PLAIN[:60], finish_reason="length")),
        ]
        return made[number - 1]

    canned.handler = some
    assert query("--limit", 6, "--concurrency", 1).code == 1
    done = read()
    assert done.code == 0
    rows = read_rows(values)
    assert fields_of(rows[0]) == VALUES
    assert all(fields_of(row) == [""] * 6 for row in rows[1:5])
    every = ", ".join(FIELDS)
    assert rows[1]["extraction_errors"] == f"{every}: there is no answer (no more)"
    assert rows[2]["extraction_errors"] == f"{every}: there is no answer (empty answer)"
    assert rows[3]["extraction_errors"] == f"{every}: there is no answer (empty answer: all of it was reasoning)"
    assert rows[4]["extraction_errors"] == f"{every}: the answer is a refusal"
    assert fields_of(rows[5])[0] == "3"
    assert (rows[5]["probability_3"], rows[5]["Knowledge_A"]) == ("", "")  # behind the cut
    assert [row["extraction_method"] for row in rows] == ["rule"] * 6
    assert [row["extraction_confidence"] for row in rows[1:5]] == [""] * 4
    assert "1 row: there is no answer (no more)" in done.out


def test_a_conversation_that_broke_off_keeps_what_was_said(
    query: Command, read: Command, canned: CannedServer, answers: Path, values: Path
) -> None:
    async def second_turn_fails(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return error(400, "no more") if len(body["messages"]) == 3 else web.json_response(completion("All 3."))

    canned.handler = second_turn_fails
    assert query("--protocol", "sequential", "--limit", 1).code == 1
    assert read().code == 0
    [row] = read_rows(values)
    assert fields_of(row) == ["3", "", "", "", "", ""]
    assert "Prior_A" not in row["extraction_errors"]
    assert "probability_0, probability_1, probability_2, probability_3, Knowledge_A: " in row["extraction_errors"]


def test_cells_are_kept_as_they_were(read: Command, answers: Path, values: Path) -> None:
    answers.write_bytes(
        b'\xef\xbb\xbf"",n,model_response,"a note",\n'
        b'1,007,It was good.,"two\nlines",x\n'
        b'2,,"It ""was"" bad.","a bare \r return",\n\n'
        b"3,1e3,It wasn't terrible.,\xe6\x97\xa5,=1+1\n"
    )
    assert read("study2").code == 0
    made = rows_of(values)
    assert made[0][:5] == ["", "n", "model_response", "a note", ""]
    assert [row[:5] for row in made[1:]] == [
        ["1", "007", "It was good.", "two\nlines", "x"],
        ["2", "", 'It "was" bad.', "a bare \r return", ""],
        ["3", "1e3", "It wasn't terrible.", "日", "=1+1"],
    ]
    assert [row[7] for row in made[1:]] == ["It was good.", "It was bad.", "It wasn't terrible."]


def test_a_table_that_is_not_utf_8(read: Command, answers: Path, values: Path) -> None:
    write(answers, [{"name": "Zoë", "model_response": "It wasn’t good."}], encoding="cp1252")
    assert read("study2").code == 2
    done = read("study2", "--encoding", "cp1252")
    assert done.code == 0
    [row] = read_rows(values)
    assert (row["name"], row["response_cleaned"]) == ("Zoë", "It wasn't good.")
    assert f"{answers}: is read as cp1252" in done.err


def test_parquet_is_the_same_table_with_numbers(read: Command, answers: Path, values: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = [PLAIN, PLAIN.replace("20%", "19.5%").replace("70%", "70.5%"), REFUSAL, ""]
    write(answers, [{"n": f"0{n}", "model_response": text} for n, text in enumerate(texts)])
    output = values.with_suffix(".parquet")
    assert read("--output", output).code == 0
    assert read("--output", values).code == 0  # the same run
    whole = parquet.read_table(output)
    assert whole.column_names == rows_of(values)[0]
    numbers = {"Prior_A": "int64", **dict.fromkeys((*FIELDS[1:5], "extraction_confidence"), "double")}
    assert {name: str(whole.schema.field(name).type) for name in whole.column_names} == {
        name: numbers.get(name, "string") for name in whole.column_names
    }
    assert whole.column("n").to_pylist() == ["00", "01", "02", "03"]
    assert whole.column("Prior_A").to_pylist() == [3, 3, None, None]
    assert whole.column("probability_2").to_pylist() == [20, 19.5, None, None]
    assert whole.column("Knowledge_A").to_pylist() == ["no", "no", None, None]
    assert whole.column("extraction_errors").to_pylist()[:2] == [None, None]
    for row, cells in zip(read_rows(values), whole.to_pylist(), strict=True):
        for name, cell in cells.items():
            assert row[name] == "" if cell is None else (float(row[name]) if name in numbers else row[name]) == cell


def test_researchers_own_tables(read: Command, values: Path, shared: Path) -> None:
    for study in ("study1", "study2"):
        gold = shared / "data" / f"gold_dev_{study}.csv"
        values.unlink(missing_ok=True)
        output = values.with_name(f"{study}.csv")
        done = read(study, "--input", gold, "--output", output)
        assert done.code == 0
        given, made = rows_of(gold), rows_of(output)
        assert [row[: len(given[0])] for row in made[1:]] == given[1:]
    assert "Rules and the input's own columns" in done.out  # Assessment


def test_every_row_fits_the_checked_in_schema(read: Command, answers: Path, values: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    texts = {
        "study1": [
            PLAIN,
            REFUSAL,
            "",
            "Initial Answer: 2\nKnowledge: yes",
            "0: 12.5%, 1: 0%, 2: 0%, 3: 87.5%",
            "x" * 20_000,
        ],
        "study2": ["It was good.", "It wasn't amazing.", "no", "", REFUSAL],
    }
    for study, said in texts.items():
        write(answers, [{"model_response": text} for text in said])
        path = ROOT / "src" / "grace" / "studies" / "schemas" / f"{study}_schema.json"
        check = jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
        check.check_schema(check.schema)
        output = values.with_name(f"{study}.csv")
        assert read(study, "--output", output).code == 0
        extraction = load_study(study).extraction
        assert extraction is not None
        for row in read_rows(output):
            cells = {
                name: None if row[name] == "" else extraction.kinds.get(name, str)(row[name])
                for name in extraction.columns
            }
            check.validate(cells)
            assert not check.is_valid({**cells, "extraction_method": "guess"})
            assert not check.is_valid({name: cells[name] for name in extraction.columns[1:]})


@pytest.mark.parametrize("study", BUILT_IN)
def test_the_checked_in_schemas_are_current(study: str) -> None:
    path = ROOT / "src" / "grace" / "studies" / "schemas" / f"{study}_schema.json"
    schema = load_study(study).schema()
    assert schema["title"].endswith(": values of one answer")
    assert path.read_text(encoding="utf-8") == json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def test_a_study_of_ones_own(read: Command, answers: Path, values: Path, tmp_path: Path) -> None:
    study = tmp_path / "mine.yaml"
    study.write_text(
        "name: mine\ntitle: Mine\ncolumns: {thing: {}}\n"
        "protocols: {single: {turns: {response: 'Is {{ thing }} blue?'}}}\n"
        "extraction:\n  response: said\n  readings:\n"
        "    blue: {read: choice, column: is_blue, labels: {yes: [y], no: [n]}}\n"
        "    size: {read: count, column: how_many, of: 5, texts: [second]}\n"
    )
    write(
        answers, [{"thing": "sky", "said": "Yes.", "second": "4"}, {"thing": "plum", "said": "No!", "second": "five"}]
    )
    assert read(study).code == 0
    assert [fields_of(row, ("is_blue", "how_many")) for row in read_rows(values)] == [["yes", "4"], ["no", "5"]]


# Its run


def test_what_the_run_holds(
    query: Command, read: Command, canned: CannedServer, answers: Path, values: Path, tmp_path: Path
) -> None:
    canned.handler = saying(PLAIN)
    query()
    read()
    run = values.with_suffix(".run")
    assert sorted(path.name for path in run.iterdir()) == ["input.csv", "run.json", "study.yaml"]
    assert (run / "input.csv").read_bytes() == answers.read_bytes()
    assert (run / "study.yaml").read_bytes() == (ROOT / "src" / "grace" / "studies" / "study1.yaml").read_bytes()
    told = manifest(values)
    assert told["identity"]["experiment"] == "extract"
    assert told["identity"]["study"] == "study1"
    assert told["identity"]["source"]
    assert told["scope"]["rows"] == 12
    [session] = told["sessions"]
    assert (session["output"], session["rows"]) == ("values.csv", 12)
    assert session["ended"] is not None
    assert list(tmp_path.glob(".*")) == []


def test_export_remakes_the_table_byte_for_byte(read: Command, grace: Command, answers: Path, values: Path) -> None:
    write(answers, [{"n": n, "model_response": text} for n, text in enumerate([PLAIN, REFUSAL, "", 'a "b"\r\nc'])])
    told = read().out
    before = values.read_bytes()
    answers.unlink()
    values.unlink()
    done = grace("export", values.with_suffix(".run"))
    assert done.code == 0
    assert done.out == told
    assert values.read_bytes() == before
    copy = values.with_name("copy.csv")
    assert grace("export", values.with_suffix(".run"), "--output", copy).code == 0
    assert copy.read_bytes() == before


def test_reading_again_changes_nothing(read: Command, answers: Path, values: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    read()
    before = values.read_bytes()
    assert read().code == 0
    assert values.read_bytes() == before
    assert len(manifest(values)["sessions"]) == 2


def test_a_table_that_grew_goes_on_in_the_same_run(
    query: Command, read: Command, canned: CannedServer, grace: Command, answers: Path, values: Path
) -> None:
    canned.handler = saying(PLAIN)
    query("--limit", 5)
    read()
    assert len(read_rows(values)) == 5
    query()
    assert read().code == 0
    assert len(read_rows(values)) == 12
    told = manifest(values)
    assert (len(told["sessions"]), told["scope"]["rows"]) == (2, 12)
    run = values.with_suffix(".run")
    assert (run / "input.csv").read_bytes() == answers.read_bytes()
    before = values.read_bytes()
    assert grace("export", run, "--output", values, "--force").code == 0
    assert values.read_bytes() == before


def test_an_answer_that_came_later_takes_the_place_of_its_error(
    query: Command, read: Command, canned: CannedServer, values: Path
) -> None:
    async def broken(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return error(400, "no more") if number == 2 else web.json_response(completion(PLAIN))

    canned.handler = broken
    assert query("--concurrency", 1).code == 1
    read()
    assert [row["extraction_errors"] == "" for row in read_rows(values)].count(False) == 1
    canned.handler = saying(PLAIN)
    assert query().code == 0
    assert read().code == 0
    assert all(fields_of(row) == VALUES for row in read_rows(values))


def test_answers_of_another_study_are_refused(
    query: Command, grace: Command, canned: CannedServer, answers: Path, values: Path
) -> None:
    canned.handler = saying(PLAIN)
    query("--limit", 2)
    done = grace("extract", "study2", "--input", answers, "--output", values)
    assert done.code == 2
    assert "holds answers of the study 'study1'" in done.err
    assert not values.exists()


def test_answers_of_another_run_are_not_taken_for_the_same(
    query: Command, read: Command, canned: CannedServer, answers: Path, values: Path
) -> None:
    canned.handler = saying(PLAIN)
    query("--limit", 2)
    read()
    before = values.read_bytes()
    other = answers.with_name("other.csv")
    query("--limit", 2, "--seed", 2, "--output", other)
    done = read("--input", other)
    assert done.code == 2
    assert "was made from the answers of another run than" in done.err
    assert "choose another --output" in done.err
    assert values.read_bytes() == before
    assert read().code == 0


def test_one_writer_at_a_time(read: Command, answers: Path, values: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    run = Run.beside(values)
    with run.locked():
        said = one_message(read())
        assert "is being written by process" in said
    assert not values.exists()
    (run.path / "lock").write_bytes(orjson.dumps({"host": "elsewhere", "pid": 1, "started": "1"}))
    assert "--break-lock" in one_message(read())
    assert read("--break-lock").code == 0
    assert len(read_rows(values)) == 1
    assert not (run.path / "lock").exists()


def test_what_a_killed_writer_left_is_swept(read: Command, answers: Path, values: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    left = values.with_name(".values.csv.99999.tmp")
    left.write_text("half a tab")
    assert read().code == 0
    assert not left.exists()


def test_a_run_that_is_damaged(read: Command, grace: Command, answers: Path, values: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    read()
    run = values.with_suffix(".run")
    good = (run / "run.json").read_bytes()
    (run / "run.json").write_text("{")
    assert "run.json: is damaged" in one_message(read())
    (run / "run.json").write_bytes(good)
    (run / "ledger.jsonl").write_text('{"key": "x"}\n')
    assert "ledger.jsonl, line 1: is not a record of this run" in one_message(read())
    (run / "ledger.jsonl").unlink()
    (run / "study.yaml").unlink()
    assert "study.yaml: cannot be read" in one_message(grace("export", run))
    assert read().code == 0


def test_the_readme_s_script_is_the_command(answers: Path, values: Path) -> None:
    write(answers, [{"model_response": PLAIN}])
    script = [sys.executable, ROOT / "src" / "extract_structured_output.py"]
    done = subprocess.run(
        [*script, "study1", "--input", answers, "--output", values], capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stderr
    assert "1 row (1 by rules), 1 with every field (100.0%)" in done.stdout
    assert fields_of(read_rows(values)[0]) == VALUES
    done = subprocess.run([*script, "study1"], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 2
    assert "--input" in done.stderr


def test_progress_is_told(read: Command, answers: Path) -> None:
    write(answers, [{"model_response": PLAIN}] * (BATCH * 2 + 7))
    done = read()
    assert f"reading {BATCH * 2 + 7} rows" in done.err
    assert f"{BATCH * 2 + 7} of {BATCH * 2 + 7} rows" in done.err


def test_an_interrupt_writes_no_half_table(answers: Path, values: Path, tmp_path: Path) -> None:
    write(answers, [{"model_response": f"{PLAIN}\n{n}"} for n in range(60_000)])
    command = [sys.executable, "-m", "grace", "extract", "study1", "--input", answers, "--output", values]
    with subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "reading" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANG)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "The same command continues" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "values.run"]
    assert not (values.with_suffix(".run") / "lock").exists()


# People's decisions


class Silent:
    """Progress that nobody watches."""

    def begin(self, total: int, done: int, what: str = "requests") -> None: ...

    def advance(self, failed: bool, by: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def fault(self, text: str) -> None: ...


def decide_about(values: Path, number: int, verdict: Any, **changed: Any) -> None:
    """Decide about a row (from 1), as `grace review` writes it: all fields, those given changed."""
    run = Run(values.with_suffix(".run"))
    study = load_study("study1")
    with CsvTable(run.input) as table, Ledger(run.ledger) as ledger:
        rows = Rows(study, table.columns)
        with FieldRecords.read(run, rows.extraction, None) as known:
            _, _, answered, found = list(all_rows(rows, known, table))[number - 1]
        decide(ledger, answered, number, found, verdict, {**found.values, **changed}, "Ada", "2026-01-01T00:00:00.000Z")


@pytest.fixture
def three(read: Command, answers: Path) -> Path:
    """A table of three answers that was read: one whole, one open, one that says nothing."""
    texts = [PLAIN, "Initial Answer: 2\nKnowledge: yes", "Who knows."]
    rows = [{**trial(n), "model_response": text, "seed": n} for n, text in enumerate(texts)]
    write(answers, rows)
    assert read().code == 0
    return answers


def test_a_decision_comes_before_the_rules(read: Command, grace: Command, three: Path, values: Path) -> None:
    decide_about(values, 2, "corrected", probability_0=0, probability_1=0, probability_2=50.5, probability_3=49.5)
    done = read()
    assert "3 rows (2 by rules, 1 by a human), 2 with every field" in done.out
    row = read_rows(values)[1]
    assert fields_of(row) == ["2", "0", "0", "50.5", "49.5", "yes"]
    assert (row["extraction_method"], row["extraction_confidence"], row["extraction_errors"]) == ("human", "1.0", "")
    before = values.read_bytes()
    assert grace("export", values.with_suffix(".run")).code == 0
    assert values.read_bytes() == before


def test_the_last_decision_counts(read: Command, three: Path, values: Path) -> None:
    decide_about(values, 1, "corrected", Prior_A=1)
    decide_about(values, 1, "corrected", Prior_A=2)
    read()
    assert read_rows(values)[0]["Prior_A"] == "2"
    records = [record for _, record in scan(values.with_suffix(".run") / "ledger.jsonl")]
    assert [record["values"]["Prior_A"] for record in records] == [1, 2]  # the first one is still there
    assert records[0]["read"]["values"]["Prior_A"] == 3  # and what the rules had read
    assert (records[0]["by"], records[0]["status"]) == ("Ada", "human")


def test_what_a_person_emptied_is_empty(read: Command, three: Path, values: Path) -> None:
    decide_about(values, 1, "corrected", Prior_A=None)
    decide_about(values, 3, "accepted")
    read()
    first, _, third = read_rows(values)
    assert fields_of(first) == ["", *VALUES[1:]]
    assert first["extraction_errors"] == f"Prior_A: {REJECTED}"
    assert fields_of(third) == [""] * 6
    assert (third["extraction_method"], third["extraction_confidence"]) == ("human", "")
    assert REJECTED not in third["extraction_errors"]  # nothing was there, and a person agrees
    decide_about(values, 1, "rejected", **dict.fromkeys(FIELDS))
    read()
    first = read_rows(values)[0]
    assert fields_of(first) == [""] * 6
    assert first["extraction_errors"] == f"{', '.join(FIELDS)}: {REJECTED}"


def test_decisions_follow_their_rows(read: Command, three: Path, values: Path) -> None:
    decide_about(values, 2, "corrected", probability_0=100)
    rows = read_rows(three)
    write(three, [{"new": "x", **row} for row in (rows[1], rows[2], rows[0])])  # other places, and a column more
    assert read().code == 0
    assert [row["extraction_method"] for row in read_rows(values)] == ["human", "rule", "rule"]
    assert read_rows(values)[0]["probability_0"] == "100"


def test_equal_answers_in_different_rows_are_decided_one_by_one(read: Command, answers: Path, values: Path) -> None:
    assert set(IDENTIFYING) >= {"replication", "seed"}
    write(answers, [{**trial(0), "model_response": "Who knows.", "replication": n, "seed": 7} for n in (1, 2)])
    read()
    decide_about(values, 2, "corrected", Prior_A=1)
    read()
    assert [row["Prior_A"] for row in read_rows(values)] == ["", "1"]


def test_a_decision_whose_row_is_gone_is_told_and_kept(read: Command, three: Path, values: Path) -> None:
    decide_about(values, 2, "corrected", probability_0=100)
    rows = read_rows(three)
    write(three, [rows[0], rows[2]])
    done = read()
    assert done.code == 0
    assert "1 decision of people belong to no row of this table, and stay in the run" in done.out
    write(three, rows)
    done = read()
    assert "belong to no row" not in done.out
    assert read_rows(values)[1]["extraction_method"] == "human"


def test_the_function_gives_what_the_command_prints(three: Path, values: Path) -> None:
    with Extract(study="study1", input=three, output=values).prepared(Silent()) as prepared:
        outcome = prepared.read(Silent())
    assert not outcome.interrupted
    made = outcome.result
    assert made is not None
    assert (made.table.rows, made.table.whole, made.checked) == (3, 1, {})
    assert made.table.methods == {"rule": 3}
    assert made.table.rows - made.table.lacking["Prior_A"] == 2


# Runs that belong together

MODEL = printable_model("é", "’", "yes", "no", seed=5, spread=1.0)
SKIES = """\
name: skies
title: Skies
columns: {thing: {}}
protocols: {single: {turns: {response: "Is {{ thing }} blue?"}}}
questions:
  right: {prompt: "Is {{ thing }} blue?", answers: {labels: {yes: yes, no: no}}}
extraction:
  readings:
    blue: {read: choice, column: is_blue, labels: {yes: [y], no: [n]}}
"""


@pytest.fixture
def table() -> Iterator[TableServer]:
    with TableServer(MODEL) as server:
        yield server


@pytest.fixture
def skies(grace: Command, table: TableServer, tmp_path: Path) -> Callable[..., Run]:
    """Runs of a small study: `skies("query", "a.csv")`; extract takes the answers' table too."""
    (tmp_path / "study.yaml").write_text(SKIES)
    (tmp_path / "things.csv").write_text("thing\nthe sky\na plum\n")
    (tmp_path / "others.csv").write_text("thing\nthe sea\n")

    def run(
        command: str, output: str, *, input: str = "things.csv", name: str = "table", more: Sequence[str] = ()
    ) -> Run:
        options: list[object] = ["--input", tmp_path / input, "--output", tmp_path / output, *more]
        if command != "extract":
            options += ["--model-endpoint", table.url, "--model-name", "table", "--model-revision", name]
        done = grace(command, tmp_path / "study.yaml", *options)
        assert done.code == 0, done
        return Run.beside(tmp_path / output)

    return run


def test_three_runs_find_each_other_from_any_of_them(skies: Callable[..., Run]) -> None:
    answers, scores = skies("query", "a.csv"), skies("score", "s.csv")
    extraction = skies("extract", "e.csv", input="a.csv")
    for run in (answers, extraction, scores):
        found = related(run)
        assert (found.answers, found.extraction, found.scores) == (answers, extraction, scores)
        assert found.runs == (answers, extraction, scores)
    assert extractions_of(answers) == [extraction]
    assert answers_of(extraction) == answers
    assert table_of(extraction) == extraction.path.with_name("e.csv")


def test_a_run_alone_is_enough(skies: Callable[..., Run]) -> None:
    answers = skies("query", "a.csv")
    assert related(answers).runs == (answers,)
    scores = skies("score", "others.csv.scores.csv", input="others.csv")
    assert related(answers).runs == (answers,)  # about another table
    assert related(scores).runs == (scores,)


def test_runs_of_other_models_and_tables_are_not_taken(skies: Callable[..., Run]) -> None:
    answers, other = skies("query", "a.csv"), skies("query", "b.csv", name="other")
    extraction = skies("extract", "e.csv", input="a.csv")
    skies("score", "s1.csv", name="other")
    skies("score", "s2.csv", input="others.csv")
    assert related(answers).scores is None
    assert related(extraction).runs == (answers, extraction)
    found = related(other)
    assert (found.extraction, found.scores and found.scores.path.name) == (None, "s1.run")


def test_the_same_table_under_another_name_is_the_same(skies: Callable[..., Run], tmp_path: Path) -> None:
    answers = skies("query", "a.csv")
    (tmp_path / "copy.csv").write_bytes((tmp_path / "things.csv").read_bytes())
    scores = skies("score", "s.csv", input="copy.csv")
    assert related(answers).scores == scores


def test_two_that_would_do_are_refused(skies: Callable[..., Run]) -> None:
    answers, first = skies("query", "a.csv"), skies("score", "s1.csv")
    second = skies("score", "s2.csv", more=("--policy", "canonical"))
    with pytest.raises(InputError, match="--scores") as refused:
        related(answers)
    assert str(first.path) in str(refused.value)
    assert str(second.path) in str(refused.value)
    assert related(answers, scores=second).scores == second
    extraction = skies("extract", "e1.csv", input="a.csv")
    skies("extract", "e2.csv", input="a.csv")
    with pytest.raises(InputError, match="--extraction"):
        related(answers, scores=second)
    assert related(answers, extraction=extraction, scores=second).runs == (answers, extraction, second)
    with pytest.raises(InputError, match=r"--scores .*holds 'generate', not 'score'"):
        related(answers, scores=answers)


def test_an_extraction_of_somebody_s_own_table_stands_alone(skies: Callable[..., Run], tmp_path: Path) -> None:
    skies("query", "a.csv")
    write(tmp_path / "theirs.csv", [{"thing": "the sky", "response": "yes"}])
    extraction = skies("extract", "e.csv", input="theirs.csv")
    assert related(extraction).runs == (extraction,)
    assert answers_of(extraction) is None


def test_folders_that_are_no_runs_do_no_harm(skies: Callable[..., Run], tmp_path: Path) -> None:
    answers = skies("query", "a.csv")
    (tmp_path / "empty.run").mkdir()
    (tmp_path / "file.run").write_text("")
    (tmp_path / "broken.run").mkdir()
    (tmp_path / "broken.run" / "run.json").write_text("{")
    assert related(answers).runs == (answers,)
