"""What is done with a model's data when it is home: values are read by rules, and the checks of quality judge it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from grace.manifest import EXTRACT, GENERATE
from grace.progress import Progress
from grace.quality.validate import validate_runs
from grace.runs import Run
from grace.stages.fields.ask import Extract
from grace.stages.records import study_of
from grace.stages.related import groups_of, table_of


@dataclass(frozen=True)
class Judged:
    """The verdict on one study's data.

    Attributes:
        study: its name.
        good: whether every check passed.
        verdict: in words.
        report: the folder of the report.
    """

    study: str
    good: bool
    verdict: str
    report: str

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Self:
        """From a journal's entry."""
        return cls(**entry)

    def as_json(self) -> dict[str, Any]:
        """For a journal's entry."""
        return asdict(self)


def judged(folder: Path, progress: Progress) -> tuple[Judged, ...]:
    """Read the values of all answers in a folder by rules, and check the tables of each study.

    Raises:
        InputError: a run cannot be read.
    """
    runs = [Run(path) for path in sorted(folder.glob("*.run"))]
    asked = [run for run in runs if run.identity.experiment != EXTRACT]
    for run in asked:
        if run.identity.experiment == GENERATE and study_of(run).extraction:
            table = table_of(run)
            task = Extract(study=str(run.study), input=table, output=table.with_name(f"{table.stem}_structured.csv"))
            with task.prepared(progress) as prepared:
                prepared.read(progress)
    verdicts = []
    for group in groups_of(asked):
        out = group.given.path.with_name(f"{group.given.path.stem}_quality")
        report = validate_runs(group, out, {}, progress)
        verdicts.append(Judged(report.group.study.name, report.ok, report.verdict, out.name))
    return tuple(verdicts)
