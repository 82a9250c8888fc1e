"""Export: make a run's table from its ledger, without asking a model."""

from pathlib import Path

from grace.errors import InputError
from grace.ledger import LedgerReader
from grace.manifest import EXTRACT, SCORE
from grace.runs import Run
from grace.stages.answers import records as answers
from grace.stages.answers.table import ExportedAnswers, export_answers
from grace.stages.fields.table import ExportedFields, export_fields
from grace.stages.records import study_of
from grace.stages.scores import records as scores
from grace.stages.scores.table import ExportedScores, export_scores
from grace.studies.study import Study
from grace.tables import CsvTable, check_writable


def export_run(
    run: Run,
    output: Path,
    done: answers.Done | scores.Scores | None = None,
    keys: scores.Keys | None = None,
    study: Study | None = None,
) -> ExportedAnswers | ExportedScores | ExportedFields:
    """Write the table of a run: the rows asked about, in the input's order.

    Rows that were not asked, or not answered, are there too, with the reason in `error`.

    Args:
        run: the run.
        output: the CSV or Parquet file to write or replace.
        done: what is known of the ledger, when the caller has just read it.
        keys: those of a score run's questions, when the caller has just made them.
        study: the run's, when the caller has compiled it.

    Raises:
        InputError: not such a run, or the output cannot be written.
    """
    identity = run.identity
    check_writable(output)
    if run.path.resolve() in output.resolve().parents:
        raise InputError(f"{output}: is inside the run, which is kept as it is; choose a name outside of {run.path}")
    if identity.experiment == EXTRACT:
        with CsvTable(run.input) as table:
            return export_fields(run, output, table, study or study_of(run))
    if not run.ledger.exists():
        raise InputError(f"{run.path}: holds no answers yet (it has no {run.ledger.name})")
    with CsvTable(run.input) as table, LedgerReader(run.ledger) as ledger:
        if table.sha256 != identity.input.sha256:
            raise InputError(f"{run.input}: was changed since the run began; restore it from a copy")
        if identity.experiment == SCORE:
            assert not isinstance(done, answers.Done)
            return export_scores(run, output, table, ledger, done or scores.Scores.read(run), keys, study)
        assert not isinstance(done, scores.Scores)
        known = done or answers.Done.read(run, len(table), identity.turns)
        return export_answers(run, output, table, ledger, known)
