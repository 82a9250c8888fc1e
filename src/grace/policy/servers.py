"""Servers of models in pods: what they serve, on which GPUs, where weights come from; and the clients that ask them."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from grace.models.catalogue import HubModel, Variant, hub_models, missing_repos
from grace.policy.documents import Container, FieldPath, Scene, Workload, meet
from grace.policy.engines import VLLM, Engine, engines
from grace.policy.pods import Place, gpu_count, place_of
from grace.policy.programs import Program, expanded, programs, variables
from grace.policy.vllm import VllmCommand, read_vllm_command

ENDPOINTS = ("--model-endpoint", "--endpoint", "--base-url", "--api-base", "--server-url", "--vllm-url", "--model-url")
"""Options that tell a client where its model is."""
_SERVING = ("--host", "--port", "--bind")
"""Options of servers."""
ENDPOINT_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE", "MODEL_ENDPOINT", "VLLM_URL", "VLLM_BASE_URL", "MODEL_URL")
HUB = "/root/.cache/huggingface/hub"
"""Where the hub's downloads go in images whose user is root."""
_NAMES = ("--model-name", "--model", "--served-model-name")
_NAME_VARIABLES = ("MODEL_NAME", "OPENAI_MODEL", "MODEL")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_HOST = re.compile(r"https?://([^/:@\s]+)")
_STORE = re.compile(r"https?://([^/]*[.-])?(s3|minio|rgw|ceph|amazonaws)[-.:/\d]", re.IGNORECASE)
"""Addresses of object stores, which programs call endpoints, too."""
_YES = ("1", "true", "yes", "on")


