"""The two sides of a comparison: tables or runs, read and paired row by row."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, overload

import orjson

from grace.analysis.frames import Frame, Row, RowsOfModel, frame_of, read_frame
from grace.columns import REPLICATION
from grace.errors import InputError, RunMismatch
from grace.manifest import Identity
from grace.progress import Progress
from grace.quality.layout import number_in
from grace.quality.merge import joined_rows
from grace.runs import Run
from grace.stages.related import Related, related
from grace.studies.check import guess_study
from grace.studies.study import Study, load_study
from grace.table_files import AUTO, open_table
from grace.tables import TableFormat

NOISE = "noise.json"


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        name: its name in texts.
        path: what was given.
        frame: its table, of one model.
        identities: the runs' identities, by experiment; empty for a table.
        floor: the noise floor (`noise.json`), where it was measured.
    """

    name: str
    path: Path
    study: Study
    frame: Frame
    identities: Mapping[str, Identity] = field(default_factory=dict)
    floor: Mapping[str, Any] | None = None

    @property
    def rows(self) -> RowsOfModel:
        """Its rows."""
        return next(iter(self.frame.models.values()))

    @property
    def model(self) -> str:
        """The model's name; "" where the table does not give it."""
        return next(iter(self.frame.models))

    @cached_property
    def again(self) -> list[tuple[int, int]]:
        """The places of answers to one trial: of each replication and the next."""
        participant = self.study.design.participant
        last: dict[bytes, int] = {}
        trials: dict[bytes, list[tuple[float, int]]] = {}
        for place, row in enumerate(self.rows):
            replication = number_in(row[REPLICATION])
            if replication is None or not row.stimulus:
                continue
            key = _digest(row.stimulus, row[participant])
            if key in trials:
                trials[key].append((replication, place))
            elif key in last:
                earlier = last.pop(key)
                trials[key] = [(number_in(self.rows[earlier][REPLICATION]) or 0.0, earlier), (replication, place)]
            else:
                last[key] = place
        ordered = (sorted(own, key=itemgetter(0)) for own in trials.values())
        return [(place, following) for own in ordered for (_, place), (_, following) in pairwise(own)]


class PairedRows(Sequence[tuple[Row, Row]]):
    """Pairs of rows, each made when it is asked for."""

    def __init__(self, a: RowsOfModel, b: RowsOfModel, places: Sequence[Sequence[int]]) -> None:
        """For rows of two sides; `places` are those of the pairs in either."""
        self._a, self._b, self._places = a, b, places

    def __len__(self) -> int:
        return len(self._places[0])

    def __iter__(self) -> Iterator[tuple[Row, Row]]:
        ours, theirs = self._places
        return zip(map(self._a.__getitem__, ours), map(self._b.__getitem__, theirs), strict=True)

    def cells(self, column: str) -> Iterator[tuple[str, str]]:
        """The cells of a column of both sides, pair by pair."""
        ours, theirs = self._places
        return zip(self._a.cells(column, ours), self._b.cells(column, theirs), strict=True)

    @overload
    def __getitem__(self, place: int) -> tuple[Row, Row]: ...

    @overload
    def __getitem__(self, place: slice) -> "PairedRows": ...

    def __getitem__(self, place: int | slice) -> "tuple[Row, Row] | PairedRows":
        ours, theirs = self._places
        if isinstance(place, slice):
            return PairedRows(self._a, self._b, (ours[place], theirs[place]))
        return self._a[ours[place]], self._b[theirs[place]]


@dataclass(frozen=True)
class Pairs:
    """Rows of both sides that are about the same trial and replication.

    Attributes:
        rows: pairs, in the order of the first side.
        only_a, only_b: how many rows have no partner.
    """

    rows: PairedRows
    only_a: int
    only_b: int


def read_side(path: Path, progress: Progress, study: str | None = None, given: TableFormat = AUTO) -> Side:
    """Read a run (with what belongs to it) or a table.

    Args:
        path: a run's folder, or a CSV or Parquet file: merged, of answers, of values or of probabilities.
        progress: told how far merging is.
        study: name or path of a table's study; a run has its own.
        given: how a table is to be read.

    Raises:
        InputError: it cannot be read, fits no study, or holds several models.
    """
    if path.is_dir() or path.suffix == ".run":
        return _read_run(Run(path), progress)
    with open_table(path, given) as table:
        columns = table.columns
    own = load_study(study) if study else guess_study(columns, path)
    return _checked(Side(path.name, path, own, read_frame(path, own, given)))


