"""How long asking will take, and what it will leave: from measured rates of earlier runs, else from a guess.

Every number is a `Span` (low, likely, high), and every forecast says where it comes from. `grace query --dry-run`,
`grace lineup run --dry-run` and all that plans hours use this module.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from math import fsum
from pathlib import Path
from typing import Any, TypeVar

from grace.endpoints.serving import EMBEDDED
from grace.errors import GraceError
from grace.ledger import VOID, Record, scan
from grace.manifest import EXTRACT, GENERATE
from grace.models.speed import SpeedGuess, guess_speed
from grace.progress import Progress
from grace.project import find_project
from grace.runs import Run
from grace.stages.task import Endpoint
from grace.studies.templates import Message

T = TypeVar("T")

SAMPLED = 50
"""Prompts that are rendered to see how long they are."""
SAMPLE = 4000
"""So many of a run's first records show its speed."""
BLOCKS, BLOCK_RECORDS = 8, 10
"""A run's records are cut into so many stretches, of no fewer records, whose speeds give the range."""
LEAST_SPREAD = 0.1
"""The range of a measured speed goes no less above and below the mean."""
MOST_RUNS = 100
"""So many earlier runs are read, the newest."""
OTHER_PLACE, OTHER_STUDY = 1.5, 2.0
"""How much wider a range becomes when another server, or another study, was measured."""
CHARACTERS = 4.0
"""Of a token, in English."""
ANSWER_TOKENS = 150.0
"""Of an answer, before one was seen."""
PLACES = 20
"""Places of a trie that one question asks about, each as long as a token of an answer; before one was seen."""
ANSWER_BYTES, SCORE_BYTES, TOKEN_BYTES = 900.0, 1500.0, 4.5
"""What a ledger has of a request beside its answer, and of a token of it."""
TABLES = 2.5
"""Run, tables and reports together, in ledgers' sizes."""
UNKNOWN_SECONDS = (0.1, 0.5, 5.0)
"""Of a request to a server of which nothing is known, several at once."""
MINUTE, HOUR = 60.0, 3600.0
MILLION = 1e6
"""Tokens that a price is for."""


@dataclass(frozen=True)
class Span:
    """A number that is not certain: what is likely, and the range that it lies in."""

    low: float
    likely: float
    high: float

    @classmethod
    def exactly(cls, number: float) -> "Span":
        """A number that is certain."""
        return cls(number, number, number)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> "Span":
        return Span(self.low * factor, self.likely * factor, self.high * factor)

    def wider(self, factor: float) -> "Span":
        """The same, with a range that goes `factor` times farther to both sides."""
        return Span(self.low / factor, self.likely, self.high * factor)


@dataclass(frozen=True)
class Work:
    """What a task asks a model.

    Attributes:
        experiment, study, model, endpoint: as a run's manifest has them.
        requests: how many records its ledger will have; `done` of them are there.
        prompt_tokens: of one request, an estimate.
        answer_tokens: of one request.
    """

    experiment: str
    study: str
    model: str
    endpoint: str
    requests: int
    done: int
    prompt_tokens: float
    answer_tokens: Span

    @classmethod
    def of(
        cls,
        experiment: str,
        study: str,
        endpoint: Endpoint,
        requests: int,
        done: int,
        prompts: Sequence[Sequence[Message]],
        most: int | None = None,
    ) -> "Work":
        """What a task asks: so many requests, with prompts like some of them, and answers of `most` tokens at most."""
        answer = Span(min(20.0, most), min(ANSWER_TOKENS, most), float(most)) if most else Span.exactly(0)
        characters = sum(len(message["content"]) for prompt in prompts for message in prompt)
        tokens = characters / max(1, len(prompts)) / CHARACTERS
        return cls(experiment, study, endpoint.model, endpoint.url, requests, done, tokens, answer)

    @property
    def left(self) -> int:
        """How many requests are still to be made."""
        return max(0, self.requests - self.done)


