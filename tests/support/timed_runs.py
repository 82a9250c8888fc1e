"""Runs whose requests took a given time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grace.runs import Run

SCORING = {"policy": "variants", "residual": 0.0, "answer_start": ""}
START = datetime(2026, 11, 1, tzinfo=UTC)


def write_run(
    folder: Path,
    times: list[tuple[float, float]],
    *,
    study: str = "study1",
    model: str = "tiny",
    experiment: str = "generate",
    endpoint: str = "embedded",
) -> Run:
    """A run whose requests began and ended at these seconds."""
    folder.mkdir(parents=True)
    needed = {"turns": ["response"], "seed": 1} if experiment == "generate" else {"questions": {}, "scoring": SCORING}
    identity = {"experiment": experiment, "study": study, "input": {}, "model": {"name": model}, **needed}
    content = {"format": 2, "identity": identity, "scope": {}, "sessions": [{"endpoint": endpoint}]}
    (folder / "run.json").write_text(json.dumps(content))
    with open(folder / "ledger.jsonl", "w") as ledger:
        for began, ended in times:
            started, end = ((START + timedelta(seconds=second)).isoformat() for second in (began, ended))
            tokens = {"prompt": 200, "completion": 50}
            record = {"status": "answered", "started": started, "ended": end, "tokens": tokens}
            ledger.write(json.dumps(record) + "\n")
    return Run(folder)
