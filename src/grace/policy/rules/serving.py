"""Serving models with vLLM: what it refuses, what clients cannot find, and what ends a server while it loads."""

import math
import posixpath
import re
from collections.abc import Iterator

from grace.errors import InputError
from grace.models.plan import CannotRun, plan_model
from grace.models.rules import Problem
from grace.policy.documents import FieldPath, Scene
from grace.policy.pods import gpu_kinds, pod_gpus
from grace.policy.programs import programs
from grace.policy.rule import Hit, Severity, broken, changed, error, note, warning
from grace.policy.rules.examples import example
from grace.policy.servers import Server, asking, servers
from grace.policy.vllm import MODULE, vllm_problems

PLACES = {
    "gemma-float16": ("dtype",),
    "gemma-awq-half": ("dtype",),
    "gpt-oss-mxfp4": ("quantization", "q", "dtype"),
}
"""Options that a problem of grace.policy.vllm is about; the model, where none is named."""
SERVER = example("vllm-server")
_SERVICE = example("vllm-service")
_CLIENT = example("vllm-client")
_ALL = f"{SERVER}---\n{_SERVICE}---\n{_CLIENT}"
_MODULE = ("command: [vllm, serve]", "command: [python, -m, vllm.entrypoints.openai.api_server]")
_GPT_OSS = ("google/gemma-2-2b-it", "openai/gpt-oss-20b")
_27B = (
    ("google/gemma-2-2b-it", "google/gemma-2-27b-it"),
    ("served-model-name=gemma-2-2b-it", "served-model-name=gemma-2-27b-it"),
)
_A100 = ("nvidia.com/gpu: 1", "nvidia.com/a100: 1")
_80GB = (
    "    spec:\n      containers:",
    """    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions:
              - {key: nvidia.com/gpu.memory, operator: Gt, values: ["80000"]}
      containers:""",
)
VLLM = "vLLM documentation, https://docs.vllm.ai/en/latest/"


@error(
    "VLLM001",
    "precision that vLLM refuses for this model",
    why="Gemma 2 overflows in float16, so vLLM ends with an error before it loads; also for AWQ weights.",
    source="vLLM, vllm/config/model.py, _FLOAT16_NOT_SUPPORTED_MODELS, https://github.com/vllm-project/vllm",
    fix="Use --dtype=bfloat16.",
    examples=broken(SERVER, ("--dtype=bfloat16", "--dtype=float16")),
)
def check_precision(scene: Scene) -> Iterator[Hit]:
    yield from _problems(scene, "gemma-float16", "gemma-awq-half")


def _problems(scene: Scene, *names: str) -> Iterator[Hit]:
    """What breaks some of the rules of grace.policy.vllm, by their names there."""
    for server in servers(scene):
        for problem in vllm_problems(server.words):
            if problem.rule in names:
                path = _module(server) if problem.rule == "vllm-serve" else server.where(*PLACES.get(problem.rule, ()))
                yield Hit(server.workload.manifest, path, f"{problem.what}: {problem.fix}")


def _module(server: Server) -> FieldPath:
    """The path of the word that names vLLM's module, else of the model."""
    return next((path for path, word in server.container.words if MODULE in word), server.where())


@error(
    "VLLM002",
    "gpt-oss in a format other than its own",
    why="gpt-oss is published in MXFP4 (12.9 GiB, on one RTX 3090). There are no AWQ weights of it, and it does not "
    "run in float16.",
    source="Model card, https://huggingface.co/openai/gpt-oss-20b",
    fix="Serve openai/gpt-oss-20b with --dtype=bfloat16, without --quantization.",
    examples=broken(changed(SERVER, _GPT_OSS), ("--dtype=bfloat16", "--quantization=awq")),
)
def check_gpt_oss(scene: Scene) -> Iterator[Hit]:
    yield from _problems(scene, "gpt-oss-mxfp4")


@error(
    "VLLM003",
    "repository that does not exist",
    why="The server ends with an error (401 or 404 from the hub), restarts, and holds its GPU meanwhile.",
    source="The hub itself: grace/models/catalogue.yaml, missing_repos",
    fix="Use one that exists; `grace models list` names those of the lineup.",
    examples=broken(SERVER, ("google/gemma-2-2b-it", "TheBloke/gemma-2-9b-it-AWQ")),
)
def check_repository(scene: Scene) -> Iterator[Hit]:
    yield from _problems(scene, "repo-exists")


