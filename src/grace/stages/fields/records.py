"""The values of a row from all sources: rules, the extractor model, and people's decisions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from grace.columns import ENDING, ERROR, IDENTIFYING
from grace.errors import InputError
from grace.ledger import Ledger, LedgerReader, Misfit, replay, request_key
from grace.record_shapes import FAILED, FIELDS
from grace.runs import Run, now
from grace.stages.fields.extractor import REPAIRED, SEEN, Extractor, Invalid, ask, ask_again, read_reply
from grace.studies.extraction import Extraction
from grace.studies.fields import DOUBTFUL, Cell, Extracted
from grace.studies.reading import EXACT, Answer, Missing, Value
from grace.studies.study import Study
from grace.tables import CsvTable

REVIEW = "review"
DECIDED = "human"
"""The question and the status of a person's decision."""
REJECTED = "rejected by a person"
"""The reason for a field that a person emptied."""

Verdict = Literal["accepted", "corrected", "rejected"]


@dataclass(frozen=True)
class Decision:
    """What a person decided about one row; `blind` where what had been read was not shown."""

    verdict: Verdict
    values: Mapping[str, Cell | None]
    by: str
    when: str
    comment: str = ""
    blind: bool = False


@dataclass(frozen=True)
class Answered:
    """One row of a table of answers, ready to be read.

    Attributes:
        texts: for each reading the text with its answer.
        cut: whether the answer ended at the token limit; None when the table does not say, or not for which text.
        error: why there is no answer, "" where there is one.
        extraction: how its values are found.
    """

    texts: Mapping[str, str]
    cut: bool | None
    error: str
    extraction: Extraction
    _row: Mapping[str, str]
    _identifying: Sequence[str]

    @property
    def key(self) -> str:
        """The key of the row: a digest of its content, wherever it is."""
        return request_key([(name, self._row[name]) for name in self._identifying])

    @property
    def has_text(self) -> bool:
        """Whether there is anything to read."""
        return any(text.strip() for text in self.texts.values())


class Rows:
    """Prepares rows of a table for reading."""

    def __init__(self, study: Study, columns: tuple[str, ...], name: object = "the table") -> None:
        """For a table with these columns; `name` is what errors call it.

        Raises:
            InputError: the study extracts nothing, or the table has none of the columns with answers.
        """
        if study.extraction is None:
            raise InputError(f"{study.name} has no extraction section, so there is nothing to extract")
        self.study = study
        self.extraction: Extraction = study.extraction
        try:
            self.sources = self.extraction.sources(columns)
        except LookupError as error:
            raise InputError(
                f"{name}: has {error.args[0]}; is it a table of answers, as `grace query` writes it?"
            ) from None
        texts = tuple(dict.fromkeys(self.sources.values()))
        self._alone = len(texts) == 1
        self._shared = len(texts) < len(self.sources)
        self._identifying = tuple(name for name in (*study.columns, *IDENTIFYING, *texts) if name in columns)

    def of(self, row: Mapping[str, str]) -> Answered:
        """One row."""
        ending = row.get(ENDING, "")
        cut = None if not ending or (ending == "length" and not self._alone) else ending == "length"
        return Answered(
            texts={reading: row[column] for reading, column in self.sources.items()},
            cut=cut,
            error=row.get(ERROR, ""),
            extraction=self._of_row(row),
            _row=row,
            _identifying=self._identifying,
        )

    @property
    def read_from(self) -> tuple[str, ...] | None:
        """The columns that decide what rules read in a row; None where that may be any."""
        return None if self.extraction.differs else (*self.sources.values(), ENDING, ERROR)

    def _of_row(self, row: Mapping[str, str]) -> Extraction:
        if not self.extraction.differs:
            return self.extraction
        return self.extraction.of_row(self.study.complete(self.study.trial(row)))

    def read(self, answered: Answered) -> Extracted:
        """What rules read in a row."""
        if self.extraction.differs:
            read = answered.extraction.read(answered.texts, answered.cut, self._shared)
        else:
            read = self.extraction.read_once(tuple(answered.texts.items()), answered.cut, self._shared)
        if not answered.error:
            return read
        why = Missing(f"there is no answer ({answered.error})")  # a turn that failed, and those after it
        unasked = {reading for reading, text in answered.texts.items() if not text.strip()}
        answers = {
            name: why if self.extraction.fields[name].reading in unasked else answer
            for name, answer in read.answers.items()
        }
        return replace(read, answers=answers)


