"""`grace noise`: ask some questions of a scored run again, under load, and measure how far equal questions differ.

A server computes many requests together, and how they are grouped changes the order of its sums; so the same question
gets slightly different numbers each time. Differences between two runs mean something only where they are larger.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from math import fsum
from pathlib import Path
from typing import Any, ClassVar

import orjson

from grace.endpoints.client import Client
from grace.endpoints.handshake import EndpointNeed, Handshake, meet
from grace.endpoints.scoring import Scorer
from grace.endpoints.serving import EMBEDDED
from grace.errors import InputError, RunMismatch
from grace.files import replacing
from grace.ledger import Ledger, LedgerReader, replay
from grace.manifest import BATCH_INVARIANT, SCORE
from grace.models.serving import CACHE
from grace.progress import Progress
from grace.record_shapes import REPEATS
from grace.runs import Run, now
from grace.stages.prepare import check_endpoint, model_facts, session_facts
from grace.stages.records import study_of
from grace.stages.scores.ask import SLOTS, ask_question, make_scorer, score_pace
from grace.stages.scores.proof import prove
from grace.stages.scores.records import Keys, Scores, Todo, check_labels, distinct
from grace.stages.session import Session
from grace.stages.task import Endpoint, Prepared, TaskOutcome
from grace.studies.study import Study, completed


@dataclass(frozen=True)
class Floor:
    """How far probabilities of the same answers differ when they are asked again.

    Attributes:
        questions, repeats: how many questions were asked again, and how often each.
        probabilities: how many differences of two probabilities that makes.
        largest, mean: of the absolute differences between an answer's probabilities in the run and its repeats, over
            all pairs, after normalisation.
        largest_label_mass: the same for the label mass.
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
class NoiseResult:
    """The noise floor, the file it was written to, and how many requests failed.

    `invariant` says whether a server that is said to be batch-invariant is so; None: nobody says it.
    """

    path: Path
    floor: Floor
    failed: int
    invariant: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What the user asked for; each field is an option of the command."""

    slots: ClassVar[int | None] = SLOTS

    endpoint: Endpoint
    run: Run
    repeat: int = 3
    questions: int = 50
    seed: int = 1
    break_lock: bool = False

    @contextmanager
    def prepared(self, progress: Progress) -> Iterator["PreparedNoise"]:
        """Check the run, and lock it for the length of the block.

        Raises:
            InputError: not a run of `grace score`, or another process writes it.
        """
        check_endpoint(self.endpoint)
        run = self.run
        if run.identity.experiment != SCORE:
            raise InputError(f"{run.path}: is not a run of `grace score`, so it has no probabilities to compare")
        study = study_of(run)
        with run.table() as table, run.locked(self.break_lock):
            keys = Keys(study, table, run.identity.model, run.identity.scoring)
            scores, todos = Scores.read(run, study), distinct(keys, run.scope.rows)
            todos = {
                key: todo
                for key, todo in todos.items()
                if todo.question in study.questions and scores.finished(key) is not None
            }
            if not todos:
                raise InputError(f"{run.path}: has no scored questions yet; `grace score` comes first")
            chosen = random.Random(self.seed).sample(list(todos), min(self.questions, len(todos)))
            yield PreparedNoise(self, run, study, table, keys, scores, {key: todos[key] for key in chosen})


@dataclass(frozen=True)
class PreparedNoise(Prepared[NoiseResult]):
    """A measurement that is ready to ask the questions of `sample`, by key, again.

    Repeats are records of a ledger of their own, `noise.jsonl`, so under the same conditions none is asked twice.
    """

    task: Noise
    keys: Keys
    scores: Scores
    sample: Mapping[str, Todo]

    @property
    def exact(self) -> bool:
        """The server must be as the run's was."""
        return CACHE in self.run.identity.model

    async def _ask(self, client: Client, progress: Progress) -> TaskOutcome[NoiseResult]:
        task, run, endpoint = self.task, self.run, self.task.endpoint
        handshake, scorer = await self._meet(client, progress)
        options = {"repeat": task.repeat, "questions": task.questions, "seed": task.seed}
        facts = session_facts(endpoint, client, handshake, **options)
        conditions = {"endpoint": facts["endpoint"], "server": facts["server"], "concurrency": endpoint.concurrency}
        kept = run.path / "noise.jsonl"
        repeats = replay(kept, lambda: _RepeatedResponses(conditions, self.study), REPEATS.fault)
        every = [
            (key, number)
            for number in range(1, task.repeat + 1)  # each in its own order: a question has other neighbours each time
            for key in random.Random(number).sample(list(self.sample), len(self.sample))
        ]
        unasked = [repeat for repeat in every if repeat not in repeats.responses]
        pace = score_pace(endpoint, client, handshake)
        with Ledger(kept) as ledger:
            session = Session(run, ledger, handshake, pace, progress, repeats.add)
            ask = partial(ask_question, session, scorer, self.keys)
            jobs = (
                partial(ask, key, self.sample[key], repetition=number, conditions=conditions) for key, number in unasked
            )
            requests = await session.work(jobs, len(every), len(every) - len(unasked))
        if requests.interrupted:
            return TaskOutcome(requests=requests)
        floor = noise_floor(self._draws(repeats), task.repeat)
        path = run.path / "noise.json"
        with replacing(path) as file:
            file.write(orjson.dumps({"measured": now(), **asdict(floor), **facts}, option=orjson.OPT_INDENT_2))
        exact = floor.largest == 0 and floor.largest_label_mass == 0
        invariant = exact if run.identity.model.get(BATCH_INVARIANT) else None
        return TaskOutcome(NoiseResult(path, floor, requests.failures.total(), invariant), requests)

    async def _meet(self, client: Client, progress: Progress) -> tuple[Handshake, Scorer]:
        """Check that the endpoint has the run's model, and can score. Raises RunMismatch, EndpointError."""
        task, run, study = self.task, self.run, self.study
        identity = run.identity
        scoring = identity.scoring
        first = completed(study, self.table, 0)
        handshake = await meet(client, task.endpoint.model, _need(study, first))
        claimed = bool(identity.model.get(BATCH_INVARIANT))
        model = orjson.loads(orjson.dumps(model_facts(handshake, identity.model.get("revision"), claimed)))
        if model != identity.model:
            raise RunMismatch(f"{run.path}: was scored with {identity.model}, the endpoint has {model}")
        scorer = make_scorer(task.endpoint, client, handshake, scoring["residual"], scoring["answer_start"])
        proof = await prove(scorer, handshake, study.scored, first, scoring["policy"], progress)
        if proof.rendered != identity.rendered:
            raise RunMismatch(
                f"{run.path}: the server renders prompts in another way than when it was scored (its chat template)"
            )
        return handshake, scorer

    def _draws(self, repeats: "_RepeatedResponses") -> list[tuple[str, list[dict[str, Any]]]]:
        """For each question of the sample: its name, and all responses, the run's own first."""
        with LedgerReader(self.run.ledger) as reader:
            return [
                (todo.question, [reader[offset]["response"], *repeats.of(key, self.task.repeat)])
                for key, todo in self.sample.items()
                if (offset := self.scores.finished(key)) is not None
            ]


