"""The catalogue and the planner against vLLM's own configuration code, on models without weights. Needs no server.

vLLM's Python is the one that GRACE_VLLM_PYTHON names, or that of .venv-vllm (scripts/install_vllm_cpu.sh).
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from grace.models.catalogue import hub_models
from grace.models.plan import plan_model
from grace.models.serving import vllm_serve_arguments

PYTHON = Path(
    os.environ.get("GRACE_VLLM_PYTHON") or ROOT / os.environ.get("GRACE_VLLM_VENV", ".venv-vllm") / "bin/python"
)
CONFIGS = ROOT / "tests" / "fixtures" / "configs"
VARIANTS = {variant.served_name: (model, variant) for model in hub_models().values() for variant in model.variants}
PLANS = [(model, profile) for model in hub_models() for profile in ("rtx3090", "a100")]

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no vLLM in {PYTHON}; scripts/install_vllm_cpu.sh installs it"),
]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What vLLM says of all configurations and command lines, asked once."""
    several = plan_model("llama-3-70b-instruct", gpu="a100-80", gpus=2, nodes=2)
    commands = [vllm_serve_arguments(plan_model(model, profile=profile), port=8000) for model, profile in PLANS]
    commands.append(vllm_serve_arguments(several, port=8000, rank=1, leader="llama-0"))
    asked = {"configs": {name: str(CONFIGS / name) for name in VARIANTS}, "commands": commands}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [PYTHON, ROOT / "tests" / "support" / "vllm_says.py"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", VARIANTS)
def test_the_catalogue_has_the_network_s_sizes(told, name):
    model, _ = VARIANTS[name]
    sizes = ("layers", "heads", "kv_heads", "head_size", "hidden_size", "vocabulary", "context", "family")
    seen = told["configs"][name]
    assert {size: seen[size] for size in sizes} == {size: getattr(model, size) for size in sizes}
    assert (seen["sliding_window"], seen["sliding_layers"]) == (model.sliding_window, model.sliding_layers)
    assert seen["kv_bytes"] == 1024 * plan_model(model, gpu="h200", gpus=2).kv_kib
    assert seen["kv_heads_of_two"] * 2 == seen["kv_heads"]


@pytest.mark.parametrize("name", VARIANTS)
def test_dtypes_and_quantizations_are_what_vllm_makes_of_the_model(told, name):
    model, variant = VARIANTS[name]
    seen = told["configs"][name]
    assert seen["dtype"] == variant.dtype  # of --dtype auto
    methods = {"bf16": None, "awq": "awq", "w4a16": "compressed-tensors", "mxfp4": "gpt_oss_mxfp4"}
    assert seen["quantization"] == methods[variant.name]
    if model.family == "gemma2":
        assert "does not support float16" in seen["float16"]
        assert "float16" not in model.dtypes
    elif model.family == "llama":
        assert seen["float16"] == ""
        assert "float16" in model.dtypes


def test_every_argument_is_one_that_vllm_knows(told):
    for (model, profile), seen in zip(PLANS, told["commands"], strict=False):
        made = plan_model(model, profile=profile)
        assert seen["model_tag"] == made.variant.repo
        assert seen["served_model_name"] == [made.variant.served_name]
        assert seen["dtype"] == made.dtype
        assert seen["max_model_len"] == made.context
        assert seen["tensor_parallel_size"] == made.gpus
        assert seen["enable_prefix_caching"] is True
        assert seen["logprobs_mode"] == "raw_logprobs"
    assert (told["commands"][-1]["nnodes"], told["commands"][-1]["headless"]) == (2, True)