@error(
    "VLLM004",
    "model that clients call by another name",
    why="vLLM serves a model under its repository's name unless --served-model-name says otherwise, and answers 404 to "
    "all other names. Where the client is in another folder, this is a warning.",
    source=f"{VLLM}serving/openai_compatible_server/",
    fix="Let the server have both names (--served-model-name takes several), or let the client ask for the server's.",
    examples=broken(_ALL, ("        - --served-model-name=gemma-2-2b-it\n", "")),
)
def check_served_name(scene: Scene) -> Iterator[Hit]:
    for client, workloads in asking(scene):
        asked = [server for server in servers(scene) if server.workload in workloads and server.command.model]
        if any(client.asks_for in (*server.command.served_names(), *server.words) for server in asked):
            continue
        manifest = client.workload.manifest
        where = f"{manifest.title} ({manifest.source.file}, line {manifest.line(client.container.path)})"
        for server in asked:
            names = server.command.served_names()
            message = (
                f"{where} asks for {client.asks_for!r}, but the model is served as {', '.join(map(repr, names))}, and "
                f"the answer is 404: `--served-model-name {' '.join((*names, client.asks_for))}` serves both"
            )
            folders = {posixpath.dirname(each.source.file) for each in (manifest, server.workload.manifest)}
            severity = None if len(folders) == 1 else Severity.WARNING
            yield Hit(server.workload.manifest, server.where("served-model-name"), message, severity=severity)


@error(
    "VLLM005",
    "number of GPUs that vLLM does not use",
    why="vLLM uses one GPU unless --tensor-parallel-size says more. With more than there are, it ends with an error; "
    "with fewer, the others are idle; without any, usual images of vLLM end with an error: both are warnings. The size "
    "must divide the model's attention heads: 2, 4 and 8 do.",
    source=f"{VLLM}serving/parallelism_scaling/",
    fix="Ask for as many GPUs as --tensor-parallel-size (times --pipeline-parallel-size) says.",
    examples=broken(SERVER, ("- --port=8000", "- --port=8000\n        - --tensor-parallel-size=4")),
)
def check_gpu_count(scene: Scene) -> Iterator[Hit]:
    for server in servers(scene):
        uses, gets = _gpus_used(server), server.gpus
        if _spans_pods(server):  # their GPUs count together, as far as they are in this object
            own = [each for each in scene.embedded if each.manifest is server.workload.manifest]
            gets = sum(pod_gpus(each, scene.cluster) * each.pods for each in own)
            uses = uses if uses > gets else 0
        running = programs(scene, server.workload, server.container)
        runs = any(map(server.engine.runs, running)) or "vllm-openai" in server.container.image
        if runs and _without_gpu(server):
            sees = "so that it sees none"
            if _takes_all(server):
                sees = "but takes all GPUs of its node past the scheduler, also those of others"
            message = f"container {server.container.name} starts vLLM and asks for no GPU, {sees}"
            yield Hit(server.workload.manifest, server.path, message, severity=Severity.WARNING)
        if not uses or not gets or uses == gets or sum(server.engine.runs(program) for program in running) > 1:
            continue
        divides = f", or set --tensor-parallel-size={gets}" if gets in (2, 4, 8) else ""
        if uses > gets:
            message = f"vLLM wants {uses} GPUs, and gets {gets}: ask for {uses}{divides}"
        else:
            message = f"vLLM uses {uses} of its {gets} GPUs, and the others are idle: ask for {uses}{divides}"
        severity = None if uses > gets else Severity.WARNING
        path = server.where("tensor-parallel-size", "tp")
        yield Hit(server.workload.manifest, path, message, severity=severity)


def _without_gpu(server: Server) -> bool:
    """Whether a server asks for no device of any kind, and nothing says that it runs on cores."""
    limits = (server.container.body.get("resources") or {}).get("limits")
    texts = " ".join((server.container.image, *server.words, *server.settings, *server.settings.values())).lower()
    other = re.search(r"cpu|tpu|xpu|hpu|neuron|gaudi|router", texts) or "resourceClaims" in server.workload.spec
    return bool(limits and "/" not in "".join(limits) and not (other or server.workload.custom or _spans_pods(server)))


def _takes_all(server: Server) -> bool:
    """Whether a container sees all GPUs of its node, whatever it asks for."""
    privileged = (server.container.body.get("securityContext") or {}).get("privileged") is True
    told = server.settings.get("NVIDIA_VISIBLE_DEVICES") == "all"
    return privileged and (told or "nvidia" in server.workload.spec.get("runtimeClassName", ""))


def _gpus_used(server: Server) -> int:
    """How many GPUs vLLM uses in a pod; 0 where its command does not tell."""
    options = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "nnodes")
    tensor, stages, copies, nodes = (server.command.number(option, 1) for option in options)
    return math.ceil(tensor * stages * copies / nodes) if tensor and stages and copies and nodes else 0


def _spans_pods(server: Server) -> bool:
    """Whether Ray spreads a server over several pods."""
    ray = server.command.value("distributed-executor-backend") == "ray"
    return ray or server.workload.manifest.kind.startswith("Ray") or "ray start" in " ".join(server.container.line)


