"""What a rendering is made of, decided and checked before any object is built: models, studies, names, places."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

from pydantic import ValidationError

from grace.cluster import names
from grace.cluster.manifests.request import Request
from grace.cluster.manifests.wheel import CodeWheel, make_wheel
from grace.declared import problem_of
from grace.errors import InputError, Refused
from grace.models.catalogue import OVERLAY, hub_model, hub_models, profile
from grace.models.plan import GIB, MemoryPlan, plan_model
from grace.models.serving import can_be_batch_invariant
from grace.policy.cluster_file import Cluster, ClusterGpu, load_cluster
from grace.stages.visit_file import Experiment, QuerySettings, StudyVisit, VisitFile
from grace.studies.study import BUILT_IN, PLANNED, load_study
from grace.text import did_you_mean
from grace.version import __version__

NO_PRIORITY = "none"
"""The value that asks for no priority class where one would be chosen."""
VLLM_IMAGE = "vllm/vllm-openai:v0.33.0-cu129"
"""CUDA 12.9 runs on more nodes than the default image's CUDA 13. Tags of releases are never moved."""
PYTHON_IMAGE = "python:3.12.12-slim-bookworm"
"""For --code wheel; constraints.txt holds for Python 3.11 to 3.13."""
GRACE_IMAGE = f"grace/query-generator:{__version__}"
DRIVERS = {"cu129": 570, "cu130": 580}
"""NVIDIA drivers that images need at least, by a part of their tag (vLLM's installation guide)."""
DEFAULT_DRIVER = 580
MOST_STUDIES_BYTES = 180_000
"""Bytes in one ConfigMap, so that `kubectl apply` can keep a copy in an annotation, which has 262,144 bytes."""
TAKEN = ("lineup.yaml", "visit.yaml", "catalogue.yaml")
"""Files of Grace's own in the lineup's ConfigMap, beside which study files lie."""
WEIGHTS_SHARE = 1.2
"""Room for weights above their published size: tokenizers, and files that break off and are fetched again."""


@dataclass(frozen=True)
class Served:
    """A model that is served.

    Attributes:
        plan: its weights, GPUs and memory.
        gpu: the GPU as the cluster calls it.
        priority_class: that of the pods with GPUs; empty for none.
        batch_invariant: its answers do not depend on what is computed beside them.
    """

    plan: MemoryPlan
    gpu: ClusterGpu
    priority_class: str
    batch_invariant: bool = False

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.plan.variant.served_name

    @property
    def identity(self) -> str:
        """The weights that answer: the repository and its commit, where one is known."""
        variant = self.plan.variant
        return f"{variant.repo}@{variant.revision}" if variant.revision else variant.repo

    @property
    def nodes(self) -> int:
        """How many machines it runs on."""
        return self.plan.nodes

    @property
    def startup_seconds(self) -> int:
        """How long loading may take."""
        return self.plan.startup_minutes * 60


@dataclass(frozen=True)
class LineupLayout:
    """All that manifests are made from.

    Attributes:
        request: the checked request; the other fields are decided where it leaves the choice.
        lineup: its name, with which names of objects begin.
        models: in the order of the lineup.
        visit: what each model is asked.
        files: the files of the lineup's ConfigMap: the user's own studies and catalogue.
        parallelism: how many shards run at once.
        image, vllm_image: the images of Grace and of vLLM.
        wheel: Grace's own code, where the image does not contain it.
        storage_class: that of all volumes; empty: the cluster's default.
    """

    request: Request
    lineup: str
    namespace: str
    cluster: Cluster
    models: tuple[Served, ...]
    visit: VisitFile
    files: dict[str, str]
    parallelism: int
    image: str
    vllm_image: str
    wheel: CodeWheel | None
    storage_class: str

    def name(self, *parts: str, most: int = names.LONGEST) -> str:
        """The name of an object of this lineup."""
        return names.object_name(self.lineup, *parts, most=most)

    @cached_property
    def weights_gib(self) -> int:
        """Size of the volume for the weights of all models, in steps of 10 GiB."""
        size = sum(served.plan.variant.weights_bytes for served in self.models) * WEIGHTS_SHARE / GIB
        return 10 * ceil(size / 10)

    @property
    def driver(self) -> int:
        """The NVIDIA driver that vLLM's image needs at least."""
        tag = self.vllm_image.rpartition(":")[2]
        return next((driver for part, driver in DRIVERS.items() if part in tag), DEFAULT_DRIVER)

    @property
    def root_owned(self) -> bool:
        """Whether the root folders of the volumes belong to root, and Grace's pods could not write there."""
        described = self.cluster.storage_class(self.storage_class)
        return described is not None and described.root_owned


