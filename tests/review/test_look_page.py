"""The page of `grace view` in a real Chromium: by keyboard, on a phone, with many rows and text that means harm."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_review_page import AXE, CONTRASTS, NAMELESS, PHONE

from browser import Tab, browse
from conftest import Command
from grace.runs import Run
from reviewing import HOSTILE, Page
from viewing import SAID, add, made, viewing, write_trials

pytestmark = pytest.mark.browser

ROWS = 120
PATIENCE = 300_000
"""Milliseconds that a search among many rows may take on a busy machine."""


def answer(row: int) -> str | None:
    """The first model's answers."""
    return {1: f"Zebra {HOSTILE}", 2: "", 3: "!out of memory", 5: None}.get(row, SAID)


@pytest.fixture
def folder(tmp_path: Path, grace: Command) -> Path:
    """Two models' answers about the same trials; the first one's with values."""
    trials = write_trials(tmp_path / "trials.csv", ROWS)
    made(trials, tmp_path / "one.csv", answer, "one", ROWS)
    made(trials, tmp_path / "two.csv", lambda row: SAID, HOSTILE, ROWS)
    assert grace("export", tmp_path / "one.run").code == 1
    read = ["--input", tmp_path / "one.csv", "--output", tmp_path / "values.csv"]
    assert grace("extract", "study1", *read).code == 0
    return tmp_path


@pytest.fixture
def page(folder: Path) -> Iterator[Page]:
    """The view of both."""
    with viewing(folder / "one.run", folder / "two.run") as page:
        yield page


def visit(tab: Tab, page: Page) -> None:
    tab.page.goto(page.address)
    tab.page.wait_for_selector("#main:not([hidden])")


def sees(tab: Tab, what: str, text: Any, milliseconds: float = 10_000) -> None:
    """Wait until an element has this text, or elements have these."""
    from playwright.sync_api import expect

    expect(tab.page.locator(what)).to_have_text(text, timeout=milliseconds)


def focused(tab: Tab, what: str) -> None:
    """Wait until an element has the focus."""
    from playwright.sync_api import expect

    expect(tab.page.locator(what)).to_be_focused(timeout=10_000)


def press(tab: Tab, *keys: str) -> None:
    for key in keys:
        tab.page.keyboard.press(key)


def test_rows_stand_beside_models_and_no_other_host_is_asked(tab: Tab, page: Page) -> None:
    visit(tab, page)
    sees(tab, "#how-many", "1 to 50 of 120 rows")
    assert tab.page.locator("#matrix thead th").all_inner_texts() == ["Row", "one", HOSTILE]
    assert tab.page.locator("#matrix tbody tr").count() == 50
    assert "Prior_A 3" in tab.page.locator("#matrix tbody tr").first.inner_text()
    assert page.token not in tab.page.url
    tab.page.reload()
    sees(tab, "#how-many", "1 to 50 of 120 rows")
    tab.check()


def test_all_of_it_by_keyboard(tab: Tab, page: Page) -> None:
    visit(tab, page)
    press(tab, "n")
    sees(tab, "#how-many", "51 to 100 of 120 rows")
    press(tab, "ArrowRight")
    sees(tab, "#how-many", "101 to 120 of 120 rows")
    press(tab, "n", "p")
    sees(tab, "#how-many", "51 to 100 of 120 rows")
    press(tab, "j", "j", "k", "Enter")
    sees(tab, "#unit-title", "Row 51")
    sees(tab, "#unit-place", "51 of 120 rows")
    press(tab, "n")
    sees(tab, "#unit-title", "Row 52")
    press(tab, "p")
    sees(tab, "#unit-title", "Row 51")
    press(tab, "Escape")
    focused(tab, 'button[data-unit="50"]')
    sees(tab, "#how-many", "51 to 100 of 120 rows")
    press(tab, "/")
    tab.page.keyboard.type("zebra njpd")
    press(tab, "Enter")
    sees(tab, "#how-many", "no row")
    press(tab, "Escape", "x")
    sees(tab, "#how-many", "1 to 50 of 120 rows")
    press(tab, "d")
    sees(tab, "#of-many", "120 rows")
    press(tab, "m", "?")
    assert tab.page.is_visible("#keys")
    press(tab, "Escape")
    assert not tab.page.is_visible("#keys")
    tab.check()


