"""`grace review` as a process: who gets in, what is written, and that what was said to be saved is never lost."""

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, Command, read_rows
from grace.review.local import MOST_BYTES, TOKEN_HEADER
from grace.review.queue import Choice, Queue, reasons
from grace.review.server import PAGE
from grace.review.view import unseen, value_read
from grace.stages.fields.records import FieldRecords, Rows
from grace.studies.reading import Missing, Value
from grace.studies.study import load_study
from grace.tables import CsvTable
from limits import HANG, wait_until
from reviewing import (
    CLEAN,
    FLAGGED,
    NO_KNOWLEDGE,
    VALUES,
    Page,
    extracted,
    records,
    reviewing,
    write_answers,
)


@pytest.fixture
def run(grace: Command, tmp_path: Path) -> Path:
    """The run of an extraction."""
    write_answers(tmp_path / "answers.csv")
    return extracted(grace, tmp_path)


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_rows_that_need_a_person_are_shown_with_why(run: Path) -> None:
    with reviewing(run) as page:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#[\w-]{43}", page.address)
        assert "5 rows need a person" in page.told[0]
        assert "1 row without an answer left out" in page.told[1]
        assert "'Ada Lovelace'" in page.told[-1]
        overview = page.get("/api/review")
        assert overview == {
            "run": "values.run",
            "study": "Knowledge and implicature",
            "by": "Ada Lovelace",
            "blind": False,
            "reasons": {
                "missing": "missing values",
                "sum": "sums that are off",
                "refused": "refusals",
                "cut": "cut-off answers",
            },
            "total": 5,
            "decided": 0,
            "next": 0,
        }
        rows = [page.get(f"/api/rows/{place}") for place in range(5)]
        assert tuple(row["row"] for row in rows) == FLAGGED
        assert rows[0]["reasons"] == ["No value for Knowledge_A"]
        assert rows[1]["reasons"] == ["probability_0 to probability_3 make 80, not 100"]
        assert "The answer looks like a refusal" in rows[2]["reasons"]
        assert "The answer was cut off at the token limit" in rows[4]["reasons"]


def test_a_row_is_shown_with_its_trial_its_texts_and_its_values(run: Path) -> None:
    with reviewing(run) as page:
        row = page.get("/api/rows/0")
    trial = read_rows(ROOT / "data" / "study1.csv")[1]
    conditions = {cell["name"]: cell["value"] for cell in row["conditions"]}
    assert conditions == {
        **{name: trial[name] for name in ("story_shortname", "participant_id", "access", "observe")},
        "model_name": "canned",
        "replication": "1",
        "seed": "101",
    }
    assert [said["who"] for said in row["talk"]] == ["shown", "answer"]
    assert trial["speach"] in row["talk"][0]["text"]
    assert "<br>" not in row["talk"][0]["text"]
    assert row["talk"][1]["text"] == NO_KNOWLEDGE
    fields = {own["name"]: own for group in row["groups"] for own in group["fields"]}
    assert fields["Prior_A"]["options"] == [0, 1, 2, 3]
    assert fields["probability_1"]["found"] == {"value": 50, "confidence": 1.0, "by": "rules", "doubtful": False}
    assert (fields["probability_1"]["low"], fields["probability_1"]["high"]) == (0, 100)
    assert fields["Knowledge_A"]["options"] == ["yes", "no"]
    assert fields["Knowledge_A"]["found"]["value"] is None
    assert fields["Knowledge_A"]["found"]["why"]


