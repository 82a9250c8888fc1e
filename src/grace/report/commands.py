"""Commands that repeat what was done, from the manifests of runs."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

import orjson

from grace.manifest import BATCH_INVARIANT
from grace.report.gather import ReportRequest
from grace.report.ran import ANSWERS, KINDS, PROBABILITIES, further
from grace.runs import Run
from grace.stages.related import Related, table_of
from grace.studies.study import BUILT_IN, built_in_file
from grace.tables import TableFormat

PAPER = "paper"
"""The theme that figures have by default."""


def commands_of(groups: Sequence[Related], request: ReportRequest, report: str) -> list[str]:
    """The commands to type, in order; files are named without folders. `report` is the name of the report's file."""
    how = [*request.options, *(["--theme", request.theme] if request.theme != PAPER else [])]
    lines = [_typed(_command(run, group)) for group in groups for run in group.runs]
    runs = [group.base.path.name for group in groups]
    lines.append(_typed(["analyze", *runs, *how]))
    lines += [_typed(["compare", runs[0], other]) for other in runs[1:]]
    lines.append(_typed(["report", *runs, *how, "--out", report]))
    return lines


def inputs_of(groups: Sequence[Related]) -> dict[str, str]:
    """The tables of trials that the commands need: name, and digest."""
    inputs = {}
    for group in groups:
        for run in filter(None, (group.answers, group.scores)):
            input = run.identity.input
            if input.file:
                inputs[input.file] = input.source or input.sha256
    return inputs


def study_argument(run: Run) -> str:
    """The name of a run's study in a command: a built-in one by its name, else the copy in the run."""
    content = run.study.read_bytes()
    built_in = (name for name in BUILT_IN if built_in_file(name) == content)
    return next(built_in, f"{run.path.name}/{run.study.name}")


def _typed(parts: Iterable[object]) -> str:
    return " ".join(["grace", *(shlex.quote(str(part)) for part in parts)])


def _command(run: Run, group: Related) -> list[object]:
    kind = KINDS[run.identity.experiment]
    if kind == ANSWERS:
        return ["query", *_asked(run), *_of_answers(run)]
    if kind == PROBABILITIES:
        return ["score", *_asked(run), *_of_scores(run)]
    source = table_of(group.answers).name if group.answers else f"{run.path.name}/{run.input.name}"
    parts = ["extract", study_argument(run), "--input", source, "--output", table_of(run).name]
    return [*parts, *_of_extractor(run)]


def _asked(run: Run) -> Iterator[object]:
    identity = run.identity
    model = identity.model
    yield study_argument(run)
    yield from ("--input", identity.input.file, *TableFormat(**identity.input.read_as).options)
    yield from ("--output", table_of(run).name)
    yield from ("--model-endpoint", _endpoint(run), "--model-name", model.get("name"))
    if model.get("revision"):
        yield from ("--model-revision", model["revision"])
    if model.get(BATCH_INVARIANT):
        yield "--batch-invariant"
    if run.scope.rows < identity.input.rows:
        yield from ("--limit", run.scope.rows)


def _of_answers(run: Run) -> Iterator[object]:
    identity = run.identity
    sampling = identity.sampling
    yield from ("--protocol", identity.protocol, "--seed", identity.seed)
    yield from ("--temperature", sampling.get("temperature"), "--max-tokens", sampling.get("max_tokens"))
    if run.scope.replications > 1:
        yield from ("--replications", run.scope.replications)
    if next((session.options for session in run.sessions if session.options), {}).get("shuffle"):
        yield "--shuffle"
    if extra := further(sampling):
        yield from ("--extra-body", orjson.dumps(extra).decode())


def _of_scores(run: Run) -> Iterator[object]:
    scoring = run.identity.scoring
    yield from ("--policy", scoring.get("policy"), "--residual", scoring.get("residual"))
    if scoring.get("answer_start"):
        yield from ("--answer-start", scoring["answer_start"])


def _of_extractor(run: Run) -> Iterator[object]:
    extractor = run.manifest.extractor
    if extractor:
        yield from ("--extractor", _endpoint(run))
        yield from ("--extractor-model", extractor.model.get("name"))


def _endpoint(run: Run) -> str:
    """The endpoint of the first session that asked: one that joined parts asked nobody."""
    return next((session.endpoint for session in run.sessions if session.endpoint), "URL")
