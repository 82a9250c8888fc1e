"""What ran, from the manifests of runs: models, settings, seeds, engines, times; and what was said to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grace.analysis.analyze import Table
from grace.columns import MODEL
from grace.errors import InputError
from grace.report.grids import Record, table_of
from grace.runs import EXTRACT, GENERATE, SCORE, Run
from grace.stages.related import Related, experiment_of, study_in
from grace.studies.study import completed
from grace.tables import CsvTable

ANSWERS, VALUES, PROBABILITIES = "answers", "values", "probabilities"
KINDS = {GENERATE: ANSWERS, EXTRACT: VALUES, SCORE: PROBABILITIES}
PLAIN = {"top_p": (1,), "top_k": (0, -1), "min_p": (0,), "repeat_penalty": (1,), "repetition_penalty": (1,)}
"""Sampling parameters and the values at which they do nothing."""
RULES = "rules"

RUNS = (
    MODEL, "kind", "run", "run_id", "revision", "quantization", "weights", "source", "parameters", "engine", "context",
    "protocol", "temperature", "max_tokens", "further_sampling", "seed", "replications", "policy", "residual",
    "extractor", "input", "input_rows", "input_sha256", "rows", "study_sha256", "prompts_sha256", "finished", "failed",
    "started", "ended", "grace", "commit", "python",
)  # fmt: skip


def runs_table(groups: Sequence[Related]) -> Table:
    """A line for each run."""
    return table_of([facts_of(run, group) for group in groups for run in group.runs], RUNS)


def model_name(group: Related) -> str:
    """The name that the model was asked under; "" where only a table of somebody's own was read."""
    base = group.answers or group.scores
    return str(_in(base.manifest, "identity", "model", "name") or "") if base else ""


def facts_of(run: Run, group: Related) -> Record:
    """What a run's manifest tells, under RUNS; what it does not tell is missing."""
    identity, sessions = run.manifest["identity"], run.manifest["sessions"]
    last = sessions[-1] if sessions else {}
    model = _in(identity, "model") or {}
    sampling = _in(identity, "sampling") or {}
    kind = KINDS[experiment_of(run)]
    return {
        MODEL: _in(model, "name") or model_name(group),
        "kind": kind,
        "run": run.path.name,
        "run_id": run.manifest.get("id"),
        "revision": _in(model, "revision"),
        "quantization": _in(model, "quantization"),
        "weights": _in(model, "weights") or _in(model, "sha256"),
        "source": _in(model, "source"),
        "parameters": _in(model, "parameters"),
        "engine": " ".join(str(part) for name in _ENGINE if (part := _first(sessions, "server", name))),
        "context": _first(sessions, "server", "context"),
        "protocol": _in(identity, "protocol"),
        "temperature": _in(sampling, "temperature"),
        "max_tokens": _in(sampling, "max_tokens"),
        "further_sampling": ", ".join(f"{name} {value}" for name, value in further(sampling).items()),
        "seed": _in(identity, "seed"),
        "replications": run.scope["replications"] if kind == ANSWERS else None,
        "policy": _in(identity, "scoring", "policy"),
        "residual": _in(identity, "scoring", "residual"),
        "extractor": (_in(run.manifest, "extractor", "model", "name") or RULES) if kind == VALUES else None,
        "input": _in(identity, "input", "file"),
        "input_rows": _in(identity, "input", "rows"),
        "input_sha256": _in(identity, "input", "sha256"),
        "rows": run.scope["rows"],
        "study_sha256": _in(last, "study_sha256"),
        "prompts_sha256": ", ".join(sorted(str(value)[:16] for value in _digests(identity))),
        "finished": sum(count for session in sessions if isinstance(count := session.get("finished"), int)),
        "failed": failures(run),
        "started": _in(sessions[0], "started") if sessions else None,
        "ended": _in(last, "ended"),
        "grace": _in(last, "grace"),
        "commit": _commit(last),
        "python": _in(last, "python"),
    }


_ENGINE = ("dialect", "version")


def further(sampling: dict[str, Any]) -> dict[str, Any]:
    """The sampling parameters that do something, beside temperature and length."""
    own = {name: value for name, value in sampling.items() if name not in ("temperature", "max_tokens")}
    return {name: value for name, value in own.items() if value not in PLAIN.get(name, ())}


def failures(run: Run) -> str:
    """How many requests failed in the last session that asked, by kind."""
    asking = [session for session in run.manifest["sessions"] if isinstance(session.get("failed"), dict)]
    failed = asking[-1]["failed"] if asking else {}
    return ", ".join(f"{count} {kind}" for kind, count in failed.items())


def _digests(identity: dict[str, Any]) -> list[Any]:
    """The digests of prompts: of turns and their parts, or of questions."""
    found = _in(identity, "templates") or _in(identity, "questions") or {}
    return list(found.values()) if isinstance(found, dict) else []


def _commit(session: dict[str, Any]) -> str | None:
    commit = _in(session, "git", "commit")
    return f"{commit} with changes" if commit and _in(session, "git", "dirty") else commit


def _in(found: Any, *names: str) -> Any:
    """What stands at a place in JSON; None where there is no such place."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _first(sessions: Sequence[dict[str, Any]], *names: str) -> Any:
    """The same in the first session that has it: one that joined parts asked nobody."""
    return next((value for session in sessions if (value := _in(session, *names)) is not None), None)


@dataclass(frozen=True)
class Prompt:
    """What was said to a model: the name of the turn or question, what it asks for, and the messages as text."""

    name: str
    kind: str
    text: str


def prompts_of(group: Related) -> Iterator[Prompt]:
    """What was said about the first trial; nothing where that cannot be made again."""
    try:
        if group.answers:
            yield from _turns(group.answers)
        if group.scores:
            yield from _questions(group.scores)
    except InputError:
        return


def _turns(run: Run) -> Iterator[Prompt]:
    study, identity = study_in(run), run.manifest["identity"]
    conversation = study.conversation(_in(identity, "protocol"))
    with CsvTable(run.input) as table:
        row = completed(study, table, 0)
    for message in conversation.opening(row):
        yield Prompt(str(message["role"]), ANSWERS, message["content"])
    for turn in conversation.turns:
        yield Prompt(turn, ANSWERS, conversation.turn(turn, row)["content"])


def _questions(run: Run) -> Iterator[Prompt]:
    study = study_in(run)
    with CsvTable(run.input) as table:
        row = completed(study, table, 0)
    for name, question in study.questions.items():
        yield Prompt(name, PROBABILITIES, "\n\n".join(message["content"] for message in question.messages(row)))
