"""`grace noise`: ask some questions of a scored run again, under load, and say how far equal questions differ.

A server computes many requests together, and how they are grouped changes the order of its sums; so the same question
gets slightly different numbers each time. Differences between two runs mean something only where they are larger.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from grace.endpoints.client import Client
from grace.endpoints.handshake import Need, meet
from grace.endpoints.scoring import Scorer
from grace.errors import InputError, RunMismatch
from grace.files import replacing
from grace.ledger import Ledger, LedgerReader, scan
from grace.manifest import SCORE
from grace.progress import Progress
from grace.runs import Run, now
from grace.stages.prepare import EMBEDDED, Endpoint, check_endpoint, served, session_facts, with_client
from grace.stages.records import study_of
from grace.stages.scores.ask import SLOTS, ask_question, make_scorer, score_pace
from grace.stages.scores.proof import prove
from grace.stages.scores.records import Keys, Scores, Todo, distinct
from grace.stages.session import Job, Outcome, Session
from grace.studies.study import Study, completed
from grace.tables import CsvTable


@dataclass(frozen=True, kw_only=True)
class Noise(Endpoint):
    """What the user asked for; each field is an option of the command."""

    run: Run
    repeat: int = 3
    questions: int = 50
    seed: int = 1
    break_lock: bool = False


@dataclass(frozen=True)
class Floor:
    """How far probabilities of the same answers differ when they are asked again.

    Attributes:
        questions: how many questions were asked again.
        repeats: how often each.
        probabilities: how many differences of two probabilities that makes.
        largest, mean: of the absolute differences between an answer's probability in the run and in its repeats,
            each with each, after normalisation.
        largest_label_mass: the same of the label mass.
        by_question: the largest difference for each question of the study.
    """

    questions: int
    repeats: int
    probabilities: int
    largest: float
    mean: float
    largest_label_mass: float
    by_question: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """The noise floor and the file it was written to."""

    path: Path
    floor: Floor


def last_endpoint(run: Run) -> str:
    """Where a run was worked on last."""
    return (run.sessions[-1].endpoint if run.sessions else None) or EMBEDDED


def model_of(run: Run) -> str:
    """The served name of the model that a run asked."""
    return str(run.identity.model["name"])


def noise(wanted: Noise, progress: Progress) -> tuple[Outcome, Measured | None]:
    """Ask a sample of a run's questions again, and write the noise floor beside its ledger unless interrupted.

    Repeats are records of a ledger of their own, `noise.jsonl`, so under the same conditions none is asked twice.

    Raises:
        InputError: not a run of `grace score`, or nothing was scored in it.
        RunMismatch: the endpoint's model is not the run's.
        EndpointError: the endpoint cannot be used.
    """
    check_endpoint(wanted)
    run = wanted.run
    if run.identity.experiment != SCORE:
        raise InputError(f"{run.path}: is not a run of `grace score`, so it has no probabilities to compare")
    study = study_of(run)
    with (
        CsvTable(run.input) as table,
        run.locked(wanted.break_lock),
        served(wanted, SLOTS) as (url, key),
    ):
        return asyncio.run(
            with_client(wanted, url, key, progress, lambda client: _noise(wanted, run, study, table, client, progress))
        )


async def _noise(
    wanted: Noise, run: Run, study: Study, table: CsvTable, client: Client, progress: Progress
) -> tuple[Outcome, Measured | None]:
    identity = run.identity
    scoring = identity.scoring
    keys = Keys(study, table, identity.model, scoring)
    scores = Scores.read(run)
    todos = {key: todo for key, todo in distinct(keys, run.scope.rows).items() if scores.finished(key) is not None}
    if not todos:
        raise InputError(f"{run.path}: has no scored questions yet; `grace score` comes first")
    chosen = random.Random(wanted.seed).sample(list(todos), min(wanted.questions, len(todos)))
    first = completed(study, table, 0)
    hands = await meet(client, wanted.model, Need(shape=next(iter(study.questions.values())).messages(first)))
    found = orjson.loads(orjson.dumps({**hands.facts.identity, "revision": identity.model["revision"]}))
    if found != identity.model:
        raise RunMismatch(f"{run.path}: was scored with {identity.model}, the endpoint has {found}")
    scorer = make_scorer(client, wanted.model, hands, scoring["residual"], scoring["answer_start"])
    proof = await prove(scorer, hands, study.questions, first, scoring["policy"], progress)
    if proof.rendered != identity.rendered:
        raise RunMismatch(f"{run.path}: the server renders other prompts than when it was scored (its chat template)")
    path = run.path / "noise.jsonl"
    facts = session_facts(wanted, client, hands, "repeat", "questions", "seed")
    conditions = {"endpoint": facts["endpoint"], "server": facts["server"], "concurrency": wanted.concurrency}
    again = {
        (record["key"], record["repetition"]): record["response"]
        for _, record in scan(path)
        if _scored(record) and record["conditions"] == conditions
    }
    wants = [(key, repetition) for repetition in range(1, wanted.repeat + 1) for key in _shuffled(chosen, repetition)]

    def keep(offset: int, record: dict[str, Any]) -> None:
        if _scored(record):
            again[record["key"], record["repetition"]] = record["response"]

    done = sum(want in again for want in wants)
    pace = score_pace(wanted.concurrency, hands, client)
    with Ledger(path) as ledger:
        session = Session(run, ledger, client, pace, progress, keep)
        jobs = _jobs(session, scorer, keys, study, todos, [want for want in wants if want not in again], conditions)
        outcome = await session.work(jobs, len(wants), done)
    if outcome.interrupted:
        return outcome, None
    with LedgerReader(run.ledger) as reader:
        draws = [
            (
                todos[key].question,
                [reader[offset]["response"]]
                + [again[key, repetition] for repetition in range(1, wanted.repeat + 1) if (key, repetition) in again],
            )
            for key in chosen
            if (offset := scores.finished(key)) is not None
        ]
    floor = noise_floor(draws, wanted.repeat)
    measured = run.path / "noise.json"
    with replacing(measured) as file:
        file.write(orjson.dumps({"measured": now(), **asdict(floor), **facts}, option=orjson.OPT_INDENT_2))
    return outcome, Measured(measured, floor)


def _scored(record: dict[str, Any]) -> bool:
    return bool(record["status"] == "scored")


def _shuffled(keys: Sequence[str], repetition: int) -> list[str]:
    """The keys in an order of the repetition's own, so that each question meets other ones on the server."""
    return random.Random(repetition).sample(list(keys), len(keys))


