"""Export: make a run's table from its ledger, without asking a model."""

from pathlib import Path

from grace.errors import InputError
from grace.files import check_outside_runs
from grace.ledger import LedgerReader
from grace.manifest import EXTRACT, SCORE
from grace.runs import Run
from grace.stages.answers.records import Done
from grace.stages.answers.table import ExportedAnswers, export_answers
from grace.stages.fields.table import ExportedFields, export_fields
from grace.stages.records import study_of
from grace.stages.scores.records import Keys, Scores
from grace.stages.scores.table import ExportedScores, export_scores
from grace.studies.study import Study
from grace.tables import check_writable


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
