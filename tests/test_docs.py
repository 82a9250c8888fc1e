"""Every command in the documents runs, and what they say of columns, fields, options and messages is so.

Commands stand in fenced blocks. In `console` blocks they come after "$ ", and other lines are output, which is not
compared. In `sh` blocks every line is a command. All are run, in order and in a copy of the repository, except for
those of `ELSEWHERE` and `FAR`. The exit code must be 0, or what a comment says: `$ command    # exit 2`. A `yaml` block
whose first line names a file, `# transfer.yaml: ...`, is that file.
"""

import ast
import csv
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from aiohttp import web

from canned import CannedServer, completion, error
from commands import all_commands
from conftest import Command
from grace.analysis import references, scores
from grace.analysis.paired import ComparedNumber
from grace.analysis.statistics import TEST_COLUMNS
from grace.analysis.studies import ANALYSES
from grace.cluster.messages import messages as cluster_messages
from grace.columns import ANSWER_COLUMNS, ANSWER_KINDS, EXTRACTED, FLAGS, PROVENANCE, ROW_ID, SCORES_ERROR
from grace.errors import StudyError
from grace.ledger import Ledger
from grace.models.catalogue import OVERLAY, catalogue
from grace.runs import Run
from grace.stages.answers.table import answer_columns
from grace.stages.fields.extractor import DEEPSEEK_MODEL, MOST_CHARACTERS, REPAIRED, SEEN
from grace.stages.fields.records import Rows, decide
from grace.stages.scores.table import score_columns
from grace.studies import format, question_format
from grace.studies.extraction import Extraction
from grace.studies.fields import DOUBTFUL
from grace.studies.reading import CLEAR, DOUBT, EXACT, IMPLIED, Value
from grace.studies.study import BUILT_IN, load_study, parse_study
from grace.tables import CsvTable
from table_model import TableServer, printable_model
from tiny_gguf import write_tiny_gguf

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("examples/*/README.md"))]
DICTIONARY = ROOT / "docs" / "csv-dictionary.md"

LANGUAGES = {"console", "sh", "csv", "r", "python", "text", "yaml"}
"""Of fenced blocks. Another name for the shell would hide its commands from this test."""

ELSEWHERE = {
    "make pilot": ".ci/run does",
    "make test": "this is it",
    "make wheel": "scripts/try_wheel.sh does, which .ci/run calls",
    "source .venv/bin/activate": "the test has its own environment",
    "python3 -m venv .venv": "so here",
    ".venv/bin/pip install --constraint constraints.txt --editable '.[local,parquet,analysis]'": "so here",
    "python3 -m venv grace": "scripts/try_wheel.sh does the like",
    "grace/bin/pip install --constraint constraints.txt "
    "'grace_experiments-0.1.0-py3-none-any.whl[local,parquet,analysis]'": "the same",
    "source grace/bin/activate": "the same",
    "grace --install-completion": "changes the user's shell",
    "pip install vllm": "gigabytes",
    "grace serve google/gemma-2-2b-it --port 8000": "needs a GPU",
    "vllm serve google/gemma-2-2b-it --served-model-name gemma-2-2b-it --dtype bfloat16 --port 8000": "needs a GPU",
    "grace models pull OWNER/REPO:FILE.gguf": "needs a model hub",
    "grace serve OWNER/REPO:FILE.gguf": "needs a model hub",
    "ssh -L 8000:localhost:8000 you@the-gpu-machine": "needs another machine",
    "grace review outputs/study1_structured.run": "waits for a person",
    'grace review outputs/study1_structured.run --by "Ada Lovelace"': "the same",
    "grace review outputs/first_values.run": "the same",
    'grace review outputs/study1_structured.run --by "Ada Lovelace" --all --blind': "the same",
    'grace review outputs/study1_structured.run --by "Emmy Noether" --all --blind': "the same",
    "grace agreement outputs/study1_structured.run": "needs two people",
    "grace view outputs/study1.run": "the same",
    "grace view outputs/study1_gemma.run outputs/study1_llama.run": "the same",
    'make test ARGS="-k test_reading"': "a part of this",
    "export DEEPSEEK_API_KEY=...": "costs money",
    "grace extract study1 --input outputs/study1.csv --output outputs/study1_structured.csv "
    "--extractor deepseek": "so too",
    "grace extract study2 --input outputs/study2.csv --output outputs/study2_structured.csv "
    "--extractor http://localhost:8000 --extractor-model gemma-2-9b-it": "needs a GPU",
    "export GATEWAY_KEY=...": "there is no such gateway",
    "grace check-endpoint https://gateway.example --model-name llama3 --api-key-env GATEWAY_KEY": "nor here",
    "pip install 'grace-experiments[cluster,local]'": "the test has its own environment",
    "chmod 600 ~/.kube/config": "the user's file",
    "read -rs HF_TOKEN && export HF_TOKEN": "waits for a person",
    "grace models pull gemma-2-9b-it --variant awq --to /weights": "needs a model hub, and gigabytes",
    "grace join outputs/many/gemma-2-9b-it/study1.csv": "its shards come from a cluster",
    "grace join outputs/many/gemma-2-9b-it/study1_scores.csv": "so do these",
    "grace analyze outputs/study1.run": "a run of some size is too long for a test",
    "grace analyze outputs/study1_gemma.run outputs/study1_llama.run outputs/study2_gemma.run "
    "--out outputs/models": "so are these",
    "grace compare outputs/study1_bf16.run outputs/study1_awq.run": "so are these",
    "grace compare merged_a.csv merged_b.csv --margin 0.02 --out outputs/a_and_b": "these are made from such",
    "grace analyze study1 --input examples/answers/study1.csv --out outputs/invented_study1 --with-r": "needs R",
}
"""Commands that cannot run here, and why."""

