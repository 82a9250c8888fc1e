"""Reviews by reason, with comments and blind, by server and page; and the agreement of those who decided."""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from browser import Tab, browse
from conftest import Command, read_rows
from grace.review.local import TOKEN_HEADER
from reviewing import FLAGGED, VALUES, Page, extracted, records, reviewing, write_answers

CODED = {"Prior_A": 1, "probability_0": 0, "probability_1": 50, "probability_2": 50, "probability_3": 0}
"""What the second answer says, as the page sends it."""


@pytest.fixture
def run(grace: Command, tmp_path: Path) -> Path:
    """The run of an extraction."""
    write_answers(tmp_path / "answers.csv")
    return extracted(grace, tmp_path)


def visit(tab: Tab, page: Page) -> None:
    tab.page.goto(page.address)
    tab.page.wait_for_selector("#main:not([hidden])")


def sees(tab: Tab, what: str, text: Any) -> None:
    """Wait until an element has this text."""
    from playwright.sync_api import expect

    expect(tab.page.locator(what)).to_have_text(text)


def press(tab: Tab, *keys: str) -> None:
    for key in keys:
        tab.page.keyboard.press(key)


# --- by reason, with comments ----------------------------------------------------------------------------------------


def test_rows_of_one_reason_have_each_other_as_neighbours(run: Path) -> None:
    with reviewing(run) as page:
        first = page.get("/api/rows/0?reason=refused")
        assert (first["row"], first["before"], first["after"], first["next"]) == (2, None, 2, 2)
        refused = page.get("/api/rows/2?reason=refused")
        assert (refused["row"], refused["before"], refused["after"]) == (4, None, None)
        assert refused["among"] == {"total": 1, "decided": 0}
        assert page.get("/api/rows/0")["after"] == 1
        status, data = page.request("GET", "/api/rows/0?reason=x", **{TOKEN_HEADER: page.token})[:2]
        assert status == 422
        assert data["message"].startswith("reason: 'x' is not one of missing")
        status, said = page.post("/api/rows/2?reason=refused", {"verdict": "rejected"})
        assert (status, said["next"], said["decided"], said["total"]) == (200, None, 1, 5)
        assert page.get("/api/rows/2?reason=refused")["among"] == {"total": 1, "decided": 1}


def test_a_comment_is_kept_with_its_decision(run: Path) -> None:
    with reviewing(run) as page:
        assert page.post("/api/rows/0", {"verdict": "accepted", "comment": " Says nothing of it. "})[0] == 200
        assert page.get("/api/rows/0")["comment"] == "Says nothing of it."
        assert page.post("/api/rows/1", {"verdict": "accepted", "comment": "x" * 2001})[0] == 422
        assert page.post("/api/rows/1", {"verdict": "accepted", "comment": 1})[0] == 422
    (record,) = records(run)
    assert (record["comment"], record["blind"]) == ("Says nothing of it.", False)
    with reviewing(run) as page:
        assert page.get("/api/rows/0")["comment"] == "Says nothing of it."


# --- blind -----------------------------------------------------------------------------------------------------------


def test_a_blind_review_shows_nothing_that_was_read_or_decided(run: Path) -> None:
    with reviewing(run) as page:
        page.decide(0, "corrected", VALUES | {"Knowledge_A": "yes"})
        page.end()
    with reviewing(run, "--blind", "--by", "Emmy Noether") as page:
        overview = page.get("/api/review")
        assert (overview["blind"], overview["reasons"], overview["decided"]) == (True, {}, 0)
        row = page.get("/api/rows/0")
        assert (row["reasons"], row["decision"], row["comment"]) == ([], None, "")
        fields = [own for group in row["groups"] for own in group["fields"]]
        assert {(own["value"], own["found"]) for own in fields} == {(None, None)}
        assert "Ada" not in json.dumps(row)


