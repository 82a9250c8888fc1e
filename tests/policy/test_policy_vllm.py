"""Command lines of vLLM servers: how they are read, and every rule about them broken once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.policy.vllm import read_vllm_command, vllm_problems

ROADMAP = "python -m vllm.entrypoints.openai.api_server --model=google/gemma-2-2b-it --host=0.0.0.0 --dtype=float16"


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        (ROADMAP, ["gemma-float16", "vllm-serve"]),
        (
            "--model=TheBloke/gemma-2-9b-it-AWQ --quantization=awq --dtype=half",
            ["repo-exists", "gemma-awq-half"],
        ),
        ("vllm serve google/gemma-2-9b-it --quantization awq --dtype half", ["gemma-awq-half"]),
        ("serve openai/gpt-oss-20b --quantization=gptq", ["gpt-oss-mxfp4"]),
        ("somebody/gpt-oss-20b-AWQ", ["gpt-oss-mxfp4"]),
        ("openai/gpt-oss-20b --dtype float16", ["gpt-oss-mxfp4"]),
        ("vllm serve google/gemma-2-27b-it --dtype=bfloat16", []),
        ("vllm serve meta-llama/Meta-Llama-3-70B-Instruct --tensor_parallel_size 2", []),
        ("vllm serve meta-llama/Meta-Llama-3-70B-Instruct -tp 2 -pp 2 --nnodes 2", []),
        ("vllm serve meta-llama/Meta-Llama-3-70B-Instruct -tp $(GPUS)", []),
        ("vllm serve google/gemma-2-2b-it --served-model-name a b --dtype auto", []),
        ("vllm serve --enable-prefix-caching google/gemma-2-2b-it --dtype bfloat16", []),
        ("vllm serve --port 8000 google/gemma-2-2b-it", []),
        ("", []),
    ],
)
def test_problems_of_a_command(command, rules):
    problems = vllm_problems(command.split())
    assert [problem.rule for problem in problems] == rules
    assert [problem.rule for problem in problems if problem.note] == [rule for rule in rules if rule == "vllm-serve"]


def test_a_command_is_read():
    text = "vllm serve org/model --dtype half -q awq --served-model-name a b --seed -1"
    command = read_vllm_command(text.split())
    assert command.model == "org/model"
    assert command.served_names() == ("a", "b")
    assert (command.value("dtype"), command.value("quantization")) == ("half", "awq")
    assert command.value("seed") == "-1"
    assert command.value("nothing") is None


@given(
    st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["--model", "--dtype=half", "-tp", "serve", "=", "-"])))
)
def test_any_words_can_be_read(words):
    for problem in vllm_problems(words):
        assert problem.rule
