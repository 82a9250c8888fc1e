"""The same prompts as a task of inspect_ai: one generation a sample, nothing scored."""

import json
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.solver import generate


@task
def trials(bodies: str, rows: int) -> Task:
    """One sample for each of the first `rows` request bodies in the file `bodies`."""
    lines = Path(bodies).read_text(encoding="utf-8").splitlines()[:rows]
    prompts = [json.loads(line)["messages"][-1]["content"] for line in lines]
    return Task(dataset=MemoryDataset([Sample(input=prompt) for prompt in prompts]), solver=generate())
