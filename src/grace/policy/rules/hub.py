"""Models from the hub: where downloads go, what they take, who is given them, and whether they fit into memory."""

import re
from collections.abc import Iterator

from grace.models.plan import GIB
from grace.policy.documents import Container, Scene, Workload
from grace.policy.hub import GATED, HubLoad, has_token, hub_loads, weights_of
from grace.policy.pods import gpu_count, place_of
from grace.policy.rule import Hit, Severity, broken, changed, error, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import LOCAL
from grace.policy.rules.serving import SERVER
from grace.policy.servers import Server, model_servers

_ENV = """
        env:
        - name: HF_TOKEN
          valueFrom: {secretKeyRef: {name: hub, key: token}}"""
_WITH_TOKEN = ("        image: vllm/vllm-openai:v0.33.0", f"        image: vllm/vllm-openai:v0.33.0{_ENV}")
_DOWNLOAD = example("downloading-job")
_LOADING = changed(
    _DOWNLOAD,
    ("hf download google/gemma-2-2b-it", "python load.py --model-path=google/gemma-2-2b-it"),
)
_LLAMA = ("google/gemma-2-2b-it", 'meta-llama/Llama-3.1-70B-Instruct --exclude "original/*"')
_SHARED_CACHE = (
    ("emptyDir: {medium: Memory, sizeLimit: 2Gi}", "persistentVolumeClaim: {claimName: weights}"),
    ("mountPath: /dev/shm", "mountPath: /models"),
    (
        "image: vllm/vllm-openai:v0.33.0",
        "env: [{name: HF_HOME, value: /models/hf}]\n        image: vllm/vllm-openai:v0.33.0",
    ),
)
_WARM = changed(f"{_DOWNLOAD}---\n{SERVER}", *_SHARED_CACHE)


def _loads(scene: Scene) -> Iterator[tuple[Workload, Container, HubLoad]]:
    for workload, container in scene.containers:
        yield from ((workload, container, load) for load in hub_loads(scene, workload, container))


def _hit(workload: Workload, load: HubLoad, message: str, severity: Severity | None = None) -> Hit:
    return Hit(workload.manifest, load.program.path, message + load.program.place, load.row, severity)


@note(
    "NRP045",
    "download to the container's own disk",
    why="It is downloaded again at every start and restart, and counts as local storage, of which a container has 50Gi "
    "where no limit is written; above, the pod is evicted. While a GPU waits for it, this is a warning.",
    source=LOCAL,
    fix="Download once, in a Job without a GPU, into a volume claim: set HF_HOME to a folder on it, here and there "
    "(OLLAMA_MODELS for Ollama).",
    examples=broken(_DOWNLOAD, ("value: /models/hf", "value: /tmp/hf")),
)
def check_downloads(scene: Scene) -> Iterator[Hit]:
    for workload, container, load in _loads(scene):
        if load.placed and not (load.place and load.place.lasting):
            gpus = gpu_count(container, scene.cluster)
            wait = ", while its GPU waits" if gpus else ""
            message = f"container {container.name} downloads {load.repo} to its own disk{wait}"
            yield _hit(workload, load, message, Severity.WARNING if gpus else None)
    for server in model_servers(scene):
        container, manifest = server.container, server.workload.manifest
        hook = manifest.at((*container.path, "lifecycle", "postStart", "exec", "command")) or []
        pulls = re.search(r"\bollama (pull|run) ", " ".join([*container.line, *hook]))
        place = place_of(server.workload, container, _ollama_folder(server))
        if server.engine.name == "Ollama" and pulls and not (place and place.lasting):
            message = (
                f"container {container.name} downloads a model to its own disk at every start: Ollama keeps models in "
                f"{_ollama_folder(server)}, or where OLLAMA_MODELS says (HF_HOME means nothing to it)"
            )
            yield Hit(manifest, server.path, message, severity=Severity.WARNING if server.gpus else None)


def _ollama_folder(server: Server) -> str:
    """Where Ollama keeps its models."""
    home = server.settings.get("HOME")
    return server.settings.get("OLLAMA_MODELS") or (f"{home}/.ollama" if home else server.engine.cache)