def test_hidden_columns_are_never_shown(grace: Command, tmp_path: Path) -> None:
    trials = read_rows(ROOT / "data" / "test_sample_study2.csv")
    secret = "SECRET UTTERANCE"
    with open(tmp_path / "answers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*trials[0], "model_response"])
        writer.writeheader()
        writer.writerows({**trial, "Utterance": secret, "model_response": "Hm."} for trial in trials[:2])
    assert grace("extract", "study2", "--input", tmp_path / "answers.csv", "--output", tmp_path / "v.csv").code == 0
    with reviewing(tmp_path / "v.run") as page:
        row = page.get("/api/rows/0")
        assert secret not in json.dumps(row)
        assert {"goal", "State"} <= {cell["name"] for cell in row["conditions"]}


def test_every_turn_of_a_conversation_stands_before_its_answer(grace: Command, query: Command, tmp_path: Path) -> None:
    assert query("--protocol", "sequential", "--limit", 2).code == 0
    run = extracted(grace, tmp_path)
    with reviewing(tmp_path / "answers.run", "--all") as page:
        assert page.told[0].startswith(str(run))
        row = page.get("/api/rows/0")
        assert row["sure"] is True
        assert [said["who"] for said in row["talk"]] == ["shown", "answer"] * 3
        assert row["talk"][3]["title"] == "Answer: response_state"


def test_where_the_answers_run_is_gone_the_page_says_that_the_stimulus_is_the_default(run: Path) -> None:
    with reviewing(run) as page:
        assert page.get("/api/rows/0")["sure"] is False


def test_all_and_sample_show_more_rows(run: Path) -> None:
    with reviewing(run, "--all") as page:
        assert page.get("/api/review")["total"] == 7
    with reviewing(run, "--sample", 1, "--seed", 3) as page:
        rows = [page.get(f"/api/rows/{place}") for place in range(6)]
        assert sorted(row["row"] for row in rows) == [row["row"] for row in rows]
        extra = [row for row in rows if not row["reasons"]]
        assert len(extra) == 1


def test_a_sample_is_the_same_in_whatever_order_the_table_stands(tmp_path: Path) -> None:
    texts = [CLEAN + " " * place for place in range(40)]
    drawn = []
    for order in (range(40), [*reversed(range(40))]):
        write_answers(tmp_path / "answers.csv", texts, order)
        with CsvTable(tmp_path / "answers.csv") as table:
            rows = Rows(load_study("study1"), table.columns)
            queue = Queue.of(rows, NobodyDecided(), table, Choice(sample=5, seed=2), Silent())  # type: ignore[arg-type]
            drawn.append({table.row(queue.row(place))["seed"] for place in range(len(queue))})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) in (5, 6)  # the last text is cut off, so it is there anyway


class NobodyDecided(FieldRecords):
    def __init__(self) -> None:
        self._decisions = {}
        self.extractor = None


class Silent:
    def begin(self, total: int, done: int, what: str = "requests") -> None:
        pass

    def advance(self, failed: bool, by: int = 1) -> None:
        pass


def test_characters_that_do_not_show_are_told() -> None:
    assert list(unseen("a\u202eb\u202e\tc\n\0")) == [
        "U+202E RIGHT-TO-LEFT OVERRIDE, 2 times",
        "U+0000 control character",
    ]


def test_who_read_a_value_is_told() -> None:
    rules, agreed, model = Value(2, 0.5), Value(2, 0.8), Value(3, 0.8)
    assert value_read(rules, rules) == {"value": 2, "confidence": 0.5, "by": "rules", "doubtful": True}
    assert value_read(agreed, rules)["by"] == "rules, and the extractor model agrees"
    assert value_read(model, rules)["by"] == "the extractor model"
    assert value_read(model, Missing("is not said"))["by"] == "the extractor model"
    assert value_read(Missing("is not said"), Missing("is not said")) == {"value": None, "why": "is not said"}


def test_a_row_that_was_answered_in_part_says_so() -> None:
    extraction = load_study("study1").extraction
    assert extraction is not None
    read = extraction.read(dict.fromkeys(extraction.about, CLEAN))
    assert reasons(extraction, {"error": ""}, read) == {}
    assert list(reasons(extraction, {"error": "http 500"}, read).values()) == ["Not all was answered: http 500"]


def test_a_row_is_found_by_its_number(run: Path) -> None:
    with reviewing(run) as page:
        assert page.get("/api/place/4") == {"place": 2}
        status, data = page.request("GET", "/api/place/1", **{TOKEN_HEADER: page.token})[:2]
        assert (status, data["message"]) == (404, "Row 1 is not in this review")


