"""How large models are: from the catalogue, or as their names tell, as 70B, 8x7B or 30B-A3B."""

import re

from grace.policy.servers import Server

_EXPERTS = re.compile(r"(?<![a-z0-9.])(\d+)x(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)
_BILLIONS = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)
SHARED = 0.8
"""Of a mixture of experts as 8x7B: part of the product that it has (46.7 billion), since experts share layers."""
_BYTES = {
    r"gguf|exl2|ggml": 0.0,
    r"awq|gptq|int4|4[-_]?bit|w4a16|bnb|bitsandbytes|nf4|fp4|quantized|autoround|hqq|gpt-oss": 0.5,
    r"fp8|int8|8[-_]?bit|w8a8|w8a16": 1.0,
}
"""Bytes of a parameter by what names and options say; 0: not known."""
PLAIN = 2.0
"""Of a parameter in 16 bits."""


def parameters(model: str) -> float:
    """How many parameters a model has by its name; 0 when the name does not tell."""
    name = model.rstrip("/").rpartition("/")[2]
    if match := _EXPERTS.search(name):
        return float(match[1]) * float(match[2]) * 1e9 * SHARED
    return max((float(number) * 1e9 for number in _BILLIONS.findall(name)), default=0.0)


def weights_bytes(server: Server) -> float:
    """Bytes of a server's weights; 0 when nothing tells."""
    if server.entry:
        return float(server.entry[1].weights_bytes)
    return named_bytes(server.model, server.command.value("quantization") or "", server.command.value("quantize") or "")


def named_bytes(model: str, *options: str) -> float:
    """Bytes of a model's weights by its name and options about quantization; 0 when nothing tells."""
    said = " ".join((model, *options))
    each = next((size for form, size in _BYTES.items() if re.search(form, said, re.IGNORECASE)), PLAIN)
    return parameters(model) * each
