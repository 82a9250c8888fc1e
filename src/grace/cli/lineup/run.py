"""`grace lineup run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grace.cli import options
from grace.cli.asking import end
from grace.cli.cluster.options import ClusterName, Context, Namespace
from grace.cli.forecast import tell_forecasts
from grace.cli.lineup.carrying import begin_detached, carry_lineup
from grace.cli.lineup.options import Detach, Lineups, Parallel, StopOnFailure
from grace.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grace.lineup.folder import LineupFolder
    from grace.lineup.lineup_file import LineupFile
    from grace.stages.forecast import Span
    from grace.stages.visit_file import VisitFile

SAMPLES = (("study1", Path("data/test_sample_study1.csv")), ("study2", Path("data/test_sample_study2.csv")))
"""What is asked where neither an option nor a project says."""


def run(
    profile: Annotated[str, typer.Option(help="Where the models run: local, api, rtx3090 or a100.")] = "local",
    models: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="The models, in order. Default: those of the profile.")
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(metavar="STUDY=TABLE", help="A study, or its file, with its table; may be given several times."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The lineup's name. Default: the profile's.")] = None,
    lineups: Lineups = Path("lineups"),
    experiment: Annotated[
        list[int] | None,
        typer.Option(metavar="1|2", min=1, max=2, help="Answers (1), probabilities (2). Default: both."),
    ] = None,
    limit: options.Limit = None,
    model_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="With --profile api: the address of the endpoint.")
    ] = None,
    api_key_env: options.ApiKeyEnv = None,
    parallel: Parallel = 1,
    stop_on_failure: StopOnFailure = False,
    detach: Detach = False,
    cluster: ClusterName = "nrp",
    namespace: Namespace = None,
    context: Context = None,
    image: Annotated[str | None, typer.Option(metavar="REF", help="Grace's image in a registry.")] = None,
    code: Annotated[
        Literal["image", "wheel"],
        typer.Option(help="image: Grace's image from a registry; wheel: this installation of Grace."),
    ] = "image",
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Weights for all models, such as awq. Default: the profile's.")
    ] = None,
    priority_class: Annotated[
        str | None, typer.Option(metavar="NAME|none", help="Priority class of pods with GPUs.")
    ] = None,
    batch_invariant: Annotated[
        bool,
        typer.Option("--batch-invariant", help="Answers that do not depend on their batch, for models where vLLM can."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Start nothing: show models, objects, requests and hours, and write nothing."),
    ] = False,
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Pass a closed gate of the roadmap; the reason is kept and reported."),
    ] = None,
) -> None:
    """Carry a lineup's models, one after the other, from their weights to checked data at home.

    --profile says where: local is this machine; api is an endpoint that somebody else serves (--model-endpoint and
    --models, or `endpoint` and `profiles` of grace.yaml); the others are GPUs of a cluster, for which a kubeconfig is
    needed.
    Each model is served, asked everything, its data is checked, and its server removed before the next one comes.
    lineups/NAME/lineup.jsonl records every step. After Ctrl-C or a crash, the same command continues where it left
    off. Exit code 1: a model failed, or its data failed a check. 4: a gate of `grace roadmap` is closed: profiles with
    GPUs come after what they stand on is proven.

    \b
    Examples:
      grace lineup run --dry-run
      grace lineup run
      grace lineup run --detach
      grace lineup run --profile api --model-endpoint https://api.example --api-key-env MY_KEY --models small,large
      grace lineup run --profile rtx3090 --namespace my-lab --image registry.example/my-lab/grace:0.1.0
      grace lineup run --study study1=data/study1.csv --study my_study.yaml=trials.csv --name mine
    """
    from grace.cluster.access.connection import has_client
    from grace.declared import checked
    from grace.lineup.backends import backend_for, planned_objects
    from grace.lineup.folder import LineupFolder, visited
    from grace.lineup.foreseen import foresee
    from grace.lineup.lineup_file import LineupFile
    from grace.lock import locked
    from grace.models.catalogue import hub_model, models_of
    from grace.models.catalogue import profile as find_profile
    from grace.project import find_project
    from grace.roadmap import gates
    from grace.roadmap.ground import Ground
    from grace.stages.visit_file import VisitFile

    described = find_profile(profile)
    project = find_project()
    own = project.content.profiles.get(profile) if project else None
    names = models.split(",") if models else own.models if own else models_of(described)
    place, endpoint, rehearsal = None, None, bool(project and project.content.rehearsal)
    if described.endpoint and not rehearsal:
        alone = [project.content.model] if project and project.content.model else []
        names = names or alone
        endpoint = _endpoint(profile, names, model_endpoint, api_key_env)
    if described.gpus and not rehearsal:
        names = [hub_model(model).name for model in names]
        place = {
            "cluster": str(Path(cluster).absolute()) if Path(cluster).suffix else cluster,
            "namespace": namespace,
            "context": context,
            "image": image,
            "code": code,
            "variant": variant,
            "priority_class": priority_class,
            "batch_invariant": batch_invariant,
        }
    content: dict[str, Any] = {"name": name or profile, "profile": profile, "models": names, "limit": limit}
    content |= {"place": place, "endpoint": endpoint, "rehearsal": rehearsal}
    lineup = checked(content, "grace lineup run", LineupFile)
    folder = LineupFolder(lineups / lineup.name)
    tables = list(project.tables.items()) if project else []
    visits, inputs = visited([_pair(each) for each in study] if study else tables or list(SAMPLES))
    visit = checked({"studies": visits, "experiments": experiment or (1, 2)}, "grace lineup run", VisitFile)
    if place and not dry_run and not has_client():  # a closed gate comes before a package that is lacking
        gates.ask(Ground.here(), profile, lineup.models, lineup.name, override)
    planned = planned_objects(lineup, visit, inputs)
    if dry_run:
        _tell_forecast(lineup, visit, inputs, folder, planned)
        return
    gates.ask(Ground.here(), profile, lineup.models, lineup.name, override)
    with locked(folder.path):
        folder.begin(lineup, visit, inputs)
        with options.progressing() as progress:
            foresee(folder, lineup, visit, inputs, progress)
        if not detach:
            backend = backend_for(lineup, folder)
            end(carry_lineup(folder, backend, parallel=parallel, stop_on_failure=stop_on_failure))
            return
    begin_detached(folder, parallel=parallel, stop_on_failure=stop_on_failure)


def _endpoint(profile: str, names: "Sequence[str]", url: str | None, api_key_env: str | None) -> dict[str, str | None]:
    """Where the models of somebody else answer. Raises InputError where nobody says it."""
    from grace.endpoints.serving import EMBEDDED

    if url in (None, EMBEDDED):
        raise InputError(
            f"--profile {profile}: at which address? --model-endpoint URL says it, or `endpoint: URL` in grace.yaml"
        )
    if not names:
        raise InputError(
            f"--profile {profile}: which models? --models A,B says it, or "
            f"`profiles: {{{profile}: {{models: [A, B]}}}}` in grace.yaml"
        )
    return {"url": url, "api_key_env": api_key_env}


def _pair(text: str) -> tuple[str, Path]:
    study, sign, table = text.rpartition("=")
    if not sign or not study or not table:
        raise InputError(f"--study {text}: give a study with its table, as --study study1=data/study1.csv")
    return study, Path(table)


def _tell_forecast(
    lineup: "LineupFile",
    visit: "VisitFile",
    inputs: "Mapping[str, Path]",
    folder: "LineupFolder",
    planned: "Mapping[str, Sequence[str]]",
) -> None:
    """Print what a lineup would take, in order, and what would be made for each model."""
    from grace.lineup.forecast import forecast_models
    from grace.stages.forecast import Span, duration

    with options.progressing() as progress:
        forecasts = list(forecast_models(lineup, visit, inputs, folder, progress))
    zero = Span.exactly(0)
    seconds = sum((each.seconds for each in forecasts), zero)
    gpu_hours = sum((each.gpu_hours for each in forecasts), zero)
    for number, (model, each) in enumerate(zip(lineup.models, forecasts, strict=True), 1):
        print(f"{number}. ", end="")
        tell_forecasts([each])
        if each.gpus:
            print(f"  {options.count(each.gpus, 'GPU')}: {_hours(each.gpu_hours)}")
        weights = f"{each.weights / 1e9:.2g} GB of weights; " if each.weights else ""
        print(f"  {weights}{each.storage.likely / 1e6:.2g} MB of data")
        for made in planned[model]:
            print(f"  makes {made}")
    whole = f"{duration(seconds.likely)} ({duration(seconds.low)} to {duration(seconds.high)})"
    requests = sum(each.requests - each.done for each in forecasts)
    print(f"in all: {options.count(len(forecasts), 'model')}, {options.count(requests, 'request')}, about {whole}")
    if gpu_hours.high:
        print(f"  {_hours(gpu_hours)}")


def _hours(span: "Span") -> str:
    return f"{span.likely:.2g} GPU hours ({span.low:.2g} to {span.high:.2g})"
