"""The table of Experiment 1: every row with its raw answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from grace.columns import ANSWER_KINDS, answer_columns
from grace.errors import LedgerCorrupt
from grace.index import beside
from grace.ledger import LedgerReader
from grace.runs import Run
from grace.stages.answers.records import NOT_ASKED, Done, request_seed
from grace.studies.study import Study
from grace.tables import CsvTable, write_beside

Given = TypeVar("Given")
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
    first = len(table.columns)
    ending, failing = (columns.index(name, first) - first for name in ("finish_reason", "error"))
    errors: Counter[str] = Counter()
    cut = 0

    def rows() -> Iterator[tuple[str | list[str], list[object]]]:
        nonlocal cut
        for given, added in _answered(run, table.all_given(), ledger, done):
            cut += added[ending] == "length"
            if added[failing]:
                errors[str(added[failing])] += 1
            yield given, added

    return ExportedAnswers(output, write_beside(output, columns, rows(), ANSWER_KINDS), cut, errors)


def answers_columns(run: Run, table: CsvTable, study: Study) -> tuple[str, ...]:
    """The header of the table."""
    turns = run.identity.turns
    return (*table.beside(study.answer_names(turns)), *answer_columns(turns))


def answer_rows(run: Run, table: CsvTable, ledger: LedgerReader, done: Done) -> Iterator[list[object]]:
    """The rows of the table, in order: the input's cells, then the answer's."""
    return ([*cells, *added] for cells, added in _answered(run, table.all_cells(), ledger, done))


def _answered(
    run: Run, given: Iterable[Given], ledger: LedgerReader, done: Done
) -> Iterator[tuple[Given, list[object]]]:
    """The input's rows, once for each replication, and the answer's cells."""
    identity, scope = run.identity, run.scope
    turns, model = identity.turns, identity.model["name"]
    for row, own in enumerate(islice(given, scope.rows)):
        for replication in range(scope.replications):
            seed = request_seed(identity.seed, identity.study, row, replication)
            yield own, _answer_cells(done, ledger, row, replication, turns, model, seed)


def _answer_cells(
    done: Done, ledger: LedgerReader, row: int, replication: int, turns: Sequence[str], model: str, seed: int
) -> list[object]:
    """The answer columns of one row: time and tokens of several turns are added, and a cut turn gives how it ended."""
    texts: list[str] = []
    reasonings: list[str] = []
    ended = milliseconds = ending = prompt = completion = error = None
    for turn in turns:
        offset = done.finished(row, replication, turn)
        if offset is None:
            failed = done.failed(row, replication, turn)
            error = NOT_ASKED if failed is None else ledger[failed]["error"]["message"]
            break
        record = ledger[offset]
        if record["rows"][0] != row + 1 or record["question"] != turn:
            raise LedgerCorrupt(f"{ledger.path}: its index is wrong; remove {beside(ledger.path)}")
        response, tokens, reasoning = record["response"], record["tokens"], record["response"]["reasoning"]
        texts.append(readable(response["text"]))
        if reasoning:
            reasonings.append(readable(reasoning))
        if record["status"] == "empty":
            error = EMPTY if reasoning is None else ONLY_REASONED
        ended = record["ended"]
        milliseconds = (milliseconds or 0) + record["milliseconds"]
        ending = "length" if ending == "length" else response["finish_reason"]
        prompt, completion = _added(prompt, tokens["prompt"]), _added(completion, tokens["completion"])
    cells: list[object] = [
        model,
        "\n\n".join(texts) if texts else None,
        ended,
        None if milliseconds is None else round(milliseconds),
        ending,
        prompt,
        completion,
        replication + 1,
        seed,
        error,
    ]
    if len(turns) > 1:
        cells += texts + [None] * (len(turns) - len(texts))
    cells.append("\n\n".join(reasonings) or None)
    return cells


def readable(text: str) -> str:
    """A text without NUL, which no reader of CSV accepts; the ledger keeps it."""
    return text.replace("\0", "\ufffd")


def _added(sum_: int | None, count: int | None) -> int | None:
    """A sum of counts with one more, None where the server gave none."""
    return sum_ if count is None else count if sum_ is None else sum_ + count