def make_layout(request: Request) -> LineupLayout:
    """Decide what a request leaves open, and check the rest.

    Raises:
        InputError: something requested does not exist or is not possible; the message names the option.
        Refused: a rule about models or of the cluster forbids it.
    """
    _check_profile(request.profile)
    cluster = load_cluster(request.cluster)
    models = tuple(_served(name, request, cluster) for name in _model_names(request))
    visit, files = _visit(request)
    several = next((served for served in models if served.nodes > 1), None)
    if several and request.mode == "server":
        raise InputError(f"{several.name}: {several.nodes} nodes need --mode job: a Deployment's pods have no ranks")
    if several and request.shards > 1:
        raise InputError(f"--shards {request.shards}: {several.name} runs on {several.nodes} nodes; it takes one pass")
    wheel = make_wheel() if request.code == "wheel" else None
    usual_image = PYTHON_IMAGE if wheel else GRACE_IMAGE
    return LineupLayout(
        request=_checked(request),
        lineup=names.sanitized(_given(request.lineup, f"grace-{request.profile}"), names.LONGEST_LINEUP),
        namespace=names.check_namespace(_given(request.namespace, cluster.namespace)),
        cluster=cluster,
        models=models,
        visit=visit,
        files=files,
        parallelism=min(request.parallelism or request.shards, request.shards),
        image=names.check_image("--image", _given(request.image, usual_image)),
        vllm_image=names.check_image("--vllm-image", _given(request.vllm_image, VLLM_IMAGE)),
        wheel=wheel,
        storage_class=_storage_class(request, cluster),
    )


def _checked(request: Request) -> Request:
    """The request, when its numbers make sense and Kubernetes takes its names. Raises InputError."""
    for option, number in (("--shards", request.shards), ("--parallelism", request.parallelism or 1)):
        if number < 1:
            raise InputError(f"{option} {number}: must be at least 1")
    if request.queue is not None:
        names.check_label_value("--queue", request.queue)
    names.check_object_name("--secret", request.secret)
    names.check_key("--secret-key", request.secret_key)
    return request


def _given(asked: str | None, usual: str) -> str:
    """What was given. An empty text counts: it comes from a script whose variable is not set."""
    return usual if asked is None else asked


def _check_profile(name: str) -> None:
    described = profile(name)
    if described.embedded:
        raise InputError(
            f"--profile {name}: runs on this machine and needs no manifests: `grace models pull {described.embedded}`, "
            f"then `grace visit VISIT.yaml --out outputs/{described.embedded}`"
        )
    if described.endpoint:
        raise InputError(
            f"--profile {name}: somebody else serves its models, so no manifests are needed; "
            f"`grace lineup run --profile {name}` asks them"
        )


def _model_names(request: Request) -> Sequence[str]:
    """The requested models, once each; by default all that the profile serves."""
    if request.model:
        return list(dict.fromkeys(hub_model(name).name for name in request.model))
    return [name for name, model in hub_models().items() if request.profile in model.profiles]


