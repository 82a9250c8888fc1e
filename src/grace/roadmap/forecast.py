"""What phases with GPUs take, from the one module of measured rates, and what they took: forecast against actual."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grace.errors import InputError
from grace.lineup.folder import LineupFolder, visited
from grace.lineup.forecast import forecast_models
from grace.lineup.journal import Step
from grace.lineup.lineup_file import EndpointPlace, LineupFile
from grace.models.catalogue import models_of as catalogue_models
from grace.models.catalogue import profiles
from grace.progress import Progress
from grace.roadmap.checks.machine import endpoint as endpoint_named
from grace.roadmap.ground import Ground
from grace.roadmap.traces import LINEUPS
from grace.stages.forecast import Forecast, Span
from grace.stages.visit_file import VisitFile

PHASES = {2: "rtx3090", 4: "a100"}
"""The phases that carry whole lineups, with their profiles."""


@dataclass(frozen=True)
class PhaseForecast:
    """What one model takes in a phase, and what it took: hours from its server's start to the last answer."""

    phase: int
    profile: str
    forecast: Forecast
    actual: float | None


def forecasts(ground: Ground, profile: str, progress: Progress) -> Sequence[Forecast]:
    """What each model of a profile takes for all studies of the project. Raises InputError, Refused."""
    described = profiles()[profile]
    names = catalogue_models(described) if ground.rehearsal else ground.models_of(profile)
    endpoint = None
    if described.endpoint and not ground.rehearsal:
        if not (named := endpoint_named(ground)).met:
            raise InputError(named.text)
        endpoint = EndpointPlace(url=str(ground.project.content.endpoint))
    lineup = LineupFile(name=profile, profile=profile, models=tuple(names), endpoint=endpoint)
    visits, inputs = visited(list(ground.tables.items()))
    folder = LineupFolder(ground.folder / LINEUPS / f"forecast-{profile}")  # of none that there is: nothing is done yet
    return list(
        forecast_models(
            lineup, VisitFile(studies=visits, experiments=ground.experiments(profile)), inputs, folder, progress
        )
    )


def timeline(ground: Ground, progress: Progress) -> Iterator[PhaseForecast]:
    """The models of phases 2 and 4, each with its forecast and what it took. Raises InputError, Refused."""
    for phase, named in PHASES.items():
        profile = ground.profile(named)
        if phase in ground.road.skips or profile not in profiles():
            continue
        actual = actual_hours(ground, profile)
        for forecast in forecasts(ground, profile, progress):
            yield PhaseForecast(phase, profile, forecast, actual.get(forecast.model))


def actual_hours(ground: Ground, profile: str) -> dict[str, float]:
    """By the name that a model was served as: the hours that its last whole visit took, its server's start included."""
    hours: dict[str, float] = {}
    for lineup in ground.lineups(profile):
        for model in lineup.models:
            if model.proves and all(run.whole for run in model.runs if run.experiment != "extract"):
                served = next((str(run.model["name"]) for run in model.runs if run.model), model.name)
                begun = datetime.fromisoformat(model.history.times[Step.SERVE][0])
                ended = datetime.fromisoformat(model.history.times[Step.VISIT][1])
                hours[served] = (ended - begun).total_seconds() / 3600
    return hours


def total(spans: Sequence[Span]) -> Span:
    """The sum of uncertain numbers."""
    return sum(spans, Span.exactly(0))


def draw_timeline(rows: Sequence[PhaseForecast], path: Path) -> None:
    """Draw the hours of each model, one after the other, with ranges and what was measured. Raises InputError."""
    from matplotlib.figure import Figure

    from grace.files import replacing

    figure = Figure(figsize=(8, 1 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(rows)), [row.forecast.hours.likely for row in rows], color="#4477aa", label="forecast")
    for place, row in enumerate(rows):
        axes.plot([row.forecast.hours.low, row.forecast.hours.high], [place, place], color="black", linewidth=1)
        if row.actual is not None:
            axes.plot([row.actual], [place], marker="D", color="#cc6677", label="actual")
    axes.set_yticks(range(len(rows)), [f"phase {row.phase}: {row.forecast.model}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("hours, with their range")
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix.removeprefix(".") or "png", dpi=150)
