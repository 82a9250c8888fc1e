"""Whether two runs that asked the same gave the same: which rows differ, and whether by more than the noise floor.

Probabilities are compared with the floor that `grace noise` measured on either run; texts are equal or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import fsum
from pathlib import Path
from typing import Any

from grace.errors import InputError
from grace.ledger import LedgerReader
from grace.manifest import EXTRACT, SCORE
from grace.runs import Run
from grace.stages.answers.records import Done
from grace.stages.records import study_of
from grace.stages.scores.noise import read_floor
from grace.stages.scores.records import Keys, Scores, distinct
from grace.stages.shard import is_shard

ROUNDING = 1e-12
"""Probabilities that differ by less are the same number, summed in another order."""


@dataclass(frozen=True)
class Difference:
    """A question that two runs answered differently.

    Attributes:
        rows: the rows that it is about; 1 is the first.
        question: its name, or the turn's.
        what: the label, or "label mass", or "text".
        left, right: what the two runs have.
        size: of the difference of probabilities; None for texts.
    """

    rows: tuple[int, ...]
    question: str
    what: str
    left: float | str
    right: float | str
    size: float | None = None


@dataclass
class Sameness:
    """How two runs compare, in requests.

    Attributes:
        name: what both are called.
        experiment: what they hold.
        floor: the largest difference that means nothing; None: nobody measured it, or the runs hold texts.
        notes: what differs about how they were made.
        same: how many are equal.
        within: how many differ by no more than the floor.
        beyond: those that differ by more, the largest difference first.
        one_sided: rows and questions that only one run has answered.
        largest: the largest difference of probabilities.
    """

    name: str
    experiment: str
    floor: float | None = None
    notes: tuple[str, ...] = ()
    same: int = 0
    within: int = 0
    beyond: list[Difference] = field(default_factory=list)
    one_sided: list[tuple[int, str]] = field(default_factory=list)
    largest: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing differs by more than the noise floor."""
        return not self.beyond and not self.one_sided


def pairs(left: Path, right: Path) -> tuple[list[tuple[str, Run, Run]], list[str]]:
    """The runs that two runs or two folders (of lineups, models, or a visit) have in common, and those that one lacks.

    Raises:
        InputError: nothing is common.
    """
    if Run(left).exists and Run(right).exists:
        return [(left.name, Run(left), Run(right))], []
    own, other = dict(_runs_below(left)), dict(_runs_below(right))
    common = [(name, own[name], other[name]) for name in own if name in other]
    if not common:
        raise InputError(
            f"{left} and {right}: have no run in common ({', '.join(own) or 'none'}; {', '.join(other) or 'none'}); "
            "give two runs, or two folders that hold runs of the same names"
        )
    lacking = [f"{name}: only in {left}" for name in own if name not in other]
    lacking += [f"{name}: only in {right}" for name in other if name not in own]
    return common, lacking


def compare_runs(name: str, left: Run, right: Run, tolerance: float | None = None) -> Sameness:
    """Compare two runs that asked the same.

    Args:
        name: what both are called.
        left: one run.
        right: the other one.
        tolerance: the largest difference of probabilities that means nothing; None: the measured noise floor.

    Raises:
        InputError: they asked something else, or cannot be read.
    """
    for what in ("experiment", "study", "protocol", "turns", "templates", "questions"):
        ours, theirs = getattr(left.identity, what), getattr(right.identity, what)
        if ours != theirs:
            raise InputError(f"{left.path} and {right.path}: asked different things: {what} {ours!r} and {theirs!r}")
    if left.identity.input.sha256 != right.identity.input.sha256:
        raise InputError(f"{left.path} and {right.path}: asked about different tables (input.csv differs)")
    floors = [tolerance] if tolerance is not None else [read_floor(run) for run in (left, right)]
    measured = [floor for floor in floors if floor is not None]
    compared = Sameness(name, left.identity.experiment, notes=tuple(_notes(left, right)))
    if compared.experiment == SCORE:
        compared.floor = max(measured, default=None)
        _compare_scores(compared, left, right)
    else:
        _compare_answers(compared, left, right)
    compared.beyond.sort(key=lambda difference: -(difference.size or 0.0))
    return compared


