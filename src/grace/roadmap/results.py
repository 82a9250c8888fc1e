"""Results: what commands made of runs. The evidence has the digests of their files, and of the answers under them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from grace.errors import GraceError
from grace.files import sha256_of
from grace.roadmap.evidence import EvidenceEntry, Kind
from grace.roadmap.ground import Ground
from grace.roadmap.traces import RunTrace
from grace.runs import Run


class Made(StrEnum):
    """Kinds of results."""

    ANALYSIS = "analysis"
    COMPARISON = "comparison"
    MERGED = "merged table"
    PAPER = "paper"
    REPORT = "report"

    @property
    def command(self) -> str:
        """The command that makes one."""
        return {"analysis": "analyze", "comparison": "compare", "merged table": "merge"}.get(self.value, self.value)


@dataclass(frozen=True)
class HeldResult:
    """A result that the evidence has; `why_not` says why it proves nothing now, empty where it does."""

    entry: EvidenceEntry
    why_not: str

    @property
    def sentence(self) -> str:
        """What it says in a sentence; empty where it says nothing so short."""
        return str(self.entry.facts.get("sentence", ""))


def record_result(kind: Made, files: Sequence[Path], runs: Sequence[Path], sentence: str = "") -> str:
    """Keep in the evidence of the project around it what a command has just made; nothing where there is no project.

    Args:
        kind: what was made.
        files: all of its files, the main one first.
        runs: what it was made of; what is no run is passed over.
        sentence: what it says, in short.

    Returns:
        Why it could not be kept; empty where it was, or where there is no project.
    """
    try:
        ground = Ground.around(files[0])
        if ground is None:
            return ""
        facts: dict[str, Any] = {
            "what": kind.value,
            "files": {ground.name_of(path): _digest(path) for path in files},
            "runs": {ground.name_of(path): _run_facts(Run(path)) for path in runs if Run(path).exists},
        }
        ground.evidence.append(
            Kind.RESULT, ground.name_of(files[0]), facts | ({"sentence": sentence} if sentence else {}),
            rehearsal=ground.rehearsal,
        )  # fmt: skip
    except GraceError as error:
        return f"the roadmap could not keep it as evidence: {error}"
    except ValueError:  # made of runs of another place
        return ""
    return ""


def held_results(ground: Ground, kind: Made) -> Iterator[HeldResult]:
    """The results of a kind that the evidence has, the latest first, each looked at again."""
    if ground.evidence.fault:
        return
    known = _known_runs(ground)
    final = {run.id for each in ground.lineups(ground.final) for model in each.models for run in model.runs}
    seen = set()
    for entry in reversed(ground.evidence.of(Kind.RESULT)):
        if entry.facts["what"] == kind.value and entry.subject not in seen:
            seen.add(entry.subject)
            faults = (*_file_faults(ground, entry), *_run_faults(entry, known, final if kind in _OF_THE_END else set()))
            yield HeldResult(entry, next(iter(faults), ""))


_OF_THE_END = (Made.ANALYSIS, Made.MERGED, Made.PAPER, Made.REPORT)
"""Results that must be about the final data; two runs may be compared at any time."""


def _known_runs(ground: Ground) -> Mapping[str, RunTrace]:
    """The project's runs that hold together, by id."""
    runs = [*ground.traces.runs]
    runs += [run for each in ground.traces.lineups if not each.problems for model in each.models for run in model.runs]
    return {run.id: run for run in runs if not run.problems}


def _file_faults(ground: Ground, entry: EvidenceEntry) -> Iterator[str]:
    for name, noted in entry.facts["files"].items():
        path = ground.folder / name
        if not path.is_file():
            yield f"{name}: is gone since {entry.name}"
        elif not (set(noted) <= set(_headings(path)) if isinstance(noted, list) else sha256_of(path) == noted):
            yield f"{name}: is not as it was written ({entry.name}); make it again"


def _run_faults(entry: EvidenceEntry, known: Mapping[str, RunTrace], final: set[str]) -> Iterator[str]:
    """Whether the runs are the project's, with the answers that they had."""
    runs: Mapping[str, Mapping[str, Any]] = entry.facts["runs"]
    if not runs:
        yield f"{entry.subject}: was made of no run of this project"
    for name, noted in runs.items():
        run = known.get(str(noted["id"]))
        if run is None:
            yield f"{entry.subject}: {name} is no run of this project that holds together"
        elif run.files.get("ledger.jsonl") != noted["ledger"]:
            yield f"{entry.subject}: is older than the data in {name}; make it again"
    if entry.facts["what"] == Made.COMPARISON and len({str(noted["id"]) for noted in runs.values()}) < 2:
        yield f"{entry.subject}: compares a run with itself"
    if final and not final & {str(noted["id"]) for noted in runs.values()}:
        yield f"{entry.subject}: is about none of the final data; make it again"


def _run_facts(run: Run) -> dict[str, str]:
    return {"id": run.manifest.id or "", "ledger": sha256_of(run.ledger)}


def _digest(path: Path) -> str | list[str]:
    """SHA-256 of a file; of a text that people go on with, its headings, which they keep."""
    return _headings(path) if path.suffix == ".md" else sha256_of(path)


def _headings(path: Path) -> list[str]:
    """The headings of the second level of a text, in order."""
    return [line.strip() for line in path.read_text(errors="replace").splitlines() if line.startswith("## ")]
