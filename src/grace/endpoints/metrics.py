"""What model servers report about themselves on /metrics (vLLM 0.32, llama.cpp), in one form."""

import math
import re
from collections import defaultdict
from dataclasses import dataclass

MOST_BYTES = 4 << 20
"""A report is read up to here; vLLM's has about 100 KB."""

_NAMES = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:kv_cache_usage_perc": "kv_use",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "llamacpp:requests_processing": "running",
    "llamacpp:requests_deferred": "waiting",
    "llamacpp:kv_cache_usage_ratio": "kv_use",
    "llamacpp:prompt_tokens_total": "prompt_tokens",
    "llamacpp:tokens_predicted_total": "generation_tokens",
}
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{[^\n]*\})?[ \t]+(\S+)")


@dataclass(frozen=True)
class ServerMetrics:
    """What a model server reports of itself; None where it does not.

    Attributes:
        running, waiting: requests that it works on, and that wait.
        kv_use: the share of its KV cache in use, 0 to 1.
        prefix_queries, prefix_hits: tokens looked up in the prefix cache since the start, and those that were there.
        preemptions: requests put back since the start, for want of KV cache.
        prompt_tokens, generation_tokens: since the start.
    """

    running: float | None = None
    waiting: float | None = None
    kv_use: float | None = None
    prefix_queries: float | None = None
    prefix_hits: float | None = None
    preemptions: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None

    @property
    def prefix_hit_rate(self) -> float | None:
        """The share of looked-up tokens that the prefix cache had, 0 to 1; None before the first look."""
        if not self.prefix_queries or self.prefix_hits is None:
            return None
        return min(1.0, self.prefix_hits / self.prefix_queries)


def read_metrics(text: str) -> ServerMetrics:
    """Read a report in Prometheus's text format; engines of one server are added up, shares averaged.

    Lines that are no numbers of a known name are passed over, so any text gives a result.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for line in text[:MOST_BYTES].splitlines():
        found = _LINE.match(line)
        name = _NAMES.get(found[1]) if found else None
        if found is None or name is None:
            continue
        try:
            value = float(found[2])
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0:
            values[name].append(value)
    sums = {name: math.fsum(found) for name, found in values.items()}
    if "kv_use" in values:
        sums["kv_use"] = min(1.0, sums["kv_use"] / len(values["kv_use"]))
    return ServerMetrics(**sums)