# --- who gets in -----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(run: Path) -> Iterator[Page]:
    """A review of a run of this test's own."""
    with reviewing(run) as page:
        yield page


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Path]]:
    """A review that refuses whatever it is asked for, so that many tests can share it; and its run."""
    folder = tmp_path_factory.mktemp("door")
    write_answers(folder / "answers.csv")
    tables = ["--input", folder / "answers.csv", "--output", folder / "values.csv"]
    command = [sys.executable, "-m", "grace", "extract", "study1", *tables]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    with reviewing(folder / "values.run") as page:
        yield page, folder / "values.run"
        assert page.get("/api/review")["decided"] == 0
        assert records(folder / "values.run") == []


API = [
    ("GET", "/api/review"),
    ("GET", "/api/rows/0"),
    ("GET", "/api/place/2"),
    ("POST", "/api/rows/0"),
    ("POST", "/api/finish"),
]


@pytest.mark.parametrize(
    ("method", "path"), [*API, ("POST", "/api/enter"), ("GET", "/api/nothing"), ("GET", "/nothing")]
)
@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
def test_nobody_comes_in_without_the_token(door: tuple[Page, Path], method: str, path: str, token: str | None) -> None:
    page, _ = door
    headers = {"Content-Type": "application/json"} | ({} if token is None else {TOKEN_HEADER: token})
    status, data, _ = page.request(method, path, b"{}" if method == "POST" else None, **headers)
    assert status == 401
    assert "token" in data["message"]


def test_the_token_does_not_count_in_the_address(door: tuple[Page, Path]) -> None:
    page, _ = door
    assert page.request("GET", f"/api/review?token={page.token}")[0] == 401
    assert page.request("GET", "/api/review", Cookie=f"token={page.token}")[0] == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:PORT", "127.0.0.1", "localhost:1", "0.0.0.0:PORT", ""])
def test_a_foreign_host_name_is_refused(door: tuple[Page, Path], host: str) -> None:
    page, _ = door
    named = host.replace("PORT", page.host.split(":")[1])
    for path in ("/", "/api/review"):
        assert page.request("GET", path, Host=named, **{TOKEN_HEADER: page.token})[0] == 403


def test_the_machine_s_own_names_are_fine(door: tuple[Page, Path]) -> None:
    page, _ = door
    port = page.host.split(":")[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert page.request("GET", "/api/review", Host=host, **{TOKEN_HEADER: page.token})[0] == 200


def test_it_listens_at_loopback_alone(door: tuple[Page, Path]) -> None:
    page, _ = door
    psutil = pytest.importorskip("psutil")
    found = [own.laddr for own in psutil.Process(page.process.pid).net_connections() if own.status == "LISTEN"]
    assert [(own.ip, str(own.port)) for own in found] == [tuple(page.host.split(":"))]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_other_sites_forms_are_refused(door: tuple[Page, Path], kind: str | None) -> None:
    page, run = door
    headers = {TOKEN_HEADER: page.token} | ({"Content-Type": kind} if kind else {})
    before = (run / "ledger.jsonl").read_bytes()
    assert page.request("POST", "/api/rows/0", b'{"verdict": "rejected"}', **headers)[0] == 415
    assert (run / "ledger.jsonl").read_bytes() == before


def test_other_sites_get_no_leave_to_ask(door: tuple[Page, Path]) -> None:
    page, _ = door
    status, _, headers = page.request(
        "OPTIONS", "/api/review", Origin="http://evil.example", Access_Control_Request_Method="POST"
    )
    assert status == 401
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_bodies_are_small(door: tuple[Page, Path]) -> None:
    page, _ = door
    headers = {TOKEN_HEADER: page.token, "Content-Type": "application/json"}
    status, data, _ = page.request("POST", "/api/rows/0", b" " * (MOST_BYTES + 1), **headers)
    assert (status, data["message"]) == (413, f"the body is larger than {MOST_BYTES} bytes")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"NaN", b"[" * 10_000])
def test_bodies_are_json_objects(door: tuple[Page, Path], body: bytes) -> None:
    page, _ = door
    headers = {TOKEN_HEADER: page.token, "Content-Type": "application/json"}
    status, data, _ = page.request("POST", "/api/rows/0", body, **headers)
    assert status == 400
    assert "JSON" in data["message"]


