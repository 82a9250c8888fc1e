"""The desk of a review: shows the rows of a queue and records the decisions about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grace.ledger import Ledger
from grace.review.local import Unfit
from grace.review.queue import Queue
from grace.review.view import JSON, Readings, Shown, row_view
from grace.runs import now
from grace.stages.fields.records import Answered, FieldRecords, Rows, Verdict, decide
from grace.studies.fields import Cell
from grace.tables import CsvTable

VERDICTS: tuple[Verdict, ...] = ("accepted", "corrected", "rejected")


@dataclass(frozen=True)
class Look:
    """A row of the queue, and its values."""

    row: int
    cells: Mapping[str, str]
    answered: Answered
    readings: Readings


@dataclass
class Desk:
    """Shows rows to one person, and records the decisions.

    Attributes:
        table: the answers.
        rows: makes its rows ready to be read.
        records: the records of the ledger.
        ledger: the file for the decisions; the run is locked.
        queue: the rows to look at.
        by: the person's name.
        shown: how trials were shown to the model.
        name: the run's name on the page.
        decisions: how many decisions were written since the desk was opened.
    """

    table: CsvTable
    rows: Rows
    records: FieldRecords
    ledger: Ledger
    queue: Queue
    by: str
    shown: Shown
    name: str
    decisions: int = 0
    _seen: dict[int, str] = field(default_factory=dict)

    def overview(self) -> JSON:
        """The page's first data."""
        study = self.shown.study
        return {"run": self.name, "study": study.title or study.name, "by": self.by, **self.progress(0)}

    def progress(self, place: int) -> JSON:
        """How far the review is, and the first undecided place from this one on."""
        queue = self.queue
        return {"total": len(queue), "decided": queue.decided, "next": queue.undecided(place)}

    def show(self, place: int) -> JSON:
        """The row at a place of the queue."""
        look = self._look(place)
        self._seen.setdefault(place, now())
        return {
            "place": place,
            "row": look.row + 1,
            **row_view(self.rows, self.shown, look.cells, look.answered, look.readings),
            **self.progress(place + 1),
        }

    def _look(self, place: int) -> Look:
        row = self.queue.row(place)
        cells = self.table.row(row)
        answered = self.rows.of(cells)
        rules = self.rows.read(answered)
        readings = Readings(
            rules,
            self.records.unreviewed(answered, rules),
            self.records.completed(answered, rules),
            self.records.decision(answered.key),
        )
        return Look(row, cells, answered, readings)

    def decide(self, place: int, verdict: object, values: object) -> JSON:
        """Record a decision; when this returns it is on disk.

        Args:
            place: the row's place in the queue.
            verdict: one of VERDICTS; "accepted" takes the values that were read, "rejected" none.
            values: for "corrected" every field with its value, None or "" for no value.

        Raises:
            Unfit: there is no such verdict, or a field has no such value.
            InputError: the ledger cannot be written.
        """
        look = self._look(place)
        read = look.readings.read
        chosen = next((name for name in VERDICTS if name == verdict), None)
        if chosen is None:
            raise Unfit(f"verdict: {verdict!r} is not one of {', '.join(VERDICTS)}")
        if chosen == "corrected":
            kept = self._parse(values)
            if kept == read.values:
                raise Unfit("These are the values that were read. Accept them, or change one")
        elif values is not None:
            raise Unfit(f"values: belong to a correction, not to {chosen!r}")
        else:
            kept = read.values if chosen == "accepted" else dict.fromkeys(read.values)
        started = self._seen.pop(place, None) or now()
        record = decide(self.ledger, look.answered, look.row + 1, read, chosen, kept, self.by, started)
        self.records.add(0, record)  # on disk or not, it is in the file now
        self.queue.decide(look.answered)
        self.decisions += 1
        self.ledger.sync()
        return {"verdict": chosen, "row": look.row + 1, **self.progress(place + 1)}

    def _parse(self, values: object) -> dict[str, Cell | None]:
        """The page's values of the study's fields. Raises Unfit."""
        fields = self.rows.extraction.fields
        if not isinstance(values, dict) or values.keys() != fields.keys():
            raise Unfit(f"values: must be an object with {', '.join(fields)}")
        parsed: dict[str, Cell | None] = {}
        wrong: dict[str, str] = {}
        for name, target in fields.items():
            value: Any = values[name]
            if isinstance(value, str):
                value = value.strip() or None
            try:
                parsed[name] = None if value is None else target.parse(value)
            except ValueError as error:
                wrong[name] = str(error)
        if wrong:
            raise Unfit("; ".join(f"{name}: {what}" for name, what in wrong.items()), wrong)
        odd = self.rows.extraction.contradiction(parsed)
        if odd:
            name, _, what = odd.partition(": ")
            raise Unfit(odd, {name: what})
        return parsed