def _jobs(
    session: Session,
    scorer: Scorer,
    keys: Keys,
    study: Study,
    todos: dict[str, Todo],
    wants: Sequence[tuple[str, int]],
    conditions: dict[str, Any],
) -> Iterator[Job]:
    for key, repetition in wants:
        more = {"repetition": repetition, "conditions": conditions}
        yield partial(ask_question, session, scorer, keys, study, key, todos[key], **more)


def noise_floor(draws: Sequence[tuple[str, Sequence[dict[str, Any]]]], repeats: int) -> Floor:
    """Compare several answers to the same questions, each with each.

    Args:
        draws: for each question asked again, the name of the study's question and the responses as the ledger has them.
        repeats: how often each was asked again.
    """
    differences: list[float] = []
    masses: list[float] = [0.0]
    by_question: dict[str, float] = {}
    for name, responses in draws:
        distributions = [(fsum(response["labels"].values()), response["labels"]) for response in responses]
        for (mass, labels), (other_mass, others) in combinations(distributions, 2):
            masses.append(abs(mass - other_mass))
            if mass <= 0 or other_mass <= 0:
                continue
            own = [abs(labels[label] / mass - others[label] / other_mass) for label in labels]
            differences += own
            by_question[name] = max(by_question.get(name, 0.0), *own)
    return Floor(
        questions=len(draws),
        repeats=repeats,
        probabilities=len(differences),
        largest=max(differences, default=0.0),
        mean=fsum(differences) / len(differences) if differences else 0.0,
        largest_label_mass=max(masses),
        by_question=by_question,
    )
