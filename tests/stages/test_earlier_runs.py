"""Runs and tables that 0.1.0 made still open, export, merge and report, byte for byte.

`tests/fixtures/runs-0.1.0/` says how they were made. Each group of commands works on a copy of its own. What a command
writes is compared with what 0.1.0 wrote, after `normal` has replaced the few things that no two calls have in common.
Where a change of the written text is meant, `GRACE_ACCEPT=1` writes the expected files anew; `git diff` then shows it.
"""

import difflib
import gzip
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import grace
from canned import CannedServer
from conftest import ROOT, read_rows
from grace.cli import main
from report_runs import speaker
from table_model import TableServer, printable_model

FIXTURES = ROOT / "tests" / "fixtures" / "runs-0.1.0"
EXPECTED = FIXTURES / "expected"
ACCEPT = bool(os.environ.get("GRACE_ACCEPT"))
BEGAN = datetime.now(UTC)
VERSIONS = {name: importlib.metadata.version(name) for name in ("numpy", "scipy")}
LARGE = 400
"""Expected files of more bytes are compressed."""
PICTURES = re.compile(r"data:image/[a-z+]+;base64,([A-Za-z0-9+/=]+)")
NUMBERS = re.compile(r"-?\b\d+\.\d+(?:e[+-]?\d+)?\b")
DIGESTS = re.compile(r"\b[0-9a-f]{64}\b")
REWORDED = {
    "To know before reading any number:": "Read this before any number:",
    "To know before this is printed (delete this list when it is dealt with):": "Read this list before printing, and "
    "delete it when it is dealt with:",
    "To know: ": "Note: ",
    "why fields are empty": "why fields are empty or in doubt",
}
"""What is said in other words since 0.1.0."""
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def normal(text: str) -> str:
    """A file's text without the time at which this process wrote it, versions, and pictures.

    Times that come from a ledger or a manifest stay.
    """

    def time(match: re.Match[str]) -> str:
        recent = BEGAN - timedelta(seconds=1) <= datetime.fromisoformat(match[0]) <= datetime.now(UTC)
        return "NOW" if recent else match[0]

    text = PICTURES.sub("PICTURE", TIMES.sub(time, text)).replace(grace.__version__, "0.1.0")
    text = text.replace(f'"python": "{platform.python_version()}"', '"python": "VERSION"')
    for name, version in VERSIONS.items():
        text = text.replace(f'"{name}": "{version}"', f'"{name}": "VERSION"')
    return re.sub(r'\{\s+"bytes": \d+,\s+"sha256": ("\w{64}")\s+\}', r"\1", text)  # 0.1.0 listed no sizes


def close(text: str, expected: str) -> bool:
    """Whether two texts are the same but for numbers' last digits, which depend on the processor after a fit."""
    numbers = [[float(number) for number in NUMBERS.findall(own)] for own in (text, expected)]
    return NUMBERS.sub("", text) == NUMBERS.sub("", expected) and all(
        math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9) for one, other in zip(*numbers, strict=True)
    )


def run(*arguments: object) -> int:
    """Call the command line; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code if isinstance(ended.value.code, int) else 0


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes a copy of the fixtures without what is expected; its folder."""

    def copy() -> Path:
        folder = tmp_path_factory.mktemp("earlier") / "copy"
        shutil.copytree(FIXTURES, folder, ignore=shutil.ignore_patterns("expected", "README.md"))
        return folder

    return copy


@pytest.fixture(scope="module")
def written(copied: Callable[[], Path]) -> Iterator[Path]:
    """A copy that is the working folder, for commands that only read runs."""
    with chdir(copied()):
        yield Path()


# What commands make of a run that they only read


