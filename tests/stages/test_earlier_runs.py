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
VERSIONS = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "statsmodels")}
LARGE = 400
"""Expected files of more bytes are compressed."""
PICTURES = re.compile(r"data:image/[a-z+]+;base64,([A-Za-z0-9+/=]+)")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def normal(text: str) -> str:
    """A file's text without the time at which this process wrote it, versions, and pictures.

    Times that come from a ledger or a manifest stay. Digests go where they are those of files with such things in them.
    """

    def time(match: re.Match[str]) -> str:
        recent = BEGAN - timedelta(seconds=1) <= datetime.fromisoformat(match[0]) <= datetime.now(UTC)
        return "NOW" if recent else match[0]

    text = PICTURES.sub("PICTURE", TIMES.sub(time, text)).replace(grace.__version__, "0.1.0")
    text = text.replace(f'"python": "{platform.python_version()}"', '"python": "VERSION"')
    for name, version in VERSIONS.items():
        text = text.replace(f'"{name}": "{version}"', f'"{name}": "VERSION"')
    text = re.sub(r'(\.parquet",\s+"sha256": ")[0-9a-f]{64}', r"\1DIGEST", text)
    text = re.sub(r'\{\s+"bytes": \d+,\s+"sha256": ("[0-9a-f]{64}")\s+\}', r"\1", text)  # 0.1.0 listed no sizes
    return re.sub(r'("(?:figures/.*|paper\.md)": ")[0-9a-f]{64}', r"\1DIGEST", text)


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
    "report": (0, "report outputs/knowledge.run outputs/politeness.run outputs/politeness_other.run"),
    "paper": (0, "paper --force outputs/knowledge.run"),
}
"""Exit code and command."""
TEXTS = {".csv", ".json", ".md", ".html", ".tex"}


@pytest.mark.parametrize("name", READ)
def test_what_is_made_of_it_is_the_same(name: str, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # with pandoc in it, a paper has DOCX files too
    code, command = READ[name]
    out = written / name
    if name == "paper":
        leave_a_paper(out)
    assert run(*command.split(), "--out", out / "report.html" if name == "report" else out) == code
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.parent.name != "merged")
    texts = {
        path.relative_to(out).as_posix(): normal(path.read_bytes().decode()) for path in files if path.suffix in TEXTS
    }
    others = [path.relative_to(out).as_posix() for path in files if path.suffix not in TEXTS]
    compare(name, texts | ({"others.txt": "\n".join([*others, ""])} if others else {}))


def leave_a_paper(out: Path) -> None:
    """What 0.1.0 left of a paper: a table that is not written any more, and the list with its digest."""
    (out / "tables").mkdir(parents=True)
    (out / "tables" / "stale.csv").write_text("a\n")
    digest = hashlib.sha256(b"a\n").hexdigest()
    (out / "tables" / "written.json").write_text(json.dumps({"tables/stale.csv": digest}))


def compare(name: str, texts: dict[str, str]) -> None:
    """Compare files' texts with those expected, and show the lines that differ."""
    folder = EXPECTED / name
    if ACCEPT:
        accept(folder, texts)
    stored = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    expected = {place.removesuffix(".gz"): read(path) for place, path in stored.items()}
    assert sorted(texts) == sorted(expected)
    for place, text in texts.items():
        if text != expected[place]:
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
    """With the decisions of the person who looked at it."""
    outputs = copied() / "outputs"
    values = outputs / f"{name}_structured.csv"
    ledger = values.with_suffix(".run") / "ledger.jsonl"
    before = ledger.read_bytes() if ledger.exists() else None
    values.unlink()
    assert run("extract", EXTRACTIONS[name], "--input", outputs / f"{name}.csv", "--output", values) == 0
    assert values.read_bytes() == (FIXTURES / "outputs" / values.name).read_bytes()
    assert (ledger.read_bytes() if ledger.exists() else None) == before


@pytest.mark.parametrize("name", ["parts", "skies"])
def test_shards_are_joined_again(name: str, copied: Callable[[], Path]) -> None:
    outputs = copied() / "outputs"
    (outputs / f"{name}.csv").unlink()
    shutil.rmtree(outputs / f"{name}.run")
    assert run("join", outputs / f"{name}.csv") == 0
    assert (outputs / f"{name}.csv").read_bytes() == (FIXTURES / "outputs" / f"{name}.csv").read_bytes()


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


def test_a_persons_decisions_stay(copied: Callable[[], Path]) -> None:
    """They are records of the extraction's ledger, and the table says who decided."""
    rows = read_rows(copied() / "outputs" / "judged_structured.csv")
    assert [row["extraction_method"] for row in rows] == ["rule", "human", "human"]