def test_what_is_coded_blind_is_a_decision_that_says_so(run: Path) -> None:
    with reviewing(run, "--blind") as page:
        status, data = page.post("/api/rows/0", {"verdict": "accepted"})
        assert (status, data["message"][:8]) == (422, "verdict:")
        same = page.decide(0, "corrected", CODED | {"Knowledge_A": None})
        assert same["verdict"] == "coded"
        other = page.decide(1, "corrected", CODED | {"Knowledge_A": "no"})
        assert (other["verdict"], other["decided"]) == ("coded", 2)
        assert page.decide(2, "rejected")["verdict"] == "rejected"
        again = page.get("/api/rows/0")
        assert again["decision"]["verdict"] == "coded"
        assert {own["name"]: own["value"] for group in again["groups"] for own in group["fields"]} == CODED | {
            "Knowledge_A": None
        }
        page.end()
    assert [record["verdict"] for record in records(run)] == ["accepted", "corrected", "rejected"]
    assert all(record["blind"] for record in records(run))
    assert sum(row["extraction_method"] == "human" for row in read_rows(run.with_name("values.csv"))) == 3


# --- agreement -------------------------------------------------------------------------------------------------------


def test_the_agreement_of_two_people_who_took_turns(grace: Command, run: Path) -> None:
    coded = [CODED | {"Knowledge_A": word} for word in ("yes", "no", "no", "yes")]
    for by, changed in (("Ada Lovelace", ()), ("Emmy Noether", (1,))):
        with reviewing(run, "--blind", "--all", "--by", by) as page:
            for place, values in enumerate(coded):
                page.decide(place, "corrected", values | ({"Knowledge_A": "yes"} if place in changed else {}))
            page.decide(4, "corrected", CODED | {"Prior_A": None if changed else 2, "Knowledge_A": "no"})
            page.process.send_signal(signal.SIGINT)
            page.wait()
    done = grace("agreement", run, "--json")
    assert done.code == 0, done
    agreed = json.loads(done.out)
    assert agreed["raters"] == {"Ada Lovelace": 5, "Emmy Noether": 5}
    assert (agreed["rows"], agreed["seen"], agreed["decisions"]) == (5, 0, 10)
    fields = {field["name"]: field for field in agreed["fields"]}
    knows = fields["Knowledge_A"]
    assert (knows["level"], knows["equal"], knows["one_only"]) == ("nominal", 0.8, 0)
    # ten values, five of each word; one unit of two differs: 1 - (10 - 1) * 2 / (2 * 5 * 5)
    assert knows["alpha"] == pytest.approx(1 - 9 * 2 / 50)
    assert fields["Prior_A"]["one_only"] == 1
    assert fields["probability_1"]["alpha"] is None  # all say the same, so there is nothing to agree about
    table = grace("agreement", run).out
    assert "Ada Lovelace (5 rows), Emmy Noether (5 rows); 5 rows by two or more" in table
    assert re.search(r"Knowledge_A +80\.0% +0\.640 +nominal", table)


def test_copies_of_a_run_count_together_and_what_was_in_view_is_told(grace: Command, run: Path, tmp_path: Path) -> None:
    for by in ("Ada Lovelace", "Emmy Noether"):
        folder = tmp_path / by
        folder.mkdir()
        for name in ("values.run", "values.csv", "answers.csv"):
            (shutil.copytree if name.endswith("run") else shutil.copy)(tmp_path / name, folder / name)
        with reviewing(folder / "values.run", "--by", by) as page:
            page.decide(0, "accepted")
            page.end()
    done = grace("agreement", *(tmp_path / by / "values.run" for by in ("Ada Lovelace", "Emmy Noether")))
    assert "1 row by two or more" in done.out
    assert "2 of 2 decisions were not blind" in done.out