FAR = {
    "kubectl ": "needs a cluster",
    "grace cluster secret": "needs a cluster",
    "grace cluster preflight": "needs a cluster",
    "grace cluster gpus": "needs a cluster",
    "grace lineup run --profile rtx3090": "needs a cluster; tests/lineup runs it in a modelled one",
    "grace lineup status rtx3090": "so does this",
    "grace lineup watch rtx3090": "so does this",
    "grace lineup fetch rtx3090": "so does this",
    "grace lineup clean rtx3090": "so does this",
    "grace models licence": "needs a model hub",
    "make images": ".ci/run does",
    'eval "$(scripts/install_podman.sh)"': "the same",
    "docker ": "needs docker",
    "Rscript ": "needs R",
}
"""Beginnings of such commands."""

SHORT = {
    "query": {"--limit": "1", "--max-tokens": "4"},
    "score": {"--limit": "1", "--residual": "0"},
    "visit": {"--limit": "1"},
}
"""Given to a query, score or visit that does not say so itself, and its limit in any case: the commands are tested, not
the model's patience. A residual of 0 looks for answers that a tiny model would hardly give."""

BY_THE_REAL_MODEL = {"README.md"}
"""Documents whose commands ask the real model. In the others a tiny one stands under its name: what a command does with
a model's answers is tested elsewhere, and by the pilot."""

SHIMS = {
    r"^python src/query_(study.)_exp1\.py": r"grace query \1",
    r"^python src/extract_probabilities_(study.)\.py": r"grace score \1",
    r"^python src/extract_structured_output\.py": r"grace extract",
}
"""The plan's names for commands."""

BACKGROUND_SECONDS = 120.0


@dataclass(frozen=True)
class Step:
    """One command of a document, as the reader types it."""

    command: str
    language: str
    code: int

    @property
    def runs_here(self) -> bool:
        return self.command not in ELSEWHERE and not self.command.startswith(tuple(FAR))


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks: language and content."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """What is not in a fenced block."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """The pieces of code in running text."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def steps(text: str) -> list[Step]:
    """The commands of a document, in order."""
    found = []
    for language, content in blocks(text):
        lines = iter(content.splitlines())
        for line in lines:
            if language == "console" and line.startswith("$ "):
                command = line[2:]
            elif language == "sh" and line.strip() and not line.startswith("#"):
                command = line
            else:
                continue
            while command.endswith("\\"):
                command = command[:-1].rstrip() + " " + next(lines).strip()
            exit_code = re.search(r"\s+# exit (\d+)$", command)
            if exit_code:
                command = command[: exit_code.start()]
            found.append(Step(command, language, int(exit_code[1]) if exit_code else 0))
    return found


def saved(text: str) -> dict[str, str]:
    """The files that the reader is told to save, by name."""
    named = [(re.match(r"# ([\w-]+\.yaml):", content), content) for language, content in blocks(text)]
    return {match[1]: content for match, content in named if match}


def rows(section: str) -> list[list[str]]:
    """The cells of all tables in a text, without heads."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    heads = {place - 1 for place, line in enumerate(lines) if re.fullmatch(r"[|: -]+", line)}
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for place, row in enumerate(cells) if place not in heads and place - 1 not in heads]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    return re.split(r"^#+ ", text.split(f" {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def names_in(cells: list[list[str]]) -> set[str]:
    """The code in the first cells."""
    return {name for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's files as they are now, those not committed yet included, without what was made beside them."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(listing, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = tmp_path / "grace" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return tmp_path / "grace"


@dataclass
class Terminal:
    """Runs a reader's commands in one folder, with the document's port 8000 moved to a free one."""

    folder: Path
    port: int
    environment: dict[str, str]
    servers: list[subprocess.Popen[bytes]]

    def run(self, step: Step) -> None:
        command = re.sub(r"\b8000\b", str(self.port), shortened(step.command))
        if command.endswith("&"):
            self._start(command.removesuffix("&").strip())
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == step.code, f"$ {command}\n{done.stdout}"

    def _start(self, command: str) -> None:
        """Start a server and wait until it answers."""
        log = self.folder.parent / f"server{len(self.servers)}.log"
        with open(log, "wb") as file:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.servers.append(server)
        deadline = time.monotonic() + BACKGROUND_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"$ {command}\n{log.read_text()}")

    def close(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(30)


def plain(command: str) -> str:
    """The command by Grace's own name for it."""
    for pattern, name in SHIMS.items():
        command = re.sub(pattern, name, command)
    return command


