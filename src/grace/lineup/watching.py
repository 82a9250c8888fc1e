"""How far a lineup is, from all that can be seen: journal, ledgers, servers, pods, and the use of GPUs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grace.errors import GraceError
from grace.lineup.backend import Backend, Sighting
from grace.lineup.counting import AnswerCount, LedgerCounter
from grace.lineup.folder import LineupFolder
from grace.lineup.forecast import tasks_of
from grace.lineup.journal import Event, History, Step, histories
from grace.lineup.prometheus import check_address, gpu_use
from grace.lock import writer_of
from grace.progress import Progress
from grace.stages.workload import outlook

POD = "Pod/"
"""How sightings of pods begin."""
LEAST_GPU_USE = 0.4
"""The lifetime mean below which NRP counts a pod's GPUs as wasted (its policies page)."""
NEAR_GPU_USE = 0.5
"""A mean below this and falling is heading there."""
GPU_SECONDS = 600.0
"""A pod that is younger has not been measured long enough to say."""
RECENT_SECONDS = 300.0
"""What "lately" means."""
FULL_CACHE = 0.9
"""A KV cache that is fuller has no room for more requests."""


@dataclass(frozen=True)
class ModelStatus:
    """How far one model is.

    Attributes:
        model: its name.
        phase: what is done with it, in words, and since when (ISO 8601 in UTC; empty before it began).
        cause: why it failed, or why nothing happens; empty where all is well.
        requests: how many it is asked; None where that cannot be counted.
        answered, failed, rate: as an `AnswerCount`.
        seconds_left: until the last answer, at this rate.
        sightings: what the back end sees.
        gpu_use: the mean over the life of its pod, 0 to 1; `gpu_use_lately` that of the last five minutes.
        age: seconds since what is shown of the place where it runs was so; None where that is now or nowhere.
        warnings: what to do before a rule is broken.
    """

    model: str
    phase: str
    since: str
    cause: str
    requests: int | None
    answered: int
    failed: int
    rate: float | None
    seconds_left: float | None
    sightings: tuple[Sighting, ...] = ()
    gpu_use: float | None = None
    gpu_use_lately: float | None = None
    age: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def restarts(self) -> int:
        """How often what serves it was started again."""
        return sum(sighting.restarts for sighting in self.sightings)


@dataclass(frozen=True)
class LineupStatus:
    """How far a lineup is: the process of this machine that carries it (None: none does), and each model in order."""

    name: str
    carrier: int | None
    models: tuple[ModelStatus, ...]

    @property
    def closed(self) -> bool:
        """Whether nothing will happen any more until somebody resumes it."""
        return self.carrier is None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"lineup": self.name, "carrier": self.carrier, "models": [asdict(model) for model in self.models]}