@dataclass(frozen=True)
class RunSpeed:
    """What a run's ledger shows of its speed.

    Attributes:
        run: its folder.
        experiment, study, model, endpoint: as its manifest has them.
        records: how many were looked at.
        seconds: for one request, as many at once as there were: the inverse of the throughput, pauses left out.
        prompt_tokens, answer_tokens: of one request, in the mean; None where the server does not count.
        bytes: of a record.
    """

    run: Path
    experiment: str
    study: str
    model: str
    endpoint: str
    records: int
    seconds: Span
    prompt_tokens: float | None
    answer_tokens: float | None
    bytes: float

    @property
    def tokens(self) -> float:
        """A measure of the work of one request: a token of an answer takes as long as about ten of a prompt."""
        return (self.prompt_tokens or 0.0) / 10 + (self.answer_tokens or float(PLACES))


@dataclass(frozen=True)
class Forecast:
    """What asking a model will take.

    Attributes:
        model: its name.
        requests: how many are asked; `done` of them are answered already.
        prompt_tokens, answer_tokens: of all requests that are left.
        start: seconds until its server answers, while its GPUs are taken.
        asking: seconds until the last answer.
        gpus: how many it takes.
        storage: bytes of runs, tables and reports.
        weights: bytes of the model's files.
        sources: where the numbers come from, in words.
        guessed: whether any of them is a guess, not measured.
    """

    model: str
    requests: int
    done: int
    prompt_tokens: Span
    answer_tokens: Span
    start: Span
    asking: Span
    gpus: int
    storage: Span
    weights: int
    sources: tuple[str, ...]
    guessed: bool

    @property
    def seconds(self) -> Span:
        """From the start of the server to the last answer."""
        return self.start + self.asking

    @property
    def hours(self) -> Span:
        """The same in hours."""
        return self.seconds * (1 / HOUR)

    @property
    def gpu_hours(self) -> Span:
        """Hours times GPUs."""
        return self.hours * self.gpus

    @property
    def source(self) -> str:
        """Where the numbers come from, in one phrase."""
        return ("a guess: " if self.guessed else "measured: ") + "; ".join(self.sources)

    @property
    def money(self) -> str:
        """What all of that costs by the project's prices, as "about 1.20 USD (0.90 to 2.40)"; empty without a price."""
        project = find_project()
        price = project.content.prices.get(self.model) if project else None
        if price is None:
            return ""
        cost = self.prompt_tokens * (price.prompt / MILLION) + self.answer_tokens * (price.answer / MILLION)
        return f"about {cost.likely:.2f} {price.currency} ({cost.low:.2f} to {cost.high:.2f})"

    def in_words(self) -> str:
        """The time and its range, as "about 12 min (8 min to 20 min)"."""
        return f"about {duration(self.seconds.likely)} ({duration(self.seconds.low)} to {duration(self.seconds.high)})"

    def as_json(self) -> dict[str, Any]:
        """All numbers, for programs."""
        return {**asdict(self), "hours": asdict(self.hours), "gpu_hours": asdict(self.gpu_hours)}


def forecast(
    works: Sequence[Work],
    speeds: Sequence[RunSpeed],
    guess: SpeedGuess | None = None,
    *,
    gpus: int = 0,
    start: Span | None = None,
    weights: int = 0,
) -> Forecast:
    """What one model takes for all that it is asked.

    Args:
        works: what it is asked, at least one.
        speeds: what was measured (`measured`).
        guess: of its speed, where nothing was.
        gpus: how many it takes.
        start: seconds until its server answers; None: it is up.
        weights: bytes of its files.
    """
    parts = [_part(work, speeds, guess) for work in works]
    zero = Span.exactly(0)
    return Forecast(
        model=works[0].model,
        requests=sum(work.requests for work in works),
        done=sum(work.done for work in works),
        prompt_tokens=sum((part.prompt * work.left for part, work in zip(parts, works, strict=True)), zero),
        answer_tokens=sum((part.answer * work.left for part, work in zip(parts, works, strict=True)), zero),
        start=(start or zero) if any(work.left for work in works) else zero,
        asking=sum((part.seconds * work.left for part, work in zip(parts, works, strict=True)), zero),
        gpus=gpus,
        storage=sum((part.bytes * (work.requests * TABLES) for part, work in zip(parts, works, strict=True)), zero),
        weights=weights,
        sources=tuple(dict.fromkeys(part.source for part in parts)),
        guessed=any(part.guessed for part in parts),
    )