READ = {
    "merge-knowledge": (0, "merge outputs/knowledge.run"),
    "merge-politeness": (0, "merge outputs/politeness.run outputs/politeness_other.run"),
    "merge-judged": (0, "merge outputs/judged.run"),
    "merge-odd": (0, "merge outputs/odd.run"),
    "validate-knowledge": (1, "validate outputs/knowledge.run"),
    "validate-faults": (1, "validate outputs/faults.run"),
    "validate-skies": (1, "validate outputs/skies.run"),
    "analyze-knowledge": (0, "analyze outputs/knowledge.run --no-figures"),
    "analyze-politeness": (0, "analyze outputs/politeness.run outputs/politeness_other.run --no-figures"),
    "compare": (0, "compare outputs/politeness.run outputs/politeness_other.run --no-figures --draws 200"),
    "report": (0, "report outputs/knowledge.run outputs/politeness.run outputs/politeness_other.run"),
    "paper": (0, "paper --force outputs/knowledge.run"),
}
"""Exit code and command."""
ELSEWHERE = {"merged", "compare.json"}
"""What has the numbers of other files."""
TEXTS = {".csv", ".json", ".md", ".html", ".tex", ".txt"}


@pytest.mark.parametrize("name", READ)
def test_what_is_made_of_it_is_the_same(name: str, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # with pandoc in it, a paper has DOCX files too
    code, command = READ[name]
    out = written / name
    if name == "paper":
        leave_a_paper(out)
    assert run(*command.split(), "--out", out / "report.html" if name == "report" else out) == code
    compare(name, texts_of(out))


def test_a_merged_table_is_analysed_like_its_runs(written: Path) -> None:
    out = written / "analyze-table"
    table = out / "merged" / "study1.csv"
    table.parent.mkdir(parents=True)
    table.write_text(read(EXPECTED / "merge-knowledge" / "study1.csv.gz"), newline="")
    assert run("analyze", "study1", "--input", table, "--no-figures", "--out", out) == 0
    now = texts_of(out)
    own = json.loads(now["summary.json"])["study_sha256"]  # the built-in study has changed since, and runs keep theirs
    then = json.loads(read(EXPECTED / "analyze-knowledge" / "summary.json.gz"))["study_sha256"]
    compare("analyze-knowledge", now | {"summary.json": now["summary.json"].replace(own, then)})


def texts_of(out: Path) -> dict[str, str]:
    """The texts of the files in a folder by their places in it, with one text for the places of pictures and such.

    A digest of one of these files is replaced by the file's place, since it tells of all that `normal` replaces.
    """
    places = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    digests = {hashlib.sha256(path.read_bytes()).hexdigest(): f"SHA-256 of {place}" for place, path in places.items()}
    texts, others = {}, []
    for place, path in places.items():
        if ELSEWHERE & {path.parent.name, path.name}:
            continue
        if path.suffix in TEXTS:
            text = normal(path.read_bytes().decode())
            texts[place] = DIGESTS.sub(lambda match: digests.get(match[0], match[0]), text)
        else:
            others.append(place)
    return texts | ({"others.txt": "\n".join([*others, ""])} if others else {})


def leave_a_paper(out: Path) -> None:
    """What 0.1.0 left of a paper: a table that is not written any more, and the list with its digest."""
    (out / "tables").mkdir(parents=True)
    (out / "tables" / "stale.csv").write_text("a\n")
    digest = hashlib.sha256(b"a\n").hexdigest()
    (out / "tables" / "written.json").write_text(json.dumps({"tables/stale.csv": digest}))


def reworded(text: str) -> str:
    """A text of 0.1.0 in today's words."""
    for then, now in REWORDED.items():
        text = text.replace(then, now)
    return text


def compare(name: str, texts: dict[str, str]) -> None:
    """Compare files' texts with those expected, and show the lines that differ."""
    folder = EXPECTED / name
    if ACCEPT:
        accept(folder, texts)
    stored = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    expected = {place.removesuffix(".gz"): reworded(read(path)) for place, path in stored.items()}
    assert sorted(texts) == sorted(expected)
    exact = not name.startswith(("analyze", "compare", "paper"))  # those that do statistics
    for place, text in texts.items():
        if text != expected[place] and (exact or not close(text, expected[place])):
            lines = difflib.unified_diff(expected[place].splitlines(), text.splitlines(), "0.1.0", "now", n=0)
            pytest.fail(f"{name}/{place} differs:\n" + "\n".join(line[:300] for line in list(lines)[:60]))


def read(path: Path) -> str:
    """The text of an expected file."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def accept(folder: Path, texts: dict[str, str]) -> None:
    """Make these texts the expected ones; files that hold the same already are not written."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        place = path.relative_to(folder).as_posix().removesuffix(".gz")
        if texts.get(place) != read(path):
            path.unlink()
    for place, text in texts.items():
        content, suffix = text.encode(), ""
        if len(content) > LARGE:
            content, suffix = gzip.compress(content, mtime=0), ".gz"
        path = folder / (place + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(content)


# Tables are made again from ledgers


RUNS = sorted(path.stem for path in (FIXTURES / "outputs").glob("*.run") if (path.parent / f"{path.stem}.csv").exists())


@pytest.mark.parametrize("name", RUNS)
def test_a_table_is_made_again_from_the_ledger(name: str, written: Path) -> None:
    run_folder = written / "outputs" / f"{name}.run"
    assert run("export", run_folder, "--output", written / "again.csv", "--force") == (name == "faults")
    assert (written / "again.csv").read_bytes() == (FIXTURES / "outputs" / f"{name}.csv").read_bytes()


# Work on a run goes on


EXTRACTIONS = {
    "knowledge": "study1",
    "politeness": "study2",
    "faults": "study2",
    "judged": "study1",
    "real_knowledge": "study1",
}


@pytest.mark.parametrize("name", EXTRACTIONS)
def test_an_extraction_is_made_again(name: str, copied: Callable[[], Path]) -> None:
    """With the decisions of the person who looked at it, which are records of its ledger."""
    outputs = copied() / "outputs"
    values = outputs / f"{name}_structured.csv"
    ledger = values.with_suffix(".run") / "ledger.jsonl"
    before = ledger.read_bytes() if ledger.exists() else None
    if name == "judged":
        assert [row["extraction_method"] for row in read_rows(values)] == ["rule", "human", "human"]
    values.unlink()
    assert run("extract", EXTRACTIONS[name], "--input", outputs / f"{name}.csv", "--output", values) == 0
    assert values.read_bytes() == (FIXTURES / "outputs" / values.name).read_bytes()
    assert (ledger.read_bytes() if ledger.exists() else None) == before


@pytest.mark.parametrize("name", ["parts", "skies"])
def test_shards_are_joined_again(name: str, copied: Callable[[], Path]) -> None:
    """Into the run that is there, which has all that they hold already, and into a new one."""
    outputs = copied() / "outputs"
    output, joined = outputs / f"{name}.csv", outputs / f"{name}.run"
    before = ledger_of(joined), json.loads((joined / "run.json").read_bytes())
    assert run("join", output) == 0
    after = ledger_of(joined), json.loads((joined / "run.json").read_bytes())
    assert after[0] == before[0]
    assert len(after[1]["sessions"]) == len(before[1]["sessions"]) + 1  # none of the shards' is taken twice
    shutil.rmtree(joined)
    output.unlink()
    assert run("join", output) == 0
    assert output.read_bytes() == (FIXTURES / "outputs" / output.name).read_bytes()


def ledger_of(run_folder: Path) -> bytes:
    return (run_folder / "ledger.jsonl").read_bytes()


def test_a_complete_run_asks_nothing(copied: Callable[[], Path]) -> None:
    folder = copied()
    tables = {path.name: path.read_bytes() for path in (folder / "outputs").glob("knowledge*.csv")}
    runs = [folder / "outputs" / f"{name}.run" for name in ("knowledge", "knowledge_scores")]
    ledgers = [ledger_of(path) for path in runs]
    with speaker() as own:
        server = ("--model-endpoint", own.server.url, "--model-name", "table", "--max-retries", 0)
        asked = ("study1", "--input", folder / "data" / "knowledge.csv", *server)
        more = ("--replications", 2, "--limit", 12)
        assert run("query", *asked, "--output", folder / "outputs" / "knowledge.csv", *more) == 0
        assert run("score", *asked, "--output", folder / "outputs" / "knowledge_scores.csv", "--limit", 2) == 0
    assert [ledger_of(path) for path in runs] == ledgers
    assert {name: (folder / "outputs" / name).read_bytes() for name in tables} == tables
    assert run("merge", folder / "outputs" / "knowledge.run", "--out", folder / "merged") == 0  # and it is the same run
    again = normal((folder / "merged" / "study1.csv").read_bytes().decode())
    assert again == read(EXPECTED / "merge-knowledge" / "study1.csv.gz")


def test_a_real_model_is_the_same_as_then(copied: Callable[[], Path]) -> None:
    """Another model could not go on with its run."""
    folder = copied()
    output = folder / "outputs" / "real_knowledge.csv"
    before = ledger_of(output.with_suffix(".run"))
    asked = ("--input", folder / "data" / "knowledge_few.csv", "--model-endpoint", "embedded")
    more = ("--model-name", "smollm2-135m", "--max-tokens", 60)
    assert run("query", "study1", *asked, "--output", output, *more) == 0
    assert ledger_of(output.with_suffix(".run")) == before
    assert output.read_bytes() == (FIXTURES / "outputs" / output.name).read_bytes()


def test_what_failed_is_asked_again_and_nothing_else(copied: Callable[[], Path], canned: CannedServer) -> None:
    folder = copied()
    output = folder / "outputs" / "faults.csv"
    before, rows = ledger_of(output.with_suffix(".run")), read_rows(output)
    asked = ("--input", folder / "data" / "politeness_few.csv", "--model-endpoint", canned.url)
    assert run("query", "study2", *asked, "--output", output, "--model-name", "canned", "--max-retries", 0) == 1
    assert canned.count == 1
    assert ledger_of(output.with_suffix(".run")).startswith(before)
    again = read_rows(output)
    assert [row["error"] for row in rows] == ["the prompt cannot be tokenized", "empty answer", "", ""]
    assert [row["error"] for row in again] == ["", "empty answer", "", ""]
    assert again[1:] == rows[1:]


def test_a_run_is_widened(copied: Callable[[], Path], canned: CannedServer) -> None:
    """By a third trial, of three questions in two replications."""
    folder = copied()
    output = folder / "outputs" / "turns.csv"
    before, rows = ledger_of(output.with_suffix(".run")), read_rows(output)
    asked = ("--input", folder / "data" / "knowledge_few.csv", "--model-endpoint", canned.url, "--model-name", "canned")
    more = ("--protocol", "sequential", "--replications", 2, "--shuffle")
    assert run("query", "study1", *asked, "--output", output, *more) == 0
    assert canned.count == 6
    assert ledger_of(output.with_suffix(".run")).startswith(before)
    again = read_rows(output)
    assert len(again) == 6
    assert [row for row in again if row in rows] == rows


def test_an_extractor_is_not_asked_again(copied: Callable[[], Path], canned: CannedServer) -> None:
    outputs = copied() / "outputs"
    values = outputs / "odd_structured.csv"
    before = ledger_of(values.with_suffix(".run"))
    asked = ("--extractor", canned.url, "--extractor-model", "canned", "--check-rules", 1)
    assert run("extract", "study2", "--input", outputs / "odd.csv", "--output", values, *asked) == 0
    assert canned.count == 0
    assert ledger_of(values.with_suffix(".run")) == before
    assert values.read_bytes() == (FIXTURES / "outputs" / values.name).read_bytes()


def test_noise_is_measured_from_what_was_asked(copied: Callable[[], Path]) -> None:
    """Where the server has the same address; what another one repeats is another measurement."""
    folder = copied() / "outputs" / "skies.run"
    stored = json.loads((folder / "noise.json").read_bytes())
    with TableServer(printable_model("é", "’", "yes", "no", seed=5, spread=1.0), "vllm") as server:
        for name in ("noise.jsonl", "noise.json"):
            path = folder / name
            path.write_bytes(path.read_bytes().replace(stored["endpoint"].encode(), server.url.encode()))
        before = (folder / "noise.jsonl").read_bytes()
        floor = normal((folder / "noise.json").read_text().replace(stored["measured"], "NOW"))
        assert run("noise", folder, "--repeat", 2, "--model-endpoint", server.url) == 0
    assert (folder / "noise.jsonl").read_bytes() == before
    assert normal((folder / "noise.json").read_text()) == floor
