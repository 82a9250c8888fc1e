"""Run by vLLM's own Python: what its code makes of model configurations and command lines. JSON in and out.

In: {"configs": {name: folder}, "commands": [[word, ...], ...]}; out: {"configs": {name: facts}, "commands": [...]}.
"""

import json
import sys
from typing import Any

from vllm.config import ModelConfig, ParallelConfig
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.kv_cache_interface import FullAttentionSpec


def read(folder: str, dtype: str) -> Any:
    """vLLM's configuration of a model, or what it says against it."""
    try:
        return ModelConfig(model=folder, tokenizer=folder, dtype=dtype, skip_tokenizer_init=True)
    except ValueError as error:
        return str(error)


def kv_bytes(config: Any, parallel: ParallelConfig) -> int:
    """KV cache of one token in all layers, by vLLM's own blocks."""
    block = FullAttentionSpec(
        block_size=16,
        num_kv_heads=config.get_num_kv_heads(parallel),
        head_size=config.get_head_size(),
        dtype=config.dtype,
    )
    return int(block.page_size_bytes * config.get_num_layers(parallel) / 16)


def facts(folder: str) -> dict[str, Any]:
    """What Grace's catalogue says too."""
    config = read(folder, "auto")
    half = read(folder, "float16")
    one = ParallelConfig()
    return {
        "layers": config.get_num_layers(one),
        "heads": config.get_num_attention_heads(one),
        "kv_heads": config.get_total_num_kv_heads(),
        "kv_heads_of_two": config.get_num_kv_heads(ParallelConfig(tensor_parallel_size=2)),
        "head_size": config.get_head_size(),
        "hidden_size": config.get_hidden_size(),
        "vocabulary": config.get_vocab_size(),
        "context": config.max_model_len,
        "sliding_window": config.get_sliding_window(),
        "sliding_layers": getattr(config.hf_config, "layer_types", []).count("sliding_attention"),
        "kv_bytes": kv_bytes(config, one),
        "family": config.hf_config.model_type,
        "dtype": str(config.dtype).removeprefix("torch."),
        "quantization": config.quantization,
        "float16": half if isinstance(half, str) else "",
    }


def parsed(words: list[str]) -> dict[str, Any]:
    """A command line as `vllm serve` reads it; it ends this process when there is an option that vLLM does not know."""
    told = vars(make_arg_parser(FlexibleArgumentParser()).parse_args(words))
    names = ("model_tag", "revision", "served_model_name", "dtype", "max_model_len", "tensor_parallel_size", "headless")
    return {name: told[name] for name in (*names, "nnodes", "enable_prefix_caching", "logprobs_mode")}


asked = json.load(sys.stdin)
answer = {
    "configs": {name: facts(folder) for name, folder in asked["configs"].items()},
    "commands": [parsed(words) for words in asked["commands"]],
}
print(f"\n{json.dumps(answer)}")