def measured(runs: Iterable[Run]) -> tuple[RunSpeed, ...]:
    """The speeds of some runs; one that cannot be read, or has answered too little, shows none."""
    return tuple(speed for run in runs if (speed := _speed_of(run)))


def earlier_runs(*near: Path) -> Iterator[Run]:
    """The runs of the project (or the current folder) and of the folders `near`, the newest first."""
    project = find_project()
    home = project.folder if project else Path()
    places = [*(path.glob("*.run") for path in near), home.glob("outputs/*.run"), home.glob("lineups/*/*/*.run")]
    found = {path.resolve(): path for paths in places for path in paths if (path / "ledger.jsonl").is_file()}
    newest = sorted(found.values(), key=lambda path: (path / "ledger.jsonl").stat().st_mtime, reverse=True)
    return (Run(path) for path in newest[:MOST_RUNS])


def tell_estimate(work: Work, run: Run, progress: Progress) -> None:
    """Say in one line how long asking will take, where that is more than a minute."""
    guess = guess_speed(work.model, work.endpoint == EMBEDDED)
    estimate = forecast([work], measured(earlier_runs(run.path.parent)), guess)
    if estimate.asking.likely > MINUTE:
        money = f", {estimate.money}" if estimate.money else ""
        progress.note(f"{work.left} requests: {estimate.in_words()}{money}; {estimate.source}")