def test_a_filter_that_is_cleared_while_rows_are_fetched_is_cleared(tab: Tab, page: Page) -> None:
    visit(tab, page)
    tab.page.fill("#text", "zebra")
    press(tab, "Enter")
    sees(tab, "#how-many", "1 to 1 of 1 row")
    tab.page.click("#matrix tbody button")
    sees(tab, "#unit-title", "Row 2")
    tab.page.route("**/rows", lambda route: (tab.page.wait_for_timeout(300), route.continue_()))
    press(tab, "Escape", "x")
    sees(tab, "#how-many", "1 to 50 of 120 rows")
    tab.check()


def test_filters_work_together(tab: Tab, page: Page) -> None:
    visit(tab, page)
    tab.page.select_option("#flag", "request failed")
    sees(tab, "#how-many", "1 to 1 of 1 row")
    sees(tab, "#matrix tbody .flag", ["request failed", "value missing"])
    tab.page.select_option("#lane", "1")
    sees(tab, "#how-many", "no row")
    press(tab, "Tab")
    tab.page.click("#clear")
    tab.page.select_option("#field", "Prior_A")
    sees(tab, "#how-many", "1 to 50 of 116 rows")
    tab.page.select_option("#label", "=")
    sees(tab, "#how-many", "1 to 4 of 4 rows")
    tab.page.click("#clear")
    sees(tab, "#how-many", "1 to 50 of 120 rows")
    tab.page.locator("select[data-column=access]").select_option(label="3")
    sees(tab, "#how-many", re.compile("^1 to 50 of (?!120)"))
    tab.check()


def test_a_row_in_full_marks_its_values_and_shows_tokens_and_times(tab: Tab, page: Page) -> None:
    visit(tab, page)
    press(tab, "j", "Enter")
    sees(tab, "#unit-title", "Row 1")
    first = tab.page.locator("#unit .lane").first
    assert first.locator("mark").all_inner_texts() == [
        "3 Prior_A".replace(" ", ""),
        *(f"{(place + 1) * 10}%probability_{place}" for place in range(4)),
        "noKnowledge_A",
    ]
    assert "tokens of the answer: 10" in first.inner_text()
    assert "seconds: 0.5" in first.inner_text()
    press(tab, "n")
    sees(tab, "#unit-title", "Row 2")
    sees(tab, "#unit .said.reasoning pre >> nth=0", "I think of 1.")
    tab.check()


def test_hostile_text_is_shown_and_runs_nothing(tab: Tab, page: Page) -> None:
    dialogs: list[str] = []
    tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    visit(tab, page)
    press(tab, "j", "j", "Enter")
    sees(tab, "#unit-title", "Row 2")
    assert HOSTILE in tab.page.locator("#unit .said.answer pre").first.inner_text()
    assert tab.page.locator("#main img, #main script, #main pre *:not(mark):not(small)").count() == 0
    sees(tab, "#unit .unseen >> nth=0", re.compile("U\\+202E RIGHT-TO-LEFT OVERRIDE"))
    press(tab, "d")
    sees(tab, "#of-many", "120 rows")
    assert dialogs == []
    tab.check()


def test_distributions_are_drawn_and_told(tab: Tab, page: Page) -> None:
    visit(tab, page)
    press(tab, "d")
    sees(tab, "#of-many", "120 rows")
    first = tab.page.locator("#distributions .lane").first
    assert first.locator(".bars tr").first.inner_text().split() == ["3", "116"]
    assert first.locator(".bar-of").first.bounding_box()["width"] > 50  # type: ignore[index]
    assert "median" in first.locator(".histogram").first.get_attribute("aria-label")  # type: ignore[operator]
    tab.page.select_option("#flag", "request failed")
    sees(tab, "#of-many", "1 row")
    tab.check()


def test_a_run_that_is_on_is_followed(tab: Tab, folder: Path) -> None:
    run = Run(folder / "one.run")
    with viewing(run.path) as page:
        visit(tab, page)
        assert not tab.page.is_visible("#live")
        tab.page.select_option("#flag", "not answered yet")
        sees(tab, "#how-many", "1 to 1 of 1 row")
        with run.locked():
            add(run, [5], lambda row: SAID)
            sees(tab, "#how-many", "no row")
            sees(tab, "#live", re.compile("^running – one: 119 answers"))
        tab.check()