def shortened(command: str) -> str:
    """The command, with a query or score kept to one row, and to few words where it does not say itself."""
    grace, name, *_ = [*plain(command).split(), ""]
    options = SHORT.get(name, {}) if grace == "grace" else {}
    if name == "query" and "--shard" in command:
        options = options | {"--limit": "2"}  # each of two parts has a row
    elif "--limit" in options or name == "lineup":
        command = re.sub(r"--limit \d+", "--limit 1", command)
    return command + "".join(f" {option} {value}" for option, value in options.items() if option not in command)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables that let a tiny model stand for each model of this machine."""
    folder = tmp_path_factory.mktemp("cache")
    entries = []
    for seed, model in enumerate(catalogue().values()):
        file = folder / "models" / model.file
        file.parent.mkdir(exist_ok=True)
        write_tiny_gguf(file, seed=seed, context=8192)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        entries.append({**model.model_dump(mode="json"), "bytes": file.stat().st_size, "sha256": digest})
    overlay = folder / "catalogue.yaml"
    overlay.write_text(yaml.safe_dump({"models": entries}))
    return {"GRACE_CACHE": str(folder), OVERLAY: str(overlay)}


@pytest.fixture
def terminal(guide: Path, copy: Path, tmp_path: Path, tiny: dict[str, str]) -> Iterator[Terminal]:
    """A terminal in the copy, with the environment active; curl counts an HTTP error as one."""
    visit = copy / "examples" / "visit.yaml"
    content = re.sub(r"\bmax_tokens: \d+", f"max_tokens: {SHORT['query']['--max-tokens']}", visit.read_text())
    visit.write_text(content.replace("score: {", f"score: {{residual: {SHORT['score']['--residual']}, "))
    (tmp_path / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CURL_HOME": str(tmp_path),
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        **({} if str(guide.relative_to(ROOT)) in BY_THE_REAL_MODEL else tiny),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    terminal = Terminal(copy, port, environment, [])
    yield terminal
    terminal.close()


WITH_COMMANDS = [guide for guide in GUIDES if any(step.runs_here for step in steps(guide.read_text()))]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("guide", WITH_COMMANDS, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_commands_run(guide: Path, terminal: Terminal) -> None:
    for name, content in saved(guide.read_text()).items():
        (terminal.folder / name).write_text(content)
    for step in steps(guide.read_text()):
        if step.runs_here:
            terminal.run(step)


def test_every_command_can_be_found() -> None:
    for guide in GUIDES:
        assert {language for language, _ in blocks(guide.read_text())} <= LANGUAGES, guide
        assert guide.read_text().count("\n```") % 2 == 0, guide


def test_what_cannot_run_here_is_still_in_the_documents_and_looks_so() -> None:
    found = [step for guide in GUIDES for step in steps(guide.read_text()) if not step.runs_here]
    far = {step.command for step in found if step.command.startswith(tuple(FAR))}
    assert {step.command for step in found} - far == ELSEWHERE.keys()
    assert {start for start in FAR if any(command.startswith(start) for command in far)} == FAR.keys()
    assert {step.language for step in found} == {"sh"}


def test_the_readme_names_the_two_commands() -> None:
    assert {"make pilot", "make test"} <= {step.command for step in steps((ROOT / "README.md").read_text())}


def test_steps_are_read_as_typed() -> None:
    text = "```console\n$ one \\\n    --two\nits output\n$ three    # exit 3\n```\n\n```sh\nfour\n```\n"
    assert steps(text) == [Step("one --two", "console", 0), Step("three", "console", 3), Step("four", "sh", 0)]


# --- links -----------------------------------------------------------------------------------------------------------


def test_links_lead_somewhere() -> None:
    for page in [*GUIDES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "data" / "README.md"]:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
            if link.startswith(("https://", "http://")):
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page}: {link}"
            assert not anchor or anchor in anchors(target.read_text()), f"{page}: {link}"


def anchors(text: str) -> set[str]:
    """What headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- columns and fields ----------------------------------------------------------------------------------------------


def test_the_dictionary_has_every_column() -> None:
    named = names_in(rows(DICTIONARY.read_text()))
    assert set(ANSWER_COLUMNS) <= named
    for name in BUILT_IN:
        study = load_study(name)
        assert set(study.columns) <= named
        for conversation in study.conversations.values():
            assert set(answer_columns(conversation.turns)) <= named


HEADINGS = {"study1": "Study 1", "study2": "Study 2", "agreement": "Agreement"}
"""Of the dictionary's sections, by study."""


def extraction_of(name: str) -> Extraction:
    extraction = load_study(name).extraction
    assert extraction is not None
    return extraction


@pytest.mark.parametrize("study", BUILT_IN)
def test_the_dictionary_has_the_values_and_no_others(study: str) -> None:
    text = DICTIONARY.read_text()
    extraction = extraction_of(study)
    fields = rows(section(text, f"Values of {HEADINGS[study].lower()}"))
    assert names_in(fields) == set(extraction.fields)
    assert names_in(rows(section(text, "About the values"))) == set(EXTRACTED)
    for names, kind, values, _ in fields:
        for name in re.findall(r"`([^`]+)`", names):
            field = extraction.fields[name]
            assert kind.split(",")[0] == {int: "integer", float: "number", str: "text"}[field.kind]
            assert field.values or values == f"{field.low:g} to {field.high:g}"
            said = re.findall(r"`([^`]+)`", values)
            assert " to " not in values or field.kind is not str or len(field.values) == 8
            assert set(said) <= set(field.values)
            assert " to " in values or set(said) == set(field.values)


