"""A model of 130,000 random weights with a tokenizer of its own, as a GGUF file that llama.cpp serves.

It knows nothing, but it computes: its distribution depends on the whole prompt and is far from uniform. It is there for
its tokenizer, byte-level BPE with merges made by hand: where the real model of the other tests takes every digit on its
own, this one can take "100" as one token.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from gguf import GGUFWriter, TokenType

CHATML = r"""{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"""
"""Qwen's and SmolLM's; ends with the line of the role."""
THINKING = CHATML.replace(r"assistant\n", r"assistant\n<think>\n")
"""ChatML of a model that always thinks: the template opens the block, and the model's first words are thoughts."""
HARMONY = r"""{%- for message in messages -%}
{{ '<|start|>' + message['role'] }}
{%- if message['role'] == 'assistant' -%}{{ '<|channel|>final' }}{%- endif -%}
{{ '<|message|>' + message['content'] + '<|end|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|start|>assistant' }}{%- endif -%}"""
"""gpt-oss's without its preamble: the model itself names a channel before it answers."""

CONTROL = (
    *("<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|return|>", "<|call|>"),
    *("<|im_start|>", "<|im_end|>", "<think>", "</think>"),
)
"""Tokens that stand for no text. <|call|> is here because without it llama.cpp would end an answer at <|end|>."""
WORDS = (
    *("yes", "no", "Yes", "No", " yes", " no", " Yes", " No"),
    *("It", " It", " was", " wasn", "'t", " not", " terrible", " bad", " good", " amazing"),
    *("system", "user", "assistant", "analysis", "final"),
    *("%.", "\n\n"),
)
"""Single tokens, together with the beginnings that lead to them."""
NUMBERS = tuple(f"{space}{number}" for space in ("", " ") for number in range(10, 101, 10))
"""Single tokens too, when digits merge."""

_WIDTH, _LAYERS, _HEADS, _INNER = 64, 2, 4, 128
_SHARPNESS = 3.0
"""Standard deviation of the logits: the most likely of 400 tokens has a probability of 0.1 to 0.6."""


def write_tiny_gguf(
    path: Path,
    *,
    digits: Literal["merged", "single"] = "merged",
    template: str = CHATML,
    seed: int = 0,
    torn: bool = False,
    context: int = 2048,
) -> None:
    """Write the model; the same arguments make the same bytes.

    Args:
        path: file to write.
        digits: "merged" makes one token of "10", "100" and " 10"; "single" takes every digit on its own.
        template: the chat template, in Jinja.
        seed: of the weights.
        torn: let the model say pieces of characters too: byte tokens from 0x80 on, which are no text alone. When one of
            these is drawn last, llama.cpp's /completion holds it back and its `completion_probabilities` with it.
        context: the longest prompt with its answer, in tokens. A letter is often one here.
    """
    merged = digits == "merged"
    merges = _merges((*WORDS, *NUMBERS) if merged else WORDS)
    text = [*_BYTES.values(), *dict.fromkeys(left + right for left, right in merges)]
    tokens = [*text, *CONTROL]

    writer = GGUFWriter(path, "llama")
    writer.add_name(f"tiny, digits {digits}")
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)

    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2" if merged else "smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.NORMAL] * len(text) + [TokenType.CONTROL] * len(CONTROL))
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(tokens.index("<|im_start|>"))
    writer.add_eos_token_id(tokens.index("<|return|>" if template == HARMONY else "<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)

    for name, weights in _tensors(len(tokens), np.random.default_rng(seed), torn):
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(vocabulary: int, random: np.random.Generator, torn: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Weights by name, of shape (outputs, inputs); a normalised vector keeps its size through each matrix."""

    def matrix(outputs: int, inputs: int, size: float = 1.0) -> np.ndarray:
        return (random.standard_normal((outputs, inputs)) * size / inputs**0.5).astype(np.float32)

    ones = np.ones(_WIDTH, np.float32)
    yield "token_embd.weight", matrix(vocabulary, _WIDTH, _WIDTH**0.5)
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", ones
        for kind in ("attn_q", "attn_k", "attn_v"):
            yield f"{block}.{kind}.weight", matrix(_WIDTH, _WIDTH, 1.5)
        yield f"{block}.attn_output.weight", matrix(_WIDTH, _WIDTH, 1.5)
        yield f"{block}.ffn_norm.weight", ones
        yield f"{block}.ffn_gate.weight", matrix(_INNER, _WIDTH)
        yield f"{block}.ffn_up.weight", matrix(_INNER, _WIDTH)
        yield f"{block}.ffn_down.weight", matrix(_WIDTH, _INNER)
    yield "output_norm.weight", ones
    output = matrix(vocabulary, _WIDTH, _SHARPNESS)
    if not torn:
        output[_TORN] *= 0.1
    yield "output.weight", output


def _bytes_as_letters() -> dict[int, str]:
    """GPT-2's alphabet: a visible letter for each byte, itself where it is visible."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(others)}


_BYTES = _bytes_as_letters()
_TORN = [i for i, byte in enumerate(_BYTES) if byte >= 0x80]


def _merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merges, most urgent first, that make one token of each word; a later one never changes an earlier word."""
    merges: list[tuple[str, str]] = []
    for word in words:
        while len(parts := _encode(word, merges)) > 1:
            merges.append((parts[0], parts[1]))
    return merges


def _encode(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """BPE: the most urgent merge that fits, again and again."""
    parts = [_BYTES[byte] for byte in word.encode()]
    while fitting := [i for i in range(len(parts) - 1) if (parts[i], parts[i + 1]) in merges]:
        at = min(fitting, key=lambda i: merges.index((parts[i], parts[i + 1])))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
