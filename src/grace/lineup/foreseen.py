"""Forecast against actual: what a lineup's models were to take, kept before they are asked, beside what they took."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import orjson

from grace.errors import GraceError
from grace.files import replacing
from grace.lineup.folder import LineupFolder
from grace.lineup.forecast import forecast_models
from grace.lineup.journal import Event, History, Step, histories
from grace.lineup.lineup_file import LineupFile
from grace.progress import Progress
from grace.stages.forecast import Span, duration
from grace.stages.visit_file import VisitFile


@dataclass(frozen=True)
class ForeseenModel:
    """What one model was to take, and what it took: seconds from its server's start to the last answer.

    Attributes:
        model: its name in the lineup.
        low, likely, high: the forecast.
        source: where its numbers came from.
        took: None while it is not known.
    """

    model: str
    low: float
    likely: float
    high: float
    source: str
    took: float | None = None

    @property
    def sentence(self) -> str:
        """Both in a line; empty while one is not known."""
        if self.took is None:
            return ""
        where = "as forecast" if self.low <= self.took <= self.high else "less" if self.took < self.low else "more"
        span = f"{duration(self.likely)} ({duration(self.low)} to {duration(self.high)})"
        return f"took {duration(self.took)}; forecast: {span}, {self.source.partition(':')[0]}: {where}"


def foresee(
    folder: LineupFolder, lineup: LineupFile, visit: VisitFile, inputs: Mapping[str, Path], progress: Progress
) -> None:
    """Keep the forecast of a lineup that has just begun; one that is there stays. Raises InputError for a full disk."""
    if folder.forecast.exists():
        return
    with suppress(GraceError):  # what cannot be foreseen is said where it is asked
        spans = [(each.seconds, each.source) for each in forecast_models(lineup, visit, inputs, folder, progress)]
        models = zip(lineup.models, spans, strict=True)
        _write(folder, [_foreseen(model, span, source) for model, (span, source) in models])


def compare_with_actual(folder: LineupFolder) -> Sequence[ForeseenModel]:
    """The models with what they took by now, which is kept; none where nothing was foreseen. Raises LedgerCorrupt."""
    try:
        entries = [ForeseenModel(**entry) for entry in orjson.loads(folder.forecast.read_bytes())["models"]]
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    carried = histories(folder.journal)
    models = [replace(each, took=_took(carried.get(each.model, History()))) for each in entries]
    if models != entries:
        _write(folder, models)
    return models


def _foreseen(model: str, span: Span, source: str) -> ForeseenModel:
    return ForeseenModel(model, span.low, span.likely, span.high, source)


def _took(history: History) -> float | None:
    """Seconds from the server's first start to the last answer."""
    if history.last.get(Step.VISIT) is not Event.DONE or Step.SERVE not in history.times:
        return None
    begun, ended = history.times[Step.SERVE][0], history.times[Step.VISIT][1]
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


def _write(folder: LineupFolder, models: Sequence[ForeseenModel]) -> None:
    with replacing(folder.forecast) as file:
        content = {"models": [asdict(each) for each in models]}
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
