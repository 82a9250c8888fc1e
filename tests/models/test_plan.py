"""The memory planner: sums that were measured elsewhere, and every rule broken once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.errors import InputError, Refused
from grace.models.catalogue import gpus, hub_model, hub_models
from grace.models.plan import CannotRun, plan_model
from grace.models.serving import vllm_serve_arguments
from grace.policy.vllm import vllm_problems

PROFILES = ("rtx3090", "a100")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", hub_models())
def test_every_profile_runs(name, profile):
    made = plan_model(name, profile=profile)
    assert made.context <= made.longest_context <= made.model.context
    assert made.usable_gib == pytest.approx(made.weights_gib + made.overhead_gib + made.kv_gib)
    assert made.sequences >= 1
    assert vllm_problems(vllm_serve_arguments(made, port=8000)) == []


@pytest.mark.parametrize(
    ("gpu", "utilization", "measured"),
    [("rtx3090", 0.85, 3.78), ("a100-40", 0.9, 19.25), ("rtxa6000", 0.9, 26.44)],
)
def test_the_kv_cache_is_what_public_logs_show(gpu, utilization, measured):
    """Llama 3.1 8B, which has the sizes of 3.0, with 256 requests, before vLLM counted CUDA graphs (0.21)."""
    made = plan_model("llama-3-8b-instruct", gpu=gpu, utilization=utilization, parallel=256)
    assert made.kv_gib + made.graphs_gib == pytest.approx(measured, abs=0.1)


def test_gemma_9b_has_about_9000_tokens_on_an_rtx_3090():
    assert plan_model("gemma-2-9b-it", profile="rtx3090").kv_tokens == pytest.approx(9000, rel=0.15)


def test_gemma_27b_and_llama_70b_need_their_gpus():
    assert plan_model("gemma-2-27b-it", profile="rtx3090").variant.name == "w4a16"
    llama = plan_model("llama-3-70b-instruct", profile="rtx3090")
    assert (llama.variant.name, llama.gpus, llama.nodes) == ("awq", 2, 1)
    assert plan_model("llama-3-70b-instruct", profile="a100").gpus == 2
    assert plan_model("gpt-oss-20b", profile="rtx3090").variant.name == "mxfp4"


def test_kv_heads_are_kept_several_times_where_gpus_are_more_than_they():
    made = plan_model("gemma-2-2b-it", gpu="rtx3090", gpus=8)
    assert made.kv_kib == 104
    assert made.kv_kib_gpu == 104 / 4  # 4 KV heads, one on each GPU, twice
    assert any("kept 2 times" in note for note in made.notes)
    assert plan_model("gemma-2-2b-it", gpu="rtx3090", gpus=2).kv_kib_gpu == 104 / 2


def test_layers_are_shared_by_nodes():
    one, two = (plan_model("llama-3-70b-instruct", gpu="a100-80", gpus=2, nodes=nodes) for nodes in (1, 2))
    assert two.weights_gib == one.weights_gib / 2
    assert two.kv_kib_gpu == one.kv_kib_gpu / 2
    assert any("one pod on each" in note for note in two.notes)


def test_sliding_attention_keeps_no_more_than_its_window():
    """Half of gpt-oss's layers see 128 tokens, so that its long contexts cost half."""
    made = plan_model("gpt-oss-20b", gpu="a100-80", context=131072)
    per_token = made.kv_gib * (1 << 20) / (made.sequences * made.context)
    assert per_token == pytest.approx(24, rel=0.02)
    short = plan_model("gpt-oss-20b", gpu="a100-80", context=1024)
    assert short.kv_gib * (1 << 20) / (short.sequences * short.context) == pytest.approx(48)


def test_float32_takes_twice_the_memory():
    bf16, float32 = (plan_model("llama-3-8b-instruct", gpu="a100-80", dtype=dtype) for dtype in ("bfloat16", "float32"))
    assert float32.weights_gib == 2 * bf16.weights_gib
    assert float32.kv_kib == 2 * bf16.kv_kib


