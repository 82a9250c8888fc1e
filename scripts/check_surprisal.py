"""Hold the surprisal that Grace measures against transformers and minicons: 50 sentences, among them 20 minimal pairs.

    .venv/bin/python scripts/check_surprisal.py write FOLDER
    cd FOLDER && grace score pairs.yaml --input pairs.csv --output scores.csv --model-name MODEL.gguf
    PYTHON scripts/check_surprisal.py compare FOLDER/scores.csv MODEL_FOLDER

`write` writes the study, its trials, and the pilot's model with its weights unpacked to 32 bits (f32.gguf), so that no
rounding of 4-bit routines is in the way. MODEL_FOLDER is what scripts/gguf_to_hf.py makes of the pilot's model; PYTHON
has torch and transformers, and minicons if it is to be compared with, too. Each line says how far one of them is from
Grace, in bits, and the exit code is 1 if that is more than 0.0001.
"""

import csv
import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path

BOUND = 1e-4
LABELS = "good", "bad"
STUDY = """\
name: pairs
title: Minimal pairs, and other sentences
columns: [good, bad]
questions:
  pair:
    chat: false
    texts: {good: "{{ good }}", bad: "{{ bad }}"}
"""
SUBJECTS = (
    ("window", "behind the curtain", "open"), ("button", "under the screens", "broken"),
    ("gate", "beside the barns", "rusty"), ("letter", "from the lawyer", "long"), ("road", "to the villages", "wet"),
    ("lamp", "above the table", "bright"), ("song", "about the sailors", "short"),
    ("bridge", "near the factory", "old"), ("photo", "of the gardens", "dark"), ("clock", "over the doors", "slow"),
)  # fmt: skip
OTHERS = (
    ("Nobody had heard the rain.", "Nobody had eaten the rain."),
    ("Où est la gare, s'il vous plaît?", "Der Zug fährt um 8:45 Uhr ab."),
    ("It costs $3.50 (plus tax).", '"Yes," she said; "why not?"'),
    ("naïve café owners don't mind", "e = mc² is an equation"),
    ("She gave him the book that he had asked for.", "She gave him the book that he had asked for, didn't she?"),
)
"""Sentences with letters and signs that tokenizers cut up; they are no minimal pairs."""


def pairs() -> list[tuple[str, str]]:
    """All sentences, two in a row; in the first 20 rows the second one is ungrammatical."""
    made = []
    for noun, between, adjective in SUBJECTS:
        for subject, right, wrong in ((noun, "is", "are"), (f"{noun}s", "are", "is")):
            made.append(tuple(f"The {subject} {between} {verb} {adjective}." for verb in (right, wrong)))
    return [*((good, bad) for good, bad in made), *OTHERS]


def write(folder: Path) -> None:
    """Write the study, its trials and the model."""
    from grace.models.files import model_path
    from grace.models.requantize import requantize

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pairs.yaml").write_text(STUDY, encoding="utf-8")
    with open(folder / "pairs.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("good", "bad"), *pairs()])
    requantize(model_path("smollm2-135m"), folder / "f32.gguf", "F32")


def by_transformers(folder: Path, dtype: str) -> Callable[[str], list[float]]:
    """The bits of each token of a text but the first, by one forward pass; the softmax is in 64 bits."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    eager = {"dtype": getattr(torch, dtype), "attn_implementation": "eager"}
    model = AutoModelForCausalLM.from_pretrained(folder, **eager).eval()

    def measure(text: str) -> list[float]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
        return [-logs[place - 1, ids[place]].item() / math.log(2) for place in range(1, len(ids))]

    return measure


def by_minicons(folder: Path) -> Callable[[str], list[float]]:
    """The same, as minicons gives it."""
    import torch
    from minicons.scorer import IncrementalLMScorer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    scorer = IncrementalLMScorer(model, "cpu", tokenizer=AutoTokenizer.from_pretrained(folder))

    def measure(text: str) -> list[float]:
        [tokens] = scorer.token_score([text], surprisal=True, base_two=True)
        return [bits for _, bits in tokens[1:]]

    return measure


def compare(scores: Path, folder: Path) -> bool:
    """Say how far a table of Grace's is from the others; whether none is too far."""
    with open(scores, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    others = {f"transformers, {dtype}": by_transformers(folder, dtype) for dtype in ("float32", "float64")}
    if importlib.util.find_spec("minicons"):
        others["minicons"] = by_minicons(folder)
    near = True
    for name, other in others.items():
        apart, alike = [], 0
        for place, row in enumerate(rows):
            ours = [float(row[f"surprisal_pair_{label}"]) for label in LABELS]
            theirs = [sum(other(row[label])[-int(row[f"tokens_pair_{label}"]) :]) for label in LABELS]
            apart += [abs(one - two) for one, two in zip(ours, theirs, strict=True)]
            alike += place < 2 * len(SUBJECTS) and (ours[0] < ours[1]) == (theirs[0] < theirs[1])
        near &= max(apart) <= BOUND
        print(
            f"{name}: {len(apart)} sentences {max(apart):.6f} bits apart at most, {sum(apart) / len(apart):.6f} on "
            f"average; {alike} of {min(len(rows), 2 * len(SUBJECTS))} minimal pairs have the same order"
        )
    return near


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        sys.exit(not compare(Path(sys.argv[2]), Path(sys.argv[3])))
