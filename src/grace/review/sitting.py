"""A sitting of a review: one person, one run, one writer, from choosing the rows to writing the table again."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from grace.errors import InputError
from grace.ledger import Ledger
from grace.manifest import EXTRACT, SCORE
from grace.progress import Progress
from grace.review.desk import Desk
from grace.review.queue import Choice, Queue
from grace.review.server import ReviewServer
from grace.review.view import Shown
from grace.runs import Run
from grace.stages.fields.known import note_table
from grace.stages.fields.records import FieldRecords, Rows, extractor_of
from grace.stages.fields.table import ExportedFields, export_fields
from grace.stages.records import study_of
from grace.stages.related import answers_of, extractions_of, table_of
from grace.studies.study import Study, parse_study
from grace.tables import check_writable

MOST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class Review:
    """The options of the command; `blind` hides what was read, and what others decided."""

    run: Run
    by: str
    port: int = 0
    choice: Choice = field(default_factory=Choice)
    blind: bool = False
    break_lock: bool = False


@dataclass(frozen=True)
class OpenPage:
    """A review that waits for its person.

    Attributes:
        address: the page's address, with the token.
        once: the same with a ticket that opens the page once.
        queue: the rows to look at.
        run: the extraction's run.
    """

    address: str
    once: str
    queue: Queue
    run: Run


@dataclass(frozen=True)
class SittingResult:
    """The result of a sitting.

    Attributes:
        run: the extraction's run.
        queue: its rows.
        decisions: how many decisions were written.
        table: the values' table; None unless it was written again.
    """

    run: Run
    queue: Queue
    decisions: int
    table: ExportedFields | None


def review(
    options: Review, progress: Callable[[], AbstractContextManager[Progress]], opened: Callable[[OpenPage], None]
) -> SittingResult:
    """Let a person review a run until they end it, then write the values' table again.

    Args:
        options: those of the command.
        progress: shows the progress of long work.
        opened: called when the page is ready; not called when there is nothing to review.

    Raises:
        InputError: the run holds no values, or the person's name or the port cannot be used.
        RunLocked: another process writes the run.
    """
    by = _name(options.by)
    run = extraction_of(options.run)
    output = table_of(run)
    check_writable(output)
    study = study_of(run)
    with run.table() as table:
        rows = Rows(study, table.columns)
        with run.locked(options.break_lock), Ledger(run.ledger) as ledger:
            with FieldRecords.read(run, rows.extraction, extractor_of(run)) as records:
                with progress() as shown:
                    own = by if options.blind else None
                    queue = Queue.of(rows, records, table, options.choice, shown, own)
                if not len(queue):
                    return SittingResult(run, queue, 0, None)
                how = _shown(run, study)
                desk = Desk(table, rows, records, ledger, queue, by, how, run.path.name, options.blind)
                with run.session(output=output.name, rows=len(table), by=by) as record:
                    try:
                        asyncio.run(
                            _serve(desk, options.port, lambda url, once: opened(OpenPage(url, once, queue, run)))
                        )
                    finally:
                        record.decided = desk.decisions
                decided = records.decisions
            if not decided:
                return SittingResult(run, queue, desk.decisions, None)
            with progress() as shown:
                written = export_fields(run, output, table, study, shown)
                note_table(run, output, study)
    return SittingResult(run, queue, desk.decisions, written)


def _name(by: str) -> str:
    """The person's name in one line. Raises InputError."""
    name = " ".join(by.split())
    if not name or not name.isprintable() or len(name) > MOST_NAME:
        raise InputError(f"--by {by!r}: is not a name; give yours, which is stored with every decision")
    return name


def extraction_of(run: Run) -> Run:
    """The extraction to review: the run itself, or the one of these answers.

    Raises InputError when there is none, or several; the message says what to do.
    """
    experiment = run.identity.experiment
    if experiment == EXTRACT:
        return run
    if experiment == SCORE:
        raise InputError(
            f"{run.path}: holds probabilities, which need no reading; `grace review` takes the run of `grace extract`"
        )
    extractions = extractions_of(run)
    if not extractions:
        raise InputError(f"{run.path}: nothing was extracted from it yet; run `grace extract` on its table first")
    if len(extractions) > 1:
        names = ", ".join(str(other.path) for other in extractions)
        raise InputError(f"{run.path}: has several extractions ({names}); give one of them")
    return extractions[0]


def _shown(run: Run, study: Study) -> Shown:
    """How the trials of an extraction were shown: by its answers' run, or else by the study."""
    answers = answers_of(run)
    if answers is None:
        return Shown(study, None, False)
    try:
        asked = parse_study(answers.study.read_bytes(), str(answers.study))
    except OSError:
        return Shown(study, None, False)
    return Shown(asked, answers.identity.protocol, True)


async def _serve(desk: Desk, port: int, opened: Callable[[str, str], None]) -> None:
    await ReviewServer(desk).serve(port, opened)
