"""Export: make a run's table from its ledger, without asking a model."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from grace.errors import InputError
from grace.files import check_outside_runs
from grace.ledger import LedgerReader
from grace.manifest import EXTRACT, SCORE
from grace.runs import Run
from grace.stages.answers.records import Done
from grace.stages.answers.table import ExportedAnswers, answer_rows, answers_columns, export_answers
from grace.stages.fields.records import FieldRecords, Rows, all_rows, extractor_of
from grace.stages.fields.table import ExportedFields, export_fields, output_columns
from grace.stages.records import study_of
from grace.stages.scores.records import Keys, Scores
from grace.stages.scores.table import ExportedScores, ScoreRows, export_scores, scored_columns, scored_rows
from grace.studies.study import Study
from grace.tables import check_writable


@contextmanager
def made_rows(run: Run, study: Study) -> Iterator[tuple[tuple[str, ...], Iterator[Sequence[object]]]]:
    """The header and the rows of a run's table, as `export_run` writes them; each is made when it is taken.

    Raises:
        InputError: the run cannot be read, or a row cannot be made.
    """
    identity = run.identity
    with ExitStack() as stack:
        table = stack.enter_context(run.table())
        if identity.experiment == EXTRACT:
            rows = Rows(study, table.columns)
            records = stack.enter_context(FieldRecords.read(run, rows.extraction, extractor_of(run)))
            read = ([*cells, *values.cells()] for cells, _, _, values in all_rows(rows, records, table))
            yield output_columns(rows.extraction, table), read
            return
        if not run.ledger.exists():
            raise InputError(f"{run.path}: holds no answers yet (it has no {run.ledger.name})")
        ledger = stack.enter_context(LedgerReader(run.ledger))
        if identity.experiment == SCORE:
            keys = Keys(study, table, identity.model, identity.scoring)
            score_rows, name = ScoreRows(ledger, Scores.read(run, study), keys), identity.model["name"]
            scored = (
                [*given, name, *score_rows.texts(own), own[1]] for given, own in scored_rows(run, table, score_rows)
            )
            yield scored_columns(table, study), scored
            return
        done = Done.read(run, len(table), identity.turns)
        yield answers_columns(run, table, study), answer_rows(run, table, ledger, done)


def export_run(run: Run, output: Path, study: Study | None = None) -> ExportedAnswers | ExportedScores | ExportedFields:
    """Write the table of a run: the rows asked about, in the input's order.

    Rows that were not asked, or not answered, are there too, with the reason in `error`. `study` is the run's, when the
    caller has compiled it.

    Raises:
        InputError: the run holds no answers, or the output cannot be written.
    """
    identity = run.identity
    check_writable(output)
    check_outside_runs(output)
    if run.path.resolve() in output.resolve().parents:
        raise InputError(f"{output}: is inside the run, which is kept as it is; choose a name outside {run.path}")
    if identity.experiment == EXTRACT:
        with run.table() as table:
            return export_fields(run, output, table, study or study_of(run))
    if not run.ledger.exists():
        raise InputError(f"{run.path}: holds no answers yet (it has no {run.ledger.name})")
    with run.table() as table, LedgerReader(run.ledger) as ledger:
        if identity.experiment == SCORE:
            keys = Keys(study or study_of(run), table, identity.model, identity.scoring)
            return export_scores(run, output, table, ledger, Scores.read(run, keys.study), keys)
        return export_answers(
            run, output, table, ledger, Done.read(run, len(table), identity.turns), study or study_of(run)
        )
