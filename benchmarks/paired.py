"""CPU time of client, scoring and extraction, this version and another one in turns.

python -m benchmarks.paired OTHER/.venv/bin/python [--only client scoring extraction] [--pairs 7]

A ratio below 1 means that this version takes less. The two share inputs and server, and each goes first every other
time, so that a machine that gets slower or busier in between favours neither.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import extraction, score_cpu
from benchmarks.parts import PYTHON, ROOT, canned_server, measured, query, say, spread, workspace, write_trials

CORPUS = ROOT / "tests" / "fixtures" / "extraction_corpus_2.yaml"

Cost = Callable[[str], float]
"""CPU milliseconds of one unit of work (a row, a question), for the version that a Python interpreter has installed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", help="the Python interpreter that has the other version installed")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some of the three")
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    for name in options.only:
        with workspace() as folder, PARTS[name](folder) as cost:
            ratios = [ratio(cost, options.other, first=pair % 2 == 0) for pair in range(options.pairs)]
        print(f"{name}: this version takes {spread(ratios, 3)} of the other's CPU time")


def ratio(cost: Cost, other: str, *, first: bool) -> float:
    """This version's cost over the other's; `first` says whether this version is measured first."""
    spent = {python: cost(python) for python in ((PYTHON, other) if first else (other, PYTHON))}
    say(f"{spent[PYTHON]:.3f} and {spent[other]:.3f} ms: {spent[PYTHON] / spent[other]:.3f}")
    return spent[PYTHON] / spent[other]


@contextmanager
def client(folder: Path) -> Iterator[Cost]:
    """Experiment 1 against a server that costs nothing; starting and ending is taken out."""
    few, many = write_trials(folder / "few.csv", 1_000), write_trials(folder / "many.csv", 6_000)
    with canned_server() as url:
        yield lambda python: between(python, query(few, fresh(folder), url), query(many, fresh(folder), url), 5_000)


@contextmanager
def scoring(folder: Path) -> Iterator[Cost]:
    """Experiment 2 against a server that costs nothing; starting and ending is taken out."""
    few, many = score_cpu.trials(folder / "few.csv", 20), score_cpu.trials(folder / "many.csv", 420)
    with canned_server(module="benchmarks.canned_scores") as url:
        yield lambda python: between(
            python,
            score_cpu.score(few, fresh(folder), url),
            score_cpu.score(many, fresh(folder), url),
            400 * score_cpu.QUESTIONS,
        )


@contextmanager
def extracting(folder: Path) -> Iterator[Cost]:
    """The whole command that reads answers by rules."""
    answers = extraction.write_answers(folder / "answers.csv", CORPUS, 15_000)
    yield lambda python: cpu(python, extraction.command(answers, fresh(folder))) / 15_000


PARTS = {"client": client, "scoring": scoring, "extraction": extracting}


def between(python: str, few: list[str], many: list[str], units: int) -> float:
    return (cpu(python, many) - cpu(python, few)) / units


def cpu(python: str, command: list[str]) -> float:
    """CPU milliseconds of a command, run by another interpreter in its own checkout's folder."""
    return measured([python, *command[1:]], cwd=Path(python).parents[2]).cpu * 1000


def fresh(folder: Path) -> Path:
    """A table that is not there yet."""
    return Path(tempfile.mkdtemp(dir=folder)) / "table.csv"


if __name__ == "__main__":
    main()
