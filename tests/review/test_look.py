"""`grace view` without its page: what it indexes, filters and shows, that it follows a run, and who gets in."""

import json
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from conftest import ROOT, Command
from grace.errors import InputError
from grace.ledger import void
from grace.review.board import Board, Where
from grace.review.drill import drill
from grace.review.lane import RowFlag
from grace.review.local import TOKEN_HEADER, Unfit
from grace.review.looking import View, _boards, _groups
from grace.review.places import pieces, places
from grace.runs import Run
from grace.stages.fields.records import Rows
from grace.studies.study import load_study
from reviewing import Page
from viewing import SAID, add, made, viewing, write_trials

EARLIER = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"
ROWS = 12
ANSWERS = {0: SAID, 1: "Zebra says nothing.", 2: "", 3: "!out of memory", 4: "Initial Answer: 2 and then…", 5: None}


class Silent:
    def begin(self, total: int, done: int, what: str = "requests") -> None:
        pass

    def advance(self, failed: bool, by: int = 1) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models' answers about the same twelve trials; the first has a bit of everything, with its values."""
    trials = write_trials(tmp_path / "trials.csv", ROWS)
    made(trials, tmp_path / "one.csv", lambda row: ANSWERS.get(row, SAID), "one", ROWS)
    made(trials, tmp_path / "two.csv", lambda row: SAID.replace("3", "2", 1), "two", ROWS)
    return tmp_path


@pytest.fixture
def board(folder: Path, grace: Command, request: pytest.FixtureRequest) -> Board:
    """The board of both, with values of the first."""
    assert grace("export", folder / "one.run").code == 1
    read = ["--input", folder / "one.csv", "--output", folder / "one_values.csv"]
    assert grace("extract", "study1", *read).code == 0
    return opened(View(folder=folder), request)


def opened(view: View, request: pytest.FixtureRequest) -> Board:
    from contextlib import ExitStack

    stack = ExitStack()
    request.addfinalizer(stack.close)
    (board,) = _boards(_groups(view), stack)
    board.index(Silent())
    return board


def rows_of(board: Board, **where: Any) -> list[int]:
    """The rows (from 1) that a filter admits."""
    return [unit + 1 for unit in board.find(Where.read(where, board))]


def test_runs_about_the_same_trials_stand_beside_each_other(board: Board) -> None:
    assert [lane.name for lane in board.lanes] == ["one", "two"]
    assert [run.path.name for run in board.lanes[0].related.runs] == ["one.run", "one_values.run"]
    page = board.page(Where(), 0)
    assert page["total"] == ROWS
    first = page["units"][0]
    assert [cell["text"] for cell in first["lanes"]] == [SAID, SAID.replace("3", "2", 1)]
    assert first["lanes"][0]["values"]["Prior_A"] == "3"
    assert first["lanes"][1]["values"] == {}


def test_pages_are_parts_of_what_the_filter_admits(board: Board) -> None:
    assert [each["row"] for each in board.page(Where(), 4, 3)["units"]] == [5, 6, 7]
    assert board.page(Where(), 100, 3)["units"] == []
    assert board.neighbours(Where(), 4) == {"place": 4, "total": ROWS, "before": 3, "after": 5}
    assert board.neighbours(Where(flag=RowFlag.failed), 4)["place"] is None


@pytest.mark.parametrize(
    ("flag", "rows"),
    [
        ("not answered yet", [6]),
        ("request failed", [4]),
        ("empty answer", [3]),
        ("cut off", [5]),
        ("label mass below 0.5", []),
        ("decided by a person", []),
    ],
)
def test_rows_are_chosen_by_flag(board: Board, flag: str, rows: list[int]) -> None:
    assert rows_of(board, flag=flag, lane=0) == rows
    assert rows_of(board, flag=flag) == rows
    assert rows_of(board, flag=flag, lane=1) == []


def test_rows_are_chosen_by_missing_value(board: Board) -> None:
    assert rows_of(board, flag="value missing") == [2, 3, 4, 5, 6]


def test_rows_are_chosen_by_condition_label_and_text(board: Board) -> None:
    trials = [board.cells(row) for row in range(ROWS)]
    full = [row + 1 for row, cells in enumerate(trials) if cells["access"] == "3"]
    assert 0 < len(full) < ROWS
    assert rows_of(board, conditions={"access": "3"}) == full
    assert rows_of(board, conditions={"access": "3", "observe": "none"}) == []
    assert rows_of(board, field="Prior_A", label="3") == [1, *range(7, 13)]
    assert rows_of(board, field="Prior_A", label="", lane=0)[:2] == [2, 3]
    assert rows_of(board, text="ZEBRA") == [2]
    assert rows_of(board, text="i think of 1") == [2]  # the model's reasoning
    assert rows_of(board, text="out of memory") == [4]
    story = trials[0]["story_shortname"]
    same = [row + 1 for row, cells in enumerate(trials) if any(story in cell for cell in cells.values())]
    assert rows_of(board, text=story) == same
    assert rows_of(board, text="zebra", conditions={"access": "none"}) == []