class FieldRecords:
    """The records of an extraction's ledger: replies of the extractor, and decisions of people."""

    def __init__(self, run: Run, extraction: Extraction, extractor: Extractor | None) -> None:
        self._extraction = extraction
        self.extractor = extractor
        self._decisions: dict[str, Decision] = {}
        self._by_person: dict[tuple[str, str], Decision] = {}
        self._finished: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._run = run
        self._reader: LedgerReader | None = None

    @classmethod
    def read(cls, run: Run, extraction: Extraction, extractor: Extractor | None) -> "FieldRecords":
        """Read a run's ledger. Raises LedgerCorrupt."""
        return replay(run.ledger, lambda: cls(run, extraction, extractor), FIELDS.fault)

    def add(self, offset: int, record: dict[str, Any]) -> None:
        """Add one record. Raises Misfit for a decision about values that a field cannot have."""
        if record["status"] == DECIDED:
            self._check_values(record["values"])
            said = record.get("comment") or "", bool(record.get("blind"))
            made = Decision(record["verdict"], record["values"], record["by"], record["ended"], *said)
            self._decisions[record["key"]] = self._by_person[record["key"], made.by] = made
            return
        (self._failed if record["status"] == FAILED else self._finished)[record["key"]] = offset

    def _check_values(self, values: Mapping[str, Cell | None]) -> None:
        for name, field in self._extraction.fields.items():
            value, text = values.get(name), field.kind is str
            if value is not None and isinstance(value, str) != text:
                raise Misfit(f"values.{name}: must be {'text' if text else 'a number'}")

    def decision(self, key: str, by: str | None = None) -> Decision | None:
        """The last decision about a row: of anybody, or of one person."""
        return self._decisions.get(key) if by is None else self._by_person.get((key, by))

    def ratings(self) -> dict[str, dict[str, Decision]]:
        """Each person's last decision about each row, by the row's key and the person's name."""
        by_row: dict[str, dict[str, Decision]] = {}
        for (key, by), made in self._by_person.items():
            by_row.setdefault(key, {})[by] = made
        return by_row

    @property
    def decisions(self) -> int:
        """How many rows people decided about."""
        return len(self._decisions)

    @property
    def deciders(self) -> frozenset[str]:
        """Whose decisions count."""
        return frozenset(made.by for made in self._decisions.values())

    def reply(self, key: str) -> str | None:
        """The extractor's reply to a request; None where it has not replied."""
        offset = self._finished.get(key)
        return None if offset is None else str(self._record(offset)["response"]["text"])

    def failure(self, key: str) -> str | None:
        """Why the last try of an unfinished request failed."""
        offset = self._failed.get(key)
        return None if offset is None else str(self._record(offset)["error"]["message"])

    def _record(self, offset: int) -> dict[str, Any]:
        if self._reader is None:
            self._reader = LedgerReader(self._run.ledger)
        return self._reader[offset]

    def is_settled(self, answered: Answered) -> bool:
        """Whether the extractor has answered everything that it is asked about a row's texts."""
        assert self.extractor is not None
        extraction, texts = answered.extraction, answered.texts
        messages = ask(extraction, texts)
        reply = self.reply(self.extractor.key(messages))
        if reply is None:
            return False
        try:
            read_reply(extraction, texts, reply, SEEN)
        except Invalid as error:
            return self.reply(self.extractor.key(ask_again(messages, reply, str(error)))) is not None
        return True

    def modelled(self, answered: Answered) -> "dict[str, Answer] | str | None":
        """The extractor model's values in a row's texts; a text says why there are none; None if it was not asked."""
        if self.extractor is None:
            return None
        extraction, texts = answered.extraction, answered.texts
        messages = ask(extraction, texts)
        key = self.extractor.key(messages)
        reply = self.reply(key)
        if reply is None:
            failed = self.failure(key)
            return failed and f"the extractor failed: {failed}"
        try:
            return read_reply(extraction, texts, reply, SEEN)
        except Invalid as error:
            key = self.extractor.key(ask_again(messages, reply, str(error)))
            reply = self.reply(key)
        if reply is None:
            failed = self.failure(key)
            return f"the extractor failed: {failed}" if failed else "the extractor's reply was not valid"
        try:
            return read_reply(extraction, texts, reply, REPAIRED)
        except Invalid as error:
            return f"the extractor's reply was not valid, also when asked again ({error})"

    def completed(self, answered: Answered, read: Extracted) -> Extracted:
        """The values of a row: a person's decision, else those of rules, with the model's in open fields."""
        decision = self._decisions.get(answered.key) if self._decisions else None
        before = self.unreviewed(answered, read)
        if decision is None:
            return before
        return Extracted(decided(self._extraction, decision, before), "human", read.refused)

    def unreviewed(self, answered: Answered, read: Extracted) -> Extracted:
        """The values of a row by rules and the extractor model, whatever a person decided."""
        if not read.open or read.refused or not answered.has_text:
            return read
        modelled = self.modelled(answered)
        if modelled is None:
            return read
        if isinstance(modelled, str):
            return replace(
                read,
                answers={
                    name: Missing(f"{answer.why}; {modelled}") if isinstance(answer, Missing) else answer
                    for name, answer in read.answers.items()
                },
            )
        return _with(read, modelled)

    def __enter__(self) -> "FieldRecords":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._reader is not None:
            self._reader.close()


