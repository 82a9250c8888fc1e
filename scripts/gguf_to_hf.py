"""Make a Hugging Face model folder, which vLLM can serve, from a GGUF file of a small Llama such as SmolLM2.

    python gguf_to_hf.py MODEL.gguf FOLDER

Weights are dequantized to float32, so that vLLM computes with the very numbers that llama.cpp computes with. The folder
appears when it is complete, and one that is there already is left as it is. Needs gguf, safetensors and tokenizers.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Names of tensors: GGUF's, and those of transformers."""
CONTROL = 3
"""GGUF's type of a token that stands for no text, such as the end of a turn."""


class Metadata:
    """The key-value pairs of a GGUF file."""

    def __init__(self, reader: GGUFReader) -> None:
        self._fields = reader.fields

    def __getitem__(self, key: str) -> Any:
        if key not in self._fields:
            raise SystemExit(f"the GGUF file has no field {key!r}; only Llama-like models are converted")
        return self._fields[key].contents()

    def expect(self, key: str, value: str) -> None:
        """End with one line unless a field says what this converter knows how to handle."""
        if self[key] != value:
            raise SystemExit(f"the GGUF file's {key} is {self[key]!r}; only {value!r} is converted")


def convert(source: Path, folder: Path) -> None:
    """Write config, weights and tokenizer of `source` into `folder`."""
    reader = GGUFReader(source)
    fields = Metadata(reader)
    fields.expect("general.architecture", "llama")
    fields.expect("tokenizer.ggml.model", "gpt2")
    fields.expect("tokenizer.ggml.pre", "smollm")
    weights = dict(tensors(reader, fields))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config(fields, tied="lm_head.weight" not in weights))
    tokenizer(fields).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", tokenizer_config(fields))


def tensors(reader: GGUFReader, fields: Metadata) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor by its name in transformers, as float32 of shape (outputs, inputs)."""
    heads = {"attn_q": fields["llama.attention.head_count"], "attn_k": fields["llama.attention.head_count_kv"]}
    for tensor in reader.tensors:
        weight = np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        if tensor.name in OUTER:
            yield OUTER[tensor.name], weight
            continue
        _, layer, kind, _ = tensor.name.split(".")  # blk.7.attn_q.weight
        if kind in heads:
            weight = rotary_halves_apart(weight, heads[kind])
        yield f"model.layers.{layer}.{IN_LAYER[kind]}.weight", weight


def rotary_halves_apart(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder each head's rows: GGUF pairs a row with the next one, transformers with that half a head away."""
    by_head = weight.reshape(heads, -1, weight.shape[1])
    return np.concatenate([by_head[:, 0::2], by_head[:, 1::2]], axis=1).reshape(weight.shape)


def config(fields: Metadata, tied: bool) -> dict[str, Any]:
    """The architecture, as transformers describes it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "vocab_size": fields["llama.vocab_size"],
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.rope.dimension_count"],
        "max_position_embeddings": fields["llama.context_length"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": fields["llama.rope.freq_base"],
        "tie_word_embeddings": tied,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def tokenizer(fields: Metadata) -> Tokenizer:
    """Byte-level BPE that takes every digit on its own, which is what GGUF calls "smollm".

    transformers' own reading of GGUF files leaves the digits out, and so gives a digit behind a blank line other tokens
    than the model was trained on.
    """
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    made.add_special_tokens(
        [AddedToken(token, special=True) for token, type in zip(tokens, types, strict=True) if type == CONTROL]
    )
    return made


def tokenizer_config(fields: Metadata) -> dict[str, Any]:
    """Special tokens and the chat template."""
    tokens = fields["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[fields["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[fields["tokenizer.ggml.unknown_token_id"]],
        "chat_template": fields["tokenizer.chat_template"],
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a readable JSON file."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main(source: Path, folder: Path) -> None:
    """Convert beside the folder and put it in place when it is whole."""
    if folder.exists():
        return
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.unfinished")
    unfinished.mkdir(parents=True)
    try:
        convert(source, unfinished)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: gguf_to_hf.py MODEL.gguf FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
