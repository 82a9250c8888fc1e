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
    for name in lineup.models:
        plan = plan_model(name, profile=lineup.profile) if lineup.on_cluster else None
        options = _options(name, lineup)
        listed = visit_tasks(visit, lambda place: str(inputs.get(place, place)), folder.model(name), options)
        works = [outlook(task, progress).work for task in listed]
        if plan:
            size = plan.variant.weights_bytes
            start = Span(*(size / rate + WARMING for rate in reversed(LOADING)))
            limit = plan.startup_minutes * MINUTE
            start = Span(min(start.low, limit), min(start.likely, limit), limit)
            gpus = plan.gpus * plan.nodes
            yield forecast(works, speeds, gpu_speed(plan), gpus=gpus, start=start, weights=size)
        elif lineup.endpoint:
            yield forecast(works, speeds)
        else:
            guess = guess_speed(name, embedded=True)
            yield forecast(works, speeds, guess, start=LOCAL_START, weights=weights_bytes(name) or 0)


def tasks_of(model: str, lineup: LineupFile, folder: LineupFolder) -> Sequence[Query | Score]:
    """What a model of a lineup that has begun is asked, over the runs of its folder. Raises InputError, Refused."""
    visit = read(folder.visit, VisitFile)
    return visit_tasks(visit, lambda place: str(folder.path / place), folder.model(model), _options(model, lineup))


def _options(model: str, lineup: LineupFile) -> TaskOptions:
    """As a visit has them: the address is that of this machine, of somebody else, or in a pod of the model's own."""
    if lineup.on_cluster:
        served = plan_model(model, profile=lineup.profile).variant.served_name
        endpoint = Endpoint(url="http://localhost:8000", model=served)
    else:
        endpoint = Endpoint(url=lineup.endpoint.url if lineup.endpoint else EMBEDDED, model=model)
    return TaskOptions(endpoint=endpoint, limit=lineup.limit)


def _runs_of(name: str, lineups: Path) -> Iterator[Run]:
    """Earlier runs that were made where this profile runs."""
    gpus = profile(name).gpus
    for run in earlier_runs(*lineups.glob("*/*")):
        folder = LineupFolder(run.path.parent.parent)
        try:
            made = folder.lineup.profile
        except InputError:
            made = None
        if made == name or (made is None and not gpus):
            yield run