def test_the_dictionary_has_what_merging_adds() -> None:
    added = rows(section(DICTIONARY.read_text(), "Outputs of `grace merge`"))[6:]
    assert names_in(added) == {ROW_ID, SCORES_ERROR, FLAGS, *PROVENANCE}


def test_the_dictionary_has_every_column_of_an_analysis() -> None:
    text = DICTIONARY.read_text()
    assert names_in(rows(section(text, "`tests.csv`"))) == set(TEST_COLUMNS)
    about_scores = section(text, "`distributions.csv` and `calibration.csv`")
    assert names_in(rows(about_scores)) == {*scores.DISTRIBUTIONS, *scores.CALIBRATION}
    tables = [each for analysis in ANALYSES.values() for each in analysis.tables.items()]
    of_cells = {name for table, columns in tables if table != "tests" for name in columns}
    assert names_in(rows(section(text, "Conditions and shares"))) == of_cells


@pytest.mark.parametrize(
    ("heading", "table"), [("References table", references.Fit), ("Patterns table", references.Pattern)]
)
def test_the_guide_to_references_has_every_column(heading: str, table: type) -> None:
    cells = rows(section((ROOT / "docs" / "references.md").read_text(), heading))
    assert {field.name for field in fields(table)} <= names_in(cells)


def test_the_guide_to_comparisons_has_every_column() -> None:
    cells = rows(section((ROOT / "docs" / "comparison.md").read_text(), "Output"))
    assert names_in(cells) == {field.name for field in fields(ComparedNumber)}


