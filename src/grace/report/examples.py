"""Examples: for each condition one trial, the same for all models and chosen before answers are seen."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from grace.analysis.designs import WORDS
from grace.analysis.frames import Row
from grace.columns import FLAGS, RESPONSE
from grace.errors import InputError
from grace.report.gather import Part
from grace.studies.study import Study
from grace.text import harmless

LONGEST = 1200
"""The most characters of an answer that are shown."""
PLAIN = {"observe": "word", "State": "hearts"}
"""Names of the conditions' columns for readers, as in the tables."""

NUMBERS = {str(number): word for number, word in WORDS.items()}


@dataclass(frozen=True)
class Said:
    """What a model said about a trial.

    `answer` is harmless and not longer than LONGEST; `cut` says how much was cut off, "" where nothing was; `values`
    are pairs of names and values that were read in it; `flags` are the quality checks that flag it; `error` says why
    there is no answer.
    """

    model: str
    answer: str
    cut: str
    values: tuple[tuple[str, str], ...]
    flags: str
    error: str


@dataclass(frozen=True)
class Example:
    """A condition with its trial."""

    condition: str
    prompt: str
    said: tuple[Said, ...]


def examples_of(part: Part) -> list[Example]:
    """One for each condition that has rows, in the order of the conditions."""
    if part.frame is None:
        return []
    chosen: dict[tuple[str, ...], str] = {}
    for rows in part.frame.models.values():
        for condition, name, _ in _named(part.study, rows):
            chosen[condition] = min(name, chosen.get(condition, name))
    by_model = {model: _first(part.study, rows, chosen) for model, rows in part.frame.models.items()}
    return [_example(part, condition, by_model) for condition in sorted(chosen)]


def _named(study: Study, rows: Sequence[Row]) -> Iterator[tuple[tuple[str, ...], str, Row]]:
    """Each row with its condition and the name of its trial.

    A name is a digest that does not depend on the answer, so that the smallest one is an arbitrary choice.
    """
    for row in rows:
        with suppress(InputError):
            full = study.complete(study.trial(row.cells))
            condition = tuple(full.get(name, "") for name in study.design.cells)
            shown = "\0".join((row.stimulus or "", row[study.design.participant], row["replication"]))
            yield condition, hashlib.sha256(shown.encode()).hexdigest(), row


def _first(study: Study, rows: Sequence[Row], chosen: Mapping[tuple[str, ...], str]) -> dict[tuple[str, ...], Row]:
    """The first row about the chosen trial of each condition."""
    first: dict[tuple[str, ...], Row] = {}
    for condition, name, row in _named(study, rows):
        if name == chosen[condition]:
            first.setdefault(condition, row)
    return first


def _example(part: Part, condition: tuple[str, ...], by_model: Mapping[str, Mapping[tuple[str, ...], Row]]) -> Example:
    rows = {model: own.get(condition) for model, own in by_model.items()}
    row = next(filter(None, rows.values()))
    said = tuple(_said(part.study, model, own) for model, own in rows.items())
    return Example(_in_words(part.study, condition), _prompt(part.study, row), said)


def _in_words(study: Study, condition: tuple[str, ...]) -> str:
    """A condition in words; a design without conditions has just one."""
    pairs = zip(study.design.cells, condition, strict=True)
    words = (
        f"{PLAIN.get(name, name)} {NUMBERS.get(level, level) if name == 'observe' else level}" for name, level in pairs
    )
    return ", ".join(words) or "all trials"


def _prompt(study: Study, row: Row) -> str:
    """What was asked about a trial, all turns one after the other."""
    full = study.complete(study.trial(row.cells))
    try:
        conversation = study.conversation(row["protocol"] or None)
        texts = [conversation.turn(turn, full)["content"] for turn in conversation.turns]
    except InputError:  # a study of questions alone
        texts = list(study.stimulus(full))
    return harmless("\n\n".join(texts))


def _said(study: Study, model: str, row: Row | None) -> Said:
    if row is None:
        return Said(model, "", "", (), "", "this model was not asked about this trial")
    fields = study.extraction.fields if study.extraction else ()
    answer, cut = shortened(row[RESPONSE])
    values = tuple((name, harmless(row[name])) for name in fields if row[name])
    error = harmless(row["error"] or ("" if row[RESPONSE] else "there is no answer"))
    return Said(model, answer, cut, values, row[FLAGS].replace(";", ", "), error)


def shortened(text: str, longest: int = LONGEST) -> tuple[str, str]:
    """A harmless text of at most `longest` characters, and a notice of what was cut off."""
    text = harmless(text)
    if len(text) <= longest:
        return text, ""
    return text[:longest], f"{len(text) - longest:,} characters more were cut off here"
