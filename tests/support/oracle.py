"""An oracle for exact scoring: the log probability of each answer form, computed in the plainest way there is.

    python tests/support/oracle.py FOLDER < items.json > answers.json

FOLDER is a Hugging Face model folder; the Python has torch and transformers, such as that of `.venv-vllm`. The program
takes `{"items": [{"prompt": [ids], "forms": [[ids], ...]}, ...]}` and gives `{"logprobs": [[number, ...], ...]}`: for
each item, in its order, the natural logarithm of P(form | prompt) of each form.

It is slow on purpose. Each form costs one forward pass over all of prompt and form, in float32, with eager attention
and no cache, batch or padding, so that nothing which a server does to be fast can be wrong here too. The softmax alone
is in double: torch's float32 one, which vLLM takes, is off by up to 2e-5 a token on a CPU with a vocabulary of 49,152.
"""

import json
import os
import sys
from typing import Any

# Read when torch is imported. Waiting threads sleep; when they spin, a busy neighbour makes this four times as slow.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import torch
from transformers import AutoModelForCausalLM

THREADS = 2


def load(folder: str) -> Any:
    """The model in float32, from the folder alone."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )
    return model.eval()


def log_probability(model: Any, prompt: list[int], form: list[int]) -> float:
    """log P(form | prompt), summed over the form's tokens; of an empty form, which is certain, 0."""
    assert prompt, "without a prompt nothing predicts a form's first token"
    logits = model(input_ids=torch.tensor([prompt + form]), use_cache=False).logits[0]
    total = 0.0
    for place, token in enumerate(form, start=len(prompt)):
        # What stands at a place is predicted at the place before it.
        total += torch.log_softmax(logits[place - 1].double(), dim=-1)[token].item()
    return total


def main() -> None:
    (folder,) = sys.argv[1:]
    items = json.load(sys.stdin)["items"]
    torch.set_num_threads(THREADS)
    model = load(folder)
    with torch.no_grad():
        scores = [[log_probability(model, item["prompt"], form) for form in item["forms"]] for item in items]
    json.dump({"logprobs": scores}, sys.stdout)


if __name__ == "__main__":
    main()