def test_one_person_alone_agrees_with_nobody(grace: Command, run: Path) -> None:
    with reviewing(run) as page:
        page.decide(0, "accepted")
        page.end()
    done = grace("agreement", run)
    assert done.code == 2
    assert "no row was decided about by two people (Ada Lovelace decided)" in done.err


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_page_shows_the_rows_of_a_reason(tab: Tab, run: Path) -> None:
    with reviewing(run) as page:
        visit(tab, page)
        tab.page.select_option("#reason", "refused")
        sees(tab, "h1", "Row 4")
        sees(tab, "#kind", "0 of 1 decided")
        assert tab.page.is_disabled("#next")
        tab.page.locator("#title").click()
        press(tab, "r")
        sees(tab, "#status", "Saved: row 4 rejected. Every row of this kind is decided.")
        sees(tab, "#kind", "1 of 1 decided")
        tab.page.select_option("#reason", "")
        sees(tab, "h1", f"Row {FLAGGED[3]}")
        tab.check()


@pytest.mark.browser
def test_a_comment_is_written_by_keyboard_and_not_lost(tab: Tab, run: Path) -> None:
    with reviewing(run) as page:
        visit(tab, page)
        press(tab, "t")
        tab.page.keyboard.type("another n")
        press(tab, "Enter", "n")
        sees(tab, "#trouble", re.compile("^The comment is not saved"))
        sees(tab, "h1", "Row 2")
        press(tab, "a")
        sees(tab, "h1", "Row 3")
        assert tab.page.input_value("#comment") == ""
        press(tab, "p")
        sees(tab, "h1", "Row 2")
        assert tab.page.input_value("#comment") == "another n"
        tab.check()
    assert records(run)[0]["comment"] == "another n"


@pytest.mark.browser
def test_a_row_is_coded_blind(tab: Tab, run: Path) -> None:
    with reviewing(run, "--blind") as page:
        visit(tab, page)
        sees(tab, "#about", "values.run, as Ada Lovelace, blind")
        assert not tab.page.is_visible("#accept")
        assert not tab.page.is_visible("#reason")
        assert tab.page.locator("#groups input:checked").count() == 0
        press(tab, "a")
        sees(tab, "#trouble", re.compile("^Nothing is shown to accept"))
        press(tab, "c", "Space")
        tab.page.fill("#field-probability_1", "100")
        press(tab, "Enter")
        sees(tab, "#status", "Saved: row 2 coded. Now row 3.")
        press(tab, "p")
        sees(tab, "#state", re.compile("coded by Ada Lovelace"))
        assert tab.page.input_value("#field-probability_1") == "100"
        tab.check()
    assert records(run)[0]["values"]["probability_1"] == 100


UNDER = """() => {
    const one = document.activeElement;
    const shown = one.type === "radio" ? one.nextElementSibling : one;
    const { left, top, width, height } = shown.getBoundingClientRect();
    return [[left + 2, top + 2], [left + width / 2, top + height - 2]]
        .map(([x, y]) => document.elementFromPoint(x, y))
        .filter(found => found !== one && found !== shown && !shown.parentElement.contains(found))
        .map(found => found ? found.outerHTML.slice(0, 80) : "outside");
}"""
"""What lies over the corners of the field that has the focus."""


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1280, 480), (900, 600), (390, 700)])
def test_nothing_lies_over_a_field_that_has_the_focus(run: Path, width: int, height: int) -> None:
    with reviewing(run) as page, browse(viewport={"width": width, "height": height}) as tab:
        visit(tab, page)
        press(tab, "c")
        for _ in range(6):
            assert tab.page.evaluate(UNDER) == []
            press(tab, "Tab")
        for _ in range(6):
            press(tab, "Shift+Tab")
            assert tab.page.evaluate(UNDER) == []
        tab.check()


@pytest.mark.browser
def test_the_value_that_is_missing_is_in_view_beside_the_key_that_accepts_it(tab: Tab, run: Path) -> None:
    with reviewing(run) as page:
        visit(tab, page)
        sees(tab, "#reasons li", "No value for Knowledge_A")
        bar = tab.page.locator(".values .actions").bounding_box()
        for name in ("Prior_A", *(f"probability_{count}" for count in range(4)), "Knowledge_A"):
            box = tab.page.locator(f".field[data-name={name}]").bounding_box()
            assert bar
            assert box
            assert box["y"] > 57
            assert box["y"] + box["height"] <= bar["y"], name
