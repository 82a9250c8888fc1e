"""Export: make the answers' table from a run's ledger, without asking a model."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grace.errors import InputError
from grace.ledger import LedgerReader
from grace.runs import Run
from grace.stages.done import EXPERIMENT, Done, request_seed
from grace.tables import CsvTable, write_csv

ANSWER_COLUMNS = (
    "model_name",
    "model_response",
    "response_timestamp",
    "processing_time_ms",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "replication",
    "seed",
    "error",
)
NOT_ASKED = "not asked yet"
EMPTY = "empty answer"
ONLY_REASONED = "empty answer: all of it was reasoning"


@dataclass(frozen=True)
class Exported:
    """What a table holds: its rows, how many of them were cut at the token limit, and the errors by their text."""

    path: Path
    rows: int
    cut: int
    errors: Counter[str]


def answer_columns(turns: Sequence[str]) -> tuple[str, ...]:
    """The columns that follow the input's: one `response_<turn>` for each turn where there are several."""
    by_turn = tuple(f"response_{turn}" for turn in turns) if len(turns) > 1 else ()
    return (*ANSWER_COLUMNS, *by_turn, "model_reasoning")


def export(run: Run, output: Path, done: Done | None = None) -> Exported:
    """Write the table of a generate run: the rows asked about in its last session, in the input's order.

    Rows that were not asked, or not answered, are there too, with the reason in `error`.

    Args:
        run: the run.
        output: the CSV file to write or replace.
        done: what is known of the ledger, when the caller has just read it.

    Raises:
        InputError: not such a run, or the output cannot be written.
    """
    identity = run.manifest["identity"]
    if not {"experiment", "study", "turns", "input", "model", "seed"} <= identity.keys():
        raise InputError(f"{run.path / 'run.json'}: is damaged (its identity is not whole); restore it from a copy")
    if identity["experiment"] != EXPERIMENT:
        raise InputError(
            f"{run.path}: holds the experiment {identity['experiment']!r}; only {EXPERIMENT!r} is exported"
        )
    if output.suffix.lower() != ".csv":
        raise InputError(f"{output}: the table is written as CSV; choose a name that ends in .csv")
    turns = tuple(identity["turns"])
    scope = run.scope
    if run.path.resolve() in output.resolve().parents:
        raise InputError(f"{output}: is inside the run, which is kept as it is; choose a name outside of {run.path}")
    if not run.ledger.exists():
        raise InputError(f"{run.path}: holds no answers yet (it has no {run.ledger.name})")
    with CsvTable(run.input) as table, LedgerReader(run.ledger) as ledger:
        if table.sha256 != identity["input"]["sha256"]:
            raise InputError(f"{run.input}: was changed since the run began; restore it from a copy")
        done = done or Done.read(run, len(table), turns)

        columns = (*table.columns, *answer_columns(turns))
        ending, failing = (
            columns.index("finish_reason", len(table.columns)),
            columns.index("error", len(table.columns)),
        )
        errors: Counter[str] = Counter()
        cut = 0

        def rows() -> Iterator[list[object]]:
            nonlocal cut
            for row in range(scope["rows"]):
                cells = table.cells(row)
                for replication in range(scope["replications"]):
                    seed = request_seed(identity["seed"], identity["study"], row, replication)
                    full = [
                        *cells,
                        *_answer_cells(done, ledger, row, replication, turns, identity["model"]["name"], seed),
                    ]
                    cut += full[ending] == "length"
                    if full[failing]:
                        errors[str(full[failing])] += 1
                    yield full

        return Exported(output, write_csv(output, columns, rows()), cut, errors)


def _answer_cells(
    done: Done, ledger: LedgerReader, row: int, replication: int, turns: Sequence[str], model: str, seed: int
) -> list[object]:
    """The answer columns of one row: several turns add up in time and tokens, and a cut one tells how it ended."""
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
    texts = [response["text"] for response in responses]
    endings = [response["finish_reason"] for response in responses]
    cells: list[object] = [
        model,
        "\n\n".join(texts),
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
    cells.append("\n\n".join(r["reasoning"] for r in responses if r["reasoning"]) or None)
    return cells


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum, None when nothing is known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