@pytest.mark.parametrize(
    "path", ["/api/rows/5", "/api/rows/999999999999", "/api/rows/-1", "/api/rows/x", "/api/x", "/x", "/../x"]
)
def test_what_is_not_there_is_not_found(door: tuple[Page, Path], path: str) -> None:
    page, _ = door
    assert page.request("GET", path, **{TOKEN_HEADER: page.token})[0] == 404


def test_every_answer_is_fenced_in(door: tuple[Page, Path]) -> None:
    page, _ = door
    for path in (*PAGE, "/api/review", "/nothing"):
        _, _, headers = page.request("GET", path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "grace"


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(door: tuple[Page, Path]) -> None:
    page, _ = door
    shell = page.request("GET", "/")[1].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", shell)
    for path in PAGE:
        content = page.request("GET", path)[1].decode()
        assert set(re.findall(r"https?://[^\"'\s)]+", content)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", content)


def test_the_token_stands_nowhere_but_in_the_address(page: Page, run: Path) -> None:
    page.request("GET", f"/api/review?{page.token}", **{TOKEN_HEADER: page.token})
    page.request("GET", "/nothing", **{TOKEN_HEADER: page.token})
    page.decide(0, "rejected")
    page.process.send_signal(signal.SIGINT)
    out, err = page.process.communicate(timeout=HANG)
    assert page.token not in out + err
    for path in run.iterdir():
        assert page.token.encode() not in path.read_bytes()


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_decision_is_a_record_and_what_stood_there_stays(run: Path, page: Page) -> None:
    first = page.get("/api/rows/0")
    assert first["next"] == 1
    said = page.decide(0, "corrected", VALUES | {"Knowledge_A": "no"})
    assert said == {"verdict": "corrected", "row": 2, "total": 5, "decided": 1, "next": 1}
    before = (run / "ledger.jsonl").read_bytes()
    page.decide(2, "rejected")
    after = (run / "ledger.jsonl").read_bytes()
    assert after.startswith(before)
    corrected, rejected = records(run)
    assert corrected["rows"] == [2]
    assert corrected["question"] == "review"
    assert corrected["status"] == "human"
    assert corrected["verdict"] == "corrected"
    assert corrected["values"] == VALUES | {"Knowledge_A": "no"}
    assert corrected["read"]["values"] == VALUES | {"Knowledge_A": None}
    assert corrected["read"]["method"] == "rule"
    assert corrected["by"] == "Ada Lovelace"
    assert corrected["started"] <= corrected["ended"]
    assert rejected["verdict"] == "rejected"
    assert set(rejected["values"].values()) == {None}


def test_the_page_is_told_of_earlier_decisions(page: Page) -> None:
    page.decide(0, "corrected", VALUES | {"Knowledge_A": "yes"})
    row = page.get("/api/rows/0")
    assert row["decision"]["verdict"] == "corrected"
    assert row["decision"]["by"] == "Ada Lovelace"
    knowledge = row["groups"][-1]["fields"][0]
    assert knowledge["value"] == "yes"
    assert knowledge["found"]["value"] is None


def test_values_are_taken_as_people_write_them(run: Path, page: Page) -> None:
    text = {name: f" {value} " for name, value in VALUES.items()}
    page.decide(0, "corrected", text | {"probability_1": "33.5", "Knowledge_A": "YES"})
    assert records(run)[-1]["values"] == VALUES | {"probability_1": 33.5, "Knowledge_A": "yes"}
    page.decide(0, "corrected", text | {"Prior_A": "", "Knowledge_A": None})
    assert records(run)[-1]["values"] == VALUES | {"Prior_A": None, "Knowledge_A": None}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("Prior_A", 4, "4 is not a whole number from 0 to 3"),
        ("Prior_A", 1.5, "1.5 is not a whole number from 0 to 3"),
        ("Prior_A", True, "True is not a whole number from 0 to 3"),
        ("Prior_A", "two", "'two' is not a whole number from 0 to 3"),
        ("probability_0", -1, "-1 is not a number from 0 to 100"),
        ("probability_0", "nan", "'nan' is not a number from 0 to 100"),
        ("probability_0", "1e400", "'1e400' is not a number from 0 to 100"),
        ("probability_0", [50], "[50] is not a number from 0 to 100"),
        ("Knowledge_A", "maybe", "'maybe' is not one of yes, no"),
        ("Knowledge_A", {"yes": 1}, "{'yes': 1} is not one of yes, no"),
    ],
)
def test_a_value_that_is_none_of_its_field_s_is_refused(
    door: tuple[Page, Path], name: str, value: object, why: str
) -> None:
    page, run = door
    values = VALUES | {"Knowledge_A": "no"} | {name: value}
    status, data = page.post("/api/rows/0", {"verdict": "corrected", "values": values})
    assert (status, data["fields"]) == (422, {name: why})
    assert records(run) == []
    assert page.get("/api/review")["decided"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "perhaps"},
        {"verdict": ["accepted"]},
        {"verdict": "corrected"},
        {"verdict": "corrected", "values": {}},
        {"verdict": "corrected", "values": ["Prior_A"]},
        {"verdict": "corrected", "values": VALUES},
        {"verdict": "corrected", "values": VALUES | {"Knowledge_A": None}},
        {"verdict": "corrected", "values": VALUES | {"Knowledge_A": "no", "other": 1}},
        {"verdict": "accepted", "values": VALUES | {"Knowledge_A": "no"}},
        {"verdict": "rejected", "values": {}},
    ],
)
def test_a_decision_that_is_none_is_refused(door: tuple[Page, Path], body: object) -> None:
    page, run = door
    assert page.post("/api/rows/0", body)[0] == 422
    assert records(run) == []