async def _refuse_the_second(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
    return web.json_response({"error": {"message": "too long"}}, status=400) if number == 2 else None


def test_the_dictionary_has_the_columns_of_scores_and_no_others() -> None:
    text = DICTIONARY.read_text().split("## Outputs of `grace score`\n", 1)[1]
    beside = {"model_name", "error"}
    assert beside <= set(re.findall(r"`([^`]+)`", text.split("### ", 1)[0]))
    for name in BUILT_IN:
        study = load_study(name)
        written = {told_by(column) for column in score_columns(study)} - beside
        assert names_in(rows(section(text, HEADINGS[name]))) - set(study.questions) == written
        for question in study.questions:
            assert f"`{question}`" in section(text, HEADINGS[name])


def told_by(column: str) -> str:
    """The column of the dictionary that stands for this one too: percentages from 20 to 90 are three dots there."""
    column = re.sub(r"^state[1-3]_prob_", "state0_prob_", column)
    return re.sub(r"^state0_prob_[2-9]0$", "state0_prob_10", column)


QUESTIONS = """\
name: own
title: Own
columns: {thing: {}}
questions:
  q:
    prompt: How much is {{ thing }}?
    answers: {labels: {l: "1", m: "2"}}
  n:
    prompt: How much is {{ thing }}?
    answers: {labels: {1: "1", 2: "2"}, numeric: true}
  p:
    prompt: What is {{ thing }} like?
    answers: {factors: {f: {l: a, m: b}, g: {n: c, o: d}}, forms: "{f}{g}"}
"""


def test_the_dictionary_has_the_names_that_columns_get_by_themselves() -> None:
    written = score_columns(parse_study(QUESTIONS.encode(), "own.yaml"))[1:-1]
    general = {re.sub(r"_[qnp](?=_|$)", "_Q", name, count=1) for name in written}
    general = {re.sub(r"^(prob_Q)_.*", r"\1_L", re.sub(r"^(entropy_Q)_.*", r"\1_F", name)) for name in general}
    assert names_in(rows(section(DICTIONARY.read_text(), "A study of your own"))) == general


def test_the_dictionary_has_the_numbers_of_answers_in_parquet() -> None:
    kinds = {cells[1]: names_in([cells]) for cells in rows(section(DICTIONARY.read_text(), "Parquet"))}
    values = {name: kind for study in BUILT_IN for name, kind in extraction_of(study).kinds.items()}
    assert kinds["whole number (`int64`)"] == set(ANSWER_KINDS) | {name for name in values if values[name] is int}
    numbers = {told_by(name) for name, kind in values.items() if kind is float} - {"probability_1", "probability_2"}
    assert kinds["number (`double`)"] == numbers | {"temperature"}


@pytest.mark.parametrize("owner", ["vllm", "somebody"])
def test_the_dictionary_has_every_field_of_a_run(
    query: Command, canned: CannedServer, tmp_path: Path, owner: str
) -> None:
    canned.owned_by = owner
    canned.handler = _refuse_the_second
    assert query("--concurrency", 1).code == 1
    manifest = json.loads((tmp_path / "answers.run" / "run.json").read_text())
    records = [json.loads(line) for line in (tmp_path / "answers.run" / "ledger.jsonl").read_text().splitlines()]
    text = DICTIONARY.read_text()

    fields = rows(section(text, "Fields of a line in `ledger.jsonl`"))
    assert names_in(fields) == set().union(*records)
    said = {cells[0].strip("`"): cells[2] for cells in fields}
    failed = next(record for record in records if record["status"] == "failed")
    answered = next(record for record in records if record["status"] == "answered")
    for part in ("error", "tokens", "request", "response"):
        inner = (failed if part == "error" else answered)[part]
        assert set(inner) <= set(re.findall(r"`([^`]+)`", said[part]))

    has_every_field(text, manifest)


def has_every_field(text: str, manifest: dict[str, Any]) -> None:
    """See that the dictionary knows all that is in a run's manifest."""
    fields = rows(section(text, "Fields of `run.json`"))
    named = names_in(fields)
    assert set(manifest) <= named
    assert {f"identity.{name}" for name in manifest["identity"]} <= named
    assert set(manifest["identity"].get("model", {})) <= named
    assert set(manifest["sessions"][0]) <= named
    for part in ("server", "options", "git"):
        assert set(manifest["sessions"][0].get(part) or {}) <= described(fields, part)
    assert set(manifest.get("extractor", {})) <= described(fields, "extractor")
    assert set(manifest["identity"].get("scoring", {})) <= described(fields, "identity.scoring")


def described(fields: list[list[str]], name: str) -> set[str]:
    """The code in what a table says of a field."""
    said = next(row for row in fields if f"`{name}`" in row[0])
    return set(re.findall(r"`([^`]+)`", " ".join(said[1:])))


@pytest.fixture
def table() -> Iterator[TableServer]:
    words = ("yes", "no", "zero", "none", "one", "two", "three")
    with TableServer(printable_model("é", "’", *words, seed=5, spread=2.0)) as server:
        yield server


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_the_dictionary_has_every_field_of_a_run_of_scores(
    grace: Command, table: TableServer, trials: Path, tmp_path: Path, dialect: Any
) -> None:
    table.dialect = dialect
    run = tmp_path / "scores.run"
    endpoint = ("--model-endpoint", table.url, "--model-name", "table", "--max-retries", 0, "--concurrency", 1)
    score = ("score", "study1", "--input", trials, "--output", run.with_suffix(".csv"), "--limit", 2, *endpoint)
    asked = 0

    def refuse_the_last(path: str, _: int, body: dict[str, Any]) -> web.StreamResponse | None:
        nonlocal asked
        asked += path == "/apply-template" or (path == "/tokenize" and "messages" in body)
        return web.json_response({"error": {"message": "too long"}}, status=400) if asked > 20 else None

    table.fail = refuse_the_last
    assert grace(*score).code == 1
    table.fail = None
    noise = grace("noise", run, "--repeat", 1, "--questions", 2, *endpoint)
    assert noise.code == 0, noise
    text = DICTIONARY.read_text()

    def lines(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (run / name).read_text().splitlines()]

    records, again = lines("ledger.jsonl"), lines("noise.jsonl")
    assert {record["status"] for record in records} == {"scored", "failed"}
    fields = rows(section(text, "Fields of a line in Experiment 2"))
    assert names_in(fields) == set().union(*records)
    about_noise = section(text, "`noise.json` and `noise.jsonl`")
    conditions = again[0]["conditions"]
    added = set().union(*again) - names_in(fields)
    assert added | set(conditions) <= set(re.findall(r"`([^`]+)`", about_noise))
    for record in records:
        for part in ("response", "tokens", "request", "error"):
            assert set(record.get(part) or {}) <= described(fields, part)

    has_every_field(text, json.loads((run / "run.json").read_text()))

    measured = json.loads((run / "noise.json").read_text())
    fields = rows(about_noise)
    assert names_in(fields) == set(measured)
    assert set(measured["options"]) == described(fields, "options")
    sometimes = {"lock", ".ledger.jsonl.index", ".input.csv.index"}
    assert {path.name for path in run.iterdir()} | sometimes == names_in(rows(section(text, "The run's folder")))


@pytest.fixture
def extracted(query: Command, grace: Command, canned: CannedServer, tmp_path: Path) -> Path:
    """The run of an extraction with requests that were answered and failed, a person's decision, and agreement."""
    assert query("--limit", 3).code == 0
    out = tmp_path / "values.csv"
    model = ("--extractor", canned.url, "--extractor-model", "canned", "--max-retries", 0, "--concurrency", 1)
    canned.count = 0

    async def refuse_the_third(number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(400, "too long") if number == 3 else web.json_response(completion("no JSON"))

    canned.handler = refuse_the_third
    done = grace("extract", "study1", "--input", tmp_path / "answers.csv", "--output", out, *model)
    assert done.code == 1, done
    run = Run(out.with_suffix(".run"))
    with CsvTable(run.input) as table, Ledger(run.ledger) as ledger:
        known = Rows(load_study("study1"), table.columns)
        answered = known.of(table.row(0))
        read = known.read(answered)
        decide(ledger, answered, 1, read, "corrected", {**read.values, "Knowledge_A": "no"}, "Ada", "2026-01-01")
    return run.path


def test_the_dictionary_has_every_field_of_an_extraction(extracted: Path) -> None:
    text = DICTIONARY.read_text()
    records = [json.loads(line) for line in (extracted / "ledger.jsonl").read_text().splitlines()]
    assert {record["question"] for record in records} == {"extract", "repair", "review"}
    fields = rows(section(text, "Fields of a line in an extraction"))
    assert names_in(fields) == set().union(*records)
    for part in ("question", "status"):
        assert {record[part] for record in records} <= described(fields, part)
    decision = next(record for record in records if record["question"] == "review")
    assert set(decision["read"]) == described(fields, "read")
    answered = next(record for record in records if record["status"] == "answered")
    assert set(answered["response"]) <= described(fields, "response")
    manifest = json.loads((extracted / "run.json").read_text())
    assert {"model", "settings"} == manifest["extractor"].keys()
    has_every_field(text, manifest)
    assert {path.name for path in extracted.iterdir()} <= names_in(rows(section(text, "The run's folder")))


def test_the_dictionary_has_every_field_of_a_codebook(extracted: Path, grace: Command) -> None:
    assert grace("merge", extracted).code == 0
    book = json.loads((extracted.parent / "values_merged" / "codebook.json").read_text())
    fields = rows(section(DICTIONARY.read_text(), "`codebook.json` and `codebook.md`"))
    assert names_in(fields) == {*book, *book["columns"][0]}
    assert set(book["tables"][0]) <= described(fields, "tables")


# --- extraction ------------------------------------------------------------------------------------------------------

EXTRACTION = ROOT / "docs" / "extraction.md"
KINDS = {
    "A count": "prior",
    "Shares": "state",
    "A choice": "knowledge",
    "A sentence": "utterance",
    "A rating": "naturalness",
    "A number": "age",
    "A text": "reason",
}
"""The readings that the sections are about."""
NEW_KINDS = """
name: own
title: Own
columns: {x: {}}
protocols: {single: {turns: {response: "{{ x }}"}}}
extraction:
  readings:
    naturalness: {read: rating, column: naturalness, min: 1, max: 7, words: {1: very odd, 7: perfectly natural}}
    age: {read: number, column: age, min: 0, max: 120, unit: years}
    reason: {read: text, column: reason}
"""
"""Readings that neither study has, as the sections describe them."""


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_read_as_the_guide_says(kind: str) -> None:
    reading = KINDS[kind]
    names = {"utterance": "study2", "prior": "study1", "state": "study1", "knowledge": "study1"}
    extraction = (
        extraction_of(names[reading]) if reading in names else parse_study(NEW_KINDS.encode(), "own").extraction
    )
    assert extraction is not None
    own = [name for name, field in extraction.fields.items() if field.reading == reading]
    examples = rows(section(EXTRACTION.read_text(), kind))
    assert len(examples) >= 4
    for answer, values, confidence, why in examples:
        texts = {other: answer.strip("`") if other == reading else f"({other})" for other in extraction.about}
        found = {name: said for name, said in extraction.read(texts).answers.items() if name in own}
        read = [str(said.value) if isinstance(said, Value) else "–" for said in found.values()]
        assert values == f"`{', '.join(read)}`", answer
        grades = [said.confidence for said in found.values() if isinstance(said, Value)]
        assert confidence == (str(min(grades)) if grades else "–"), answer
        reasons = {said.why for said in found.values() if not isinstance(said, Value)}
        assert set(re.findall(r"`([^`]+)`", why)) == reasons, answer


def test_the_guide_has_every_grade() -> None:
    text = EXTRACTION.read_text()
    grades = {float(row[0]) for row in rows(section(text, "How plainly it was said")) if row[0][0].isdigit()}
    assert grades == {EXACT, CLEAR, IMPLIED, DOUBT, SEEN, REPAIRED, DOUBTFUL}
    assert f"Below {DOUBTFUL}" in text
    assert f"{MOST_CHARACTERS:,} characters" in text
    assert f"`{DEEPSEEK_MODEL}`" in text


def test_the_guide_names_the_columns_that_are_looked_for() -> None:
    told = [
        re.findall(r"`([^`]+)`", row[1])
        for row in rows(section(EXTRACTION.read_text(), "Tables that Grace did not make"))
    ]
    looked_for = []
    for study in BUILT_IN:
        extraction = extraction_of(study)
        for reading in extraction.about:
            columns = list(extraction.all_texts)
            found = []
            while columns:
                try:
                    found.append(extraction.sources([*columns, "-"])[reading])
                except LookupError:
                    break
                columns.remove(found[-1])
            looked_for.append(found)
    assert told == looked_for


def test_agreement_with_people_is_told_as_the_guide_shows(grace: Command, tmp_path: Path) -> None:
    text = section(EXTRACTION.read_text(), "Tables that people have annotated")
    (table,) = (content for language, content in blocks(text) if language == "csv")
    (printed,) = (content for language, content in blocks(text) if language == "text")
    assert len(list(csv.reader(io.StringIO(table)))) == 5
    (tmp_path / "annotated.csv").write_text(table)
    done = grace("extract", "study1", "--input", tmp_path / "annotated.csv", "--output", tmp_path / "values.csv")
    assert printed in done.out


def test_the_guide_counts_the_corpora() -> None:
    said = re.search(r"(\d+) in all", EXTRACTION.read_text())
    assert said
    files = sorted((ROOT / "tests" / "fixtures").glob("extraction_corpus*.yaml"))
    assert all(f"`tests/fixtures/{file.name}`" in EXTRACTION.read_text() for file in files)
    corpora = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    assert int(said[1]) == sum(len(cases) for corpus in corpora for cases in corpus.values())


# --- questions of a study --------------------------------------------------------------------------------------------

STUDY_GUIDE = ROOT / "docs" / "add-a-study.md"
QUESTIONS_GUIDE = "7. Questions for Experiment 2"

MISTAKES = [
    ("    prompt: |", "    promt: |"),
    ("labels: {right: [right, correct], wrong: [wrong, incorrect]}", "labels: right or wrong"),
    ("variants: [case]", "variants: case"),
    ("labels: {right", "forms: x\n      factors: {a: {b: c}}\n      labels: {right"),
    ("      variants: [case]", "      forms: [yes]"),
    (", wrong: [wrong, incorrect]}", "}"),
    ("[wrong, incorrect]", "[wrong, right]"),
    ("variants: [case]", "numeric: true"),
    ("{{ sentence }}", "{{ sentense }}"),
    ("{{ sentence }}", "{{ key }}"),
    ("  verdict:", "  Verdict:"),
    ("  verdict:\n", "  state:\n    each: {k: [0, 1]}\n"),
    ("      numeric: true", "    columns: {entropy: prob_verdict_right}"),
    ("    about: is", "    each: {relation: [all]}\n    about: is"),
    ("    about: is", "    each: {k: []}\n    about: is"),
]
"""Changes of the example's questions that are wrong."""


def test_the_guide_explains_every_field_of_a_question() -> None:
    told = names_in(rows(section(STUDY_GUIDE.read_text(), QUESTIONS_GUIDE)))
    for model in (question_format.QuestionSpec, question_format.AnswersSpec, question_format.ColumnPatterns):
        assert set(model.model_fields) <= told
    assert {"case", "stop", "apostrophe", "space"} <= told
    patterns = dict(cells for cells in ((row[0], row[-1]) for row in rows(STUDY_GUIDE.read_text())))
    for field, default in question_format.ColumnPatterns():
        assert f"`{default}`" in next(said for name, said in patterns.items() if f"`{field}`" in name), field


def test_the_guide_quotes_what_is_said_of_questions() -> None:
    head, questions = (ROOT / "examples" / "some-and-all" / "study.yaml").read_text().split("\nquestions:\n")
    complaints = []
    for old, new in MISTAKES:
        assert old in questions
        with pytest.raises(StudyError) as caught:
            parse_study(f"{head}\nquestions:\n{questions.replace(old, new, 1)}".encode(), "study.yaml")
        complaints.append(str(caught.value))
    with pytest.raises(StudyError) as caught:
        parse_study(head.split("\nprotocols:\n")[0].encode(), "study.yaml")
    complaints.append(str(caught.value))
    table = STUDY_GUIDE.read_text().split("What Grace says of mistakes in questions:")[1].split("\n## ")[0]
    quoted = names_in(rows(table))
    assert len(quoted) == len(complaints)
    assert [message for message in quoted if not any(message in complaint for complaint in complaints)] == []
    assert [complaint for complaint in complaints if not any(message in complaint for message in quoted)] == []


EXTRACTION_GUIDE = "8. Extraction: values from answers"

EXTRACTION_MISTAKES = [
    ("column: Verdict", "colum: Verdict"),
    ("column: Verdict", "column: sentence"),
    ('labels: {right: [correct, "true"], wrong: [incorrect, "false"]}', "labels: right or wrong"),
    ("        wrong:", "        wrnog:"),
    ("(?:is|are) (?:[a-z]+ )?(?:wrong", "(?:is|are (?:[a-z]+ )?(?:wrong"),
    ("    verdict:", "    share: {read: shares, column: Share, labels: {a: [b], c: [d]}}\n    verdict:"),
    ("    verdict:", "    said: {read: sentence, question: verdict, columns: {a: A}, cleaned: S}\n    verdict:"),
]
"""Changes of the example's extraction that are wrong."""


def test_the_guide_explains_every_field_of_extraction() -> None:
    text = STUDY_GUIDE.read_text()
    told = names_in(rows(section(text, EXTRACTION_GUIDE)))
    readings = get_args(get_args(format.Reading)[0])
    assert len(readings) == 7
    for model in (format.ExtractionSpec, format.CodeBook, *readings):
        assert set(model.model_fields) <= told
    assert "**`quality`**" in text
    defaults = {name: said[-1] for name, *said in rows(section(text, EXTRACTION_GUIDE))}
    assert defaults["`response`"] == f"`[{', '.join(format.ExtractionSpec.model_fields['response'].default)}]`"
    assert defaults["`total`"] == f"{format.SharesReading.model_fields['total'].default}"


def test_the_guides_example_of_extraction_works() -> None:
    text = STUDY_GUIDE.read_text()
    (answers,) = (content for _, content in blocks(text) if content.startswith("answers:"))
    (extraction,) = (content for _, content in blocks(text) if content.startswith("extraction:"))
    indented = "".join(f"    {line}\n" for line in answers.splitlines())
    head = f"name: own\ntitle: Own\ncolumns: {{x: {{}}}}\nquestions:\n  utterance:\n    prompt: Well?\n{indented}"
    own = parse_study(f"{head}{extraction}".encode(), "own.yaml").extraction
    assert own is not None
    said = 'I would say: "It was not bad." Initial answer: 2. Probabilities: 0: 0%, 1: 0%, 2: 40%, 3: 60%.'
    found = own.read(dict.fromkeys(own.about, said)).values
    assert list(found.values()) == [2, 0, 0, 40, 60, "wasn't", "bad", "It wasn't bad."]


def test_the_guides_example_of_an_analysis_works() -> None:
    text = STUDY_GUIDE.read_text()
    (analysis,) = (content for _, content in blocks(text) if content.startswith("analysis:"))
    example = (ROOT / "examples" / "some-and-all" / "study.yaml").read_text()
    contrasts = parse_study(f"{example}{analysis}".encode(), "study.yaml").contrasts
    assert [(own.name, own.fields, own.questions) for own in contrasts] == [
        ("implicature", ("Verdict",), ("verdict",)),
        ("naturalness", (), ("naturalness",)),
    ]
    told = names_in(rows(section(text, "9. Analysis: which conditions are compared")))
    assert told == set(format.ContrastSpec.model_fields)


def test_the_guide_quotes_what_is_said_of_extraction() -> None:
    head, extraction = (ROOT / "examples" / "some-and-all" / "study.yaml").read_text().split("\nextraction:\n")
    complaints = []
    for old, new in EXTRACTION_MISTAKES:
        assert old in extraction
        with pytest.raises(StudyError) as caught:
            parse_study(f"{head}\nextraction:\n{extraction.replace(old, new, 1)}".encode(), "study.yaml")
        complaints.append(str(caught.value))
    quoted = names_in(
        rows(STUDY_GUIDE.read_text().split("What Grace says of mistakes in extraction:")[1].split("\n## ")[0])
    )
    assert len(quoted) == len(complaints)
    assert [message for message in quoted if not any(message in complaint for complaint in complaints)] == []


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("Right.", "right"),
        ("The sentence is wrong, since no spoon lays eggs.", "wrong"),
        ("That is not quite true.", "wrong"),
        ("I cannot say whether it is right or wrong.", None),
    ],
)
def test_the_example_reads_its_answers(answer: str, verdict: str | None) -> None:
    extraction = load_study(str(ROOT / "examples" / "some-and-all" / "study.yaml")).extraction
    assert extraction is not None
    assert extraction.read({"verdict": answer}).values == {"Verdict": verdict}