@dataclass(frozen=True, eq=False)
class Server:
    """A container that serves a model.

    Attributes:
        engine: the server that it runs.
        words: of its command line.
        path: where they stand in the manifest.
        settings: its variables, as far as they are known.
        gpus: how many it asks for.
    """

    engine: Engine
    workload: Workload
    container: Container
    words: tuple[str, ...]
    path: FieldPath
    settings: Mapping[str, str]
    gpus: int

    @property
    def command(self) -> VllmCommand:
        """Its command line, read as vLLM's; options of other servers have the same form."""
        return read_vllm_command(self.words)

    @property
    def model(self) -> str:
        """The repository or folder that it serves; empty where its manifest does not say."""
        if self.engine.name == VLLM:
            return self.command.model or ""
        given = [value for option in self.engine.model if (value := self.command.value(option))]
        given += [value for name in self.engine.variables if (value := self.settings.get(name))]
        return given[0] if given else ""

    def where(self, *options: str) -> FieldPath:
        """The path of the first of some options in the manifest, else of the model, else of the command line."""
        names = [prefix + option for option in options for prefix in ("--", "-")]
        words = self.container.words
        for name in names:
            for path, word in words:
                if word.partition("=")[0].replace("_", "-") == name:
                    return path
        model = self.model
        return next((path for path, word in words if model and word.removeprefix("--model=") == model), self.path)

    @property
    def port(self) -> int | None:
        """Where it listens; None when that cannot be read."""
        text = self.settings.get(self.engine.port_variable, "").rpartition(":")[2]
        return self.command.number("port", int(text) if text.isdecimal() else self.engine.port)

    @property
    def entry(self) -> tuple[HubModel, Variant] | None:
        """The model and weights that it serves, as the catalogue has them; None when it does not know them."""
        repo = self.model.lower()
        entries = ((model, variant) for model in hub_models().values() for variant in model.variants)
        return next((entry for entry in entries if entry[1].repo.lower() == repo), None)

    @property
    def cache(self) -> Place | None:
        """The volume that keeps downloaded weights; None: the container's own storage."""
        given = self.command.value("download-dir") or ""
        settings = {**self.engine.settings_of(self.container.image), **self.settings}
        return cache_of(self.workload, self.container, settings, given, self.engine.cache)

    @property
    def downloads(self) -> bool:
        """Whether it downloads weights from the hub each time that it starts."""
        settings = (self.settings.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
        offline = any(setting.lower() in _YES for setting in settings)
        cache = self.cache
        there = is_repo(self.model) and self.model.lower() not in missing_repos()
        return not offline and there and not (cache and cache.lasting)


def cache_of(
    workload: Workload, container: Container, settings: Mapping[str, str], given: str, usual: str = HUB
) -> Place | None:
    """The volume that keeps what a container downloads from the hub; None: the container's own storage.

    Args:
        workload: the pods of the container.
        container: the one that downloads.
        settings: variables of the program.
        given: the folder that the program is told to use; empty when it is told none.
        usual: the folder that it uses otherwise.
    """
    paths = [given, *(settings.get(name) for name in _CACHES)]
    paths += [posixpath.join(settings[name], rest) for name, rest in _HOMES.items() if name in settings]
    if path := next(filter(None, paths), None):
        return place_of(workload, container, path)
    place = place_of(workload, container, usual)
    if place is None:  # another user's home, whose path is not known here
        for mount in container.body.get("volumeMounts") or []:
            if mount["mountPath"].rstrip("/").endswith((".cache", "/huggingface", "/huggingface/hub")):
                return place_of(workload, container, mount["mountPath"])
    return place


_CACHES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_HOMES = {"HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub", "HOME": ".cache/huggingface/hub"}


def servers(scene: Scene) -> list[Server]:
    """All vLLM servers, in the order of the manifests."""
    return [server for server in model_servers(scene) if server.engine.name == VLLM]


@lru_cache(maxsize=4)
def model_servers(scene: Scene) -> tuple[Server, ...]:
    """All servers of models, in the order of the manifests."""
    servers = (_server(scene, workload, container) for workload, container in scene.containers)
    return tuple(server for server in servers if server)


def _server(scene: Scene, workload: Workload, container: Container) -> Server | None:
    running = programs(scene, workload, container)
    for engine in engines():
        own = [program for program in running if engine.runs(program)]
        if not own and not engine.is_image_of(container):
            continue
        settings = variables(scene, workload, container)
        if own:
            words, path, settings = own[-1].words, own[-1].path, {**settings, **own[-1].settings}
        else:
            words = tuple(expanded(word, settings) for word in container.line)
            path = container.words[0][0] if container.words else (*container.path, "image")
        return Server(engine, workload, container, words, path, settings, gpu_count(container, scene.cluster))
    return None


def is_repo(model: str) -> bool:
    """Whether a model is named by a repository of the hub, not by a folder or an address."""
    return _REPO.fullmatch(model) is not None and not model.startswith(".")


@dataclass(frozen=True, eq=False)
class ModelClient:
    """A container that asks a model over HTTP.

    Attributes:
        endpoint: address of the model; "" when not known.
        asks_for: name of the model; "" when not known.
        only_asks: that is what it is for: an option of its program gives the address, not a variable, and it has no
            port of its own.
    """

    workload: Workload
    container: Container
    endpoint: str
    asks_for: str
    only_asks: bool


def clients(scene: Scene) -> Iterator[ModelClient]:
    """All containers that have the address of a model and serve none themselves."""
    serving = {server.container for server in model_servers(scene)}
    for workload, container in scene.containers:
        if container in serving:
            continue
        running = programs(scene, workload, container)
        settings = variables(scene, workload, container)
        endpoint = _first(running, settings, ENDPOINTS, ENDPOINT_VARIABLES)
        serves = bool(container.body.get("ports")) or any(program.option(*_SERVING) for program in running)
        by_option = not serves and any(program.option(*ENDPOINTS) for program in running)
        if endpoint.startswith(("http://", "https://")) and not _STORE.match(f"{endpoint}/"):
            asks_for = _first(running, settings, _NAMES, _NAME_VARIABLES)
            yield ModelClient(workload, container, endpoint, asks_for, by_option)


def _first(
    running: list[Program], settings: Mapping[str, str], options: tuple[str, ...], names: tuple[str, ...]
) -> str:
    given = [value for program in running if (value := program.option(*options))]
    given += [settings[name] for name in names if settings.get(name)]
    return given[0] if given else ""


def asking(scene: Scene) -> Iterator[tuple[ModelClient, tuple[Workload, ...]]]:
    """Clients that ask for a model by its name, each with the workloads that its address leads to."""
    for client in clients(scene):
        if client.asks_for and "$" not in client.asks_for and (targets := _targets(scene, client)):
            yield client, targets


def _targets(scene: Scene, client: ModelClient) -> tuple[Workload, ...]:
    """The workloads that a client's address leads to: its own pod, a Service's pods, or the workload of that name."""
    match = _HOST.match(client.endpoint)
    host = match[1] if match else ""
    if host in ("localhost", "127.0.0.1"):
        return (client.workload,)
    name, _, rest = host.partition(".")
    namespace = rest.partition(".")[0] or client.workload.manifest.namespace
    if service := scene.find("Service", namespace, name):
        return scene.selected(namespace, service.at(("spec", "selector")) or {})
    return tuple(w for w in scene.workloads if w.name == name and meet(w.manifest.namespace, namespace))
