"""The pilot: one small study from question to report, and a few trials of the two large ones, in a few lines.

`make pilot` calls it. What the commands say goes to outputs/pilot/log.txt, and is shown where one of them fails.
"""

import csv
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

OUT = Path("outputs")
FOLDER = OUT / "pilot"
LOG = FOLDER / "log.txt"
REPORT = FOLDER / "report.html"
MODEL = ("--model-endpoint", "embedded", "--model-name", "smollm2-135m")
STUDY = "agreement"
ANSWERS = ("--temperature", "0.2", "--max-tokens", "32")
LARGE = ("study1", "study2")
TRIALS = 2
"""Of each large study: enough to see that they run."""
INTERRUPTED = 130


class Failed(Exception):
    """A command failed; the argument is its exit code."""


def grace(*arguments: object, allowed: tuple[int, ...] = (0,)) -> None:
    """Run a command of Grace, with its output in the log. Raises Failed."""
    command = [sys.executable, "-m", "grace", *map(str, arguments)]
    with open(LOG, "ab") as log:
        log.write(f"\n$ grace {' '.join(map(str, arguments))}\n".encode())
        log.flush()
        code = subprocess.run(command, stdout=log, stderr=log).returncode
    if code not in allowed:
        raise Failed(code)


def table(name: str) -> Path:
    """The table of that name."""
    return OUT / f"pilot_{name}.csv"


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with open(table(name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ask(study: str, trials: Path, answers: tuple[str, ...], probabilities: tuple[str, ...] = ()) -> str:
    """Ask a study in both experiments, read and check its answers; the line about it."""
    given = ("--input", trials, *MODEL)
    grace("query", study, *given, "--output", table(study), *answers)
    grace("extract", study, "--input", table(study), "--output", table(f"{study}_structured"))
    grace("score", study, *given, "--output", table(f"{study}_scores"), *probabilities)
    asked, values, scores = rows(study), rows(f"{study}_structured"), rows(f"{study}_scores")
    answered = sum(not row["error"] for row in asked)
    readable = sum(not row["extraction_errors"] for row in values)
    measured = sum(not row["error"] for row in scores)
    masses = [float(row[name]) for row in scores for name in row if name.startswith("label_mass_") and row[name]]
    return (
        f"{answered} of {len(asked)} answered, {readable} readable; {measured} of {len(scores)} measured, "
        f"mean label mass {fmean(masses):.2f}"
    )


def checked(study: str) -> str:
    """Check the data of a study; the checks in a few words."""
    grace("validate", OUT / f"pilot_{study}.run", allowed=(0, 1))
    return str(json.loads((OUT / f"pilot_{study}_quality" / "quality.json").read_text())["verdict"])


def result() -> str:
    """What came out, in one sentence."""
    near, far, smaller, items = attraction(rows(f"{STUDY}_scores"))
    return (
        f'After a plural neighbour the model gives "is" a probability of {far:.2f}, after a singular one '
        f"{near:.2f}: smaller in {smaller} of {items} sentences. People are misled in the same way."
    )


def attraction(scores: Sequence[Mapping[str, str]]) -> tuple[float, float, int, int]:
    """The mean probability of "is" after a singular and a plural neighbour; in how many items it falls; all items."""
    of_item: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for row in scores:
        numbers = row["subject_number"], row["neighbour_number"]
        of_item[row["noun"]][numbers] = float(row["prob_verb_singular"])
    one, many = "singular", "plural"
    near = [fmean((own[one, one], own[many, one])) for own in of_item.values()]
    far = [fmean((own[one, many], own[many, many])) for own in of_item.values()]
    smaller = sum(other < own for own, other in zip(near, far, strict=True))
    return fmean(near), fmean(far), smaller, len(near)


def pilot() -> None:
    """Ask, check, report, and say it in a few lines."""
    began = time.monotonic()
    print("A demonstration with smollm2-135m, a model so small that it runs here. For results, ask a larger one.\n")
    print('Agreement attraction: does a plural noun before the verb turn "is" into "are"?', flush=True)
    print(f"  48 trials:     {ask(STUDY, Path('data/agreement.csv'), ANSWERS)}")
    print(f"  checks:        {checked(STUDY)}")
    print(f"  result:        {result()}\n", flush=True)
    print(f"The two large studies, {TRIALS} trials each, only to show that they run:", flush=True)
    few = ("--limit", str(TRIALS))
    for study in LARGE:
        line = ask(study, Path(f"data/test_sample_{study}.csv"), (*few, "--max-tokens", "128"), few)
        print(f"  {study}:        {line}", flush=True)
    grace("report", OUT / f"pilot_{STUDY}.run", "--out", REPORT)
    print(f"\nThe report, for a browser:  {REPORT}")
    print(f"What the commands said:     {LOG}   ({time.monotonic() - began:.0f} s in all)")
    print("Next:  source .venv/bin/activate && grace data check data/agreement.csv, then docs/quickstart.md")


def main() -> int:
    """Run the pilot; an exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    try:
        pilot()
    except Failed as failed:
        print(f"\nA command failed; the end of {LOG}:\n", file=sys.stderr)
        print("\n".join(LOG.read_text(errors="replace").splitlines()[-20:]), file=sys.stderr)
        return int(failed.args[0])
    except KeyboardInterrupt:
        print("\nStopped. Nothing that was answered is lost: make pilot continues from here.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
