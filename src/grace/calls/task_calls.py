"""What can be called from Python: each function checks its arguments and gives a call that is ready to be made.

`grace.ask` makes the call and waits; `grace.aio.ask` makes it beside other coroutines (`grace.calls.forms`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from grace.calls.carry import JsonMode, carry_out, carry_out_extraction, endpoint_of, extraction_of
from grace.calls.display import make_progress
from grace.calls.run_table import RunTable, read_run_table
from grace.calls.trials import Trials, trials_file
from grace.endpoints.serving import EMBEDDED
from grace.errors import InputError
from grace.progress import Progress, Silence
from grace.project import find_project
from grace.runs import Run
from grace.stages.answers.ask import Query
from grace.stages.export import export_run
from grace.stages.records import study_of
from grace.stages.scores.ask import Score
from grace.stages.task import Endpoint, TaskOutcome
from grace.table_files import AUTO
from grace.tables import TableFormat


@dataclass(frozen=True)
class Call:
    """A call that is ready to be made, in whatever thread."""

    work: Callable[[], RunTable]


def ask(
    trials: Trials,
    study: str | PathLike[str] | None = None,
    *,
    output: str | PathLike[str],
    model_endpoint: str | None = None,
    model_name: str | None = None,
    temperature: float = 0.7,
    max_tokens: int = 512,
    protocol: str | None = None,
    seed: int = 1,
    replications: int = 1,
    shuffle: bool = False,
    limit: int | None = None,
    concurrency: int | None = None,
    timeout: float = 300.0,
    max_retries: int = 5,
    extra_body: Mapping[str, Any] | None = None,
    api_key_env: str | None = None,
    model_revision: str | None = None,
    batch_invariant: bool = False,
    table_format: TableFormat = AUTO,
    break_lock: bool = False,
    progress: bool | Progress = True,
) -> Call:
    """Experiment 1: ask a model about every trial and keep its raw answers, as `grace query` does.

    Every answer is on disk the moment it arrives. After an interruption, or when some requests failed, the same call
    continues where it left off: no finished request is lost or repeated.

    Args:
        trials: one trial for each row: a table's path, a pandas DataFrame (without its index), or dicts.
        study: study1, study2, agreement, or a study file's path. None: the built-in study that fits the columns.
        output: the table to write, .csv or .parquet; for a.csv the run is in a.run/.
        model_endpoint: address of a model server, or "embedded". None: that of grace.yaml, else embedded.
        model_name: the model's name on the server. None: that of grace.yaml, else the only one there, or smollm2-135m
            on the embedded server.
        temperature: of the sampling.
        max_tokens: longest answer, in tokens.
        protocol: how the study asks. None: the study's first.
        seed: from which every row and replication gets its own seed.
        replications: independent answers for each row.
        shuffle: ask in random order; the table keeps the order of the trials.
        limit: only the first so many rows.
        concurrency: requests under way at once. None: as many as the server can take.
        timeout: seconds to wait for one answer.
        max_retries: after transient faults.
        extra_body: further fields of each request, such as {"top_p": 0.9}.
        api_key_env: environment variable that holds the server's key. None: that of grace.yaml, else no key is sent.
        model_revision: the weights, if the server does not report them.
        batch_invariant: note that answers do not depend on what the server computes beside them.
        table_format: how a file is to be read; None in its fields: the file shows it.
        break_lock: continue a run whose writer died on another machine.
        progress: whether progress is shown, or who is told of it.

    Returns:
        The table: the columns of the trials, then `model_name`, `model_response`, `error` and the others of
        docs/csv-dictionary.md; a row for each trial and replication.

    Raises:
        InputError: an argument, the study, the trials or the run do not fit, or another process writes the run.
        ModelFileError: the embedded model's file is not there yet, or cannot be served.
        EndpointError: the server cannot be used, or requests failed in the same way.
        KeyboardInterrupt: it was stopped; the same call continues.

    Warns:
        IncompleteWarning: some rows have no answer; `errors` says why.
    """
    endpoint = _endpoint(model_endpoint, model_name, concurrency, timeout, max_retries, api_key_env)
    _at_least(1, max_tokens=max_tokens, replications=replications, limit=limit)
    _at_least(0, temperature=temperature)

    def work() -> RunTable:
        with _told(progress) as told, trials_file(trials) as input:
            task = Query(
                study=_named(study),
                input=input,
                output=Path(output),
                endpoint=endpoint,
                temperature=temperature,
                max_tokens=max_tokens,
                protocol=protocol,
                seed=seed,
                replications=replications,
                shuffle=shuffle,
                limit=limit,
                extra_body=dict(extra_body or {}),
                revision=model_revision,
                batch_invariant=batch_invariant,
                table_format=table_format,
                break_lock=break_lock,
            )
            return _table(task.run, task.output, carry_out(task, told))

    return Call(work)


def score(
    trials: Trials,
    study: str | PathLike[str] | None = None,
    *,
    output: str | PathLike[str],
    model_endpoint: str | None = None,
    model_name: str | None = None,
    policy: Literal["variants", "canonical"] = "variants",
    residual: float | None = None,
    limit: int | None = None,
    concurrency: int | None = None,
    timeout: float = 300.0,
    max_retries: int = 5,
    answer_start: str | None = None,
    api_key_env: str | None = None,
    model_revision: str | None = None,
    batch_invariant: bool = False,
    table_format: TableFormat = AUTO,
    break_lock: bool = False,
    progress: bool | Progress = True,
) -> Call:
    """Experiment 2: measure the exact probability of every possible answer, as `grace score` does.

    Equal prompts are scored once. After an interruption, or when some questions failed, the same call continues.

    Args:
        trials: one trial for each row: a table's path, a pandas DataFrame (without its index), or dicts.
        study: study1, study2, agreement, or a study file's path. None: the built-in study that fits the columns.
        output: the table to write, .csv or .parquet; for a.csv the run is in a.run/.
        model_endpoint: address of a model server, or "embedded". None: that of grace.yaml, else embedded.
        model_name: the model's name on the server. None: that of grace.yaml, else the only one there, or smollm2-135m
            on the embedded server.
        policy: which forms of a label count: all that the study lists, or only the canonical one.
        residual: probability that may be skipped in each question, 0 to 1. None: the fastest on the server.
        limit: only the first so many rows.
        concurrency: questions under way at once. None: as many as the server can take.
        timeout: seconds to wait for one answer.
        max_retries: after transient faults.
        answer_start: text between prompt and answer. None: the catalogue's.
        api_key_env: environment variable that holds the server's key. None: that of grace.yaml, else no key is sent.
        model_revision: the weights, if the server does not report them.
        batch_invariant: note that answers do not depend on what the server computes beside them.
        table_format: how a file is to be read; None in its fields: the file shows it.
        break_lock: continue a run whose writer died on another machine.
        progress: whether progress is shown, or who is told of it.

    Returns:
        The table: the columns of the trials, `model_name`, for each question its probabilities (0 to 1), entropy (bits)
        and label mass, and `error`; a row for each trial. `probabilities()` gives them in long form.

    Raises:
        InputError: an argument, the study, the trials or the run do not fit, or another process writes the run.
        ModelFileError: the embedded model's file is not there yet, or cannot be served.
        EndpointError: the server cannot give exact probabilities, or requests failed in the same way.
        KeyboardInterrupt: it was stopped; the same call continues.

    Warns:
        IncompleteWarning: some rows have no distribution; `errors` says why.
    """
    endpoint = _endpoint(model_endpoint, model_name, concurrency, timeout, max_retries, api_key_env)
    _at_least(1, limit=limit)
    if policy not in ("variants", "canonical"):
        raise InputError(f"--policy {policy}: is neither variants nor canonical")
    _numbers(residual=residual)
    if residual is not None and not 0 <= residual <= 1:
        raise InputError(f"--residual {residual}: is no probability")

    def work() -> RunTable:
        with _told(progress) as told, trials_file(trials) as input:
            task = Score(
                study=_named(study),
                input=input,
                output=Path(output),
                endpoint=endpoint,
                policy=policy,
                residual=residual,
                limit=limit,
                answer_start=answer_start,
                revision=model_revision,
                batch_invariant=batch_invariant,
                table_format=table_format,
                break_lock=break_lock,
            )
            return _table(task.run, task.output, carry_out(task, told))

    return Call(work)


def extract(
    answers: "Trials | RunTable",
    study: str | PathLike[str] | None = None,
    *,
    output: str | PathLike[str],
    extractor: str | None = None,
    extractor_model: str | None = None,
    check_rules: float = 0.0,
    json_mode: JsonMode = "auto",
    seed: int = 1,
    concurrency: int | None = None,
    timeout: float = 300.0,
    max_retries: int = 5,
    api_key_env: str | None = None,
    table_format: TableFormat = AUTO,
    break_lock: bool = False,
    progress: bool | Progress = True,
) -> Call:
    """Find the values in raw answers, as `grace extract` does.

    The study's rules read every answer; what an answer does not say stays empty, with the reason in
    `extraction_errors`.

    Args:
        answers: what `ask` or `load_run` gave, whose extraction then belongs to that run; or a table's path, a
            DataFrame, or dicts.
        study: as in `ask`. None: the study of the run, else the built-in study that fits the columns.
        output: the table to write, .csv or .parquet; for a.csv the run is in a.run/.
        extractor: a model to ask where rules find nothing: "deepseek", "embedded" or an address. None: rules alone.
        extractor_model: its name on its server.
        check_rules: the share of the rows read by rules that it is sent, too, 0 to 1.
        json_mode: how it is told to reply in JSON.
        seed: chooses the rows of `check_rules`.
        concurrency: requests under way at once. None: as many as the server can take.
        timeout: seconds to wait for one answer.
        max_retries: after transient faults.
        api_key_env: environment variable that holds the extractor's key.
        table_format: how a file is to be read; None in its fields: the file shows it.
        break_lock: continue a run whose writer died on another machine.
        progress: whether progress is shown, or who is told of it.

    Returns:
        The table: the columns of the answers, the study's fields, and `extraction_method`, `extraction_confidence`,
        `extraction_errors`; a row for each answer.

    Raises:
        InputError: an argument, the study, the answers or the run do not fit, or another process writes the run.
        EndpointError: the extractor cannot be used.
        KeyboardInterrupt: it was stopped; the same call continues.

    Warns:
        IncompleteWarning: requests to the extractor failed.
    """
    given = answers
    if isinstance(given, RunTable):
        study = study or given.run / "study.yaml"
    _numbers(check_rules=check_rules)
    if not 0 <= check_rules <= 1:
        raise InputError(f"--check-rules {check_rules}: is no share")

    def work() -> RunTable:
        with _told(progress) as told, trials_file(_written(given)) as input:
            task = extraction_of(
                study=_named(study),
                input=input,
                output=Path(output),
                extractor=extractor,
                extractor_model=extractor_model,
                check_rules=check_rules,
                json_mode=json_mode,
                seed=seed,
                concurrency=concurrency,
                timeout=timeout,
                max_retries=max_retries,
                api_key_env=api_key_env,
                table_format=table_format,
                break_lock=break_lock,
            )
            return _table(task.run, task.output, carry_out_extraction(task, told))

    return Call(work)


def _written(answers: "Trials | RunTable") -> Trials:
    """The answers as `trials_file` takes them: of a run, its table, which is written where it is not there yet."""
    if not isinstance(answers, RunTable):
        return answers
    if not answers.path.exists():
        export_run(Run(answers.run), answers.path)
    return answers.path


def _named(study: str | PathLike[str] | None) -> str | None:
    return None if study is None else fspath(study)


def _endpoint(
    url: str | None, model: str | None, concurrency: int | None, timeout: float, max_retries: int, key: str | None
) -> Endpoint:
    """The endpoint; what is None is what grace.yaml says, as in the commands. Raises InputError."""
    _at_least(1, concurrency=concurrency)
    _at_least(0, max_retries=max_retries, timeout=timeout)
    project = find_project()
    if project:
        url, model = url or project.content.endpoint, model or project.content.model
        key = key or project.content.api_key_env
    return endpoint_of(url or EMBEDDED, model, concurrency, timeout, max_retries, key)


def _numbers(**arguments: object) -> None:
    """Raise InputError for an argument that is no number."""
    for name, value in arguments.items():
        if value is not None and not isinstance(value, Real):
            raise InputError(f"--{name.replace('_', '-')} {value!r}: is no number")


def _at_least(least: float, **arguments: float | None) -> None:
    """Raise InputError for an argument that is no number, or too small."""
    _numbers(**arguments)
    for name, value in arguments.items():
        if value is not None and not value >= least:
            raise InputError(f"--{name.replace('_', '-')} {value}: is less than {least:g}")


@contextmanager
def _told(progress: bool | Progress) -> Iterator[Progress]:
    """Who is told of progress."""
    if progress is True:
        with make_progress() as made:
            yield made
    else:
        yield progress or Silence()


def _table(run: Run, output: Path, outcome: TaskOutcome[Any]) -> RunTable:
    """The table of an outcome. Raises what the task failed of, or KeyboardInterrupt where it was stopped."""
    if outcome.error:
        raise outcome.error
    if outcome.interrupted:
        raise KeyboardInterrupt(f"all finished answers are safe in {run.path}; the same call continues")
    requests = outcome.requests
    facts = {"failures": dict(requests.failures), "examples": dict(requests.examples)}
    return read_run_table(run, output, study_of(run), output, **facts)
