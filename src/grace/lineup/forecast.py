"""What a lineup will take, model by model, and where the numbers come from; nothing is started and nothing written."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grace.declared import read
from grace.endpoints.serving import EMBEDDED
from grace.errors import InputError
from grace.lineup.folder import LineupFolder
from grace.lineup.lineup_file import LineupFile
from grace.models.catalogue import profile
from grace.models.plan import plan_model
from grace.models.speed import gpu_speed, guess_speed, weights_bytes
from grace.progress import Progress
from grace.runs import Run
from grace.stages.answers.ask import Query
from grace.stages.forecast import MINUTE, Forecast, Span, earlier_runs, forecast, measured
from grace.stages.scores.ask import Score
from grace.stages.task import Endpoint, TaskOptions
from grace.stages.visit import visit_tasks
from grace.stages.visit_file import VisitFile
from grace.stages.workload import outlook

LOCAL_START = Span(0.5, 2.0, 30.0)
"""Seconds until llama.cpp answers."""
LOADING = (0.3e9, 1.0e9, 3.0e9)
"""Bytes of weights a second, from a volume into GPUs: slow, likely, fast."""
WARMING = 90.0
"""Seconds that vLLM takes beside that: imports, compiling, CUDA graphs."""


def forecast_models(
    lineup: LineupFile, visit: VisitFile, inputs: Mapping[str, Path], folder: LineupFolder, progress: Progress
) -> Iterator[Forecast]:
    """What each model of a lineup takes.

    Args:
        lineup: which models, and where.
        visit: what each is asked.
        inputs: tables and study files by their place in a lineup's folder.
        folder: the lineup's own; what is answered there is counted as done. It need not exist.
        progress: hears what is odd about the tables.

    Raises:
        InputError: a table or study does not fit.
        Refused: a model cannot run on the profile's GPUs.
    """
    speeds = measured(_runs_of(lineup.profile, folder.path.parent))
    embedded = lineup.local
    for name in lineup.models:
        plan = None if embedded else plan_model(name, profile=lineup.profile)
        served = plan.variant.served_name if plan else name
        listed = _tasks(served, embedded, lineup.limit, visit, inputs, folder.model(name))
        works = [outlook(task, progress).work for task in listed]
        if plan:
            size = plan.variant.weights_bytes
            start = Span(*(size / rate + WARMING for rate in reversed(LOADING)))
            limit = plan.startup_minutes * MINUTE
            start = Span(min(start.low, limit), min(start.likely, limit), limit)
            gpus = plan.gpus * plan.nodes
            yield forecast(works, speeds, gpu_speed(plan), gpus=gpus, start=start, weights=size)
        else:
            guess = guess_speed(name, embedded=True)
            yield forecast(works, speeds, guess, start=LOCAL_START, weights=weights_bytes(name) or 0)


def tasks_of(model: str, lineup: LineupFile, folder: LineupFolder) -> Sequence[Query | Score]:
    """What a model of a lineup that has begun is asked, over the runs of its folder. Raises InputError, Refused."""
    embedded = lineup.local
    served = model if embedded else plan_model(model, profile=lineup.profile).variant.served_name
    visit = read(folder.visit, VisitFile)
    return visit_tasks(
        visit, lambda place: str(folder.path / place), folder.model(model), _options(served, embedded, lineup.limit)
    )


def _options(served: str, embedded: bool, limit: int | None) -> TaskOptions:
    """As a visit has them; the address is that in a pod of the model's own server."""
    return TaskOptions(
        endpoint=Endpoint(url=EMBEDDED if embedded else "http://localhost:8000", model=served), limit=limit
    )


def _tasks(
    served: str, embedded: bool, limit: int | None, visit: VisitFile, inputs: Mapping[str, Path], out: Path
) -> Sequence[Query | Score]:
    return visit_tasks(visit, lambda place: str(inputs.get(place, place)), out, _options(served, embedded, limit))


def _runs_of(name: str, lineups: Path) -> Iterator[Run]:
    """Earlier runs that were made where this profile runs."""
    embedded = profile(name).embedded is not None
    for run in earlier_runs(*lineups.glob("*/*")):
        folder = LineupFolder(run.path.parent.parent)
        try:
            made = folder.lineup.profile
        except InputError:
            made = None
        if made == name or (made is None and embedded):
            yield run