REFUSED = [
    ("gemma-float16", "gemma-2-2b-it", {"dtype": "float16"}),
    ("gemma-float16", "gemma-2-27b-it", {"dtype": "half", "gpu": "a100-80"}),
    ("gemma-float16", "gemma-2-9b-it", {"variant": "fp16"}),
    ("gemma-awq-half", "gemma-2-9b-it", {"variant": "awq", "dtype": "half"}),
    ("gpt-oss-mxfp4", "gpt-oss-20b", {"variant": "AWQ"}),
    ("gpt-oss-mxfp4", "gpt-oss-20b", {"variant": "fp16"}),
    ("gpt-oss-mxfp4", "gpt-oss-20b", {"dtype": "float16"}),
    ("repo-exists", "gemma-2-9b-it", {"variant": "TheBloke/gemma-2-9b-it-AWQ"}),
    ("repo-exists", "TheBloke/gemma-2-9b-it-AWQ", {}),
    ("gpt-oss-mxfp4", "gpt-oss-20b-awq", {}),
    ("pod-one-node", "llama-3-70b-instruct", {"gpu": "rtx3090", "gpus": 16}),
    ("pod-one-node", "llama-3-70b-instruct", {"gpu": "gh200", "gpus": 2}),
    ("heads-divisible", "llama-3-70b-instruct", {"gpu": "a100-80", "gpus": 3}),
    ("heads-divisible", "gemma-2-2b-it", {"gpus": 3}),
    ("layers-divisible", "gemma-2-2b-it", {"nodes": 27}),
    ("weights-fit", "gemma-2-27b-it", {"gpu": "rtx3090"}),
    ("weights-fit", "llama-3-70b-instruct", {"gpu": "a100-40", "gpus": 2}),
    ("context-trained", "llama-3-8b-instruct", {"context": 8193}),
    ("context-fits", "gemma-2-9b-it", {"context": 8192, "utilization": 0.85}),
    ("bfloat16-capability", "gemma-2-2b-it", {"gpu": "rtx8000"}),
    ("bfloat16-capability", "llama-3-8b-instruct", {"gpu": "rtx8000"}),
]


@pytest.mark.parametrize(("rule", "name", "options"), REFUSED)
def test_what_cannot_run_is_refused_with_the_rule(rule, name, options):
    with pytest.raises(CannotRun) as refused:
        plan_model(name, **options)
    problem = refused.value.problem
    assert problem.rule == rule
    assert problem.fix
    assert isinstance(refused.value, Refused)
    assert str(refused.value).endswith(f"[{rule}]")


def test_ways_out_are_named():
    with pytest.raises(CannotRun, match=r"--gpus 4 or --variant w4a16"):
        plan_model("gemma-2-27b-it", gpu="rtx3090")
    assert plan_model("gemma-2-27b-it", gpu="rtx3090", gpus=4)
    with pytest.raises(CannotRun, match=r"--context (\d+) or less") as refused:
        plan_model("gemma-2-9b-it", context=8192, utilization=0.85)
    fits = int(str(refused.value).partition("--context ")[2].split()[0])
    assert plan_model("gemma-2-9b-it", context=fits, utilization=0.85).sequences >= 1
    with pytest.raises(CannotRun, match="context-fits"):
        plan_model("gemma-2-9b-it", context=fits + 1, utilization=0.85)
    assert plan_model("llama-3-8b-instruct", gpu="rtx8000", dtype="float16").dtype == "float16"


@pytest.mark.parametrize(
    "options",
    [
        {"gpu": "rtx4090"},
        {"profile": "a1000"},
        {"profile": "local"},
        {"variant": "int3"},
        {"dtype": "int8"},
        {"dtype": "float32", "variant": "awq"},
        {"gpus": 0},
        {"nodes": -1},
        {"context": 0},
        {"utilization": 1.1},
        {"utilization": 0.0},
        {"parallel": 0},
    ],
)
def test_wrong_input(options):
    with pytest.raises(InputError):
        plan_model("gemma-2-9b-it", **options)


@given(
    name=st.sampled_from([*hub_models()]),
    gpu=st.sampled_from([*gpus()]),
    number=st.integers(1, 9),
    nodes=st.integers(1, 3),
    context=st.integers(1, 200_000),
    utilization=st.floats(0.01, 1),
    parallel=st.integers(1, 1024),
)
def test_a_plan_holds_or_is_refused(name, gpu, number, nodes, context, utilization, parallel):
    options = {"gpus": number, "nodes": nodes, "context": context, "utilization": utilization, "parallel": parallel}
    try:
        made = plan_model(name, gpu=gpu, **options)
    except CannotRun:
        return
    assert 1 <= made.context <= made.longest_context <= made.model.context
    assert made.sequences >= 1
    assert made.weights_gib + made.overhead_gib + made.kv_gib <= made.gpu.memory_gib
    assert made.model.heads % made.gpus == 0