def test_of_two_decisions_the_last_counts(grace: Command, run: Path, page: Page) -> None:
    page.decide(0, "rejected")
    page.decide(0, "corrected", VALUES | {"Knowledge_A": "yes"})
    assert page.get("/api/review")["decided"] == 1
    page.end()
    assert [record["verdict"] for record in records(run)] == ["rejected", "corrected"]
    assert read_rows(run.with_name("values.csv"))[1]["Knowledge_A"] == "yes"


def test_two_tabs_lose_no_decision(run: Path, page: Page) -> None:
    """Who decides about what was decided since is told what that is, and may then put it right."""
    one, other = page.get("/api/rows/0"), page.get("/api/rows/0")
    assert one["decision"] is other["decision"] is None
    kept = VALUES | {"Knowledge_A": "yes"}
    assert page.post("/api/rows/0", {"verdict": "corrected", "values": kept, "seen": None})[0] == 200
    for late in (
        {"verdict": "rejected", "seen": None},
        {"verdict": "rejected"},
        {"verdict": "rejected", "seen": "now"},
    ):
        status, said = page.post("/api/rows/0", late)
        assert status == 409
        assert "decided in another tab meanwhile" in said["message"]
        values = {field["name"]: field["value"] for group in said["row"]["groups"] for field in group["fields"]}
        assert values == kept
    assert [record["verdict"] for record in records(run)] == ["corrected"]
    seen = said["row"]["decision"]["when"]
    assert page.post("/api/rows/0", {"verdict": "rejected", "seen": seen})[0] == 200
    assert [record["verdict"] for record in records(run)] == ["corrected", "rejected"]


def test_at_the_end_the_table_is_written_again(run: Path, page: Page) -> None:
    page.decide(0, "corrected", VALUES | {"Knowledge_A": "no"})
    page.decide(1, "accepted")
    page.decide(2, "rejected")
    out = page.end()
    assert "3 decisions written; 3 of 5 rows are decided" in out
    assert f"{run.with_name('values.csv')}: 8 rows" in out
    table = read_rows(run.with_name("values.csv"))
    assert [row["extraction_method"] for row in table] == ["rule", "human", "human", "human"] + ["rule"] * 4
    assert table[1]["Knowledge_A"] == "no"
    assert (table[2]["probability_3"], table[2]["extraction_errors"]) == ("20", "")
    assert table[3]["Prior_A"] == ""
    assert "the answer is a refusal" in table[3]["extraction_errors"]  # a person has nothing to add to that


