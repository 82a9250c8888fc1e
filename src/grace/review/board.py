"""A board of `grace view`: the rows of one table of trials by the models that were asked about them, with filters."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace.columns import RESPONSE
from grace.errors import StudyError
from grace.ledger import LedgerReader
from grace.progress import Progress
from grace.review.lane import BATCH, BITS, ModelLane, RowFlag
from grace.review.local import Unfit
from grace.tables import CsvTable

MOST_CELLS = 40
"""A column with more different cells than this is no condition."""
MOST_SHOWN = 24
"""How many values of a field, or labels, a distribution shows; the rest is counted."""
PAGE = 50
MOST_PAGE = 200
EXCERPT = 240
"""Characters of an answer that the matrix shows."""
BINS = 24

JSON = dict[str, Any]


@dataclass(frozen=True)
class Where:
    """Which rows are shown; an empty part admits all.

    Attributes:
        conditions: cells by column.
        lane: the place of the model that flag, label and text are about; None: any of them.
        flag: what is odd.
        field, label: a field with its value, or a question with its most probable label.
        text: stands in the answer, in the model's reasoning or in the trial, whatever the case.
    """

    conditions: tuple[tuple[str, str], ...] = ()
    lane: int | None = None
    flag: RowFlag | None = None
    field: str = ""
    label: str = ""
    text: str = ""

    @classmethod
    def read(cls, given: object, board: "Board") -> "Where":
        """A filter from the page. Raises Unfit."""
        if not isinstance(given, dict):
            raise Unfit("where: must be an object")
        conditions, lane = given.get("conditions") or {}, given.get("lane")
        flag, name, label, text = (given.get(part) or "" for part in ("flag", "field", "label", "text"))
        if not isinstance(conditions, dict) or not all(isinstance(part, str) for part in (flag, name, label, text)):
            raise Unfit("where: its parts must be texts")
        strangers = [column for column in conditions if column not in board.conditions]
        if strangers:
            raise Unfit(f"where: there is no condition {strangers[0]!r}")
        if lane is not None and not (type(lane) is int and 0 <= lane < len(board.lanes)):
            raise Unfit(f"where: there is no model {lane!r}")
        if flag and flag not in tuple(RowFlag):
            raise Unfit(f"where: there is no flag {flag!r}")
        if name and name not in board.named:
            raise Unfit(f"where: there is no field or question {name!r}")
        chosen = tuple(sorted((column, str(cell)) for column, cell in conditions.items()))
        return cls(chosen, lane, RowFlag(flag) if flag else None, name, label, text.strip().casefold())


@dataclass
class Condition:
    """A column with few different cells: the place of each row's cell in `cells`."""

    cells: dict[str, int] = field(default_factory=dict)
    rows: "array[int]" = field(default_factory=lambda: array("H"))


