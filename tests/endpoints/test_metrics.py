"""What servers report about themselves, in one form, whatever the text is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.endpoints.metrics import ServerMetrics, read_metrics

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a model } 7"} 12.0
vllm:num_requests_running{engine="1",model_name="gemma-2-2b-it"} 4.0
vllm:num_requests_waiting{engine="0",model_name="gemma-2-2b-it"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="gemma-2-2b-it"} 0.5
vllm:kv_cache_usage_perc{engine="1",model_name="gemma-2-2b-it"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="gemma-2-2b-it"} 1.0e+06
vllm:prefix_cache_hits_total{engine="0",model_name="gemma-2-2b-it"} 750000.0
vllm:prefix_cache_hits_created{engine="0",model_name="gemma-2-2b-it"} 1.7e+09
vllm:num_preemptions_total{engine="0",model_name="gemma-2-2b-it"} 0.0
python_gc_objects_collected_total{generation="0"} 9999.0
"""


def test_vllms_report() -> None:
    metrics = read_metrics(VLLM)
    assert (metrics.running, metrics.waiting, metrics.kv_use, metrics.preemptions) == (16, 3, 0.375, 0)
    assert metrics.prefix_hit_rate == 0.75
    assert metrics.generation_tokens is None


def test_llamacpps_report() -> None:
    text = "llamacpp:requests_processing 2\nllamacpp:tokens_predicted_total 640\nllamacpp:kv_cache_usage_ratio nan\n"
    assert read_metrics(text) == ServerMetrics(running=2, generation_tokens=640)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "twelve", ""])
def test_what_is_no_number_is_passed_over(value: str) -> None:
    assert read_metrics(f"vllm:num_requests_running {value}\n") == ServerMetrics()


@given(st.text())
def test_any_text_gives_finite_numbers(text: str) -> None:
    for name in ("vllm:kv_cache_usage_perc", "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"):
        metrics = read_metrics(f"{text}\n{name} {text}\n{name}{{a={text}}} 3\n")
        assert all(value is None or (math.isfinite(value) and value >= 0) for value in vars(metrics).values())
        assert metrics.prefix_hit_rate is None or 0 <= metrics.prefix_hit_rate <= 1
