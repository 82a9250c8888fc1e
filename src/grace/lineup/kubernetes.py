"""The back end of a cluster: each model is a Job that asks it, and its data waits on a volume to be brought home."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Self

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.objects import KINDS, labelled
from grace.cluster.access.pods import COMPONENT, LINEUP, MODEL, living_pods
from grace.cluster.manifests.grace_container import MAIN
from grace.cluster.manifests.render import Rendering, render_lineup, write_rendering
from grace.cluster.manifests.request import Request
from grace.cluster.manifests.vllm_container import CHECK
from grace.cluster.names import file_name
from grace.cluster.preflight.report import PreflightLine
from grace.cluster.preflight.sequence import preflight_over
from grace.declared import read
from grace.errors import ClusterError, EndpointError, GraceError, InputError, ModelFileError, Refused
from grace.files import FileList
from grace.lineup.backend import Backend, Sighting, State
from grace.lineup.folder import LineupFolder
from grace.lineup.home.put import put
from grace.lineup.home.relay import fetch_relayed
from grace.lineup.home.volumes import Volume, VolumeRemote, fetch_volume
from grace.lineup.kubernetes_causes import cause_of
from grace.lineup.kubernetes_following import Follower, JobEnd, JobVanished, away
from grace.lineup.kubernetes_metrics import server_report
from grace.lineup.kubernetes_objects import END_SECONDS, LineupNamespace
from grace.lineup.kubernetes_views import JobView, PodView
from grace.models.catalogue import hub_model
from grace.policy.reading import parse
from grace.progress import Progress
from grace.project_file import BucketSettings
from grace.runs import now as this_moment
from grace.stages.session import RequestCounts
from grace.stages.visit_file import VisitFile
from grace.studies.study import BUILT_IN

START_SECONDS = 1800.0
"""Beyond a model's own start-up time, for what comes before it: pulling images of 10 GB, attaching volumes."""
MOST_JOBS = 3
"""A Job that somebody else deletes is made again so often in one visit."""
VISIT, WEIGHTS, PULL = "visit", "weights", "pull"
_OF_A_MODEL = tuple(kind for kind in KINDS if kind != "PersistentVolumeClaim")
_HANDLED = ("existing", "writer")
"""Checks of the preflight whose findings this back end deals with: objects of its own that are there already."""
_ERRORS: Mapping[int, type[GraceError]] = {2: InputError, 3: EndpointError, 4: Refused}
"""What the exit codes of `grace visit` mean."""


def request_of(folder: LineupFolder, **more: Any) -> Request:
    """The manifests that a lineup's folder asks for; `more` are fields that depend on the cluster.

    Raises:
        InputError: the folder cannot be read, or holds tables that are no CSV.
    """
    lineup, visit = folder.lineup, read(folder.visit, VisitFile)
    other = [each.input for each in visit.studies if not each.input.endswith(".csv")]
    if other:
        raise InputError(f"{folder.path / other[0]}: on a cluster, tables are CSV; save it as CSV, and begin anew")
    return Request(
        profile=lineup.profile,
        model=list(lineup.models),
        study=[each.study if each.study in BUILT_IN else str(folder.path / each.study) for each in visit.studies],
        experiment=list(visit.experiments),
        **visit.query.model_dump(),
        limit=lineup.limit,
        lineup=lineup.name,
        **more,
    )


