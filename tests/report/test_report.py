"""`grace report`: what the page says of whole, empty, failed, equal and hostile runs, and that it adds no number."""

import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conftest import ROOT, Command, read_rows
from grace.errors import InputError
from limits import cpu_below
from report_runs import Speaker, always, as_people, ask, chosen, speaker

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

from grace.report.places import check_folder, check_page

STUDY1, STUDY2 = ROOT / "data" / "study1.csv", ROOT / "data" / "study2.csv"
EVIL = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)> {{ 7 * 7 }} </pre></main> "
    "\u202eright to left\u2066 a bell \a, an escape \x1b[31m "
)


class _Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read_page(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def own() -> Iterator[Speaker]:
    with speaker() as own:
        yield own


def test_a_whole_run_tells_all_sections(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", score=12)
    with cpu_below(60):
        result = grace("report", run)
    assert result.code == 0, result.err
    path = tmp_path / "a_report.html"
    assert result.out.splitlines()[-1] == str(path)
    assert path.stat().st_size < 5_000_000
    page = read_page(path)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for section in ("ran", "quality", "first", "second", "references", "comparisons", "examples", "flagged", "again"):
        assert f"study1-{section}" in ids
    assert "283 of 300 answers analysed" in page.text
    assert "seed" in page.text
    assert "grace query study1 --input study1.csv" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) >= 4


def test_the_page_needs_nothing_else(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 24)
    assert grace("report", run).code == 0
    page = read_page(tmp_path / "a_report.html")
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/"))


def test_a_model_that_failed_is_told_first(grace: Command, own: Speaker, tmp_path: Path) -> None:
    good = ask(grace, own, "study1", STUDY1, tmp_path / "good.csv", "--limit", 60, model="good")
    bad = ask(grace, own, "study1", STUDY1, tmp_path / "bad.csv", "--limit", 60, model="bad", answer=None)
    result = grace("report", good, bad, "--out", tmp_path / "both.html")
    assert result.code == 0, result.err
    text = read_page(tmp_path / "both.html").text
    assert "bad: the model failed: none of 60 rows has an answer (out of memory)." in text
    assert "good: the model failed" not in text
    assert "nan" not in re.findall(r"\w+", text.lower())


def test_answers_that_are_all_equal_are_told(grace: Command, own: Speaker, tmp_path: Path) -> None:
    same = "Initial Answer: 2\nProbabilities: 0: 0%, 1: 25%, 2: 50%, 3: 25%\nKnowledge: yes"
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", answer=always(same))
    assert grace("report", run, "--no-exclusions").code == 0
    text = read_page(tmp_path / "a_report.html").text
    assert "all answers are equal" in text
    assert "tests are not defined; the tables say why." in text
    assert not {"nan", "inf"} & set(re.findall(r"\w+", text.lower()))


def test_an_empty_condition_is_told(grace: Command, own: Speaker, tmp_path: Path) -> None:
    trials = chosen(STUDY1, tmp_path / "t.csv", lambda row: (row["access"], row["observe"]) != ("2", "1"))
    assert 0 < len(read_rows(trials)) < 300
    run = ask(grace, own, "study1", trials, tmp_path / "a.csv")
    assert grace("report", run).code == 0
    text = read_page(tmp_path / "a_report.html").text
    assert "a condition has no row that can be analysed (access 2, word one); tests leave them out." in text


def test_hostile_answers_are_text(grace: Command, own: Speaker, tmp_path: Path) -> None:
    def hostile(prompt: str, rng: random.Random) -> str:
        return EVIL + "long " * 20_000 if rng.random() < 0.5 else as_people(prompt, rng)

    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 40, model="m<b>", answer=hostile)
    assert grace("report", run).code == 0
    path = tmp_path / "a_report.html"
    page = read_page(path)
    assert "owned" in page.text
    assert "characters more were cut off here" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert sum(tag == "main" for tag, _ in page.tags) == 1
    assert not set(path.read_text(encoding="utf-8")) & set("\0\a\x1b\u202e\u2066")
    assert path.stat().st_size < 5_000_000