def _read_run(run: Run, progress: Progress) -> Side:
    runs = related(run)
    with joined_rows(runs, progress) as (columns, rows):
        return side_of(run, runs, frame_of(run.path, columns, rows, runs.study_of(run)))


def side_of(run: Run, runs: Related, frame: Frame) -> Side:
    """The side of a run, from the merged table of the runs that belong together.

    Raises:
        InputError: the table holds several models, or the noise floor is damaged.
    """
    identities: dict[str, Identity] = {other.identity.experiment: other.identity for other in runs.runs}
    floor = _floor(runs.scores.path / NOISE) if runs.scores else None
    return _checked(Side(run.path.name, run.path, runs.study_of(run), frame, identities, floor))


def _floor(path: Path) -> Mapping[str, Any] | None:
    try:
        floor = orjson.loads(path.read_bytes())
        return {
            "largest": float(floor["largest"]),
            "mean": float(floor["mean"]),
            "by_question": {str(name): float(largest) for name, largest in floor["by_question"].items()},
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f"{path}: is damaged; `grace noise {path.parent}` measures it again") from None


def _checked(side: Side) -> Side:
    if len(side.frame.models) > 1:
        raise InputError(
            f"{side.path}: holds several models ({', '.join(side.frame.models)}); give a run, or a table, of one"
        )
    return side


def check_comparable(a: Side, b: Side) -> list[str]:
    """Check that two sides are of one study and input, and say what else differs.

    Raises:
        InputError: they are of different studies.
        RunMismatch: the runs were made from different tables of trials.
    """
    if a.study.name != b.study.name:
        raise InputError(
            f"{a.path} is of {a.study.name}, {b.path} is of {b.study.name}; only runs of one study can be compared"
        )
    for experiment in a.identities.keys() & b.identities.keys():
        inputs = [side.identities[experiment].input for side in (a, b)]
        if inputs[0].sha256 != inputs[1].sha256:
            raise RunMismatch(
                f"{a.path} was made from {inputs[0].file} and {b.path} from {inputs[1].file}, which are "
                "different tables of trials; ask both models about the same table, or compare the tables that "
                "`grace merge` makes, where trials that are in both can be paired"
            )
    return _otherwise(a, b)


def _otherwise(a: Side, b: Side) -> list[str]:
    """How the questions to two sides differ, in words; the model is expected to differ."""
    differences = []
    for experiment in sorted(a.identities.keys() & b.identities.keys()):
        ours, theirs = a.identities[experiment].as_json(), b.identities[experiment].as_json()
        names = sorted((ours.keys() | theirs.keys()) - {"model", "input", "experiment", "study", "source"})
        differing = (name for name in names if ours.get(name) != theirs.get(name))
        differences += [f"{experiment}: {_difference(name, ours.get(name), theirs.get(name))}" for name in differing]
    return differences


def _difference(name: str, ours: object, theirs: object) -> str:
    short = all(isinstance(value, str | int | float | None) and len(str(value)) < 40 for value in (ours, theirs))
    return f"{name} is {ours} in the first, {theirs} in the second" if short else f"{name} differ"


def pair(a: Side, b: Side) -> Pairs:
    """Pair rows by what they show, the participant and the replication; of equal rows the first with the first.

    Raises:
        InputError: no row of one side has a partner on the other.
    """
    none = len(b.rows)
    first: dict[bytes, int] = {}  # of rows with a key the first that has no partner yet
    following = array("Q", bytes(8 * none))  # and the next one with the same key
    for place in reversed(range(none)):
        key = _key(b, b.rows[place])
        following[place] = first.get(key, none)
        first[key] = place
    places = array("I"), array("I")
    for place, row in enumerate(a.rows):
        key = _key(a, row)
        if (partner := first.get(key, none)) < none:
            first[key] = following[partner]
            places[0].append(place)
            places[1].append(partner)
    rows = PairedRows(a.rows, b.rows, places)
    if not rows:
        raise InputError(f"{a.path} and {b.path}: no trial is in both; compare what was asked about the same trials")
    return Pairs(rows, len(a.rows) - len(rows), len(b.rows) - len(rows))


def _key(side: Side, row: Row) -> bytes:
    shown = row.stimulus or "\0\0".join(row[name] for name in side.study.design.cells)
    return _digest(shown, row[side.study.design.participant], row[REPLICATION] or "1")


def _digest(*texts: str) -> bytes:
    """A number of 128 bits, the same for the same texts; a million take less memory than the texts."""
    return blake2b("\0\0\0".join(texts).encode(), digest_size=16).digest()
