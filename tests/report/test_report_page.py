"""The page of `grace report` in a real Chromium: on a screen, on a phone, in print, and for those who cannot see it."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Tab, browse
from conftest import ROOT
from report_runs import as_people, ask, speaker

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.browser

SECTIONS = (
    "ran",
    "quality",
    "first",
    "second",
    "references",
    "comparisons",
    "examples",
    "flagged",
    "provenance",
    "again",
)
AXE = os.environ.get("GRACE_AXE", "")
"""The file axe.min.js of axe-core; tests that need it are skipped without."""
EVIL = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'> \u202eabc " + "x" * 5000

ACCESSIBLE = """() => {
  const wrong = [];
  const all = selector => [...document.querySelectorAll(selector)];
  if (!document.documentElement.lang) wrong.push('no language');
  if (!document.title) wrong.push('no title');
  if (all('h1').length !== 1) wrong.push('not one h1');
  if (all('main').length !== 1) wrong.push('not one main');
  let last = 0;
  for (const head of all('h1, h2, h3, h4, h5, h6')) {
    const level = Number(head.tagName[1]);
    if (level > last + 1) wrong.push(`heading skips a level: ${head.textContent}`);
    last = level;
  }
  const ids = all('[id]').map(one => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`id twice: ${id}`);
  for (const image of all('img')) {
    if (!image.alt) wrong.push(`no alt: ${image.outerHTML.slice(0, 80)}`);
    if (!image.naturalWidth) wrong.push(`not shown: ${image.alt}`);
  }
  for (const table of all('table')) {
    if (!table.caption?.textContent.trim()) wrong.push('table without caption');
    if (!table.querySelector('thead th[scope=col]')) wrong.push(`no column heads: ${table.caption?.textContent}`);
    for (const row of table.querySelectorAll('tbody tr'))
      if (!row.querySelector('th[scope=row]')) { wrong.push(`row without head: ${table.caption?.textContent}`); break; }
  }
  for (const link of all('a')) {
    if (!link.textContent.trim()) wrong.push('empty link');
    if (!document.getElementById(link.getAttribute('href').slice(1))) wrong.push(`leads nowhere: ${link.href}`);
  }
  const regions = all('[role=region]').map(one => one.getAttribute('aria-label'));
  for (const name of regions) if (!name) wrong.push('nameless region');
  if (new Set(regions).size !== regions.length) wrong.push(`regions of one name: ${regions}`);
  return wrong;
}"""

CONTRAST = """() => {
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = parts(color).map(value => value / 255)
      .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = node => {
    for (; node; node = node.parentElement) {
      const found = getComputedStyle(node).backgroundColor;
      if (parts(found)[3] !== 0) return found;
    }
    return 'rgb(255, 255, 255)';
  };
  const wrong = new Set();
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) wrong.add(`${node.tagName}.${node.className}: ${ratio.toFixed(2)}`);
  }
  return [...wrong];
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of both studies, with two models of study 1, of which one is hostile at times."""
    import contextlib
    import io

    from conftest import Result
    from grace.cli import main

    folder = tmp_path_factory.mktemp("report")

    def grace(*arguments: object) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    def hostile(prompt: str, rng: random.Random) -> str:
        return EVIL if rng.random() < 0.2 else as_people(prompt, rng)

    study1, study2 = ROOT / "data" / "study1.csv", ROOT / "data" / "study2.csv"
    with speaker() as own:
        runs = [
            ask(grace, own, "study1", study1, folder / "a.csv", model="one", score=12),
            ask(grace, own, "study1", study1, folder / "b.csv", model="two", answer=hostile),
            ask(grace, own, "study2", study2, folder / "c.csv", "--limit", 120, model="one"),
        ]
    result = grace("report", *runs, "--out", folder / "report.html")
    assert result.code == 0, result.err
    return folder / "report.html"


@pytest.fixture
def open_tab(page: Path) -> Iterator[Tab]:
    with browse() as tab:
        tab.page.goto(page.as_uri())
        yield tab


def test_it_opens_from_a_file_and_runs_nothing(open_tab: Tab) -> None:
    assert open_tab.page.title().startswith("Report: Knowledge and implicature and ")
    open_tab.check()


def test_each_section_has_a_picture_of_itself(open_tab: Tab, tmp_path: Path) -> None:
    for study in ("study1", "study2"):
        for name in SECTIONS:
            section = open_tab.page.locator(f"section#{study}-{name}")
            picture = section.screenshot(path=tmp_path / f"{study}-{name}.png")
            box = section.bounding_box()
            assert box
            assert box["height"] > 50
            assert box["width"] > 600
            assert len(picture) > 2_000
    open_tab.check()


def test_it_is_accessible(open_tab: Tab) -> None:
    assert open_tab.page.evaluate(ACCESSIBLE) == []
    open_tab.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert open_tab.page.evaluate(CONTRAST) == []


@pytest.mark.skipif(not AXE, reason="GRACE_AXE names no axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Path, scheme: str) -> None:
    """On a phone axe wants tab stops for what scrolls; they would be in the way where nothing does, on a screen."""
    with browse(bypass_csp=True, color_scheme=scheme) as tab:
        tab.page.goto(page.as_uri())
        tab.page.evaluate(Path(AXE).read_text())
        assert tab.page.evaluate("axe.run(document).then(({violations}) => violations)") == []


def test_its_contrast_is_good_in_the_dark_too(page: Path) -> None:
    with browse(color_scheme="dark") as tab:
        tab.page.goto(page.as_uri())
        assert tab.page.evaluate(CONTRAST) == []


def test_the_first_tab_leads_to_the_content(open_tab: Tab) -> None:
    open_tab.page.keyboard.press("Tab")
    assert open_tab.page.evaluate("document.activeElement.textContent") == "To the content"
    open_tab.page.keyboard.press("Enter")
    assert open_tab.page.evaluate("document.activeElement.id") == "content"


def test_a_phone_scrolls_tables_and_not_the_page(page: Path) -> None:
    with browse(viewport={"width": 360, "height": 740}) as tab:
        tab.page.goto(page.as_uri())
        tab.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert tab.page.evaluate("document.documentElement.scrollWidth") == 360
        tab.check()


def test_print_shows_what_is_folded_up(open_tab: Tab) -> None:
    open_tab.page.emulate_media(media="print")
    assert not open_tab.page.is_visible("nav")
    hidden = open_tab.page.evaluate(
        "[...document.querySelectorAll('details > *:not(summary)')]"
        ".filter(one => !one.getBoundingClientRect().height).length"
    )
    assert hidden == 0
    assert open_tab.page.pdf(format="A4").startswith(b"%PDF")


def test_what_scrolls_is_a_tab_stop_and_little_else(open_tab: Tab) -> None:
    open_tab.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = open_tab.page.evaluate("""() => [...document.querySelectorAll('.scroll, pre')].map(one => [
        one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1, one.tabIndex >= 0])""")
    scrolling = [stop for scrolls, stop in found if scrolls]
    assert scrolling
    assert all(scrolling)
    others = [stop for scrolls, stop in found if not scrolls]
    assert sum(others) <= 0.1 * len(others)


def test_print_breaks_no_number_and_keeps_its_sizes(page: Path) -> None:
    with browse(viewport={"width": 703, "height": 1000}) as tab:
        tab.page.emulate_media(media="print")
        tab.page.goto(page.as_uri())
        broken = tab.page.evaluate("""() => [...document.querySelectorAll('.scroll td')].filter(one => {
            const text = one.textContent, range = document.createRange();
            if (text.length > 12 || !text) return false;
            range.selectNodeContents(one);
            return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
        }).map(one => one.textContent)""")
        assert broken == []
        sizes = tab.page.evaluate(
            "['body', 'caption', 'figcaption'].map(document.querySelector, document)"
            ".map(one => parseFloat(getComputedStyle(one).fontSize))"
        )
        assert max(sizes) == sizes[0]
        wide = tab.page.evaluate("""() => [...document.querySelectorAll('table')]
            .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .map(one => one.caption.textContent)""")
        assert wide == []