class Watcher:
    """Looks at a lineup again and again; what cannot change is counted once."""

    def __init__(
        self, folder: LineupFolder, backend: Backend | None, progress: Progress, prometheus: str | None = None
    ) -> None:
        """Prepare to look.

        Args:
            folder: the lineup's.
            backend: what serves it; asked for sightings alone. None: it cannot be asked.
            progress: hears what is odd about its tables.
            prometheus: the address of the cluster's Prometheus; None: GPU use is not known.

        Raises:
            InputError: that is no lineup, or no address.
        """
        self._folder, self._backend, self._progress = folder, backend, progress
        self._lineup = folder.lineup
        self._prometheus = check_address(prometheus) if prometheus else None
        self._readers: dict[Path, LedgerCounter] = {}
        self._requests: dict[str, int | None] = {}

    def look(self) -> LineupStatus:
        """How far it is now. Raises LedgerCorrupt for a damaged journal."""
        carried = histories(self._folder.journal)
        carrier = writer_of(self._folder.path)
        models = tuple(self._model(name, carried.get(name, History())) for name in self._lineup.models)
        return LineupStatus(self._lineup.name, carrier, models)

    def _model(self, name: str, history: History) -> ModelStatus:
        phase, since, cause = history.summary
        under_way = bool(history.last) and not history.closed and history.last.get(Step.PROVE_GONE) is not Event.DONE
        sightings = self._sightings(name) if under_way else ()
        counts = [self._reader(run / "ledger.jsonl").look() for run in sorted(self._folder.model(name).glob("*.run"))]
        elsewhere = [sighting.answered for sighting in sightings if sighting.answered is not None]
        answered = max([sum(counted.answered for counted in counts), *elsewhere])
        requests = self._requests_of(name)
        rate = _rate(counts) if history.last.get(Step.VISIT) is Event.BEGUN else None
        left = max(0, requests - answered) / rate if requests is not None and rate else None
        use, lately = self._gpu_use(sightings)
        return ModelStatus(
            model=name,
            phase=phase,
            since=since,
            cause=cause or "; ".join(dict.fromkeys(one.cause for one in sightings if one.cause)),
            requests=requests,
            answered=answered,
            failed=sum(counted.failed for counted in counts),
            rate=rate,
            seconds_left=left,
            sightings=sightings,
            gpu_use=use,
            gpu_use_lately=lately,
            age=_age(sightings),
            warnings=tuple(_warnings(name, sightings, use, lately)),
        )

    def _sightings(self, name: str) -> tuple[Sighting, ...]:
        try:
            return self._backend.sightings(name) if self._backend else ()
        except GraceError as error:
            return (Sighting("the back end", "cannot be asked", cause=str(error)),)

    def _reader(self, ledger: Path) -> LedgerCounter:
        return self._readers.setdefault(ledger, LedgerCounter(ledger))

    def _requests_of(self, name: str) -> int | None:
        if name not in self._requests:
            try:
                listed = tasks_of(name, self._lineup, self._folder)
                self._requests[name] = sum(outlook(task, self._progress).work.requests for task in listed)
            except GraceError:  # the runner says why; here the other models count
                self._requests[name] = None
        return self._requests[name]

    def _gpu_use(self, sightings: Sequence[Sighting]) -> tuple[float | None, float | None]:
        """The lowest of the pods, over their lives and lately."""
        pods = [one for one in sightings if one.what.startswith(POD) and one.since]
        if not self._prometheus or not pods:
            return None, None
        whole, lately = [], []
        for one in pods:
            pod, age = one.what.removeprefix(POD), _seconds_since(one.since) or 0.0
            whole.append(gpu_use(self._prometheus, pod, age))
            lately.append(gpu_use(self._prometheus, pod, min(age, RECENT_SECONDS)))
        return _lowest(whole), _lowest(lately)


def _warnings(model: str, sightings: Sequence[Sighting], use: float | None, lately: float | None) -> list[str]:
    """What to do before the GPUs count as wasted: more requests at once come first, since they cost nothing."""
    ages = [age for one in sightings if one.since and (age := _seconds_since(one.since)) is not None]
    if use is None or max(ages, default=0.0) < GPU_SECONDS:
        return []
    falling = lately is not None and lately < use
    if use >= NEAR_GPU_USE or (use >= LEAST_GPU_USE and not falling):
        return []
    said = "is below" if use < LEAST_GPU_USE else "is heading below"
    servers = [one.server for one in sightings if one.server]
    full = any((server.kv_use or 0) > FULL_CACHE or (server.waiting or 0) > 0 for server in servers)
    how = (
        "the server has as many requests as it can hold: give it fewer GPUs, or smaller ones"
        if full
        else "raise the concurrency first (--concurrency, or `parallel` of the profile in the catalogue)"
    )
    return [f"{model}: GPU use {use:.0%} over its life {said} the {LEAST_GPU_USE:.0%} that the policy asks for; {how}"]


def _rate(counts: Sequence[AnswerCount]) -> float | None:
    rates = [counted.rate for counted in counts if counted.rate is not None]
    return sum(rates) if rates else None


def _age(sightings: Sequence[Sighting]) -> float | None:
    ages = [age for one in sightings if one.seen and (age := _seconds_since(one.seen)) is not None]
    return max(ages, default=None)


def _seconds_since(time: str) -> float | None:
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds())
    except (ValueError, TypeError):
        return None


def _lowest(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
