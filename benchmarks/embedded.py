"""How long Experiment 2 of all of study 1 takes on a laptop: the embedded server, the small model, a whole table."""

import csv

from benchmarks.parts import PYTHON, ROOT, Options, Result, measured, workspace
from grace.errors import ModelFileError
from grace.models.files import model_path

NAME = "embedded"
MODEL = "smollm2-135m"
TARGET = 240.0


def run(options: Options) -> Result:
    result = Result(NAME, f"all of study 1 scored within {TARGET:.0f} s on 2 cores")
    try:
        model_path(MODEL)
    except ModelFileError:
        result.notes = [f"{MODEL} is not on this machine yet; `make pilot` brings it."]
        return result
    with workspace() as folder:
        output = folder / "scores.csv"
        command = [PYTHON, "-m", "grace", "score", "study1", "--input", str(ROOT / "data/study1.csv")]
        spent = measured([*command, "--output", str(output)])
        with open(output, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        questions = (output.with_suffix(".run") / "ledger.jsonl").read_bytes().count(b"\n")
    result.met = spent.wall <= TARGET and len(rows) == 300 and not any(row["error"] for row in rows)
    result.figures = [
        ("**seconds, from the command to the table**", f"**{spent.wall:.0f}**"),
        ("rows, each with five questions and the direct one", f"{len(rows)}"),
        ("distinct questions that were asked", f"{questions}"),
        ("CPU seconds, the server's included", f"{spent.cpu:.0f}"),
    ]
    result.commands = ["python -m grace score study1 --input data/study1.csv --output scores.csv"]
    return result
