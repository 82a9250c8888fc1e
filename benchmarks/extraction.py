"""Rules over many answers: rows a second on one core, and memory with a million rows."""

import csv
import random
from pathlib import Path

import yaml

from benchmarks.parts import (
    PYTHON,
    ROOT,
    Options,
    Result,
    Spent,
    free_gigabytes,
    measured,
    say,
    spread,
    workspace,
    yardstick,
)
from grace.studies.study import load_study

NAME = "extraction"
FEW, ROWS = 40_000, 1_000_000
ROOM = 5.0
"""Gigabytes of disk that the answers, the run's copy of them and the values take."""
SPEED, MEMORY = 5_000, 400
ALONE = """
import sys, time, yaml
from grace.studies.study import load_study
extraction = load_study("study1").extraction
cases = [case for case in yaml.safe_load(open(sys.argv[1], encoding="utf-8"))["study1"] if "state" in case]
texts = [{reading: str(case.get(reading) or "") for reading in extraction.about} for case in cases]
began, rows = time.process_time(), 0
while time.process_time() - began < 5:
    for own in texts:
        extraction.read(own)
    rows += len(texts)
print(rows / (time.process_time() - began))
"""


def run(options: Options) -> Result:
    result = Result(NAME, f"at least {SPEED:,} rows/s by rules on one core, and a million rows below {MEMORY} MB")
    corpus = ROOT / "tests" / "fixtures" / "extraction_corpus_2.yaml"
    if free_gigabytes() < ROOM:
        result.notes = [f"Needs {ROOM:.0f} GB of disk; there are {free_gigabytes():.1f}."]
        return result
    with workspace() as folder:
        script = folder / "alone.py"
        script.write_text(ALONE)
        alone, sticks = [], []
        for _ in range(3):
            alone.append(float(measured([PYTHON, str(script), str(corpus)]).printed))
            sticks.append(alone[-1] * yardstick())
        say(f"rules alone: {max(alone):,.0f} rows/s")
        few = [extract(write_answers(folder / "few.csv", corpus, FEW), folder / f"few_{time}.csv") for time in range(3)]
        whole = [FEW / each.cpu for each in few]
        say(f"the command: {max(whole):,.0f} rows/s")
        many = write_answers(folder / "many.csv", corpus, ROWS)
        big = extract(many, folder / "many_values.csv")
        say(f"{ROWS:,} rows: {big.peak:.0f} MB, {big.wall:.0f} s")
        sizes = ", ".join(f"{path.stat().st_size / 1e6:,.0f} MB" for path in (many, folder / "many_values.csv"))
    result.met = max(alone) >= SPEED and big.peak < MEMORY
    result.figures = [
        ("**rules alone, rows a second of CPU**", f"**{spread(alone, 0)}**"),
        (f"the whole command, {FEW:,} rows, rows a second of CPU", spread(whole, 0)),
        ("**largest resident memory with a million rows**", f"**{big.peak:.0f} MB**"),
        ("time for a million rows", f"{big.wall:.0f} s"),
        ("answers, values", sizes),
    ]
    result.ratios = {"the yardstick's CPU to that of a row by rules": sticks}
    result.commands = ["python -m grace extract study1 --input answers.csv --output values.csv"]
    result.notes = [
        "Rows are the sequential answers of tests/fixtures/extraction_corpus_2.yaml (three texts each, as chat models "
        "write them) in random order, with the stimuli of data/study1.csv. The command's figure has reading and "
        "writing CSV in it.",
    ]
    return result


def extract(answers: Path, values: Path) -> Spent:
    """Run the command, measured."""
    return measured(command(answers, values))


def command(answers: Path, values: Path) -> list[str]:
    """The command that reads all answers."""
    return [PYTHON, "-m", "grace", "extract", "study1", "--input", str(answers), "--output", str(values)]


def write_answers(path: Path, corpus: Path, rows: int) -> Path:
    """A table of answers as `grace query --protocol sequential` writes it, in the columns that matter here."""
    cases = [case for case in yaml.safe_load(corpus.read_text(encoding="utf-8"))["study1"] if "state" in case]
    turns = ("prior", "state", "knowledge")
    columns = list(load_study("study1").columns)
    with open(ROOT / "data" / "study1.csv", newline="", encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    draw = random.Random(1)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, "replication", "seed", *(f"response_{turn}" for turn in turns)])
        for row in range(rows):
            trial, case = trials[row % len(trials)], draw.choice(cases)
            texts = [str(case.get(turn) or "") for turn in turns]
            writer.writerow([*(trial[name] for name in columns), row // len(trials) + 1, row, *texts])
    return path
