"""The demonstration: a full report of recorded runs of two models. Asks no model, so it needs none.

`make demo` calls it. The runs are those of examples/demo; they are copied to outputs/demo, and their tables made there.
"""

import csv
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pilot import attraction

from grace.errors import GraceError
from grace.progress import Silence
from grace.report.gather import request_of
from grace.report.page import write_report
from grace.runs import Run
from grace.stages.export import export_run

RECORDED = Path("examples/demo")
OUT = Path("outputs/demo")
REPORT = OUT / "report.html"
MODELS = {"agreement_135m": "smollm2-135m", "agreement_135m-q8": "smollm2-135m-q8"}
"""The names of their runs, and of the models."""
KINDS = ("", "_structured", "_scores")


def table(name: str, kind: str) -> Path:
    """The table of answers, values or probabilities of a run."""
    return OUT / f"{name}{kind}.csv"


def rows(name: str, kind: str) -> list[dict[str, str]]:
    """The rows of such a table."""
    with open(table(name, kind), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def unpack() -> None:
    """Copy the recorded runs, and make their tables."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        for kind in KINDS:
            path = table(name, kind).with_suffix(".run")
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(RECORDED / path.name, path)
            export_run(Run(path), table(name, kind))


def results() -> Iterator[str]:
    """What came out, a line for each model."""
    for name, model in MODELS.items():
        values = rows(name, "_structured")
        readable = sum(not row["extraction_errors"] for row in values)
        near, far, smaller, items = attraction(rows(name, "_scores"))
        yield (
            f"  {model + ':':17} {readable} of {len(values)} readable; P(is) {near:.2f} after a singular neighbour, "
            f"{far:.2f} after a plural one: smaller in {smaller} of {items} sentences"
        )


def main() -> int:
    """Make the tables and the report of the recorded runs, and say in a few lines what they are; an exit code."""
    began = time.monotonic()
    print("Recorded answers of two very small models: SmolLM2-135M in 4 bits, and the same weights in 8 bits.")
    print("Nothing is asked now. It shows what a report looks like; it says nothing about models in general.\n")
    print('Agreement attraction: does a plural noun before the verb turn "is" into "are"?', flush=True)
    try:
        unpack()
        for line in results():
            print(line, flush=True)
        runs = [table(name, "").with_suffix(".run") for name in MODELS]
        write_report(request_of(runs, True, None, None, "paper"), REPORT, Silence())
    except GraceError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(f"\nThe report, for a browser:  {REPORT}   ({time.monotonic() - began:.0f} s)")
    print(f"Its runs and their tables:  {OUT}/")
    print("Next:  make pilot  asks the first of these models the same study on your machine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