def test_what_a_person_emptied_says_so(run: Path, page: Page) -> None:
    page.decide(1, "rejected")
    page.end()
    [row] = [row for row in read_rows(run.with_name("values.csv")) if row["extraction_method"] == "human"]
    assert row["probability_3"] == ""
    assert "rejected by a person" in row["extraction_errors"]


def test_the_page_s_button_ends_the_review(run: Path, page: Page) -> None:
    page.decide(1, "accepted")
    assert page.post("/api/finish", {}) == (200, {"made": 1})
    assert "1 decision written" in page.wait()
    assert read_rows(run.with_name("values.csv"))[2]["extraction_method"] == "human"
    assert not (run / "lock").exists()


def test_sigterm_is_as_good_an_end(run: Path, page: Page) -> None:
    page.decide(1, "accepted")
    assert "1 decision written" in page.end(signal.SIGTERM)
    assert not (run / "lock").exists()


def test_a_review_without_decisions_changes_nothing(run: Path, page: Page) -> None:
    table = run.with_name("values.csv")
    before = table.stat().st_mtime_ns
    assert "0 decisions written" in page.end()
    assert table.stat().st_mtime_ns == before
    assert (run / "ledger.jsonl").read_bytes() == b""


def test_extract_keeps_what_people_decided(grace: Command, run: Path, page: Page) -> None:
    page.decide(0, "corrected", VALUES | {"Knowledge_A": "no"})
    page.end()
    extracted(grace, run.parent)
    assert read_rows(run.with_name("values.csv"))[1]["extraction_method"] == "human"
    assert read_rows(run.with_name("values.csv"))[1]["Knowledge_A"] == "no"


def test_a_decision_belongs_to_its_row_wherever_that_stands(grace: Command, run: Path, page: Page) -> None:
    page.decide(0, "corrected", VALUES | {"Knowledge_A": "no"})
    page.end()
    write_answers(run.parent / "answers.csv", order=[7, 6, 5, 4, 3, 2, 1])
    extracted(grace, run.parent)
    table = read_rows(run.with_name("values.csv"))
    assert [row["extraction_method"] for row in table] == ["rule"] * 6 + ["human"]
    assert (table[6]["seed"], table[6]["Knowledge_A"]) == ("101", "no")
    with reviewing(run) as again:
        assert again.get("/api/review") | {"next": None} == again.get("/api/review") | {"next": None, "decided": 1}
        assert again.get("/api/rows/4")["decision"]["verdict"] == "corrected"


def test_a_row_that_was_decided_is_shown_again_although_nothing_is_odd_about_it(run: Path) -> None:
    with reviewing(run, "--all") as page:
        page.decide(0, "rejected")
        page.end()
    with reviewing(run) as page:
        assert page.get("/api/review")["total"] == 6
        assert page.get("/api/rows/0")["row"] == 1


