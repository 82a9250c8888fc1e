"""Requests for scarce GPUs: the form's fields and the message, from the actual plan and from what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from grace.errors import InputError
from grace.files import replacing, sha256_of
from grace.models.catalogue import hub_models
from grace.models.plan import CannotRun, MemoryPlan, plan_model
from grace.policy.cluster_file import Cluster, load_cluster
from grace.progress import Progress
from grace.roadmap.evidence import FOLDER, EvidenceEntry, Kind
from grace.roadmap.forecast import forecasts, total
from grace.roadmap.gates import require
from grace.roadmap.ground import Ground
from grace.roadmap.said import noted, say
from grace.stages.forecast import Forecast, Span, duration

SCARCE, PLENTY = "a100", "rtx3090"
BEFORE = (0, 1, 2)
"""The phases whose gates must be open before anybody is asked."""
DAY_HOURS = 24.0
WHATS = ("a100", "reservation", "exception")


@dataclass(frozen=True)
class ScarceNeed:
    """A model on scarce GPUs: its plan there, what it takes, and why it does not run in full precision on others."""

    plan: MemoryPlan
    forecast: Forecast
    why: str


def needs_of(ground: Ground, progress: Progress) -> list[ScarceNeed]:
    """What each model of the scarce profile needs. Raises InputError, Refused."""
    found = []
    for forecast in forecasts(ground, SCARCE, progress):
        name = next(m.name for m in hub_models().values() for v in m.variants if v.served_name == forecast.model)
        found.append(ScarceNeed(plan_model(name, profile=SCARCE), forecast, why_not_smaller(name)))
    return found


def why_not_smaller(name: str) -> str:
    """Why the full precision of a model does not run on the GPUs that are easy to get; or that it does."""
    try:
        plan_model(name, gpu=PLENTY)
    except CannotRun as refused:
        return f"{refused.problem.what} (there: {refused.problem.fix})"
    return f"it also runs in full precision on one {PLENTY}; asked for here so that all models run alike"


def write_request(ground: Ground, what: str, dry_run: bool, progress: Progress) -> tuple[str, EvidenceEntry | None]:
    """The text of a request; unless it is a dry run, it is written to the project and kept in the evidence.

    Raises:
        InputError: there is no such request, or a table is missing.
        Refused: it is not time to ask: a gate before is closed.
    """
    if what not in WHATS:
        raise InputError(f"request {what}: is none of {', '.join(WHATS)}")
    if not dry_run:
        require(ground, BEFORE, f"request {what}")
    cluster = load_cluster(ground.project.content.cluster or "nrp")
    needs = needs_of(ground, progress)
    lines = _exception(needs) if what == "exception" else _request(ground, what, needs, cluster)
    text = "\n".join(lines) + "\n"
    if dry_run:
        return text, None
    path = ground.folder / FOLDER / f"request-{what}.md"
    with replacing(path) as file:
        file.write(text.encode())
    facts = {"file": ground.name_of(path), "sha256": sha256_of(path), "gpus": most_gpus(needs)}
    return text, say(ground, Kind.REQUEST, what, facts, None)


def most_gpus(needs: Sequence[ScarceNeed]) -> int:
    """The most GPUs at once: one model runs after the other."""
    return max(need.plan.gpus * need.plan.nodes for need in needs)


def _request(ground: Ground, what: str, needs: Sequence[ScarceNeed], cluster: Cluster) -> Iterator[str]:
    hours = total([need.forecast.hours for need in needs])
    gpu_hours = total([need.forecast.gpu_hours for need in needs])
    gpu = needs[0].plan.gpu
    place = "a reservation" if what == "reservation" else "access"
    yield f"# Request: {place} to {gpu.title}"
    yield f"\nWritten by Grace on {datetime.now(UTC).date().isoformat()} from the plan and the runs of this project."
    yield "\n## The form\n"
    fields = {
        "Project": "NAME OF YOUR PROJECT",
        "Namespace": ground.project.content.namespace or "YOUR NAMESPACE",
        "Cluster": cluster.name,
        "GPUs": f"{gpu.title}, at most {most_gpus(needs)} at once; one model runs after the other",
        "GPU hours": in_words(gpu_hours),
        "Duration": f"{in_words(hours)} in all" + (_days(hours) if what == "reservation" else ""),
        "Storage": f"{sum(need.forecast.weights for need in needs) / 1e9:.0f} GB of weights",
        "Purpose": "behavioural experiments on language models; exact answer probabilities in full precision",
    }
    yield from (f"- {name}: {value}" for name, value in fields.items())
    yield "\n## The message\n"
    yield f"We ask for {place} to {gpu.title} for these models, one after the other:\n"
    yield "| model | GPUs | memory of weights | hours | GPU hours |"
    yield "|---|---|---|---|---|"
    for need in needs:
        plan, forecast = need.plan, need.forecast
        gib = plan.weights_gib * plan.gpus * plan.nodes
        hours_, gpu_hours_ = in_words(forecast.hours), in_words(forecast.gpu_hours)
        yield f"| {forecast.model} | {plan.gpus * plan.nodes} | {gib:.0f} GiB | {hours_} | {gpu_hours_} |"
    guessed = [need.forecast.model for need in needs if need.forecast.guessed]
    if len(guessed) == len(needs):
        yield "\nAll hours are guesses from the catalogue: nothing was measured yet."
    elif guessed:
        yield f"\nThe hours of {', '.join(guessed)} are guesses from the catalogue; the others are measured."
    else:
        yield "\nThe hours come from measured rates of earlier runs."
    yield "\nWhy smaller GPUs will not do:\n"
    yield from (f"- {need.plan.model.name}: {need.why}" for need in needs)
    yield "\nWhat already worked:\n"
    yield from (f"- {line}" for line in _worked(ground))
    yield "\nHow it is cleaned up: each model runs as a Job with a deadline, which ends and frees its GPUs; Grace"
    yield "removes its objects by name before the next model comes, and proves by listing that nothing is left."


def _worked(ground: Ground) -> Iterator[str]:
    """What the evidence has, with the names of its entries."""
    latest = {entry.subject: entry for entry in ground.evidence.of(Kind.LINEUP)}
    for entry in latest.values():
        models: Mapping[str, Mapping[str, int]] = entry.facts["models"]
        requests = sum(int(model.get("requests", 0)) for model in models.values())
        what = f"{len(models)} models on {entry.facts['profile']}, {requests:,} requests"
        yield f"{entry.name}, {entry.time[:10]}: {what}, data home and verified, nothing left"
    for kind, what in ((Kind.FREEZE, "thresholds frozen"), (Kind.DECISION, "decision after phase 2")):
        if last := ground.evidence.last(kind):
            yield f"{last.name}, {last.time[:10]}: {what}"


def _exception(needs: Sequence[ScarceNeed]) -> Iterator[str]:
    """Which exceptions are needed; most are not."""
    most = max(need.plan.gpus for need in needs)
    per_node = min(need.plan.gpu.per_node for need in needs)
    ram = max(need.plan.host_gib for need in needs)
    yield "# Exceptions\n"
    if most <= per_node:
        yield (
            f"- Several GPUs in a pod: not needed. At most {most} GPUs of one node are used, by a Job; the limit of 2 "
            f"is that of bare Pods, and a Job may have up to {per_node} of a node."
        )
    else:
        yield f"- Several GPUs in a pod: needed, {most} of a node that has {per_node}."
    yield f"- High RAM: not needed. A Job requests {ram} GiB at most; the limit of 32 GB is that of bare Pods."
    yield "- More than two weeks: not needed. Each model is a Job that ends by itself; no Deployment is kept."
    yield "\nSource: the cluster's policies page (rule NRP004 of `grace cluster check`)."


def approve(ground: Ground, until: str, note: str, by: str | None) -> EvidenceEntry:
    """Keep that the scarce GPUs were granted, and until when. Raises InputError."""
    try:
        last = date.fromisoformat(until)
    except ValueError:
        raise InputError(f"--until {until}: is not a date such as 2027-01-31") from None
    if last < datetime.now(UTC).date():
        raise InputError(f"--until {until}: is over already")
    if ground.evidence.fault:
        raise InputError(ground.evidence.fault)
    request = ground.evidence.last(Kind.REQUEST, "a100") or ground.evidence.last(Kind.REQUEST, "reservation")
    if request is None:
        raise InputError("nothing was requested yet; `grace request a100` writes the request")
    facts = {"until": last.isoformat(), "note": noted(note), "request": request.name}
    return say(ground, Kind.APPROVAL, request.subject, facts, by)


def in_words(span: Span) -> str:
    """Hours with their range."""
    low, likely, high = (duration(hours * 3600) for hours in (span.low, span.likely, span.high))
    return f"about {likely} ({low} to {high})"


def _days(hours: Span) -> str:
    days = max(1, round(hours.high / DAY_HOURS + 0.5))
    return f"; a reservation of {days} day{'s' * (days > 1)} holds the upper end"