class Board:
    """The rows of one table, and the lanes beside each other.

    Attributes:
        name: what the page calls it.
        lanes: the models.
        conditions: the columns that can be chosen by.
        shown: the table's columns that were not hidden from the models.
    """

    def __init__(self, name: str, table: CsvTable, lanes: Sequence[ModelLane]) -> None:
        self.name, self.table, self.lanes = name, table, tuple(lanes)
        self.study = lanes[0].study
        self.rows, self.replications = lanes[0].rows, lanes[0].replications
        self.conditions: dict[str, Condition] = {}
        hidden = {name for name, column in self.study.columns.items() if column.hidden}
        self.shown = tuple(name for name in table.columns if name not in hidden)
        self._shown = tuple(place for place, name in enumerate(table.columns) if name not in hidden)
        self._found: dict[Where, tuple[tuple[int, ...], array[int]]] = {}

    def index(self, progress: Progress) -> None:
        """Read everything once."""
        for lane in self.lanes:
            lane.index(progress)
        self._index_conditions(progress)

    def refresh(self) -> bool:
        """Read what was added to the runs; True where anything was."""
        return sum(lane.refresh() for lane in self.lanes) > 0

    def _index_conditions(self, progress: Progress) -> None:
        design = self.study.design
        first = [name for name in (*design.cells, design.item) if name]
        names = [*dict.fromkeys((*first, *self.shown))]
        found = {name: Condition() for name in names if name not in (RESPONSE, "")}
        progress.begin(self.rows, 0, "rows")
        for row in range(self.rows):
            cells = self.cells(row)
            for name, column in list(found.items()):
                place = column.cells.setdefault(cells.get(name, ""), len(column.cells))
                column.rows.append(place)
                if len(column.cells) > MOST_CELLS:
                    del found[name]
            if (row + 1) % BATCH == 0 or row + 1 == self.rows:
                progress.advance(False, (row + 1) % BATCH or BATCH)
        self.conditions = {name: column for name, column in found.items() if len(column.cells) > 1}

    def cells(self, row: int) -> dict[str, str]:
        """A row of the table with the columns that are derived from it."""
        cells = self.table.row(row)
        try:
            return self.study.complete(cells, self.table.decimal)
        except StudyError:
            return cells

    @property
    def named(self) -> dict[str, str]:
        """The fields and questions that can be chosen by, and which of the two each is."""
        fields = {name: "field" for lane in self.lanes for name in lane.values}
        return fields | {name: "question" for lane in self.lanes for name in lane.prompts}

    # What the page asks for

    def overview(self) -> JSON:
        """All that does not depend on a filter."""
        cells = {name: list(column.cells) for name, column in self.conditions.items()}
        return {
            "name": self.name,
            "study": self.study.title or self.study.name,
            "rows": self.rows,
            "replications": self.replications,
            "conditions": cells,
            "design": [name for name in (*self.study.design.cells, self.study.design.item) if name in cells],
            "flags": [str(flag) for flag in RowFlag],
            "named": {name: {"kind": kind, "labels": self._labels(name)} for name, kind in self.named.items()},
            **self.state(),
        }

    def state(self) -> JSON:
        """How far the runs are."""
        lanes = [lane.facts() for lane in self.lanes]
        return {"version": self._version, "live": any(lane["live"] for lane in lanes), "lanes": lanes}

    @property
    def _version(self) -> list[int]:
        return [lane.version for lane in self.lanes]

    def _labels(self, name: str) -> list[str]:
        for lane in self.lanes:
            if name in lane.prompts:
                return list(lane.study_of_scores.questions[name].space.labels)
        seen = dict.fromkeys(word for lane in self.lanes for word in lane.words.get(name, ()))
        return sorted(seen, key=_numbers_first)[:1000]

    def page(self, where: Where, start: int, count: int = PAGE) -> JSON:
        """Some of the rows that a filter admits, and how many those are."""
        found = self.find(where)
        readers = self._readers()
        try:
            chosen = found[start : start + min(count, MOST_PAGE)]
            units = [self._unit(unit, readers) for unit in chosen]
        finally:
            _close(readers)
        return {"total": len(found), "start": start, "units": units, "version": self._version}

    def neighbours(self, where: Where, unit: int) -> JSON:
        """The units before and after one among those that a filter admits, and its place there."""
        found = self.find(where)
        try:
            place = found.index(unit)
        except ValueError:
            return {"place": None, "total": len(found), "before": None, "after": None}
        before = found[place - 1] if place else None
        after = found[place + 1] if place + 1 < len(found) else None
        return {"place": place, "total": len(found), "before": before, "after": after}

    def _unit(self, unit: int, readers: Sequence[LedgerReader | None]) -> JSON:
        row, replication = divmod(unit, self.replications)
        cells = self.cells(row)
        first = [name for name in (*self.study.design.cells, self.study.design.item) if name and cells.get(name)]
        lanes = [self._cell(lane, unit, reader) for lane, reader in zip(self.lanes, readers, strict=True)]
        return {
            "unit": unit,
            "row": row + 1,
            "replication": replication + 1,
            "trial": [{"name": name, "value": cells[name]} for name in first[:4]],
            "lanes": lanes,
        }

    def _cell(self, lane: ModelLane, unit: int, reader: LedgerReader | None) -> JSON:
        text = "\n".join(_text(record) for _, record in lane.records(unit, reader)) if reader else ""
        if not lane.turns and lane.related.extraction:
            text = self.table.row(unit // self.replications).get(RESPONSE, "")
        labels = [(name, lane.label(name, unit)) for name in lane.prompts]
        flags = lane.flags_of(unit)
        return {
            "text": text[:EXCERPT],
            "cut": len(text) > EXCERPT,
            "values": {name: lane.value(name, unit) for name in lane.values},
            "labels": [{"name": name, "label": best[0], "share": best[1]} for name, best in labels if best],
            "flags": [str(flag) for flag in RowFlag if flags & BITS[flag]],
        }

    # Filters

    def find(self, where: Where) -> "array[int]":
        """The units that a filter admits, in order."""
        version = tuple(self._version)
        kept = self._found.get(where)
        if kept and kept[0] == version:
            return kept[1]
        found = array("L", self._matching(where))
        if len(self._found) > 8:
            self._found.clear()
        self._found[where] = (version, found)
        return found

    def _matching(self, where: Where) -> Iterator[int]:
        chosen = [(self.conditions[name], self.conditions[name].cells.get(cell)) for name, cell in where.conditions]
        lanes = self.lanes if where.lane is None else (self.lanes[where.lane],)
        readers = self._readers() if where.text else [None] * len(self.lanes)
        pairs = [(lane, reader) for lane, reader in zip(self.lanes, readers, strict=True) if lane in lanes]
        try:
            for row in range(self.rows):
                if any(column.rows[row] != place for column, place in chosen):
                    continue
                in_trial = bool(where.text) and self._in_trial(where.text, row)
                for unit in range(row * self.replications, (row + 1) * self.replications):
                    if any(_admits(where, lane, unit, reader, in_trial) for lane, reader in pairs):
                        yield unit
        finally:
            _close(readers)

    def _in_trial(self, text: str, row: int) -> bool:
        cells = self.table.cells(row)
        return any(text in cells[place].casefold() for place in self._shown)

    def _readers(self) -> list[LedgerReader | None]:
        runs = [lane.related.answers for lane in self.lanes]
        return [LedgerReader(run.ledger) if run and run.ledger.exists() else None for run in runs]

    # Distributions

    def distributions(self, where: Where) -> JSON:
        """How values, labels, tokens and times are distributed over the rows that a filter admits, by lane."""
        found = self.find(where)
        return {
            "total": len(found),
            "version": self._version,
            "lanes": [
                {
                    "name": lane.name,
                    "fields": [self._values_of(lane, name, found) for name in lane.values],
                    "questions": [self._labels_of(lane, name, found) for name in lane.prompts],
                    "tokens": _spread([lane.tokens[unit] for unit in found if lane.tokens[unit]]),
                    "seconds": _spread([lane.milliseconds[unit] / 1000 for unit in found if lane.milliseconds[unit]]),
                }
                for lane in self.lanes
            ],
        }

    def _values_of(self, lane: ModelLane, name: str, found: Sequence[int]) -> JSON:
        places = lane.values[name]
        counts = Counter(places[unit] for unit in found)
        none = counts.pop(0, 0)
        words = lane.words[name]
        most = counts.most_common(MOST_SHOWN)
        bars = sorted(((words[place - 1], number) for place, number in most), key=lambda bar: _numbers_first(bar[0]))
        others = counts.total() - sum(number for _, number in most)
        return {"name": name, "bars": bars, "others": others, "none": none, "total": len(found)}

    def _labels_of(self, lane: ModelLane, name: str, found: Sequence[int]) -> JSON:
        prompts = lane.prompts[name]
        counts = Counter(prompts[unit // self.replications] for unit in found)
        labels = lane.study_of_scores.questions[name].space.labels
        sums, mass, total = [0.0] * len(labels), 0.0, 0
        for number, times in counts.items():
            scored = lane.scored_of(number)
            if scored is None or scored.shares is None:
                continue
            total += times
            mass += times * scored.mass
            for place, share in enumerate(scored.shares):
                sums[place] += times * share
        means = sorted(enumerate(sums), key=lambda pair: -pair[1])[:MOST_SHOWN]
        bars = [(labels[place], share / total) for place, share in sorted(means)] if total else []
        return {"name": name, "bars": bars, "mass": mass / total if total else None, "total": total}


def _admits(where: Where, lane: ModelLane, unit: int, reader: LedgerReader | None, in_trial: bool) -> bool:
    """Whether one model's answer fits flag, label and text at once."""
    if where.flag and not lane.flags_of(unit) & BITS[where.flag]:
        return False
    if where.field and not _has_label(where, lane, unit):
        return False
    if not where.text or in_trial:
        return True
    return reader is not None and any(where.text in _said(record) for _, record in lane.records(unit, reader))


def _has_label(where: Where, lane: ModelLane, unit: int) -> bool:
    if where.field in lane.values:
        return lane.value(where.field, unit) == where.label
    if where.field in lane.prompts:
        best = lane.label(where.field, unit)
        return (best[0] if best else "") == where.label
    return False


def _text(record: Mapping[str, Any]) -> str:
    """What a record holds to read: the answer, or why there is none."""
    if record["status"] == "failed":
        return f"failed: {record['error']['message']}"
    return str(record["response"]["text"])


def _said(record: Mapping[str, Any]) -> str:
    reasoning = (record.get("response") or {}).get("reasoning") or ""
    return f"{_text(record)}\n{reasoning}".casefold()


def _close(readers: Sequence[LedgerReader | None]) -> None:
    for reader in readers:
        if reader is not None:
            reader.close()


def _numbers_first(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def _spread(numbers: list[float] | list[int]) -> JSON | None:
    """Number, sum, quartiles and a histogram of some numbers; None without any."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    low, high = ordered[0], ordered[-1]
    width = (high - low) / BINS or 1
    bins = [0] * BINS
    for number in ordered:
        bins[min(BINS - 1, int((number - low) / width))] += 1
    at = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in QUANTILES.items()}
    return {"number": len(ordered), "sum": sum(ordered), "low": low, "high": high, "bins": bins, **at}


QUANTILES = {"median": 0.5, "most": 0.95}
"""The quantiles that are told: half of all and nineteen of twenty lie below."""