# --- options and messages --------------------------------------------------------------------------------------------


def test_commands_and_options_exist() -> None:
    root = all_commands()
    every = set().union(*options_below(root))
    for guide in GUIDES:
        text = guide.read_text()
        typed = [step.command for step in steps(text)]
        for command in [*typed, *spans(text)]:
            words = re.sub(r"^[A-Z_]+=\S+ ", "", plain(command))
            if words.startswith("grace "):
                check_command(root, words.split()[1:], f"{guide}: {command}")
            elif words.startswith("--"):
                assert words.split()[0].rstrip(":") in every, f"{guide}: {command}"


COMMANDS = ["query", "score", "visit", "join", "extract", "merge", "noise", "export", "analyze", "compare"]
COMMANDS += ["report", "paper", "archive create", "archive verify", "archive list", "reproduce"]
COMMANDS += ["runs", "runs remove", "view", "review", "agreement"]
COMMANDS += ["study new", "study check"]
COMMANDS += [f"lineup {name}" for name in ("run", "resume", "status", "watch", "compare-outputs")]
CLUSTER = ["render", "check", "audit", "preflight", "explain", "gpus", "secret"]


def test_the_cluster_commands_are_all_here() -> None:
    assert set(CLUSTER) == set(all_commands().commands["cluster"].commands)