# vLLM's command line.


def test_arguments_of_a_server():
    arguments = vllm_serve_arguments(plan_model("llama-3-70b-instruct", profile="rtx3090"), port=8000)
    assert arguments[0] == "casperhansen/llama-3-70b-instruct-awq"
    revision = hub_model("llama-70b").variant("awq").revision
    for part in (
        "--served-model-name=llama-3-70b-instruct-awq",
        f"--revision={revision}",
        "--host=0.0.0.0",
        "--port=8000",
        "--dtype=float16",
        "--max-model-len=4096",
        "--gpu-memory-utilization=0.93",
        "--tensor-parallel-size=2",
        "--generation-config=vllm",
        "--logprobs-mode=raw_logprobs",
        "--max-logprobs=20",
        "--enable-prefix-caching",
    ):
        assert part in arguments
    assert not any(part.startswith(("--nnodes", "--pipeline", "--quantization", "--api-key")) for part in arguments)


def test_arguments_of_several_nodes():
    made = plan_model("llama-3-70b-instruct", gpu="a100-80", gpus=2, nodes=2)
    first, second = (vllm_serve_arguments(made, port=8000, rank=rank, leader="llama-0.llama") for rank in (0, 1))
    for part in ("--nnodes=2", "--pipeline-parallel-size=2", "--master-addr=llama-0.llama", "--tensor-parallel-size=2"):
        assert part in first
        assert part in second
    assert "--node-rank=0" in first
    assert "--headless" not in first
    assert {"--node-rank=1", "--headless"} <= {*second}
    with pytest.raises(InputError, match="address of the first"):
        vllm_serve_arguments(made, port=8000)
    with pytest.raises(InputError, match="rank 2"):
        vllm_serve_arguments(made, port=8000, rank=2, leader="x")


# The command line.


def test_plan_prints_the_sum(grace):
    done = grace("models", "plan", "Llama-70B", "--profile", "rtx3090")
    assert done.code == 0
    for part in ("llama-3-70b-instruct-awq", "18.52", "2 x NVIDIA RTX 3090", "160 KiB per token", "320 KiB"):
        assert part in done.out


def test_plan_as_json(grace):
    done = grace("models", "plan", "gemma-2-9b-it", "--gpu", "rtx3090", "--variant", "awq", "--json")
    [made] = json.loads(done.out)
    assert made["served_name"] == "gemma-2-9b-it-awq"
    assert made["weights_gib"] == pytest.approx(5.74, abs=0.01)


def test_plan_of_the_lineup(grace):
    for profile in PROFILES:
        done = grace("models", "plan", "--profile", profile)
        assert done.code == 0
        assert all(model.name in done.out for model in hub_models().values())


def test_plan_of_the_lineup_where_some_do_not_fit(grace):
    done = grace("models", "plan", "--gpu", "rtx3090", "--json")
    assert done.code == 4
    plans = json.loads(done.out)
    assert len(plans) == 6
    assert [entry["rule"] for entry in plans if "rule" in entry] == ["weights-fit", "weights-fit"]
    assert "[weights-fit]" in grace("models", "plan", "--gpu", "rtx3090").out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["gemma-2-2b-it", "--dtype", "float16"], 4, "[gemma-float16]"),
        (["gpt-oss-20b", "--variant", "awq"], 4, "[gpt-oss-mxfp4]"),
        (["gemma-2-9b-it", "--variant", "TheBloke/gemma-2-9b-it-AWQ"], 4, "[repo-exists]"),
        (["llama-3-70b-instruct", "--gpus", "16"], 4, "[pod-one-node]"),
        (["--profile", "local"], 2, "smollm2-135m replaces every model"),
        (["gema"], 2, "is not a model of the lineup"),
    ],
)
def test_plan_says_no(grace, arguments, code, says):
    done = grace("models", "plan", *arguments)
    assert done.code == code
    assert says in done.err
