"""The desk of a review: shows the rows of a queue and writes decisions about them down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace.ledger import Ledger
from grace.review.queue import Queue
from grace.review.view import JSON, Readings, Shown, row_view
from grace.runs import now
from grace.stages.fields.records import Answered, Known, Rows, Verdict, decide
from grace.studies.fields import Cell
from grace.tables import CsvTable

VERDICTS: tuple[Verdict, ...] = ("accepted", "corrected", "rejected")


class Unfit(Exception):
    """A decision that cannot be one; nothing was written.

    Attributes:
        fields: what is wrong with which field.
    """

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


@dataclass(frozen=True)
class Look:
    """A row that is looked at."""

    row: int
    cells: Mapping[str, str]
    answered: Answered
    readings: Readings


class Desk:
    """Where one person looks at rows and decides.

    Attributes:
        made: how many decisions were written since the desk was opened.
    """

    def __init__(
        self, table: CsvTable, rows: Rows, known: Known, ledger: Ledger, queue: Queue, by: str, shown: Shown, name: str
    ) -> None:
        """Set up a desk.

        Args:
            table: the answers.
            rows: makes its rows ready to be read.
            known: what the ledger holds.
            ledger: where decisions go; the run is locked.
            queue: the rows to look at.
            by: the person's name.
            shown: how trials were shown to the model.
            name: what the page calls the run.
        """
        self._table, self._rows, self._known, self._ledger, self._queue = table, rows, known, ledger, queue
        self._by, self._shown, self._name = by, shown, name
        self._seen: dict[int, str] = {}
        self.made = 0

    def overview(self) -> JSON:
        """What the page needs to begin."""
        study = self._shown.study
        return {"run": self._name, "study": study.title or study.name, "by": self._by, **self.progress(0)}

    def progress(self, place: int) -> JSON:
        """How far the review is, and the first undecided place from this one on."""
        queue = self._queue
        return {"total": len(queue), "decided": queue.decided, "next": queue.undecided(place)}

    def place(self, row: int) -> int | None:
        """The place of a row, 1 below the header, in the queue; None where it is not in it."""
        return self._queue.place(row - 1)

    def __len__(self) -> int:
        return len(self._queue)

    def show(self, place: int) -> JSON:
        """The row at a place of the queue."""
        look = self._look(place)
        self._seen.setdefault(place, now())
        return {
            "place": place,
            "row": look.row + 1,
            **row_view(self._rows, self._shown, look.cells, look.answered, look.readings),
            **self.progress(place + 1),
        }

    def _look(self, place: int) -> Look:
        row = self._queue.row(place)
        cells = self._table.row(row)
        answered = self._rows.of(cells)
        rules = self._rows.read(answered)
        readings = Readings(
            rules,
            self._known.found(answered, rules),
            self._known.completed(answered, rules),
            self._known.decision(answered.key),
        )
        return Look(row, cells, answered, readings)

    def decide(self, place: int, verdict: object, values: object) -> JSON:
        """Write a decision down; when this returns it is on disk.

        Args:
            place: the row's place in the queue.
            verdict: one of VERDICTS; "accepted" takes the values that were read, "rejected" none.
            values: for "corrected" every field with its value, None or "" for no value.

        Raises:
            Unfit: there is no such verdict, or a value is none of its field's.
            InputError: the ledger cannot be written.
        """
        look = self._look(place)
        found = look.readings.found
        chosen = next((own for own in VERDICTS if own == verdict), None)
        if chosen is None:
            raise Unfit(f"verdict: {verdict!r} is not one of {', '.join(VERDICTS)}")
        if chosen == "corrected":
            kept = self._parse(values)
            if kept == found.values:
                raise Unfit("These are the values that were read. Accept them, or change one")
        elif values is not None:
            raise Unfit(f"values: belong to a correction, not to {chosen!r}")
        else:
            kept = found.values if chosen == "accepted" else dict.fromkeys(found.values)
        started = self._seen.pop(place, None) or now()
        record = decide(self._ledger, look.answered, look.row + 1, found, chosen, kept, self._by, started)
        self._known.add(0, record)  # on disk or not, it is in the file now
        self._queue.decide(look.answered)
        self.made += 1
        self._ledger.sync()
        return {"verdict": chosen, "row": look.row + 1, **self.progress(place + 1)}

    def _parse(self, values: object) -> dict[str, Cell | None]:
        """What the page sends as values of the study's fields. Raises Unfit."""
        fields = self._rows.extraction.fields
        if not isinstance(values, dict) or values.keys() != fields.keys():
            raise Unfit(f"values: must be an object with {', '.join(fields)}")
        parsed: dict[str, Cell | None] = {}
        wrong: dict[str, str] = {}
        for name, field in fields.items():
            value: Any = values[name]
            if isinstance(value, str):
                value = value.strip() or None
            try:
                parsed[name] = None if value is None else field.parse(value)
            except ValueError as error:
                wrong[name] = str(error)
        if wrong:
            raise Unfit("; ".join(f"{name}: {what}" for name, what in wrong.items()), wrong)
        odd = self._rows.extraction.contradiction(parsed)
        if odd:
            name, _, what = odd.partition(": ")
            raise Unfit(odd, {name: what})
        return parsed