def _served(name: str, request: Request, cluster: Cluster) -> Served:
    planned = plan_model(name, profile=request.profile, variant=request.variant, gpus=request.gpus, nodes=request.nodes)
    gpu = cluster.gpu(planned.gpu.name)
    most = cluster.limits.gpus_of_a_node
    if most and planned.gpus > most:
        raise Refused(f"{planned.model.name}: {planned.gpus} GPUs, but a node of {cluster.title} has {most} at most")
    invariant = request.batch_invariant and can_be_batch_invariant(planned)
    return Served(planned, gpu, _priority_class(request, cluster, gpu, planned), invariant)


def _priority_class(request: Request, cluster: Cluster, gpu: ClusterGpu, planned: MemoryPlan) -> str:
    """The requested class; else one that needs no quota, where the quota is not enough."""
    given, classes = request.priority_class, cluster.priority_classes
    if given == NO_PRIORITY:
        return ""
    if given is not None:
        if classes.allowed and given not in classes.allowed:
            raise Refused(
                f"--priority-class {names.shown(given)}: users of {cluster.title} may set "
                f"{', '.join(classes.allowed)}, or {NO_PRIORITY}{did_you_mean(given, classes.allowed)}"
            )
        return names.check_object_name("--priority-class", given)
    short = gpu.quota is not None and gpu.quota < planned.gpus * planned.nodes
    return classes.no_quota[0] if short and classes.no_quota else ""


def _storage_class(request: Request, cluster: Cluster) -> str:
    name = _given(request.storage_class, cluster.storage.shared)
    if not name and request.storage_class is None:
        return ""
    names.check_object_name("--storage-class", name)
    described = cluster.storage_class(name)
    if described and described.forbidden:
        raise Refused(f"--storage-class {name}: {cluster.title} keeps it {described.forbidden}; take another")
    if described and "ReadWriteMany" not in described.access:
        raise Refused(
            f"--storage-class {name}: its volumes are for one node ({', '.join(described.access)}), and several pods "
            f"use Grace's; take one with ReadWriteMany"
        )
    return name


def _visit(request: Request) -> tuple[VisitFile, dict[str, str]]:
    """The visit file, and the files that come with it, by the name that each has beside it."""
    visits, files = [], _catalogue()
    for asked in request.study or PLANNED:
        study = load_study(asked)
        name = asked
        if asked not in BUILT_IN:
            name = names.check_key("--study", f"{study.name}.yaml")
            if name in TAKEN:
                raise InputError(f"--study {names.shown(asked)}: calls itself {study.name}; give it another name there")
            files[name] = study.content.decode()
        visits.append(StudyVisit(study=name, input=f"/input/{study.name}.csv"))
    if len({visited.input for visited in visits}) < len(visits):
        raise InputError("--study: the same study is given twice")
    if sum(len(text.encode()) for text in files.values()) > MOST_STUDIES_BYTES:
        raise InputError(
            f"--study: the study files have more than {MOST_STUDIES_BYTES} bytes, and travel in a ConfigMap"
        )
    return VisitFile(
        studies=tuple(visits),
        experiments=_experiments(request.experiment or ()),
        query=_query(request),
    ), files


def _query(request: Request) -> QuerySettings:
    """The settings of Experiment 1."""
    try:
        return QuerySettings.model_validate({name: getattr(request, name) for name in QuerySettings.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}".replace("_", "-")
        raise InputError(f"{option} {first['input']}: {problem_of(first, QuerySettings)}") from None


def _catalogue() -> dict[str, str]:
    """The user's own catalogue, if there is one: the pod that fetches the weights must know the same models."""
    overlay = os.environ.get(OVERLAY)
    return {"catalogue.yaml": Path(overlay).expanduser().read_text(encoding="utf-8")} if overlay else {}


def _experiments(asked: Sequence[int]) -> tuple[Experiment, ...]:
    wrong = [number for number in asked if number not in (1, 2)]
    if wrong:
        raise InputError(f"--experiment {wrong[0]}: there are 1 (answers) and 2 (probabilities)")
    return tuple(number for number in (1, 2) if number in asked or not asked)