@error(
    "VLLM006",
    "model that does not fit on its GPUs",
    why="vLLM ends with an error: out of memory, or no room for the KV cache.",
    source="Grace's memory plan: grace/models/plan.py",
    fix="`grace models plan MODEL --gpu GPU` says what fits: more GPUs, a quantized variant, or a shorter context.",
    examples=broken(SERVER, *_27B),
)
def check_fits(scene: Scene) -> Iterator[Hit]:
    for server in servers(scene):
        refusals = _refusals(scene, server)
        if refusals and all(refusals.values()):
            first = _first(refusals)
            yield Hit(server.workload.manifest, server.where(), f"{first.what}: {first.fix}")


@warning(
    "VLLM007",
    "model that fits on some of the GPUs that it may get",
    why="A100s have 40 or 80 GB. On the smaller ones the server ends with an error; which one it gets is chance.",
    source="NRP manifests; Grace's memory plan: grace/models/plan.py",
    fix="Require the larger ones: node affinity nvidia.com/gpu.memory Gt 80000, or nvidia.com/gpu.product.",
    examples=(changed(SERVER, *_27B, _A100), changed(SERVER, *_27B, _A100, _80GB)),
)
def check_smallest(scene: Scene) -> Iterator[Hit]:
    for server in servers(scene):
        refusals = _refusals(scene, server)
        small = [gpu for gpu, problem in refusals.items() if problem]
        if small and len(small) < len(refusals):
            larger = [gpu for gpu, problem in refusals.items() if not problem]
            message = f"it fits on {' or '.join(larger)}, but may get {' or '.join(small)}: {_first(refusals).what}"
            yield Hit(server.workload.manifest, server.where(), message)


def _first(refusals: dict[str, Problem | None]) -> Problem:
    return next(problem for problem in refusals.values() if problem)


def _refusals(scene: Scene, server: Server) -> dict[str, Problem | None]:
    """Why a server's model cannot run, for each kind of GPU that it may get; nothing where too little is known."""
    entry, command = server.entry, server.command
    if entry is None or not server.gpus:
        return {}
    tensor, stages, nodes, context = (
        command.number(option, usual)
        for option, usual in (
            ("tensor-parallel-size", 1),
            ("pipeline-parallel-size", 1),
            ("nnodes", 1),
            ("max-model-len", entry[0].context),
        )
    )
    if not (tensor and stages and nodes and context) or stages != nodes:
        return {}
    refusals: dict[str, Problem | None] = {}
    for gpu in gpu_kinds(server.workload, server.container, scene.cluster):
        try:
            plan_model(
                entry[0],
                gpu=gpu.gpu,
                gpus=tensor,
                nodes=nodes,
                variant=entry[1].name,
                context=context,
                utilization=_share(command.value("gpu-memory-utilization")),
            )  # for few requests at once, whatever --max-num-seqs says: what they take is estimated
            refusals[gpu.gpu] = None
        except CannotRun as refused:
            refusals[gpu.gpu] = refused.problem
        except InputError:
            return {}
    return refusals


def vllm_version(image: str) -> tuple[int, int]:
    """The version of vLLM that the tag of an image names; a late one where it names none."""
    match = re.search(r":.*?v?(\d+)\.(\d+)\.\d+", image) if "vllm" in image else None
    return (int(match[1]), int(match[2])) if match else (99, 0)


def _share(text: str | None) -> float | None:
    """A number between 0 and 1; None where there is none, for vLLM's default."""
    try:
        return float(text or "")
    except ValueError:
        return None


@warning(
    "VLLM008",
    "sampling that the model's own file changes",
    why="Since 0.8, vLLM takes default sampling parameters from the model's generation_config.json. What a client "
    "does not send is then not neutral, and differs from model to model.",
    source=f"{VLLM}serving/openai_compatible_server/",
    fix="Add --generation-config=vllm, or let clients send temperature and top_p themselves.",
    examples=broken(SERVER, ("        - --generation-config=vllm\n", "")),
)
def check_generation(scene: Scene) -> Iterator[Hit]:
    for server in servers(scene):
        given = server.command.value("generation-config")
        unread = "config" in server.command.options or not server.command.model
        if given != "vllm" and not unread and vllm_version(server.container.image) >= (0, 8):
            setting = "without --generation-config=vllm" if given is None else f"with --generation-config={given}"
            message = (
                f"{setting}, generation_config.json in the model's repository may change the default temperature, "
                "top_p and the like"
            )
            yield Hit(server.workload.manifest, server.where("generation-config"), message)


@note(
    "VLLM009",
    "vLLM's old way to start a server",
    why="The module still works, but will be removed.",
    source=f"{VLLM}serving/openai_compatible_server/",
    fix="Write `command: [vllm, serve, MODEL]`, and leave the other options as they are.",
    examples=broken(SERVER, _MODULE, ("- google/gemma", "- --model=google/gemma")),
)
def check_entry_point(scene: Scene) -> Iterator[Hit]:
    yield from _problems(scene, "vllm-serve")
