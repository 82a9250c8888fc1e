"""Exact scoring by lm-evaluation-harness: its `local-completions` model, given the very token ids that all are given.

    .venv-lmeval/bin/python benchmarks/lm_eval_rival.py URL MODEL FOLDER < items.json

It takes `{"items": [{"prompt": [ids], "forms": [[ids], ...]}, ...]}` and prints `{"seconds": ..., "logprobs": [[...],
...]}`, where a number is the natural logarithm of P(form | prompt). The environment holds `requirements-lmeval.txt`.

`loglikelihood` takes text, encodes it, and hands the ids to `_loglikelihood_tokens`, which does all the rest. Only this
second half is called, so no tokenizer can change the ids; with `tokenized_requests` they go to the server as they are.
FOLDER, a Hugging Face model folder, gives the tokenizer that the class refuses to work without, though nothing here is
encoded with it. Seconds are those of that one call, without imports, tokenizer and items. No setting tried was
faster beyond the noise, from 1 to 88 sequences in an HTTP request and 1 to 32 requests at once: the model has the work.
"""

import argparse
import json
import os
import sys
import time
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported

from lm_eval.api.registry import get_model

AT_ONCE = 4
BATCH = 11
RETRIES = 2
LENGTH = 2048
"""Tokens of prompt and form together beyond which lm_eval would cut the prompt's beginning."""


def load(url: str, model: str, folder: str, at_once: int = AT_ONCE, batch: int = BATCH, length: int = LENGTH) -> Any:
    """lm_eval's model class for OpenAI-compatible servers, set to be as fast as it can."""
    return get_model("local-completions")(
        model=model,
        base_url=f"{url}/v1/completions",
        tokenizer_backend="huggingface",
        tokenizer=folder,
        tokenized_requests=True,
        num_concurrent=at_once,
        batch_size=batch,
        max_retries=RETRIES,
        max_length=length,
    )


def timed(model: Any, items: list[dict[str, Any]]) -> tuple[float, list[list[float]]]:
    """Seconds that scoring took, and the log probability of each form of each item, in their order."""
    requests = [(("", ""), item["prompt"], form) for item in items for form in item["forms"]]
    longest = max(len(prompt) + len(form) for _, prompt, form in requests)
    assert longest <= model.max_length, f"{longest} tokens: lm_eval would cut what is longer than {model.max_length}"
    started = time.perf_counter()
    answers = model._loglikelihood_tokens(requests)
    seconds = time.perf_counter() - started
    scores = iter([total for total, _ in answers])
    assert len(answers) == len(requests)
    return seconds, [[next(scores) for _ in item["forms"]] for item in items]


def main() -> None:
    parser = argparse.ArgumentParser(prog="lm_eval_rival.py", description=__doc__.splitlines()[0])
    parser.add_argument("url", metavar="URL", help="the server's address, without /v1")
    parser.add_argument("model", metavar="MODEL", help="the name it serves the model by")
    parser.add_argument("folder", metavar="FOLDER", help="the model's Hugging Face folder, for its tokenizer")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="HTTP requests under way; default: %(default)s")
    parser.add_argument("--batch", type=int, default=BATCH, help="sequences in one of them; default: %(default)s")
    arguments = parser.parse_args()
    items = json.load(sys.stdin)["items"]
    model = load(arguments.url.rstrip("/"), arguments.model, arguments.folder, arguments.at_once, arguments.batch)
    seconds, scores = timed(model, items)
    print(json.dumps({"seconds": seconds, "logprobs": scores}))


if __name__ == "__main__":
    main()