@pytest.mark.parametrize("name", [*COMMANDS, "models plan", "models pull", *(f"cluster {name}" for name in CLUSTER)])
def test_every_option_is_in_the_documents(name: str) -> None:
    """In any guide; of the cluster's commands, in theirs or in the quickstart, and not in the list of rules."""
    near = [ROOT / "docs" / "cluster.md", ROOT / "docs" / "quickstart.md"]
    told = "\n".join(guide.read_text() for guide in (near if name.startswith("cluster") else GUIDES))
    command = all_commands()
    for word in name.split():
        command = command.commands[word]
    options = options_of(command)
    assert {option for option in options if option.startswith("--") and not re.search(rf"{option}\b", told)} == set()


def check_command(root: Any, words: list[str], where: str) -> None:
    """See that the words name a command, and that it has the options among them."""
    command = root
    options = options_of(root)
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{where}: no {word}"
        elif commands := getattr(command, "commands", None):
            assert word in commands, f"{where}: no {word}"
            command = commands[word]
            options = options_of(command)


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts} | {"--help"}


def options_below(command: Any) -> Iterator[set[str]]:
    yield options_of(command)
    for below in getattr(command, "commands", {}).values():
        yield from options_below(below)


def test_messages_are_what_grace_says() -> None:
    said = "\n".join([(ROOT / "Makefile").read_text(), *messages()])
    troubles = rows((ROOT / "docs" / "troubleshooting.md").read_text())
    assert len(troubles) > 40
    unsaid = {
        message
        for message in names_in(troubles)
        if not all(piece.strip(" ().,:;") in said for piece in message.split("..."))
    }
    assert not unsaid


def messages() -> Iterator[str]:
    """All fixed text in the source; what is filled in parts it. And what a cluster says, whose table is data."""
    yield from (pattern for message in cluster_messages() for pattern in message.patterns)
    for path in (ROOT / "src" / "grace").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
