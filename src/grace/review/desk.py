"""The desk of a review: shows the rows of a queue and records the decisions about them."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grace.ledger import Ledger
from grace.review.local import Outdated, Unfit
from grace.review.queue import Queue, Reason
from grace.review.view import JSON, Readings, Shown, row_view
from grace.runs import now
from grace.stages.fields.records import Answered, FieldRecords, Rows, Verdict, decide, decided
from grace.studies.fields import Cell, Extracted
from grace.studies.reading import Missing
from grace.tables import CsvTable

MOST_COMMENT = 2000
"""Characters of a comment."""
UNCODED = Missing("is not coded yet")
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
        blind: whether what was read, and what others decided, stays hidden.
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
    blind: bool = False
    decisions: int = 0
    _seen: dict[int, str] = field(default_factory=dict)

    def overview(self) -> JSON:
        """The page's first data."""
        study = self.shown.study
        reasons = {} if self.blind else {reason.name: str(reason) for reason in Reason if self.queue.counts[reason]}
        about = {"run": self.name, "study": study.title or study.name, "by": self.by}
        return {**about, "blind": self.blind, "reasons": reasons, **self.progress(0)}

    def progress(self, place: int, reason: Reason | None = None) -> JSON:
        """How far the review is, and the first undecided place from this one on among the rows of a reason."""
        queue = self.queue
        return {"total": len(queue), "decided": queue.decided, "next": queue.undecided(place, reason)}

    def show(self, place: int, reason: Reason | None = None) -> JSON:
        """The row at a place of the queue, and its neighbours among the rows of a reason."""
        look = self._look(place)
        self._seen.setdefault(place, now())
        among = self.queue.places(reason)
        at = bisect_left(among, place)
        beyond = at + (at < len(among) and among[at] == place)
        return {
            "place": place,
            "row": look.row + 1,
            "before": among[at - 1] if at else None,
            "after": among[beyond] if beyond < len(among) else None,
            "among": {"total": len(among), "decided": self.queue.done(among)},
            **row_view(self.rows, self.shown, look.cells, look.answered, look.readings, self.blind),
            **self.progress(place + 1, reason),
        }

    def _look(self, place: int) -> Look:
        row = self.queue.row(place)
        cells = self.table.row(row)
        answered = self.rows.of(cells)
        rules = self.rows.read(answered)
        read = self.records.unreviewed(answered, rules)
        made = self.records.decision(answered.key, self.by if self.blind else None)
        if made:
            after = Extracted(decided(self.rows.extraction, made, read), "human", read.refused)
        else:
            after = replace(read, answers=dict.fromkeys(read.answers, UNCODED)) if self.blind else read
        return Look(row, cells, answered, Readings(rules, read, after, made))

    def decide(
        self,
        place: int,
        verdict: object,
        values: object,
        comment: object = None,
        reason: Reason | None = None,
        seen: object = None,
    ) -> JSON:
        """Record a decision; when this returns it is on disk.

        In a blind review a person codes every row ("corrected") or rejects it; whether that is what was read, the
        record says and the page does not.

        Args:
            place: the row's place in the queue.
            verdict: one of VERDICTS; "accepted" takes the values that were read, "rejected" none.
            values: for "corrected" every field with its value, None or "" for no value.
            comment: what the person says about it.
            reason: the rows among which the next one is looked for.
            seen: when the decision was made that the page showed with the row; None where it showed none.

        Raises:
            Outdated: there is another decision about the row, which another tab made meanwhile.
            Unfit: there is no such verdict, or a field has no such value.
            InputError: the ledger cannot be written.
        """
        look = self._look(place)
        self._check_seen(look, place, reason, seen)
        read = look.readings.read
        chosen = next((name for name in VERDICTS if name == verdict), None)
        if chosen is None:
            raise Unfit(f"verdict: {verdict!r} is not one of {', '.join(VERDICTS)}")
        if chosen == "corrected":
            kept = self._parse(values)
            if kept == read.values and self.blind:
                chosen = "accepted"
            elif kept == read.values:
                raise Unfit("These are the values that were read. Accept them, or change one")
        elif values is not None:
            raise Unfit(f"values: belong to a correction, not to {chosen!r}")
        elif chosen == "accepted" and self.blind:
            raise Unfit("verdict: in a blind review there is nothing to accept; give the values")
        else:
            kept = read.values if chosen == "accepted" else dict.fromkeys(read.values)
        note = _comment(comment)
        started = self._seen.pop(place, None) or now()
        record = decide(
            self.ledger, look.answered, look.row + 1, read, chosen, kept, self.by, started, note, self.blind
        )
        self.records.add(0, record)  # on disk or not, it is in the file now
        self.queue.decide(look.answered)
        self.decisions += 1
        self.ledger.sync()
        said = "coded" if self.blind and chosen != "rejected" else chosen
        return {"verdict": said, "row": look.row + 1, **self.progress(place + 1, reason)}

    def _check_seen(self, look: Look, place: int, reason: Reason | None, seen: object) -> None:
        made = look.readings.decision
        if seen != (made.when if made else None):
            raise Outdated(
                "This row was decided in another tab meanwhile. What was saved there stands beside your values, which "
                "are not saved yet: save again to put yours in their place, or reload the page",
                self.show(place, reason),
            )

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


def _comment(given: object) -> str:
    """A comment. Raises Unfit."""
    text = given if isinstance(given, str) else "" if given is None else None
    if text is None or len(text) > MOST_COMMENT:
        raise Unfit(f"comment: must be a text of up to {MOST_COMMENT} characters")
    return text.strip()
