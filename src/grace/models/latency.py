"""A model of vLLM's latency: how long its steps take, and how many requests at once are enough. No measurement.

A step computes one token for each request under way. It reads all weights once, and the KV cache of these requests; or
it computes two operations for each parameter and token, whichever takes longer; and it takes a fixed time beside that.
Reading prompts takes the operations alone. The same sum is the roofline model of Williams, Waterman and Patterson
(2009), doi 10.1145/1498765.1498785. The three constants are fitted to published figures of A100, H100, L4 and RTX 4090,
which `tests/models/test_latency.py` has, with the error for each; `docs/lineup.md` tells of them.
"""

from dataclasses import dataclass

BANDWIDTH_SHARE = 0.8
COMPUTE_SHARE = 0.35
"""What of a data sheet's bandwidth and arithmetic vLLM reaches."""
STEP_SECONDS = 0.0014
"""What a step takes beside the network: choosing tokens, HTTP, Python."""
FACTOR = 2.0
"""So many times faster or slower the truth may be; no published figure is farther off than 1.5 times."""
BLOCK = 16
"""Tokens of a block of vLLM's prefix cache on GPUs. A block that is not full is computed again."""
BEYOND = 1.5
"""Tokens of an answer before a place of its trie, in the mean."""
ENOUGH = 0.9
"""What of the highest rate is fast enough."""


@dataclass(frozen=True)
class Steps:
    """A model on the GPUs that serve it.

    Attributes:
        parameters: how many of it are used for a token.
        weights: bytes that a step reads, on each of the GPUs.
        kv: bytes of a token's KV cache, on each of the GPUs.
        bandwidth: of each GPU, bytes a second by the data sheet.
        operations: of all GPUs, operations a second by the data sheet.
    """

    parameters: float
    weights: float
    kv: float
    bandwidth: float
    operations: float

    @property
    def reading(self) -> float:
        """Tokens of prompts a second."""
        return self.operations * COMPUTE_SHARE / (2 * self.parameters)

    def seconds(self, together: float, context: float) -> float:
        """Of a step in which so many requests, each with so many tokens before it, get one token more."""
        read = self.weights + together * context * self.kv
        return STEP_SECONDS + max(read / (self.bandwidth * BANDWIDTH_SHARE), together / self.reading)

    def writing(self, together: float, context: float) -> float:
        """Tokens of answers a second, of all requests."""
        return together / self.seconds(together, context)

    def together(self, most: float, context: float) -> int:
        """The fewest requests at once whose tokens a second are nearly those of `most`, which is at least 1."""
        best = max(self.writing(number, context) for number in _powers(most))
        return next(number for number in _powers(most) if self.writing(number, context) >= ENOUGH * best)


def scored(prompt: float, places: float, block: int = BLOCK) -> float:
    """Tokens that the server computes for one question of Experiment 2: its prompt, and what each place adds.

    The first place computes the prompt. Each other one finds it in the prefix cache, but for the last block, which is
    half full in the mean, and computes the tokens of the answer before it.
    """
    return prompt + max(0.0, places - 1) * ((block - 1) / 2 + BEYOND)


def _powers(most: float) -> list[int]:
    """1, 2, 4, ..., as far as `most`."""
    return [1 << place for place in range(max(1, int(most)).bit_length())]