def test_rows_that_hold_the_same_are_decided_together(grace: Command, tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv", [NO_KNOWLEDGE, CLEAN], [0, 0, 1])
    run = extracted(grace, tmp_path)
    with reviewing(run) as page:
        assert page.decide(0, "corrected", VALUES | {"Knowledge_A": "no"})["decided"] == 2
        page.end()
    assert [row["Knowledge_A"] for row in read_rows(tmp_path / "values.csv")][:2] == ["no", "no"]


@pytest.mark.parametrize("times", [1, 3])
def test_what_was_saved_survives_a_kill(run: Path, times: int) -> None:
    for place in range(times):
        with reviewing(run) as page:
            page.decide(place, "rejected")
            page.process.kill()
            page.process.wait()
            assert (run / "lock").exists()
    with reviewing(run) as page:
        assert page.get("/api/review")["decided"] == times
        page.end()
    methods = [row["extraction_method"] for row in read_rows(run.with_name("values.csv"))]
    assert methods.count("human") == times


def test_the_run_s_manifest_tells_of_the_sitting(run: Path, page: Page) -> None:
    page.decide(0, "rejected")
    page.end()
    session = json.loads((run / "run.json").read_text())["sessions"][-1]
    assert (session["by"], session["decided"], session["output"]) == ("Ada Lovelace", 1, "values.csv")
    assert session["started"] <= session["ended"]


# --- the command -----------------------------------------------------------------------------------------------------


def test_two_do_not_write_one_run(grace: Command, run: Path, page: Page) -> None:
    for command in (
        ("review", run, "--no-browser"),
        ("extract", "study1", "--input", run.parent / "answers.csv", "--output", run.with_name("values.csv")),
    ):
        refused = grace(*command)
        assert refused.code == 2
        assert f"is being written by process {page.process.pid}" in refused.err


def test_a_review_of_answers_finds_their_extraction(grace: Command, query: Command, tmp_path: Path) -> None:
    assert query("--limit", 2).code == 0
    refused = grace("review", tmp_path / "answers.run", "--no-browser")
    assert refused.code == 2
    assert "run `grace extract` on its table first" in refused.err
    run = extracted(grace, tmp_path)
    with reviewing(tmp_path / "answers.run") as page:
        assert page.told[0].startswith(str(run))
    other = ("--input", tmp_path / "answers.csv", "--output", tmp_path / "other.csv")
    assert grace("extract", "study1", *other).code == 0
    refused = grace("review", tmp_path / "answers.run", "--no-browser")
    assert refused.code == 2
    assert f"several extractions ({tmp_path / 'other.run'}, {run}); give one of them" in refused.err


def test_probabilities_are_not_reviewed(grace: Command, run: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    scores = {"experiment": "score", "input": {}, "model": {"name": "m"}, "questions": {}}
    scoring = {"policy": "variants", "residual": 0.0, "answer_start": ""}
    manifest["identity"] |= {**scores, "scoring": scoring}
    (run / "run.json").write_text(json.dumps(manifest))
    refused = grace("review", run, "--no-browser")
    assert refused.code == 2
    assert "takes the run of `grace extract`" in refused.err


def test_what_is_no_run_is_refused(grace: Command, tmp_path: Path) -> None:
    assert "is not a run" in grace("review", tmp_path / "none.run").err


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 101])
def test_decisions_need_a_name(grace: Command, run: Path, name: str) -> None:
    refused = grace("review", run, "--by", name, "--no-browser")
    assert refused.code == 2
    assert ("holds a null byte" if "\0" in name else "is not a name") in refused.err


def test_the_login_name_is_the_default(grace: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "")
    assert "--by" in grace("review", run, "--no-browser").err


def test_a_port_that_is_taken_is_refused(grace: Command, run: Path, page: Page, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_answers(tmp_path / "other" / "answers.csv")
    other = extracted(grace, tmp_path / "other")
    refused = grace("review", other, "--no-browser", "--port", page.host.split(":")[1])
    assert refused.code == 2
    assert "choose another with --port" in refused.err
    assert not (other / "lock").exists()


def test_nothing_to_review_is_said(grace: Command, tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv", [CLEAN + " ", CLEAN], [0])
    run = extracted(grace, tmp_path)
    done = grace("review", run)
    assert done.code == 0
    assert "Nothing to review; --all or --sample N shows other rows." in done.out


def test_a_browser_gets_a_ticket_that_opens_once(run: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened.tmp; mv {tmp_path}/opened.tmp {tmp_path}/opened\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "grace", "review", str(run), "--by", "Ada"]
    environment = {"BROWSER": str(browser), "DISPLAY": ":99", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert wait_until((tmp_path / "opened").exists, process)
            opened = (tmp_path / "opened").read_text().strip()
            assert process.stdout is not None
            printed = next(line.strip() for line in process.stdout if line.startswith("http"))
            page = Page(process, [], printed)
            ticket = opened.partition("#")[2]
            assert opened.partition("#")[0] == printed.partition("#")[0]
            assert ticket != page.token
            headers = {"Content-Type": "application/json"}
            assert page.request("GET", "/api/review", **{TOKEN_HEADER: ticket})[0] == 401
            entered = page.request("POST", "/api/enter", b"{}", **headers, **{TOKEN_HEADER: ticket})
            assert entered[:2] == (200, {"token": page.token})
            assert page.request("POST", "/api/enter", b"{}", **headers, **{TOKEN_HEADER: ticket})[0] == 401
            assert page.request("POST", "/api/enter", b"{}", **headers, **{TOKEN_HEADER: page.token})[0] == 200
        finally:
            process.kill()