def test_flag_label_and_text_are_about_one_model_at_once(board: Board) -> None:
    assert rows_of(board, flag="cut off", text="initial answer: 2 and") == [5]
    assert rows_of(board, flag="cut off", text="knowledge: no") == []  # the other model says so, and is not cut off


@pytest.mark.parametrize(
    "where",
    [
        [],
        {"conditions": {"story_setup_": "x"}},
        {"conditions": []},
        {"lane": 2},
        {"lane": True},
        {"flag": "x"},
        {"field": "x"},
        {"text": 1},
    ],
)
def test_a_filter_that_cannot_be_is_refused(board: Board, where: Any) -> None:
    if where == {"conditions": []}:
        assert Where.read(where, board) == Where()
        return
    with pytest.raises(Unfit, match="where: "):
        Where.read(where, board)


def test_distributions_are_those_of_the_rows_that_are_admitted(board: Board) -> None:
    every = board.distributions(Where())["lanes"][0]
    prior = next(each for each in every["fields"] if each["name"] == "Prior_A")
    assert (prior["bars"], prior["none"]) == ([("3", 7)], 5) or prior["bars"][-1] == ("3", 7)
    assert sum(number for _, number in prior["bars"]) + prior["none"] + prior["others"] == ROWS
    assert every["tokens"]["number"] == 10
    assert sum(every["tokens"]["bins"]) == 10
    assert every["seconds"]["low"] == pytest.approx(0.5)
    few = board.distributions(Where.read({"text": "zebra"}, board))
    assert few["total"] == 1
    assert few["lanes"][0]["tokens"]["sum"] == 11


def test_a_row_in_full_has_prompt_answer_reasoning_values_tokens_and_times(board: Board) -> None:
    first = drill(board, 0)
    assert first["row"] == 1
    assert {"story_shortname", "access"} <= {cell["name"] for cell in first["conditions"]}
    one, two = first["lanes"]
    assert [said["who"] for said in one["talk"]] == ["shown", "answer"]
    assert board.cells(0)["speach"] in one["talk"][0]["pieces"][0]["text"]
    assert "".join(piece["text"] for piece in one["talk"][1]["pieces"]) == SAID
    assert one["talk"][1]["facts"]["tokens of the answer"] == 10
    assert one["talk"][1]["facts"]["seconds"] == 0.5
    values = {field["name"]: field["value"] for field in one["fields"]}
    assert values == {
        "Prior_A": 3,
        "probability_0": 10,
        "probability_1": 20,
        "probability_2": 30,
        "probability_3": 40,
        "Knowledge_A": "no",
    }
    assert {field["name"]: field["value"] for field in two["fields"]}["Prior_A"] == 2  # read now, without a run of it
    assert [said["who"] for said in drill(board, 1)["lanes"][0]["talk"]] == ["shown", "reasoning", "answer"]
    assert drill(board, 3)["lanes"][0]["talk"][1]["pieces"][0]["text"] == "out of memory"
    assert drill(board, 5)["lanes"][0]["talk"][1]["who"] == "waiting"


def test_each_value_is_marked_where_it_is_said(board: Board) -> None:
    said = drill(board, 0)["lanes"][0]["talk"][1]["pieces"]
    marked = {piece["text"]: piece["fields"] for piece in said if piece["fields"]}
    assert marked == {
        "3": ["Prior_A"],
        "10%": ["probability_0"],
        "20%": ["probability_1"],
        "30%": ["probability_2"],
        "40%": ["probability_3"],
        "no": ["Knowledge_A"],
    }


def marks(study: str, text: str) -> dict[str, list[str]]:
    """The marked parts of an answer, with their fields."""
    rows = Rows(load_study(study), ("model_response",))
    found = places(rows, {"model_response": text}, "model_response")
    return {text[place.start : place.end]: list(place.fields) for place in found}


def test_marks_are_at_the_words_that_the_reading_rests_on() -> None:
    assert marks("study1", "Of 3 letters I looked at 2. Initial Answer: 2.")["2"] == ["Prior_A"]
    assert marks("study2", "It wasn't terrible.")["wasn't"] == ["Was_Wasnt"]
    assert marks("study1", "") == {}
    assert marks("study1", "I would rather not say.") == {}


def test_pieces_put_together_are_the_text() -> None:
    rows = Rows(load_study("study1"), ("model_response",))
    for text in (SAID, "", "\U0001f600 3 \u202e 3", "x" * 5000, SAID * 20):
        found = places(rows, {"model_response": text}, "model_response")
        assert "".join(str(piece["text"]) for piece in pieces(text, found)) == text


def test_a_run_is_followed_while_it_grows(folder: Path, request: pytest.FixtureRequest) -> None:
    board = opened(View(runs=(Run(folder / "one.run"),)), request)
    run = board.lanes[0].related.answers
    assert run is not None
    assert not board.refresh()
    assert rows_of(board, flag="not answered yet") == [6]
    assert board.state()["live"] is False
    with open(run.ledger, "ab") as file:
        file.write(b'{"torn')
    assert not board.refresh()
    with open(run.ledger, "rb+") as file:
        file.truncate(run.ledger.stat().st_size - len(b'{"torn'))
    add(run, [3, 5], lambda row: "Initial Answer: 1")
    assert board.refresh()
    assert rows_of(board, flag="not answered yet") == []
    assert rows_of(board, flag="request failed") == []
    assert rows_of(board, text="initial answer: 1") == [4, 6]
    with run.locked():
        assert board.state()["live"] is True