def spread(items: Sequence[T]) -> Sequence[T]:
    """Some of the items, evenly spread: enough to see how long prompts are."""
    return items[:: max(1, len(items) // SAMPLED)]


def duration(seconds: float) -> str:
    """A time in words, to two digits."""
    for unit, size, most in (("s", 1.0, 90.0), ("min", MINUTE, 90 * MINUTE)):
        if seconds < most:
            number = seconds / size
            return f"{number:.0f} {unit}" if number >= 9.5 else f"{number:.1f} {unit}"
    hours = seconds / HOUR
    return f"{hours:.0f} h" if hours >= 9.5 else f"{hours:.1f} h"


@dataclass(frozen=True)
class _PerRequest:
    """What one request of a task takes: seconds, tokens, bytes, and where that comes from."""

    seconds: Span
    prompt: Span
    answer: Span
    bytes: Span
    source: str
    guessed: bool


def _part(work: Work, speeds: Sequence[RunSpeed], guess: SpeedGuess | None) -> _PerRequest:
    """One request of a task: the best that was measured, else the guess."""
    own = [speed for speed in speeds if (speed.model, speed.experiment) == (work.model, work.experiment)]
    if not own:
        return _guessed(work, guess)
    best = max(own, key=lambda speed: (speed.study == work.study, speed.endpoint == work.endpoint, speed.records))
    prompt, answer, seconds = Span.exactly(work.prompt_tokens), work.answer_tokens, best.seconds
    source = f"{best.run} ({best.records} requests)"
    if best.study == work.study:
        prompt = Span.exactly(best.prompt_tokens or work.prompt_tokens)
        answer = Span.exactly(best.answer_tokens).wider(1 + LEAST_SPREAD) if best.answer_tokens else answer
    else:
        tokens = work.prompt_tokens / 10 + (answer.likely if work.experiment == GENERATE else PLACES)
        seconds = (seconds * (tokens / best.tokens)).wider(OTHER_STUDY)
        source += f", scaled from the study {best.study}"
    if best.endpoint != work.endpoint:
        seconds = seconds.wider(OTHER_PLACE)
        source += ", of another address"
    return _PerRequest(seconds, prompt, answer, Span.exactly(best.bytes).wider(1 + LEAST_SPREAD), source, False)


def _guessed(work: Work, guess: SpeedGuess | None) -> _PerRequest:
    generates = work.experiment == GENERATE
    tokens = work.answer_tokens if generates else Span(PLACES / 2, PLACES, PLACES * 2)
    if guess is None:
        seconds, source = Span(*UNKNOWN_SECONDS), "nothing is known of the server's speed"
    else:
        each = 1 / guess.writing + (0.0 if generates else guess.again / guess.reading)
        seconds = (Span.exactly(work.prompt_tokens / guess.reading) + tokens * each).wider(guess.factor)
        source = f"from {guess.source}"
    size = tokens * TOKEN_BYTES + Span.exactly(ANSWER_BYTES if generates else SCORE_BYTES)
    answer = tokens if generates else Span.exactly(0)
    return _PerRequest(seconds, Span.exactly(work.prompt_tokens).wider(1.3), answer, size, source, True)


def _speed_of(run: Run) -> RunSpeed | None:
    try:
        identity, sessions = run.identity, run.sessions
        if identity.experiment == EXTRACT:
            return None
        lines = list(islice(scan(run.ledger), SAMPLE))
        records = [record for _, record in lines if record.get("status") != VOID]
        busy = _busy_seconds(records)
        finished = [record["status"] != "failed" for record in records]
        tokens = [record["tokens"] for record, good in zip(records, finished, strict=True) if good]
        prompts = [float(each["prompt"]) for each in tokens if each["prompt"] is not None]
        answers = [float(each["completion"]) for each in tokens if each["completion"] is not None]
        endpoint = (sessions[-1].endpoint if sessions else None) or ""
        span = _span_of(busy, finished)
    except (GraceError, OSError, LookupError, TypeError, ValueError):  # a damaged run is no reason to plan nothing
        return None
    if span is None:
        return None
    return RunSpeed(
        run=run.path,
        experiment=identity.experiment,
        study=identity.study,
        model=str(identity.model.get("name")),
        endpoint=endpoint,
        records=len(tokens),
        seconds=span,
        prompt_tokens=fsum(prompts) / len(prompts) if prompts else None,
        answer_tokens=fsum(answers) / len(answers) if answers else None,
        bytes=lines[-1][0] / max(1, len(lines) - 1),
    )


def _busy_seconds(records: Sequence[Record]) -> list[float]:
    """For each record, in the order of their ends, the seconds since the one before it in which a request was open."""
    times = [(_seconds(record["started"]), _seconds(record["ended"])) for record in records]
    earliest, open_since = float("inf"), [0.0] * len(times)
    for place in range(len(times) - 1, -1, -1):
        earliest = open_since[place] = min(earliest, times[place][0])
    before = float("-inf")
    busy = []
    for (_, end), since in zip(times, open_since, strict=True):
        busy.append(max(0.0, end - max(before, since)))
        before = max(before, end)
    return busy


def _span_of(busy: Sequence[float], finished: Sequence[bool]) -> Span | None:
    """Seconds for one finished request: of all, and of the fastest and slowest stretch."""
    count = sum(finished)
    if count < BLOCK_RECORDS or sum(busy) <= 0:
        return None
    mean = fsum(busy) / count
    size = max(BLOCK_RECORDS, -(-len(busy) // BLOCKS))
    blocks = [(fsum(busy[at : at + size]), sum(finished[at : at + size])) for at in range(0, len(busy), size)]
    speeds = [seconds / number for seconds, number in blocks if number >= BLOCK_RECORDS]
    low, high = min([*speeds, mean * (1 - LEAST_SPREAD)]), max([*speeds, mean * (1 + LEAST_SPREAD)])
    return Span(low, mean, high)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