def test_both_studies_stand_on_one_page(grace: Command, own: Speaker, tmp_path: Path) -> None:
    runs = [
        ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 36),
        ask(grace, own, "study2", STUDY2, tmp_path / "b.csv", "--limit", 60),
    ]
    assert grace("report", *runs, "--out", tmp_path / "both.html").code == 0
    page = read_page(tmp_path / "both.html")
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {"study1-first", "study2-first"} <= ids


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("report.pdf", "choose a name that ends in .html"),
        ("a.run/report.html", "is inside the run"),
        ("other.run/further/report.html", "is inside the run"),
        ("folder.html", "is a folder; give the name of a file in it"),
        ("mine.html", "already exists, and is not a report of Grace"),
        ("mine.html/further/report.html", "exists, and is not a folder"),
    ],
)
def test_a_place_that_will_not_do_is_refused_before_the_work(
    grace: Command, tmp_path: Path, name: str, why: str
) -> None:
    for run in ("a.run", "other.run"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "run.json").write_text("not read before the place is known to do")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "mine.html").write_text("<title>My own page</title>")
    result = grace("report", tmp_path / "a.run", "--out", tmp_path / name)
    assert result.code == 2
    assert f"--out {tmp_path / name}" in result.err
    assert why in result.err
    assert (tmp_path / "mine.html").read_text() == "<title>My own page</title>"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace.report.places.os.access", lambda path, mode: False)  # tests may run as root
    for check, name in ((check_page, "report.html"), (check_folder, "paper")):
        with pytest.raises(InputError, match=rf"--out .*{name}: the folder .* cannot be written; choose another"):
            check(tmp_path / name)


def test_a_report_of_grace_is_replaced(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    for _ in range(2):
        assert grace("report", run).code == 0
    assert ("meta", "Grace") in {
        (tag, str(attributes.get("content")).split()[0])
        for tag, attributes in read_page(tmp_path / "a_report.html").tags
        if attributes.get("name") == "generator"
    }


def test_the_current_folder_may_be_the_run(
    grace: Command, own: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    before = sorted(run.iterdir())
    monkeypatch.chdir(run)
    assert grace("report", ".").code == 0
    assert grace("paper", ".").code == 0
    assert "grace query study1 --input study1.csv --output a.csv" in read_page(tmp_path / "a_report.html").text
    assert (tmp_path / "a_paper" / "paper.md").exists()
    assert sorted(run.iterdir()) == before
    monkeypatch.chdir(tmp_path)
    for command in ("report", "paper"):
        result = grace(command, "")
        assert result.code == 2
        assert "is not a run" in result.err


def test_what_was_asked_for_is_said_and_can_be_done_again(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 60, score=6)
    values, scores = tmp_path / "a_structured.run", tmp_path / "a_scores.run"
    chosen_ones = ("--extraction", values, "--scores", scores)
    result = grace("report", run, "--no-exclusions", *chosen_ones, "--theme", "slides")
    assert result.code == 0, result.err
    text = read_page(tmp_path / "a_report.html").text
    asked = "--no-exclusions --extraction a_structured.run --scores a_scores.run --theme slides"
    assert f"grace analyze a.run {asked} grace report a.run {asked} --out a_report.html" in text
    assert "No trial is excluded by its knowledge answer or a mark, since --no-exclusions was given." in text
    assert "Of all rows. No trial was excluded by this answer." in text
    assert "A trial is excluded where" not in text
    assert grace("report", run).code == 0
    text = read_page(tmp_path / "a_report.html").text
    assert "grace analyze a.run grace report a.run --out a_report.html" in text
    assert "A trial is excluded where" in text
    assert "no-exclusions" not in text
    result = grace("report", run, "--theme", "poster")
    assert (result.code, "--theme poster: there are paper and slides" in result.err) == (2, True)


def test_a_run_of_probabilities_alone_has_no_answers(grace: Command, own: Speaker, tmp_path: Path) -> None:
    ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 1, score=12)
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "a_scores.run").rename(alone / "a_scores.run")
    assert grace("report", alone / "a_scores.run").code == 0
    text = read_page(alone / "a_scores_report.html").text
    assert "table: its probabilities, and no answers of Experiment 1." in text
    assert "answers analysed" not in text


def test_a_lost_ledger_is_told_once_and_by_name(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    (run / "ledger.jsonl").unlink()
    result = grace("report", run)
    told = [line for line in result.out.splitlines() if "ledger.jsonl" in line]
    assert len(told) == 1, result.out
    assert str(run) not in told[0]


def test_names_and_commands_are_told_as_such(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 60, model="`m`<b>")
    assert grace("report", run).code == 0
    page = (tmp_path / "a_report.html").read_text(encoding="utf-8")
    assert "<figcaption>" in page
    assert not [caption for caption in re.findall(r"<figcaption>.*?</figcaption>", page) if "`" in caption]
    assert "no run of <code>grace score</code> beside it" in page
    assert "`m`&lt;b&gt;" in page
    assert "<h4>access 1, word one</h4>" in page
    for command in ("report", "paper"):
        assert "RUN...}" not in grace(command, "--help").out