class _RepeatedResponses:
    """Responses to questions that were asked again under the same conditions, by key and repetition."""

    def __init__(self, conditions: dict[str, Any], study: Study) -> None:
        self._conditions, self._study = conditions, study
        self.responses: dict[tuple[str, int], dict[str, Any]] = {}

    def add(self, offset: int, record: dict[str, Any]) -> None:
        """Add a record if it is a repeat under these conditions. Raises Misfit, as `check_labels`."""
        check_labels(record, self._study)
        repeat = record["key"], record["repetition"]
        if record["status"] == "scored" and record["conditions"] == self._conditions:
            self.responses[repeat] = record["response"]

    def of(self, key: str, repeat: int) -> list[dict[str, Any]]:
        """The responses to one question, by repetition."""
        return [self.responses[key, n] for n in range(1, repeat + 1) if (key, n) in self.responses]


def _need(study: Study, first: Mapping[str, str]) -> EndpointNeed:
    """The first question that is a chat, which the handshake tries."""
    chat = next((question for question in study.questions.values() if question.chats), None)
    return EndpointNeed(shape=chat.messages(first)) if chat else EndpointNeed(chats=False)


def last_endpoint(run: Run) -> str:
    """The endpoint of a run's last session."""
    return (run.sessions[-1].endpoint if run.sessions else None) or EMBEDDED


def read_floor(run: Run) -> float | None:
    """The largest difference that `grace noise` measured of a run's probabilities; None where nobody measured it."""
    try:
        measured = orjson.loads((run.path / "noise.json").read_bytes())
        return max(float(measured["largest"]), float(measured["largest_label_mass"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def noise_floor(draws: Sequence[tuple[str, Sequence[dict[str, Any]]]], repeats: int) -> Floor:
    """Compare several answers to the same questions, in all pairs.

    `draws` are, for each question asked again, the name of the study's question and the responses of the ledger.
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
