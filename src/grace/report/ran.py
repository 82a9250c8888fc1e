"""What ran, from the manifests of runs: models, settings, seeds, engines, times; and the messages to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from grace.analysis.analyze import Table
from grace.columns import MODEL
from grace.endpoints.dialects import OpenAI
from grace.errors import InputError
from grace.manifest import BATCH_INVARIANT, EXTRACT, GENERATE, SCORE, ServerFacts, SessionRecord, SourceTree
from grace.report.grids import Record, table_of
from grace.runs import Run
from grace.stages.related import Related
from grace.studies.study import Study, completed

INVARIANT = " in batch-invariant mode"
ANSWERS, VALUES, PROBABILITIES = "answers", "values", "probabilities"
KINDS = {GENERATE: ANSWERS, EXTRACT: VALUES, SCORE: PROBABILITIES}
PLAIN = {"top_p": (1,), "top_k": (0, -1), "min_p": (0,), "repeat_penalty": (1,), "repetition_penalty": (1,)}
"""Sampling parameters and the values at which they do nothing."""
RULES = "rules"
OPENAI_HOST = "api.openai.com"

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
    """The name by which the model was asked; "" where only a user's own table was read."""
    base = group.answers or group.scores
    return str(base.identity.model["name"]) if base else ""


def engine_of(server: ServerFacts, endpoint: str | None) -> str:
    """What served the model. Many servers speak OpenAI's dialect; only that host is OpenAI."""
    name = server.dialect
    if name == OpenAI.name and urlsplit(endpoint or "").hostname != OPENAI_HOST:
        name = "an OpenAI-compatible server"
    return " ".join(part for part in (name, server.version) if part)


def facts_of(run: Run, group: Related) -> Record:
    """The cells of a run under RUNS, from its manifest; what it does not have is missing."""
    identity, sessions = run.identity, run.sessions
    last = sessions[-1] if sessions else SessionRecord()
    model, sampling, input = identity.model, identity.sampling, identity.input
    server = next((session.server for session in sessions if session.server), ServerFacts())
    kind, prompts = KINDS[identity.experiment], identity.templates or identity.questions
    return {
        MODEL: model.get("name") or model_name(group),
        "kind": kind,
        "run": run.path.name,
        "run_id": run.manifest.id,
        "revision": model.get("revision"),
        "quantization": model.get("quantization"),
        "weights": model.get("weights") or model.get("sha256"),
        "source": model.get("source"),
        "parameters": model.get("parameters"),
        "engine": engine_of(server, last.endpoint) + (INVARIANT if model.get(BATCH_INVARIANT) else ""),
        "context": server.context,
        "protocol": identity.protocol,
        "temperature": sampling.get("temperature"),
        "max_tokens": sampling.get("max_tokens"),
        "further_sampling": ", ".join(f"{name} {value}" for name, value in further(sampling).items()),
        "seed": identity.seed if kind == ANSWERS else None,
        "replications": run.scope.replications if kind == ANSWERS else None,
        "policy": identity.scoring.get("policy"),
        "residual": identity.scoring.get("residual"),
        "extractor": _extractor(run) if kind == VALUES else None,
        "input": input.file or None,
        "input_rows": input.rows if input.file else None,
        "input_sha256": input.sha256 or None,
        "rows": run.scope.rows,
        "study_sha256": last.study_sha256,
        "prompts_sha256": ", ".join(sorted(str(digest)[:16] for digest in prompts.values())),
        "finished": sum(session.finished or 0 for session in sessions),
        "failed": failures(run),
        "started": sessions[0].started if sessions else None,
        "ended": last.ended,
        "grace": last.grace,
        "commit": _commit(last.git),
        "python": last.python,
    }


def further(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling parameters that have an effect, besides temperature and length."""
    own = {name: value for name, value in sampling.items() if name not in ("temperature", "max_tokens")}
    return {name: value for name, value in own.items() if value not in PLAIN.get(name, ())}


def failures(run: Run) -> str:
    """How many requests failed in the last session that asked, by kind."""
    asking = [session.failed for session in run.sessions if session.failed is not None]
    return ", ".join(f"{count} {kind}" for kind, count in (asking[-1] if asking else {}).items())


def _extractor(run: Run) -> str:
    extractor = run.manifest.extractor
    return str(extractor.model.get("name") or RULES) if extractor else RULES


def _commit(tree: SourceTree | None) -> str | None:
    if tree is None:
        return None
    return f"{tree.commit} with changes" if tree.dirty else tree.commit


@dataclass(frozen=True)
class Prompt:
    """The messages to a model: the name of the turn or question, what it asks for, and the messages as text."""

    name: str
    kind: str
    text: str


def prompts_of(group: Related) -> Iterator[Prompt]:
    """The messages about the first trial; none where they cannot be made again."""
    try:
        if group.answers:
            yield from _turns(group.answers, group.study_of(group.answers))
        if group.scores:
            yield from _questions(group.scores, group.study_of(group.scores))
    except InputError:
        return


def _turns(run: Run, study: Study) -> Iterator[Prompt]:
    conversation = study.conversation(run.identity.protocol)
    with run.table() as table:
        row = completed(study, table, 0)
    for message in conversation.opening(row):
        yield Prompt(str(message["role"]), ANSWERS, message["content"])
    for turn in conversation.turns:
        yield Prompt(turn, ANSWERS, conversation.turn(turn, row)["content"])


def _questions(run: Run, study: Study) -> Iterator[Prompt]:
    with run.table() as table:
        row = completed(study, table, 0)
    for name, question in study.questions.items():
        yield Prompt(name, PROBABILITIES, "\n\n".join(message["content"] for message in question.messages(row)))