def _runs_below(folder: Path) -> Iterator[tuple[str, Run]]:
    """The runs in a folder and the folders in it, by their path there, without shards and extractions."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    for path in sorted([*folder.glob("*.run"), *folder.glob("*/*.run")]):
        run = Run(path)
        if run.exists and not is_shard(path) and run.identity.experiment != EXTRACT:
            yield path.relative_to(folder).as_posix(), run


def _notes(left: Run, right: Run) -> Iterator[str]:
    """What may explain differences."""
    for what in ("model", "sampling", "scoring", "seed", "rendered"):
        ours, theirs = getattr(left.identity, what), getattr(right.identity, what)
        if ours != theirs:
            yield f"{what} differs: {ours!r} and {theirs!r}"
    versions = [
        run.sessions[-1].server.version if run.sessions and run.sessions[-1].server else None for run in (left, right)
    ]
    if versions[0] != versions[1]:
        yield f"server versions differ: {versions[0]} and {versions[1]}"


def _compare_scores(compared: Sameness, left: Run, right: Run) -> None:
    rows = min(left.scope.rows, right.scope.rows)
    with left.table() as table, LedgerReader(left.ledger) as ours, LedgerReader(right.ledger) as theirs:
        own, other = (Keys(study_of(run), table, run.identity.model, run.identity.scoring) for run in (left, right))
        scored, also_scored = Scores.read(left, own.study), Scores.read(right, other.study)
        for key, todo in distinct(own, rows).items():
            offset, place = scored.finished(key), also_scored.finished(other.of(todo.row)[todo.question])
            if offset is None and place is None:
                continue
            if offset is None or place is None:
                compared.one_sided.append((todo.row + 1, todo.question))
                continue
            asked = tuple(row + 1 for row in todo.rows)
            _judge(compared, asked, todo.question, ours[offset]["response"], theirs[place]["response"])


def _judge(
    compared: Sameness, rows: tuple[int, ...], question: str, left: dict[str, Any], right: dict[str, Any]
) -> None:
    """Compare the normalised probabilities and the label masses of one question."""
    numbers, others = (_numbers(one["labels"]) if "labels" in one else _bits(one) for one in (left, right))
    what, size = max(((name, abs(numbers[name] - others.get(name, 0.0))) for name in numbers), key=lambda one: one[1])
    compared.largest = max(compared.largest, size)
    if size <= ROUNDING:
        compared.same += 1
    elif compared.floor is not None and size <= compared.floor:
        compared.within += 1
    else:
        compared.beyond.append(Difference(rows, question, what, numbers[what], others.get(what, 0.0), size))


def _bits(response: dict[str, Any]) -> dict[str, float]:
    """The surprisal of each text."""
    return {label: bits or 0.0 for label, bits in response["bits"].items()}


def _numbers(labels: dict[str, float]) -> dict[str, float]:
    """Each label's share of the label mass, and the mass itself."""
    mass = fsum(labels.values())
    return {**{label: value / mass if mass else 0.0 for label, value in labels.items()}, "label mass": mass}


def _compare_answers(compared: Sameness, left: Run, right: Run) -> None:
    turns: Sequence[str] = left.identity.turns
    rows, replications = (min(getattr(run.scope, what) for run in (left, right)) for what in ("rows", "replications"))
    size = left.identity.input.rows or rows
    done, also_done = (Done.read(run, size, turns) for run in (left, right))
    with LedgerReader(left.ledger) as ours, LedgerReader(right.ledger) as theirs:
        for row in range(rows):
            for replication in range(replications):
                for turn in turns:
                    offset, place = (each.finished(row, replication, turn) for each in (done, also_done))
                    if offset is None and place is None:
                        continue
                    if offset is None or place is None:
                        compared.one_sided.append((row + 1, turn))
                        continue
                    texts = [reader[at]["response"]["text"] for reader, at in ((ours, offset), (theirs, place))]
                    if texts[0] == texts[1]:
                        compared.same += 1
                    else:
                        compared.beyond.append(Difference((row + 1,), turn, "text", *texts))