@warning(
    "VLLM016",
    "gated model without a token",
    why="The hub gives a gated model only to those who accepted its licence, and knows them by their token. A token in "
    "a variable of another name is read by nobody: the program ends with an error while its GPU waits.",
    source="huggingface_hub's documentation: "
    "https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
    fix="Set HF_TOKEN from a Secret (`grace cluster secret` makes one), or load from a volume that holds the weights.",
    examples=(SERVER, changed(SERVER, _WITH_TOKEN)),
)
def check_token(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        gated = server.entry[1].gated if server.entry else GATED.match(server.model)
        option = any(word.startswith("--hf-token") for word in server.words)
        if gated and server.downloads and not option and not has_token(server.container, scene, server.workload):
            env = server.container.env
            near = next((name for name in env if "TOKEN" in name.upper() and "H" in name.upper()), None)
            called = f"; nobody reads {near}" if near else ""
            message = f"container {server.container.name}: {server.model} is gated, and HF_TOKEN is not set{called}"
            yield Hit(server.workload.manifest, (*server.container.path, "env"), message)
    for workload, container, load in _loads(scene):
        kept = load.place and load.place.lasting and load.into_memory  # may be there already
        if GATED.match(load.repo) and not kept and not has_token(container, scene, workload):
            yield _hit(workload, load, f"container {container.name}: {load.repo} is gated, and HF_TOKEN is not set")


@error(
    "VLLM021",
    "weights that do not fit into the container's memory",
    why="Without a GPU, from_pretrained loads all weights into memory. Above the limit, the container is ended "
    "(OOMKilled).",
    source="the size in the catalogue, or in the model's name, at two bytes for each parameter",
    fix="To download only, use `hf download MODEL` (or snapshot_download in Python), which needs little memory.",
    examples=broken(
        changed(_LOADING, ("google/gemma-2-2b-it", "google/gemma-2-27b-it"), ("memory: 2Gi", "memory: 64Gi")),
        ("memory: 64Gi", "memory: 12Gi"),
    ),
)
def check_memory(scene: Scene) -> Iterator[Hit]:
    for workload, container, load in _loads(scene):
        limit, size = container.limit("memory"), weights_of(load.repo)
        if load.into_memory and limit and size > limit and not gpu_count(container, scene.cluster):
            message = (
                f"container {container.name} loads {load.repo}, about {size / GIB:.0f} GiB, into a memory of "
                f"{limit / GIB:.4g} GiB"
            )
            yield _hit(workload, load, message)


@warning(
    "VLLM022",
    "download that takes the weights twice",
    why="Beside the weights that servers read, repositories of Llama have a folder `original` with the same in another "
    "form: 140 GB become 280 GB.",
    source="the hub: https://huggingface.co/meta-llama/Llama-3.1-70B-Instruct/tree/main",
    fix='Leave it out: `hf download MODEL --exclude "original/*"`, or ignore_patterns=["original/*"] in Python.',
    examples=broken(changed(_DOWNLOAD, _LLAMA), (' --exclude "original/*"', "")),
)
def check_twice(scene: Scene) -> Iterator[Hit]:
    for workload, container, load in _loads(scene):
        if load.repo.startswith("meta-llama/") and not load.into_memory and not load.picks:
            yield _hit(workload, load, f"container {container.name} downloads {load.repo} with its folder `original`")


@warning(
    "VLLM023",
    "download into a folder that the server does not read",
    why="The server looks into the cache that its own variables name (HF_HOME/hub, or HF_HUB_CACHE), finds nothing "
    "there, and downloads everything again while its GPU waits.",
    source="huggingface_hub's documentation: "
    "https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
    fix="Set the same HF_HOME for both, and give no other folder (cache_dir) to the download.",
    examples=broken(
        _WARM, ("hf download google/gemma-2-2b-it", "hf download google/gemma-2-2b-it --cache-dir /models/hf")
    ),
)
def check_folder(scene: Scene) -> Iterator[Hit]:
    for workload, container, load in _loads(scene):
        for server in model_servers(scene):
            cache, place = server.cache, load.place
            if (
                not load.cached
                or not cache
                or not place
                or not cache.claim
                or server.model.lower() != load.repo.lower()
            ):
                continue
            if cache.claim == place.claim and cache.rest != place.rest:
                message = (
                    f"container {container.name} downloads {load.repo} to {place.rest or '/'} of the claim "
                    f"{place.claim}, but {server.workload.manifest.title} reads {cache.rest or '/'} of it"
                )
                yield _hit(workload, load, message)
                break
