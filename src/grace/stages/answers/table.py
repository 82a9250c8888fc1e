"""The table of Experiment 1: every row with its raw answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from grace.columns import ANSWER_KINDS, answer_columns
from grace.ledger import LedgerReader
from grace.runs import Run
from grace.stages.answers.records import NOT_ASKED, Done, request_seed
from grace.studies.study import Study
from grace.tables import CsvTable, write_table

EMPTY = "empty answer"
ONLY_REASONED = "empty answer: all of it was reasoning"
EMPTIES = (EMPTY, ONLY_REASONED)
"""What `error` says about answers that arrived empty; they are not asked for again."""


@dataclass(frozen=True)
class ExportedAnswers:
    """What a table holds: its rows, how many of them were cut at the token limit, and the errors by their text."""

    path: Path
    rows: int
    cut: int
    errors: Counter[str]


def export_answers(
    run: Run, output: Path, table: CsvTable, ledger: LedgerReader, done: Done, study: Study
) -> ExportedAnswers:
    """Write the table of an Experiment 1 run; see `grace.stages.export`."""
    columns = answers_columns(run, table, study)
    ending, failing = (columns.index(name, len(table.columns)) for name in ("finish_reason", "error"))
    errors: Counter[str] = Counter()
    cut = 0

    def rows() -> Iterator[list[object]]:
        nonlocal cut
        for full in answer_rows(run, table, ledger, done):
            cut += full[ending] == "length"
            if full[failing]:
                errors[str(full[failing])] += 1
            yield full

    return ExportedAnswers(output, write_table(output, columns, rows(), ANSWER_KINDS), cut, errors)


def answers_columns(run: Run, table: CsvTable, study: Study) -> tuple[str, ...]:
    """The header of the table."""
    turns = run.identity.turns
    return (*table.beside(study.answer_names(turns)), *answer_columns(turns))


def answer_rows(run: Run, table: CsvTable, ledger: LedgerReader, done: Done) -> Iterator[list[object]]:
    """The rows of the table, in order: the input's cells, then the answer's."""
    identity, scope = run.identity, run.scope
    for row, cells in enumerate(islice(table.all_cells(), scope.rows)):
        for replication in range(scope.replications):
            seed = request_seed(identity.seed, identity.study, row, replication)
            yield [*cells, *_answer_cells(done, ledger, row, replication, identity.turns, identity.model["name"], seed)]


def _answer_cells(
    done: Done, ledger: LedgerReader, row: int, replication: int, turns: Sequence[str], model: str, seed: int
) -> list[object]:
    """The answer columns of one row: time and tokens of several turns are added, and a cut turn gives how it ended."""
    records, error = [], None
    for turn in turns:
        offset = done.finished(row, replication, turn)
        if offset is None:
            failed = done.failed(row, replication, turn)
            error = NOT_ASKED if failed is None else ledger[failed]["error"]["message"]
            break
        records.append(ledger[offset])
        if records[-1]["status"] == "empty":
            error = EMPTY if records[-1]["response"]["reasoning"] is None else ONLY_REASONED
    responses = [record["response"] for record in records]
    texts = [readable(response["text"]) for response in responses]
    endings = [response["finish_reason"] for response in responses]
    cells: list[object] = [
        model,
        "\n\n".join(texts) if texts else None,
        records[-1]["ended"] if records else None,
        round(sum(record["milliseconds"] for record in records)) if records else None,
        "length" if "length" in endings else endings[-1] if endings else None,
        _total(record["tokens"]["prompt"] for record in records),
        _total(record["tokens"]["completion"] for record in records),
        replication + 1,
        seed,
        error,
    ]
    if len(turns) > 1:
        cells += texts + [None] * (len(turns) - len(texts))
    cells.append("\n\n".join(readable(r["reasoning"]) for r in responses if r["reasoning"]) or None)
    return cells


def readable(text: str) -> str:
    """A text without NUL, which no reader of CSV accepts; the ledger keeps it."""
    return text.replace("\0", "\ufffd")


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum, None when the server gave no count."""
    given = [count for count in counts if count is not None]
    return sum(given) if given else None