def test_what_is_voided_is_open_again(folder: Path, request: pytest.FixtureRequest) -> None:
    board = opened(View(runs=(Run(folder / "two.run"),)), request)
    run = board.lanes[0].related.answers
    assert run is not None
    end = len(run.ledger.read_bytes().splitlines(keepends=True)[0])
    with open(run.ledger, "ab") as file:
        file.write(orjson.dumps(void([(0, end)], "another server", "now"), option=orjson.OPT_APPEND_NEWLINE))
    before = board.distributions(Where())["lanes"][0]["tokens"]
    board.refresh()
    assert rows_of(board, flag="not answered yet") == [1]
    assert not board.refresh()
    after = board.distributions(Where())["lanes"][0]["tokens"]
    assert (after["number"], after["sum"]) == (before["number"] - 1, before["sum"] - 10)
    add(run, [0], lambda row: "Initial Answer: 1")
    add(run, [0], lambda row: "Initial Answer: 1")
    board.refresh()
    assert rows_of(board, flag="not answered yet") == []
    assert board.distributions(Where())["lanes"][0]["tokens"] == before


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """Runs of all kinds."""
    shutil.copytree(EARLIER, tmp_path / "outputs")
    return tmp_path / "outputs"


def test_probabilities_are_shown_with_their_best_labels(earlier: Path, request: pytest.FixtureRequest) -> None:
    board = opened(View(runs=(Run(earlier / "politeness.run"), Run(earlier / "politeness_other.run"))), request)
    assert [lane.name for lane in board.lanes] == ["table", "other"]
    first = board.page(Where(), 0)["units"][0]["lanes"][0]
    (best,) = first["labels"]
    assert rows_of(board, field="utterance", label=best["label"])[0] == 1
    question = drill(board, 0)["lanes"][0]["questions"][0]
    shares = dict(question["labels"])
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.__getitem__) == best["label"]
    assert shares[best["label"]] == pytest.approx(best["share"])
    means = board.distributions(Where())["lanes"][0]["questions"][0]
    assert means["total"] == 2
    assert sum(share for _, share in means["bars"]) == pytest.approx(1)


def test_every_run_of_a_folder_is_shown(earlier: Path, request: pytest.FixtureRequest) -> None:
    from contextlib import ExitStack

    (earlier / "broken.run").mkdir()
    (earlier / "broken.run" / "run.json").write_text("{")
    with ExitStack() as stack:
        boards = list(_boards(_groups(View(folder=earlier)), stack))
        shown = {run.path.name for board in boards for lane in board.lanes for run in lane.related.runs}
        assert shown == {path.name for path in earlier.glob("*.run") if "shard" not in path.name} - {"broken.run"}
        for board in boards:
            board.index(Silent())
            assert json.dumps(board.overview())
            for unit in range(board.rows * board.replications):
                json.dumps(drill(board, unit))
            json.dumps([board.page(Where(), 0), board.distributions(Where())])


def test_without_a_run_it_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the folders of runs"):
        _groups(View(folder=tmp_path))


def test_a_folder_that_is_no_run_is_refused(grace: Command, tmp_path: Path) -> None:
    done = grace("view", tmp_path, "--no-browser")
    assert done.code == 2
    assert "is not a run" in done.err


# --- who gets in -----------------------------------------------------------------------------------------------------


def test_nobody_comes_in_without_the_token_and_nothing_is_written(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with viewing(folder / "one.run", folder / "two.run") as page:
        assert "study1: trials.csv: 12 rows, one, two" in page.told[-1]
        _nobody(page)
        assert page.get("/api/boards") == {"boards": ["study1: trials.csv"]}
        assert page.post("/api/boards/0/rows", {"where": {}, "start": 0})[1]["total"] == ROWS
        assert page.post("/api/boards/0/rows", {"where": {}, "start": -1})[0] == 422
        assert page.post("/api/boards/0/rows", {"where": {"flag": "x"}})[0] == 422
        assert page.post("/api/boards/1/rows", {})[0] == 404
        assert page.post(f"/api/boards/0/units/{ROWS}", {"where": {}})[0] == 404
        assert page.post("/api/finish", {}) == (200, {})
        page.wait()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def _nobody(page: Page) -> None:
    port = page.host.split(":")[1]
    for method, path in (("GET", "/api/boards"), ("POST", "/api/boards/0/rows"), ("POST", "/api/finish")):
        for token in ({}, {TOKEN_HEADER: "wrong"}):
            status, data, headers = page.request(method, path, b"{}", Content_Type="application/json", **token)
            assert status == 401
            assert "`grace view`" in data["message"]
            assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert page.request(method, path, Host=f"evil.example:{port}", **{TOKEN_HEADER: page.token})[0] == 403
    assert page.request("POST", "/api/finish", b"{}", Content_Type="text/plain", **{TOKEN_HEADER: page.token})[0] == 415
