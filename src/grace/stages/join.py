"""Join: put the shards of a run together, and make its table."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from grace.errors import InputError, RunMismatch
from grace.files import sweep
from grace.ledger import VOID, Ledger, Voided, scan, void
from grace.runs import Run, differences, now
from grace.stages.answers.table import ExportedAnswers
from grace.stages.export import export_run
from grace.stages.prepare import check_output
from grace.stages.scores.table import ExportedScores
from grace.stages.shard import Shard, shards_of


@dataclass(frozen=True)
class Joined:
    """What was made of the shards that were there; `records` is how many are new in the joined run."""

    table: ExportedAnswers | ExportedScores
    shards: tuple[Shard, ...]
    missing: tuple[Shard, ...]
    records: int


def join_shards(output: Path, *, break_lock: bool = False) -> Joined:
    """Join the shards beside `output` into its run, and write the table.

    The shards stay as they are. Joining them again adds what is new in them. The joined run is a run like any other:
    the command that asks, without --shard, goes on with it.

    Raises:
        InputError: there are no shards, they are of several divisions, or they cannot be read.
        RunMismatch: they are parts of different runs.
    """
    parts = list(shards_of(output))
    if not parts:
        raise InputError(f"{output}: has no shards beside it (as {Shard(0, 4).run(output).path.name})")
    counts = sorted({shard.count for shard, _ in parts})
    if len(counts) > 1:
        raise InputError(
            f"{output}: has shards of several divisions beside it (of {', '.join(map(str, counts))}); move away "
            "those that are not meant"
        )
    there = tuple(shard for shard, _ in parts)
    missing = tuple(shard for index in range(counts[0]) if (shard := Shard(index, counts[0])) not in there)
    run, runs = Run.beside(output), [part for _, part in parts]
    check_output(output, runs[0].input, run)
    for part in runs[1:]:
        _check_alike(runs[0], part)
    with run.locked(break_lock):
        sweep(output)
        _begin(run, runs)
        with run.session(output=output.name, joined=[str(shard) for shard in there]) as record:
            record.finished = records = _append_new(run, runs)
        table = export_run(run, output)
    assert isinstance(table, ExportedAnswers | ExportedScores)
    return Joined(table, there, missing, records)


def _check_alike(first: Run, other: Run) -> None:
    different = list(differences(first.identity.as_json(), other.identity.as_json()))
    if different:
        lines = "".join(f"\n  {name}: {one!r} in that one, {two!r} in this" for name, one, two in different)
        raise RunMismatch(f"{other.path}: is not a part of the same run as {first.path}:{lines}")


def _begin(run: Run, parts: Sequence[Run]) -> None:
    """Start the joined run as the parts were, or check that it was; take over their rows and sessions."""
    first = parts[0]
    try:
        run.begin(first.identity, first.input, first.study.read_bytes())
    except OSError as error:
        raise InputError(f"{first.study}: cannot be read: {error.strerror}; restore it from a copy") from None
    if first.people.exists():
        run.keep_people(first.people)
    sessions = run.sessions
    for part in parts:
        run.widen(part.scope.rows, part.scope.replications)
        sessions += [session for session in part.sessions if session not in sessions]


def _append_new(run: Run, parts: Sequence[Run]) -> int:
    """Append the records of the parts that the run does not hold, and give their number.

    Voided ones are not taken over, and are voided here too where they were taken over before.
    """
    digests = {_digest(record) for _, record in scan(run.ledger)}
    strange: set[bytes] = set()
    new = 0
    with Ledger(run.ledger) as ledger:
        for part in parts:
            voided = Voided.read(part.ledger)
            for offset, record in scan(part.ledger):
                if record.get("status") == VOID:
                    continue
                digest = _digest(record)
                if offset in voided:
                    strange.add(digest)
                elif digest not in digests:
                    digests.add(digest)
                    ledger.append(record)
                    new += 1
        if ranges := list(_places(run.ledger, strange & digests)):
            ledger.append(void(ranges, "voided in the part that they are from", now()))
        ledger.sync()
    return new


def _places(path: Path, digests: Collection[bytes]) -> Iterator[tuple[int, int]]:
    """The bytes of the records with these digests that count."""
    if not digests:
        return
    voided, start = Voided.read(path), None
    for offset, record in scan(path):
        if start is not None:
            yield start, offset
        start = offset if record.get("status") != VOID and offset not in voided and _digest(record) in digests else None
    if start is not None:
        yield start, path.stat().st_size


def _digest(record: dict[str, object]) -> bytes:
    """16 bytes that identify a record: the same request, begun and ended at the same times, is the same record."""
    parts = (record.get(name) for name in ("key", "rows", "replication", "question", "status", "started", "ended"))
    return blake2b(repr(tuple(parts)).encode(), digest_size=16).digest()
