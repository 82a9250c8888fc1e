"""The page of `grace review` in a real Chromium: by mouse, by keyboard, on a phone, and with text that means harm."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Tab, browse
from conftest import ROOT, Command, read_rows
from reviewing import FLAGGED, HOSTILE, NO_KNOWLEDGE, VALUES, Page, extracted, records, reviewing, write_answers

pytestmark = pytest.mark.browser

AXE = os.environ.get("GRACE_AXE", "")
"""The file axe.min.js of axe-core; tests that need it are skipped without."""

LONG = "A long answer, word by word. " * 700
EVIL = [
    HOSTILE,
    "<svg onload=\"document.title='owned'\"><style>*{display:none}</style><iframe src=javascript:alert(1)>",
    "{{ 7 * 7 }} ${7 * 7} </script><script>document.title='owned'</script>",
    "\u202eright to left\u2066 שלום \u200bzero\ufeff",
    "a null \0 and a bell \a and an escape \x1b[31m",
    "  spaces   stay\n\n\ttabs and lines too  ",
    LONG,
]


@pytest.fixture
def run(grace: Command, tmp_path: Path) -> Path:
    """The run of an extraction."""
    write_answers(tmp_path / "answers.csv")
    return extracted(grace, tmp_path)


@pytest.fixture
def page(run: Path) -> Iterator[Page]:
    """A review of it."""
    with reviewing(run) as page:
        yield page


@pytest.fixture
def open_tab(page: Page, tab: Tab) -> Tab:
    """A tab that shows its first row."""
    visit(tab, page)
    return tab


def visit(tab: Tab, page: Page) -> None:
    tab.page.goto(page.address)
    tab.page.wait_for_selector("#main:not([hidden])")


def press(tab: Tab, *keys: str) -> None:
    for key in keys:
        tab.page.keyboard.press(key)


def sees(tab: Tab, what: str, text: str | re.Pattern[str]) -> None:
    """Wait until an element has this text."""
    from playwright.sync_api import expect

    expect(tab.page.locator(what)).to_have_text(text)


def pick(tab: Tab, field: str, value: str) -> None:
    """Choose a value by mouse."""
    tab.page.click(f'input[name="{field}"][value="{value}"]')


def focused(tab: Tab) -> str:
    """Id or name, and value, of what has the focus."""
    found = tab.page.evaluate(
        "[document.activeElement.id || document.activeElement.name, document.activeElement.value]"
    )
    return " ".join(part for part in found if part is not None)


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_it_shows_the_first_row_and_asks_no_other_host(open_tab: Tab, page: Page) -> None:
    sees(open_tab, "h1", "Row 2")
    sees(open_tab, "#state", "1 of 5 in the queue: not decided")
    sees(open_tab, "#how-far", "0 of 5 decided")
    sees(open_tab, "#about", "values.run, as Ada Lovelace")
    sees(open_tab, "#reasons li", "No value for Knowledge_A")
    sees(open_tab, ".said.answer pre", NO_KNOWLEDGE)
    trial = read_rows(ROOT / "data" / "study1.csv")[1]
    assert trial["speach"] in open_tab.page.locator(".said.shown pre").inner_text()
    sees(open_tab, "#found-probability_1", "Read: 50, by rules, confidence 1")
    sees(open_tab, "#found-Knowledge_A", re.compile("^Nothing read: "))
    sees(open_tab, ".sum", "Sum: 100 of 100")
    assert open_tab.page.input_value("#field-probability_1") == "50"
    open_tab.check()


def test_the_token_leaves_the_address_and_a_reload_still_works(open_tab: Tab, page: Page) -> None:
    assert page.token not in open_tab.page.url
    press(open_tab, "n")
    sees(open_tab, "h1", "Row 3")
    open_tab.page.reload()
    sees(open_tab, "h1", "Row 3")
    open_tab.check()


def test_without_a_token_nothing_is_shown(page: Page, tab: Tab) -> None:
    tab.page.goto(page.address.partition("#")[0])
    sees(tab, "#trouble", re.compile("open the address that `grace review` printed"))
    assert not tab.page.is_visible("#main")
    tab.page.goto(page.address.partition("#")[0] + "#wrong")
    tab.page.reload()
    sees(tab, "#trouble", re.compile("open the address that `grace review` printed"))
    assert tab.strangers == []


def test_hostile_text_is_shown_and_runs_nothing(grace: Command, tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv", [*["Initial Answer: 2."] * 30, *EVIL])
    run = extracted(grace, tmp_path)
    with reviewing(run) as page, browse() as tab:
        dialogs: list[str] = []
        tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        visit(tab, page)
        for row, text in enumerate(EVIL, 31):
            tab.page.fill("#row", str(row))
            tab.page.click("#go button")
            sees(tab, "h1", f"Row {row}")
            assert tab.page.evaluate("document.querySelector('.said.answer pre').textContent") == text
            assert tab.page.locator(".said pre *").count() == 0
            assert "owned" not in tab.page.title()
            assert tab.page.is_visible("#accept")
            tab.check()
        assert dialogs == []


def test_hostile_cells_and_names_are_text_too(grace: Command, tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv")
    text = (tmp_path / "answers.csv").read_text()
    evil = "<img src=x onerror=document.title='owned'>"
    (tmp_path / "answers.csv").write_text(text.replace("canned", evil).replace("lamps", evil))
    run = extracted(grace, tmp_path)
    with reviewing(run, "--by", evil) as page, browse() as tab:
        visit(tab, page)
        press(tab, "a")
        sees(tab, "h1", "Row 3")
        press(tab, "p")
        sees(tab, "#state", re.compile(f"accepted by {re.escape(evil)}"))
        assert tab.page.locator("#main img").count() == 0
        assert "owned" not in tab.page.title()
        tab.check()


def test_characters_that_do_not_show_are_told(grace: Command, tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv", ["Two.\u202e", "None.\u200b\u200b"])
    run = extracted(grace, tmp_path)
    with reviewing(run) as page, browse() as tab:
        visit(tab, page)
        sees(tab, ".unseen", "Holds characters that do not show: U+202E RIGHT-TO-LEFT OVERRIDE")
        press(tab, "n")
        sees(tab, ".unseen", "Holds characters that do not show: U+200B ZERO WIDTH SPACE, 2 times")


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_accepts_and_the_next_row_comes(open_tab: Tab, run: Path) -> None:
    press(open_tab, "a")
    sees(open_tab, "#status", "Saved: row 2 accepted. Now row 3.")
    sees(open_tab, "h1", "Row 3")
    sees(open_tab, "#how-far", "1 of 5 decided")
    assert open_tab.page.get_attribute("#bar", "value") == "1"
    (record,) = records(run)
    assert (record["verdict"], record["values"]) == ("accepted", VALUES | {"Knowledge_A": None})
    assert record["by"] == "Ada Lovelace"
    open_tab.check()


def test_c_typing_and_enter_correct(open_tab: Tab, run: Path) -> None:
    press(open_tab, "n")
    sees(open_tab, "h1", "Row 3")
    press(open_tab, "c")
    assert focused(open_tab) == "Prior_A 3"
    press(open_tab, "Tab", "Tab", "Tab", "Tab")
    assert focused(open_tab) == "field-probability_3 20"
    open_tab.page.keyboard.type("40")
    sees(open_tab, ".sum", "Sum: 100 of 100")
    press(open_tab, "Enter")
    sees(open_tab, "#status", "Saved: row 3 corrected. Now row 4.")
    (record,) = records(run)
    assert record["verdict"] == "corrected"
    assert record["values"]["probability_3"] == 40
    assert record["read"]["values"]["probability_3"] == 20
    open_tab.check()


def test_choices_are_made_by_arrows(open_tab: Tab, run: Path) -> None:
    press(open_tab, "c", "ArrowRight")
    assert focused(open_tab) == "Prior_A 2"
    sees(open_tab, "h1", "Row 2")
    press(open_tab, "Enter")
    sees(open_tab, "#status", "Saved: row 2 corrected. Now row 3.")
    assert records(run)[0]["values"]["Prior_A"] == 2


def test_r_rejects(open_tab: Tab, run: Path) -> None:
    press(open_tab, "r")
    sees(open_tab, "#status", "Saved: row 2 rejected. Now row 3.")
    press(open_tab, "p")
    sees(open_tab, "#state", re.compile("^1 of 5 in the queue: rejected by Ada Lovelace, "))
    assert open_tab.page.input_value("#field-probability_1") == ""
    sees(open_tab, "#found-probability_1", "Read: 50, by rules, confidence 1")
    (record,) = records(run)
    assert set(record["values"].values()) == {None}


@pytest.mark.parametrize(
    ("typed", "what"), [("140", "'140' is not a number from 0 to 100"), ("-", "this is not a number from 0 to 100")]
)
def test_a_value_that_cannot_be_is_told_at_its_field_and_saved_nowhere(
    open_tab: Tab, run: Path, typed: str, what: str
) -> None:
    open_tab.page.click("#field-probability_2")
    press(open_tab, "Control+a")
    open_tab.page.keyboard.type(typed)
    press(open_tab, "Enter")
    sees(open_tab, "#wrong-probability_2", what)
    assert open_tab.page.get_attribute("#field-probability_2", "aria-invalid") == "true"
    assert focused(open_tab).startswith("field-probability_2")
    sees(open_tab, "h1", "Row 2")
    sees(open_tab, "#how-far", "0 of 5 decided")
    assert records(run) == []
    assert all("422" in error for error in open_tab.errors)
    open_tab.page.fill("#field-probability_2", "40")
    assert open_tab.page.get_attribute("#field-probability_2", "aria-invalid") is None
    press(open_tab, "Enter")
    sees(open_tab, "#status", "Saved: row 2 corrected. Now row 3.")


def test_a_field_can_be_emptied(open_tab: Tab, run: Path) -> None:
    open_tab.page.fill("#field-probability_2", "")
    sees(open_tab, ".sum", "Sum: 50 of 100 (not all have a value)")
    pick(open_tab, "Prior_A", "")
    open_tab.page.click("#save")
    sees(open_tab, "#status", "Saved: row 2 corrected. Now row 3.")
    values = records(run)[0]["values"]
    assert (values["Prior_A"], values["probability_1"], values["probability_2"]) == (None, 50, None)


def test_keys_are_text_while_one_types(open_tab: Tab, run: Path) -> None:
    open_tab.page.click("#row")
    press(open_tab, "a", "r", "n", "p", "u", "c", "?", "ArrowLeft")
    open_tab.page.click("#field-probability_1")
    press(open_tab, "a", "r", "n", "ArrowRight", "ArrowLeft")
    sees(open_tab, "h1", "Row 2")
    assert not open_tab.page.is_visible("#keys")
    assert records(run) == []


def test_keys_with_control_are_the_browser_s(open_tab: Tab, run: Path) -> None:
    press(open_tab, "Control+a", "Control+c", "Alt+a", "Meta+a")
    sees(open_tab, "h1", "Row 2")
    assert records(run) == []


def test_changes_are_not_lost_by_leaving_the_row(open_tab: Tab, run: Path) -> None:
    open_tab.page.fill("#field-probability_1", "40")
    open_tab.page.locator("#title").click()
    for key in ("a", "r", "n", "p", "u"):
        press(open_tab, key)
        sees(open_tab, "h1", "Row 2")
    sees(open_tab, "#trouble", re.compile("Enter saves them, Esc puts back what was read"))
    assert not open_tab.page.is_visible("#accept")
    press(open_tab, "Escape")
    assert open_tab.page.input_value("#field-probability_1") == "50"
    assert open_tab.page.is_visible("#accept")
    press(open_tab, "n")
    sees(open_tab, "h1", "Row 3")
    assert records(run) == []


def test_a_row_is_decided_again(open_tab: Tab, run: Path) -> None:
    pick(open_tab, "Knowledge_A", "yes")
    open_tab.page.click("#save")
    sees(open_tab, "h1", "Row 3")
    press(open_tab, "p")
    sees(open_tab, "#state", re.compile("corrected by Ada Lovelace"))
    assert open_tab.page.is_checked("input[name=Knowledge_A][value=yes]")
    press(open_tab, "Escape", "a")
    sees(open_tab, "#status", "Saved: row 2 accepted. Now row 3.")
    assert [record["verdict"] for record in records(run)] == ["corrected", "accepted"]
    sees(open_tab, "#how-far", "1 of 5 decided")


def test_what_another_tab_decided_is_shown_beside_ones_own_values(open_tab: Tab, run: Path, page: Page) -> None:
    pick(open_tab, "Knowledge_A", "yes")
    page.decide(0, "corrected", VALUES | {"Knowledge_A": "no"})
    press(open_tab, "Enter")
    sees(open_tab, "#trouble", re.compile("^This row was decided in another tab meanwhile"))
    sees(open_tab, "#state", re.compile("^1 of 5 in the queue: corrected by Ada Lovelace, "))
    sees(open_tab, "#found-Knowledge_A", re.compile(r"^Nothing read: .* Saved in the other tab: no\.$"))
    assert open_tab.page.is_checked("input[name=Knowledge_A][value=yes]")
    assert [record["values"]["Knowledge_A"] for record in records(run)] == ["no"]
    press(open_tab, "Enter")
    sees(open_tab, "#status", "Saved: row 2 corrected. Now row 3.")
    assert [record["values"]["Knowledge_A"] for record in records(run)] == ["no", "yes"]


def test_a_held_key_decides_one_row(open_tab: Tab, run: Path) -> None:
    open_tab.page.keyboard.down("a")
    sees(open_tab, "h1", "Row 3")
    for _ in range(5):
        open_tab.page.keyboard.down("a")
    open_tab.page.keyboard.up("a")
    open_tab.settle()
    assert len(records(run)) == 1


def test_u_goes_to_the_next_undecided_row(open_tab: Tab) -> None:
    press(open_tab, "n")
    sees(open_tab, "h1", "Row 3")
    press(open_tab, "a")
    sees(open_tab, "h1", "Row 4")
    press(open_tab, "ArrowLeft")
    sees(open_tab, "h1", "Row 3")
    press(open_tab, "p")
    sees(open_tab, "h1", "Row 2")
    press(open_tab, "u")
    sees(open_tab, "h1", "Row 4")
    press(open_tab, "ArrowRight")
    sees(open_tab, "h1", "Row 6")


def test_a_reload_keeps_what_was_decided(open_tab: Tab) -> None:
    press(open_tab, "a")
    sees(open_tab, "h1", "Row 3")
    open_tab.page.reload()
    sees(open_tab, "h1", "Row 3")
    sees(open_tab, "#how-far", "1 of 5 decided")
    press(open_tab, "p")
    sees(open_tab, "#state", re.compile("accepted by Ada Lovelace"))
    open_tab.check()


def test_the_whole_queue_by_keyboard_alone(open_tab: Tab, run: Path, page: Page) -> None:
    for number, row in enumerate(FLAGGED):
        sees(open_tab, "h1", f"Row {row}")
        press(open_tab, "r" if number == 2 else "a")
        sees(open_tab, "#how-far", f"{number + 1} of 5 decided")
    sees(open_tab, "#status", re.compile("Every row is decided; Finish ends the review"))
    assert open_tab.page.is_disabled("#undecided")
    for _ in range(9):
        press(open_tab, "Shift+Tab")
        if focused(open_tab).startswith("finish"):
            break
    press(open_tab, "Enter")
    sees(open_tab, "#ending-text", "All 5 rows are decided.")
    press(open_tab, "Enter")
    sees(open_tab, "#status", re.compile("^Finished: 5 decisions are saved"))
    open_tab.check()
    assert "5 decisions written; 5 of 5 rows are decided" in page.wait()
    methods = [row["extraction_method"] for row in read_rows(run.with_name("values.csv"))]
    assert methods.count("human") == 5


def test_finishing_can_be_thought_over(open_tab: Tab, page: Page) -> None:
    open_tab.page.click("#finish")
    sees(open_tab, "#ending-text", re.compile("^0 of 5 rows are decided. The others stay as they are"))
    open_tab.page.click("text=Go on reviewing")
    assert not open_tab.page.is_visible("#ending")
    open_tab.page.click("#finish")
    press(open_tab, "Escape")
    open_tab.settle()
    assert page.process.poll() is None
    press(open_tab, "n")
    sees(open_tab, "h1", "Row 3")


def test_a_server_that_is_gone_is_told(open_tab: Tab, page: Page) -> None:
    page.process.kill()
    page.process.wait()
    press(open_tab, "a")
    sees(open_tab, "#trouble", re.compile("Does the command still run in the terminal"))
    sees(open_tab, "h1", "Row 2")
    sees(open_tab, "#how-far", "0 of 5 decided")


def test_help_lists_the_keys(open_tab: Tab, run: Path) -> None:
    press(open_tab, "?")
    assert open_tab.page.is_visible("#keys")
    press(open_tab, "a")
    press(open_tab, "Escape")
    assert not open_tab.page.is_visible("#keys")
    assert records(run) == []
    sees(open_tab, "h1", "Row 2")


# --- for everybody ---------------------------------------------------------------------------------------------------

NAMELESS = """() => [...document.querySelectorAll('button, input, summary, dialog, progress, section, nav')]
    .filter(one => {
        const ids = (one.getAttribute('aria-labelledby') ?? '').split(' ').filter(Boolean);
        const said = ids.map(id => document.getElementById(id)?.textContent).join('')
            || one.getAttribute('aria-label')
            || [...(one.labels ?? [])].map(label => label.textContent).join('')
            || (['BUTTON', 'SUMMARY'].includes(one.tagName) ? one.textContent : '');
        return !said.trim();
    })
    .map(one => one.outerHTML)"""
"""What a screen reader could not name."""

CONTRASTS = """() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = one => {
        for (; one; one = one.parentElement) {
            const [r, g, b, a = 1] = rgb(getComputedStyle(one).backgroundColor);
            if (a === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const one of document.querySelectorAll('body *')) {
        const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || !one.checkVisibility() || one.closest(':disabled') || one.tagName === 'KBD') continue;
        const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${one.outerHTML.slice(0, 120)}`);
    }
    return found;
}"""
"""Visible text whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_can_be_read(page: Page, scheme: Any) -> None:
    with browse(color_scheme=scheme) as tab:
        visit(tab, page)
        press(tab, "a")
        sees(tab, "h1", "Row 3")
        tab.page.fill("#field-probability_1", "300")
        press(tab, "Enter")
        sees(tab, "#wrong-probability_1", re.compile("is not a number"))
        assert tab.page.evaluate(NAMELESS) == []
        assert tab.page.evaluate(CONTRASTS) == []
        assert tab.page.evaluate("[...document.querySelectorAll('[id]')].length") == tab.page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size"
        )
        assert tab.page.get_attribute("html", "lang") == "en"
        assert tab.page.locator("h1").count() == 1


def test_the_focus_goes_everywhere_in_order_and_shows(open_tab: Tab) -> None:
    open_tab.page.focus("#skip")
    places = []
    while "reject" not in places and len(places) < 40:
        press(open_tab, "Tab")
        places.append(focused(open_tab).partition(" ")[0])
        ring = open_tab.page.evaluate(
            """() => {
                const one = document.activeElement;
                return getComputedStyle(one.type === 'radio' ? one.nextElementSibling : one).outlineStyle;
            }"""
        )
        assert ring != "none", places
    values = ["Prior_A", *(f"field-probability_{count}" for count in range(4)), "Knowledge_A"]
    wanted = ["next", "undecided", "help", "finish", "row", *values, "accept", "correct", "reject"]
    assert [place for place in places if place in wanted] == wanted


def test_live_regions_tell_what_happened(open_tab: Tab) -> None:
    assert open_tab.page.get_attribute("#status", "role") == "status"
    assert open_tab.page.get_attribute("#trouble", "role") == "alert"
    press(open_tab, "a")
    sees(open_tab, "#status", re.compile("Saved"))
    assert focused(open_tab).startswith("title")


def test_the_skip_link_leads_to_the_values(open_tab: Tab) -> None:
    open_tab.page.focus("#skip")
    press(open_tab, "Enter")
    assert focused(open_tab).startswith("values")
    open_tab.page.reload()
    sees(open_tab, "h1", "Row 2")


def test_nothing_moves_for_those_who_do_not_want_it(page: Page) -> None:
    with browse(reduced_motion="reduce") as tab:
        visit(tab, page)
        moving = tab.page.evaluate(
            """[...document.querySelectorAll('*')].filter(one => {
                const {transitionDuration: t, animationName: a} = getComputedStyle(one);
                return t.split(',').some(part => parseFloat(part) > 0) || a !== 'none';
            }).length"""
        )
        assert moving == 0


PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


def test_it_works_on_a_phone(page: Page, run: Path, tmp_path: Path) -> None:
    with browse(**PHONE) as tab:
        visit(tab, page)
        tab.page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        small = tab.page.evaluate(
            """[...document.querySelectorAll('button, .choices label')].filter(one => one.checkVisibility())
                .map(one => one.getBoundingClientRect())
                .filter(({width, height}) => width < 24 || height < 24).length"""
        )
        assert small == 0  # WCAG 2.2, 2.5.8
        tab.page.tap("input[name=Knowledge_A][value=no]")
        tab.page.tap("#save")
        sees(tab, "#status", "Saved: row 2 corrected. Now row 3.")
        tab.page.screenshot(path=tmp_path / "phone_saved.png")
        assert records(run)[0]["values"]["Knowledge_A"] == "no"
        tab.check()


def test_long_words_do_not_break_the_page(grace: Command, tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv", ["x" * 20_000, "<br>" * 5_000])
    run = extracted(grace, tmp_path)
    with reviewing(run) as page, browse(**PHONE) as tab:
        visit(tab, page)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.check()


def test_it_looks_as_it_should_on_a_desktop(page: Page, tmp_path: Path) -> None:
    with browse(viewport={"width": 1440, "height": 900}) as tab:
        visit(tab, page)
        press(tab, "n")
        sees(tab, "h1", "Row 3")
        tab.page.screenshot(path=tmp_path / "desktop.png")
        tab.page.fill("#field-probability_3", "140")
        press(tab, "Enter")
        sees(tab, "#wrong-probability_3", re.compile("is not a number"))
        tab.page.screenshot(path=tmp_path / "desktop_wrong.png")
        inside = tab.page.evaluate(
            "['#save', '#undo', '#finish', '.said.answer'].every(one => {"
            " const {top, bottom} = document.querySelector(one).getBoundingClientRect();"
            " return top >= 0 && bottom <= innerHeight; })"
        )
        assert inside
        press(tab, "Escape", "?")
        tab.page.screenshot(path=tmp_path / "keys.png")


def test_a_study_of_sentences_has_its_choices(grace: Command, tmp_path: Path) -> None:
    rows = read_rows(ROOT / "data" / "test_sample_study2.csv")[:2]
    path = tmp_path / "answers.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "model_response"])
        writer.writeheader()
        writer.writerows({**row, "model_response": "I would rather not say."} for row in rows)
    assert grace("extract", "study2", "--input", path, "--output", tmp_path / "values.csv").code == 0
    run = tmp_path / "values.run"
    with reviewing(run) as page, browse() as tab:
        visit(tab, page)
        press(tab, "c")
        assert focused(tab).startswith("Was_Wasnt")
        for field, value in (("Was_Wasnt", "wasn't"), ("Assessment", "good"), ("response_cleaned", "It wasn't good.")):
            pick(tab, field, value)
        tab.page.screenshot(path=tmp_path / "study2.png")
        press(tab, "Enter")
        sees(tab, "#status", re.compile("Saved: row 1 corrected"))
        wanted = {"Was_Wasnt": "wasn't", "Assessment": "good", "response_cleaned": "It wasn't good."}
        assert records(run)[0]["values"] == wanted
        tab.check()


@pytest.mark.skipif(not AXE, reason="GRACE_AXE names no axe.min.js")
@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing(page: Page, options: Any) -> None:
    """In the first row, and after a decision about it."""
    with browse(bypass_csp=True, **options) as tab:
        visit(tab, page)
        for _ in range(2):
            tab.page.evaluate(Path(AXE).read_text())
            found = tab.page.evaluate("axe.run(document).then(({violations}) => violations)")
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
            press(tab, "a")