def test_closing_ends_the_command(tab: Tab, page: Page) -> None:
    visit(tab, page)
    tab.page.click("#finish")
    sees(tab, "#status", re.compile("^Closed"))
    tab.check()
    page.wait()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_can_be_read(page: Page, scheme: Any) -> None:
    with browse(color_scheme=scheme, reduced_motion="reduce") as tab:
        visit(tab, page)
        for keys, shown in ((("j", "j", "Enter"), "#unit-box"), (("d",), "#distributions-box"), (("m",), "#rows-box")):
            assert tab.page.evaluate(NAMELESS) == []
            assert tab.page.evaluate(CONTRASTS) == []
            assert tab.page.evaluate("[...document.querySelectorAll('[id]')].length") == tab.page.evaluate(
                "new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size"
            )
            press(tab, *keys)
            tab.page.wait_for_selector(f"{shown}:not([hidden])")
        tab.check()


@pytest.mark.skipif(not AXE, reason="GRACE_AXE names no axe.min.js")
@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing(page: Page, options: Any) -> None:
    with browse(bypass_csp=True, **options) as tab:
        visit(tab, page)
        for keys, shown in ((("j", "j", "Enter"), "#unit-box"), (("d",), "#distributions-box"), (("m",), "#rows-box")):
            tab.page.evaluate(Path(AXE).read_text())
            assert tab.page.evaluate("axe.run(document).then(({violations}) => violations)") == []
            press(tab, *keys)
            tab.page.wait_for_selector(f"{shown}:not([hidden])")


def test_it_works_on_a_phone(page: Page, tmp_path: Path) -> None:
    with browse(**PHONE) as tab:
        visit(tab, page)
        for place in ("rows", "distributions"):
            tab.page.tap(f"#show-{place}")
            tab.page.wait_for_selector(f"#{place}-box:not([hidden])")
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.page.tap("#show-rows")
        tab.page.wait_for_selector("#rows-box:not([hidden])")
        tab.page.tap("#matrix tbody button >> nth=1")
        sees(tab, "#unit-title", "Row 2")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.page.screenshot(path=tmp_path / "phone.png")
        tab.check()


@pytest.mark.slow
def test_a_hundred_thousand_rows_stay_usable(tmp_path: Path) -> None:
    """The browser never gets more than a page of them, whatever is done."""
    rows = 100_000
    trials = write_trials(tmp_path / "trials.csv", rows)
    last = rows - 1
    made(trials, tmp_path / "one.csv", lambda row: "A lone zebra." if row == last else SAID, "one", rows)
    made(trials, tmp_path / "two.csv", lambda row: SAID, "two", rows)
    with viewing(tmp_path / "one.run", tmp_path / "two.run") as page, browse() as tab:
        tab.page.set_default_timeout(PATIENCE)
        sizes: list[int] = []
        tab.page.on("response", lambda reply: sizes.append(int(reply.headers.get("content-length", 0))))
        visit(tab, page)
        sees(tab, "#how-many", "1 to 50 of 100,000 rows")
        press(tab, "n")
        sees(tab, "#how-many", "51 to 100 of 100,000 rows")
        tab.page.fill("#text", "lone zebra")
        press(tab, "Enter")
        sees(tab, "#how-many", "1 to 1 of 1 row", PATIENCE)
        tab.page.click("#matrix tbody button")
        tab.page.wait_for_selector("#unit-box:not([hidden])")
        sees(tab, "#unit-title", "Row 100000")
        press(tab, "Escape")
        tab.page.wait_for_selector("#rows-box:not([hidden])")
        press(tab, "x")
        sees(tab, "#how-many", "1 to 50 of 100,000 rows", PATIENCE)
        press(tab, "d")
        tab.page.wait_for_selector("#distributions-box:not([hidden])")
        sees(tab, "#of-many", "100,000 rows")
        assert tab.page.locator("*").count() < 3000
        assert max(sizes) < 200_000
        tab.check()