def _with(read: Extracted, modelled: Mapping[str, Answer]) -> Extracted:
    """Rules' values with the model's in the open fields; in a doubtful one, two that agree are no longer in doubt."""
    answers = dict(read.answers)
    used = False
    for name in (name for name in read.open if name in modelled):
        own, theirs = answers[name], modelled[name]
        if isinstance(theirs, Missing):
            if isinstance(own, Missing):
                answers[name] = Missing(f"{own.why}; {theirs.why}")
            continue
        if isinstance(own, Value) and own.value == theirs.value:
            answers[name] = Value(own.value, max(theirs.confidence, DOUBTFUL))
            continue
        answers[name] = theirs
        used = True
    return Extracted(answers, "model" if used else read.method, read.refused)


def decided(extraction: Extraction, decision: Decision, before: Extracted) -> dict[str, Answer]:
    """The fields as a person left them; `before` are those that rules and model had read."""
    answers: dict[str, Answer] = {}
    for name in extraction.fields:
        value, own = decision.values.get(name), before.answers[name]
        if value is not None:
            answers[name] = Value(value, EXACT)
        else:
            answers[name] = Missing(REJECTED) if isinstance(own, Value) else own
    return answers


def decide(
    ledger: Ledger,
    answered: Answered,
    row: int,
    read: Extracted,
    verdict: Verdict,
    values: Mapping[str, Cell | None],
    by: str,
    started: str,
    comment: str = "",
    blind: bool = False,
) -> dict[str, Any]:
    """Write a person's decision about a row to the extraction's ledger, and return its record.

    `row` is the row's number in the table, 1 below the header; `read` is what was read before, which stays beside the
    decision; `values` are all fields as the person leaves them; `started` is when the person first saw the row. `blind`
    says that what was read was not shown.
    """
    record = {
        "key": answered.key,
        "rows": [row],
        "question": REVIEW,
        "status": DECIDED,
        "verdict": verdict,
        "values": dict(values),
        "read": {"values": read.values, "method": read.method, "confidence": read.confidence, "errors": read.errors},
        "by": by,
        "comment": comment,
        "blind": blind,
        "started": started,
        "ended": now(),
        "attempts": 1,
        "error": None,
    }
    ledger.append(record)
    return record


def extractor_of(run: Run) -> Extractor | None:
    """The extractor that a run asked last; None when it used only rules."""
    facts = run.manifest.extractor
    return Extractor(facts.model, facts.settings) if facts else None


def all_rows(
    rows: Rows, records: FieldRecords, table: CsvTable
) -> Iterator[tuple[list[str], Mapping[str, str], Answered, Extracted]]:
    """Each row of a table, as cells (several columns may have no name) and by name, with its answer and values."""
    for cells in table.all_cells():
        row = dict(zip(table.columns, cells, strict=True))
        answered = rows.of(row)
        yield cells, row, answered, records.completed(answered, rows.read(answered))
