"""Serving models: whether a model of any name fits on its GPUs, which of them are too old, and where downloads go."""

from collections.abc import Iterator

from grace.policy.documents import Scene
from grace.policy.gpu_products import Product, gpu_products
from grace.policy.pods import PRODUCT, gpu_resources, named_products, node_terms
from grace.policy.rule import Hit, broken, changed, error, warning
from grace.policy.rules.serving import SERVER, VLLM
from grace.policy.servers import Server, model_servers, servers
from grace.policy.sizes import parameters, weights_bytes

GB = 1e9
LARGEST = 49.0
"""GB of the largest GPU that is nvidia.com/gpu where larger ones have resources of their own, and a little."""
OFFLOADING = (
    "cpu-offload-gb",
    "kv-offloading-size",
    "load-format",
    "quantization-param-path",
    "hf-overrides",
    "n-gpu-layers",
)
"""Options with which less than the whole model is on GPUs."""
OLDEST = 7.0
BFLOAT16 = 8.0
"""Compute capabilities that vLLM, and bfloat16, need."""
HOMES = ("HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "TRANSFORMERS_CACHE")
_LLAMA = ("google/gemma-2-2b-it", "example/Llama-70B-Instruct")
_PRODUCT = "    spec:\n      nodeSelector: {{nvidia.com/gpu.product: {}}}\n      containers:"
_ON_3090 = changed(SERVER, ("    spec:\n      containers:", _PRODUCT.format("NVIDIA-GeForce-RTX-3090")))
_USER = "    spec:\n      securityContext: {runAsUser: 1000}\n      containers:"
_CACHE = "\n        env: [{name: HF_HOME, value: /cache}]"


@error(
    "VLLM018",
    "model that by its name does not fit",
    why="The weights alone are larger than the memory of all GPUs together: the server ends with out of memory.",
    source="the size in the model's name, two bytes for each parameter unless it is quantized",
    fix="Ask for more or larger GPUs, with --tensor-parallel-size; or serve a smaller or further quantized variant.",
    examples=broken(SERVER, _LLAMA),
)
def check_size(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        if server.entry or not server.gpus or any(option in server.command.options for option in OFFLOADING):
            continue
        nodes = (server.command.number("nnodes", 1) or 0) * (server.command.number("pipeline-parallel-size", 1) or 0)
        size, each = weights_bytes(server) / GB, _largest(scene, server)
        if nodes == 1 and each and size > each * server.gpus:
            gpus = "1 GPU has" if server.gpus == 1 else f"{server.gpus} GPUs have"
            message = (
                f"{server.model} has {parameters(server.model) / GB:g} billion parameters by its name, about "
                f"{size:.0f} GB, and {gpus} {each * server.gpus:.0f} GB at most"
            )
            yield Hit(server.workload.manifest, server.where("model", "model-id", "model-path"), message)


def _products(server: Server) -> list[Product]:
    """The products that a server must run on; none where any may do, or one that is not known."""
    named = [named_products(term) for term in node_terms(server.workload)]
    names = {name for some in named for name in some or ()}
    return [] if None in named or not names <= gpu_products().keys() else [gpu_products()[name] for name in names]


def _largest(scene: Scene, server: Server) -> float:
    """GB of the largest GPU that a server may get; 0 when not known."""
    if products := _products(server):
        return float(max(product.memory for product in products))
    anything = any(requirement.key == PRODUCT for term in node_terms(server.workload) for requirement in term)
    asked = set(gpu_resources(server.container, scene.cluster))
    kinds = [gpu for gpu in scene.cluster.gpus if {gpu.resource} == asked]
    if anything or not kinds:
        return 0.0
    if asked == {"nvidia.com/gpu"}:
        return LARGEST if len(scene.cluster.gpus) > len(kinds) else 0.0
    names = {name for gpu in kinds for name in gpu.products}
    return float(max((gpu_products()[name].memory for name in names if name in gpu_products()), default=0))


@error(
    "VLLM019",
    "GPU that is too old",
    why="vLLM needs GPUs of compute capability 7.0 (Volta) and newer, and bfloat16 those of 8.0 (Ampere): on others "
    "the server ends with an error.",
    source=f"{VLLM}getting_started/installation/gpu/; NVIDIA, https://developer.nvidia.com/cuda-gpus",
    fix="Select newer GPUs; before Ampere, use --dtype=half for models that can (Gemma cannot).",
    examples=broken(_ON_3090, ("GeForce-RTX-3090", "GeForce-GTX-1080-Ti")),
)
def check_age(scene: Scene) -> Iterator[Hit]:
    for server in servers(scene):
        needed = BFLOAT16 if server.command.value("dtype") == "bfloat16" else OLDEST
        products = _products(server) if server.gpus else []
        if products and all(product.capability < needed for product in products):
            what = "bfloat16" if needed == BFLOAT16 else "vLLM"
            names = " or ".join(f"{product.name} ({product.capability:g})" for product in products)
            message = f"the pod runs on {names}, and {what} needs compute capability {needed:g}"
            yield Hit(server.workload.manifest, server.where("dtype"), message)


@warning(
    "VLLM020",
    "cache that the user cannot write",
    why="A user whom the image does not know has the home folder /: downloads go to /.cache, where only root can "
    "write, and the server ends with Permission denied.",
    source="huggingface_hub's documentation: "
    "https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
    fix="Set HF_HOME to a folder on a volume that the user can write (fsGroup), or HOME.",
    examples=broken(
        changed(
            SERVER,
            ("    spec:\n      containers:", _USER),
            ("        image: vllm/vllm-openai:v0.33.0", f"        image: vllm/vllm-openai:v0.33.0{_CACHE}"),
        ),
        (_CACHE, ""),
    ),
)
def check_home(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        pod, own = (body.get("securityContext") or {} for body in (server.workload.spec, server.container.body))
        user = own.get("runAsUser", pod.get("runAsUser"))
        has_home = any(name in server.settings or name in server.container.env for name in HOMES)
        placed = server.command.value("download-dir") or "envFrom" in server.container.body
        if user and not has_home and not placed and server.downloads:
            message = f"container {server.container.name} runs as user {user}, and its downloads go to /.cache"
            yield Hit(server.workload.manifest, (*server.container.path, "env"), message)
