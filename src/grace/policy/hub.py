"""What containers load from the model hub: by hf, huggingface_hub and transformers in Python, and by an option."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from grace.models.catalogue import Variant, hub_models
from grace.policy.documents import Container, Scene, Workload
from grace.policy.pods import Place
from grace.policy.programs import Program, programs, variables
from grace.policy.servers import ENDPOINTS, cache_of, is_repo
from grace.policy.sizes import named_bytes

GATED = re.compile(r"meta-llama/|google/(gemma|paligemma|codegemma|medgemma|recurrentgemma)", re.IGNORECASE)
"""Repositories of the hub that give their models only to those who accepted the licence."""
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")
"""Variables from which huggingface_hub takes the token."""
OPTIONS = (
    "--model-path",
    "--model_path",
    "--model-name-or-path",
    "--model_name_or_path",
    "--local-model",
    "--local_model",
)
"""Options with which programs load a model themselves."""
_CALL = re.compile(
    r"\b(snapshot_download|(?:Auto|\w+For|Llama|Gemma\d?|Mistral|Qwen\d?)\w*\.from_pretrained)\(\s*"
    r"(?:repo_id\s*=\s*|pretrained_model_name_or_path\s*=\s*)?(?:[\"']([\w.-]+/[\w.-]+)[\"']|(\w+))([^()]{0,2000})"
)
_NAME = re.compile(r"^[ \t]*(\w+)\s*=\s*[\"']([^\"'\n]{1,300})[\"']", re.MULTILINE)
_FOLDER = re.compile(r"\b(cache_dir|local_dir)\s*=\s*(?:[\"']([^\"'\n]+)[\"']|(\w+))")
_NO_WEIGHTS = ("Tokenizer", "Config", "Processor", "FeatureExtractor")


@dataclass(frozen=True)
class HubLoad:
    """A model that a container takes from the hub.

    Attributes:
        program: the one that takes it.
        repo: the model.
        into_memory: its weights are loaded, not only downloaded.
        picks: it takes some of the files only.
        row: in its script, as of `Program`.
        place: the volume that keeps what is downloaded; None for the container's own storage.
        placed: whether that is known.
        cached: it is kept in the layout of the hub's cache, where other programs look for it.
    """

    program: Program
    repo: str
    into_memory: bool
    picks: bool
    row: int
    place: Place | None
    placed: bool
    cached: bool


def hub_loads(scene: Scene, workload: Workload, container: Container) -> Iterator[HubLoad]:
    """What a container loads from the hub, other than as a server."""
    usual = variables(scene, workload, container)
    for program in programs(scene, workload, container):
        settings = {**usual, **program.settings}

        def place(given: str, settings: dict[str, str] = settings) -> tuple[Place | None, bool]:
            plain = not given or (given.startswith("/") and "$" not in given)
            return cache_of(workload, container, settings, given), plain

        if program.name in ("hf", "huggingface-cli") and program.words[1:2] == ("download",):
            given = program.option("--local-dir", "--cache-dir") or ""
            repo = next((word for word in program.words[2:] if not word.startswith("-")), "a model")
            picks = any(word.startswith(("--include", "--exclude")) for word in program.words)
            cached = program.option("--local-dir") is None
            yield HubLoad(program, repo, False, picks, program.row, *place(given), cached)
        elif (repo := program.option(*OPTIONS) or "") and is_repo(repo) and not program.option(*ENDPOINTS):
            yield HubLoad(program, repo, True, False, program.row, *place(""), True)
        names = (
            dict(_NAME.findall(program.code))
            if "from_pretrained" in program.code or "snapshot_" in program.code
            else {}
        )
        for call in _CALL.finditer(program.code) if "/" in program.code else ():
            repo = call[2] or names.get(call[3], "")
            if not is_repo(repo) or any(word in call[1] for word in _NO_WEIGHTS):
                continue
            folder = _FOLDER.search(call[4])
            given = (folder[2] or names.get(folder[3], "$")) if folder else ""
            picks = "_patterns" in call[4]
            start = program.row + ("-c" not in program.words)  # a here-document begins in the next line
            row = start + program.code.count("\n", 0, call.start()) if program.row else 0
            cached = not folder or folder[1] == "cache_dir"
            yield HubLoad(program, repo, "from_pre" in call[1], picks, row, *place(given), cached)


def has_token(container: Container, scene: Scene, workload: Workload) -> bool:
    """Whether the hub gives a container what is gated, as far as its manifest tells."""
    if "envFrom" in container.body or any(name in container.env for name in TOKENS):
        return True
    running = programs(scene, workload, container)
    texts = (text for program in running for text in (*program.words, program.code, *program.settings))
    return any(
        re.search(r"hf_token|HF_TOKEN|--token|auth login|huggingface-cli login|login\(|token=", text) for text in texts
    )


def weights_of(repo: str) -> float:
    """Bytes of a repository's weights in 16 bits, from the catalogue or its name; 0 when nothing tells."""
    variants = (variant for model in hub_models().values() for variant in model.variants)
    known: Variant | None = next((each for each in variants if each.repo.lower() == repo.lower()), None)
    return float(known.weights_bytes) if known else named_bytes(repo)