class KubernetesBackend(Backend):
    """Serves each model by a Job of one visit: the server beside the container that asks, both gone when it is done.

    What there is, is read from the cluster alone, so a runner that was killed finds it again. Decisions about what may
    not end by itself: a pod that is being deleted on a lost node is forgotten after two minutes, and its Job starts
    another one, while the lock of the run keeps the old one from writing; pods of several nodes of which only some have
    GPUs are given up after half an hour; the other limits are in `kubernetes_following.LIMITS`.
    """

    def __init__(self, folder: LineupFolder, api: Api, request: Request, bucket: BucketSettings | None = None) -> None:
        """Render the lineup's objects.

        Args:
            folder: the lineup's.
            api: the connection; it is closed at the end.
            request: as `request_of` gives it.
            bucket: through which data comes home; None: through the connection.

        Raises:
            InputError, Refused: as `render_lineup`.
        """
        self._folder, self._bucket = folder, bucket
        self._putting, self._tables_there = Lock(), False
        self.rendering: Rendering = render_lineup(request)
        self.place = LineupNamespace(api, self.rendering.namespace, folder.path / "logs")
        by_name = {served.plan.model.name: served for served in self.rendering.layout.models}
        self._served = {name: by_name[hub_model(name).name] for name in folder.lineup.models}

    def __enter__(self) -> Self:
        write_rendering(self.rendering, self._folder.path / "manifests")
        return self

    def __exit__(self, *exc: object) -> None:
        self.place.api.close()

    def stop(self) -> None:
        """Have all that waits end."""
        self.place.stop()

    def most_at_once(self, models: Sequence[str]) -> int:
        """As many as the cluster lets one user have: its scheduler knows the GPUs, and lets pods wait."""
        return min(len(models), self.rendering.layout.cluster.limits.violators or len(models))

    def check(self, model: str) -> None:
        """Ask the cluster whether it would take all that this model needs."""
        own = file_name(self._served[model].name)
        files = [
            file for file in self.rendering.files if all(_labels(each).get(MODEL, own) == own for each in file.objects)
        ]
        manifests = [each for file in files for each in parse(file.text, f"manifests/{file.name}")]
        with self._answering():
            report = preflight_over(self.place.api, manifests, self.rendering.layout.cluster, self.rendering.namespace)
        failed = [line for line in report.lines if line.status == "fail" and line.check not in _HANDLED]
        if failed:
            kind = next((line.failure for line in failed if line.failure), None) or ClusterError
            raise kind(f"{model}: " + "; ".join(map(_told, failed[:5])))

    def prepare(self, model: str, progress: Progress) -> None:
        """Have volumes, settings and tables there, then the weights, by a Job without a GPU."""
        with self._answering():
            for body in self._objects(None):
                if body["kind"] == "Job":
                    self._run(body, "open", f"{model}: volumes", progress)
                else:
                    self.place.put(body)
            with self._putting:  # once is enough for all models
                self._tables_there = self._tables_there or self.put(progress) is not None
            (weights,) = self._objects(model, WEIGHTS)
            end = self._run(weights, PULL, f"{model}: weights", progress)
        if not end.complete:
            raise ModelFileError(f"{model}: its weights did not come: {end.cause}")

    def adopt(self, model: str) -> State:
        """What its Job says; one that is being deleted, or failed, is none."""
        with self._answering():
            job = self._job(model)
        if job is None or job.deleting or job.failed:
            return State.ABSENT
        return State.ASKED if job.complete else State.SERVED

    def serve(self, model: str, progress: Progress) -> None:
        """Start the Job, and wait until the container that asks runs: it starts when the server answers."""
        with self._answering():
            follower = self._started(model, progress)
            startup = self._served[model].startup_seconds + START_SECONDS
            placed: dict[str, float] = {}

            def up(job: JobView, pods: Sequence[PodView]) -> bool | None:
                if (end := follower.end(job, pods)) and not end.complete:
                    raise self._failure(model, end)
                first = next((pod for pod in pods if pod.index == 0 and pod.node), None)
                main = first.container(MAIN) if first else None
                if job.complete or (main and main.phase in ("running", "terminated")):
                    return True
                now = self.place.api.clock.now()
                if first and now - placed.setdefault(first.uid, now) > startup:
                    raise EndpointError(f"{model}: its server did not answer within {startup / 60:g} minutes")
                return None

            follower.follow(up)

    def visit(self, model: str, progress: Progress) -> RequestCounts:
        """Wait until the Job has asked everything; it starts anew by itself where its pod is taken away."""
        with self._answering():
            for left in reversed(range(MOST_JOBS)):
                try:
                    follower = self._started(model, progress)
                    end = follower.follow(follower.end)
                    break
                except JobVanished as error:
                    if not left:
                        raise
                    progress.note(f"{error}; it is made again")
        if end.complete or (end.container and end.container.name == MAIN and end.container.code == 1):
            return end.ending.requests
        raise self._failure(model, end)

    def fetch(self, model: str, folder: Path, progress: Progress) -> FileList:
        """Bring its runs and tables home from the volume."""
        name = file_name(self._served[model].name)
        with self._answering():
            volume, path = self._volume("outputs", name), f"{self.rendering.lineup}/{name}"
            if self._bucket:
                return fetch_relayed(volume, path, self._bucket, folder, progress)
            return fetch_volume(volume, path, folder, progress)

    def put(self, progress: Progress, *, replace: bool = False) -> tuple[str, ...]:
        """Bring the tables to the input volume, which is made where it is not there."""
        with self._answering():
            for body in self._objects(None):
                if body["kind"] == "PersistentVolumeClaim":
                    self.place.put(body)
            tables = sorted(path for path in (self._folder.path / "input").iterdir() if path.suffix == ".csv")
            with VolumeRemote(self._volume("input"), writing=True) as remote:
                return put(remote, {path.name: path for path in tables}, progress, replace=replace)

    def remove(self, model: str) -> None:
        """Delete its objects, and wait until they and their pods are gone."""
        with self._answering():
            self.place.remove(self._selector(model), _OF_A_MODEL)

    def prove_gone(self, model: str) -> tuple[str, ...]:
        """All objects that have its labels, pods among them."""
        with self._answering():
            left = labelled(self.place.api, self.rendering.namespace, self._selector(model), _OF_A_MODEL)
        return tuple(map(str, left))

    def sightings(self, model: str) -> tuple[Sighting, ...]:
        """Its Job's pods, each with what keeps it from running, and what the model server in it reports."""
        try:
            job = self._job(model)
            if job is None:
                return ()
            follower = self._follower(model, VISIT, job.uid, "", _Silent())
            pods = self.place.pods_of(job.uid, self._selector(model))
            cause = cause_of(job, pods, follower.events)
        except ApiError as error:
            return (Sighting(f"Job of {model}", "unknown", cause=str(error)),)
        text = cause.text if cause else ""
        if not pods:
            return (Sighting(f"Job/{job.name}", "waiting", cause=text),)
        return tuple(
            Sighting(
                f"Pod/{pod.name}",
                "terminating" if pod.deleting else pod.phase.lower(),
                pod.since,
                "" if pod.ended else text,
                sum(each.restarts for each in pod.containers),
                this_moment(),
                server_report(self.place.api, self.place.namespace, pod),
            )
            for pod in pods
        )

    def _objects(self, model: str | None, component: str = "") -> list[dict[str, Any]]:
        """The objects of a model's component, or those of the lineup that belong to no model (None), in their order."""
        own = file_name(self._served[model].name) if model else None
        objects = [each for file in self.rendering.files for each in file.objects]
        return [
            each
            for each in objects
            if _labels(each).get(MODEL) == own and component in ("", _labels(each).get(COMPONENT))
        ]

    def _selector(self, model: str, component: str = "") -> dict[str, str]:
        labels = {LINEUP: self.rendering.lineup, MODEL: file_name(self._served[model].name)}
        return labels | ({COMPONENT: component} if component else {})

    def _volume(self, what: str, model: str = "") -> Volume:
        layout, place = self.rendering.layout, self.place
        return Volume(
            place.api, place.namespace, layout.lineup, layout.name(what), layout.image, model, pause=place.pause
        )

    def _job(self, model: str) -> JobView | None:
        job = next(each for each in self._objects(model, VISIT) if each["kind"] == "Job")
        body = self.place.api.find(self.place.path(job))
        return JobView.of(body) if body else None

    def _started(self, model: str, progress: Progress) -> Follower:
        """The Job of a visit with all that it needs, made where it is not there. Pods of an earlier one end before."""
        job = self._job(model)
        if job is None or job.deleting or job.failed:
            self._await_earlier(model, job.uid if job else "", progress)
        for body in self._objects(model, VISIT):
            there = self.place.put(body)
        uid = there["metadata"]["uid"]  # the Job comes last
        return self._follower(model, VISIT, uid, model, progress)

    def _await_earlier(self, model: str, uid: str, progress: Progress) -> None:
        """Wait for pods that may write into the same run, though their Job is gone: no model is ever served twice."""
        name = file_name(self._served[model].name)
        ends = self.place.api.clock.now() + END_SECONDS
        while True:
            living = living_pods(self.place.api, self.rendering.namespace, self.rendering.lineup, name)
            earlier = [pod for pod in living if pod.owner != uid]
            if not earlier:
                return
            if self.place.api.clock.now() > ends:
                raise ClusterError(
                    f"{model}: {', '.join(map(str, earlier))} of an earlier Job did not end within {END_SECONDS:g} s; "
                    f"delete it (kubectl delete pod {earlier[0].name} --namespace {self.rendering.namespace}), then "
                    f"the same command continues"
                )
            bodies = self.place.api.items(self.place.pods, labelSelector=f"{MODEL}={name}")
            self.place.release_lost([PodView.of(body) for body in bodies])
            self.place.pause()

    def _follower(self, model: str, component: str, uid: str, title: str, progress: Progress) -> Follower:
        job = next(each for each in self._objects(model, component) if each["kind"] == "Job")
        main = MAIN if component == VISIT else PULL
        labels = self._selector(model, component)
        return Follower(self.place, self.place.path(job), uid, labels, main, title, progress)

    def _run(self, body: dict[str, Any], main: str, title: str, progress: Progress) -> JobEnd:
        """Run a Job to its end, or take the end of one that is there."""
        there = self.place.put(body)
        labels = {key: value for key, value in _labels(body).items() if key in (LINEUP, MODEL, COMPONENT)}
        uid = there["metadata"]["uid"]
        follower = Follower(self.place, self.place.path(body), uid, labels, main, title, progress)
        end = follower.follow(follower.end)
        if not end.complete and main == "open":
            raise ClusterError(f"{title}: could not be opened for writing: {end.cause}")
        return end

    def _failure(self, model: str, end: JobEnd) -> GraceError:
        """The error of a Job that failed."""
        if end.container and end.container.name == CHECK:
            return ModelFileError(f"{model}: its weights are not on their volume: {end.cause}")
        code = end.container.code if end.container and end.container.name == MAIN else None
        return _ERRORS.get(code or 0, EndpointError)(f"{model}: {end.cause}")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Requests that fail because the cluster is away end the lineup, and leave what runs there alone."""
        try:
            yield
        except ApiError as error:
            raise away(error) from None


class _Silent:
    """Progress that nobody is shown."""

    def begin(self, total: int, done: int, what: str = "requests") -> None: ...

    def advance(self, failed: bool, by: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def fault(self, text: str) -> None: ...


def _labels(body: Mapping[str, Any]) -> Mapping[str, str]:
    return (body.get("metadata") or {}).get("labels") or {}


def _told(line: PreflightLine) -> str:
    """A line of a preflight in a message."""
    about = f"{line.about}: " if line.about else ""
    return f"{line.check}: {about}{line.message}{f' ({line.todo})' if line.todo else ''}"
