"""Verdicts: the checks of quality on a model's data, done again on what is there now, whatever a report says."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from grace.errors import GraceError
from grace.files import sha256_of
from grace.progress import Silence
from grace.quality.validate import validate_runs
from grace.roadmap.traces import RunTrace
from grace.runs import Run
from grace.stages.related import groups_of

ABILITIES = frozenset(
    (
        "balance",
        "duplicate_answers",
        "empty_answers",
        "extracted",
        "extraction_doubt",
        "label_mass",
        "percentage_sum",
        "refusals",
        "truncated",
    )
)
"""Checks of what a model can do. The others fail only where the pipeline, the input or a file is wrong."""


@dataclass(frozen=True)
class StudyVerdict:
    """The checks of one study's data of one model.

    Attributes:
        study: its name.
        ok: whether all checks passed.
        failed: those that did not, each with its table.
        runs: the names of the runs.
        sentence: the verdict in a line.
        key: digest of all that was checked, and of the thresholds.
    """

    study: str
    ok: bool
    failed: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]
    sentence: str
    key: str

    def unsound(self, table: str = "") -> tuple[str, ...]:
        """The checks that failed because something is wrong with the data, not with the model; of one table or all."""
        return tuple(f"{check} ({own})" for check, own in self.failed if check not in ABILITIES and table in ("", own))

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "StudyVerdict":
        """From an entry of the evidence."""
        failed = tuple((check, table) for check, table in entry["failed"])
        return cls(**{**entry, "failed": failed, "runs": tuple(entry["runs"])})

    def as_json(self) -> dict[str, Any]:
        """For an entry of the evidence."""
        return asdict(self)


def key_of(runs: Sequence[RunTrace], thresholds: Mapping[str, float]) -> str:
    """Digest of the runs, of the tables made of them, and of the thresholds."""
    content: dict[str, Any] = {"thresholds": dict(thresholds)}
    for run in runs:
        content[run.path.name] = dict(run.files)
        if run.table.is_file():
            content[run.table.name] = sha256_of(run.table)
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def verdicts_on(
    runs: Sequence[RunTrace], thresholds: Mapping[str, float], earlier: Mapping[str, StudyVerdict]
) -> tuple[StudyVerdict, ...]:
    """The verdict on each study among some runs of one folder.

    Args:
        runs: all of one model.
        thresholds: the project's own.
        earlier: verdicts of the evidence by study; one on the same bytes holds still.
    """
    key = key_of(runs, thresholds)
    if earlier and all(verdict.key == key for verdict in earlier.values()):
        return tuple(earlier.values())
    try:
        groups = groups_of([Run(run.path) for run in runs])
    except GraceError as error:
        return (StudyVerdict("", False, (("table", "all"),), tuple(run.path.name for run in runs), str(error), key),)
    found = []
    with TemporaryDirectory(prefix="grace-roadmap-") as folder:
        for place, group in enumerate(groups):
            names, study = tuple(run.path.name for run in group.runs), group.base.identity.study
            try:
                report = validate_runs(group, Path(folder) / str(place), thresholds, Silence())
            except GraceError as error:
                found.append(StudyVerdict(study, False, (("table", "all"),), names, str(error), key))
                continue
            failed = tuple((result.check, result.table) for result in report.failed)
            found.append(StudyVerdict(study, report.ok, failed, names, report.verdict, key))
    return tuple(found)
