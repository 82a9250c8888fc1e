"""Troubles: what a reader should know before any number, in sentences: what failed, is missing, or does not vary."""

from collections.abc import Iterator, Sequence

from grace.analysis.frames import Row
from grace.analysis.names import EXPECTED, kind_in
from grace.analysis.studies import analysis_of
from grace.columns import RESPONSE
from grace.report.gather import Part, by_name
from grace.report.grids import heads, models_of, records, rows_of
from grace.report.numbers import counted, is_known, whole
from grace.report.ran import model_name
from grace.report.tables import asked_for_answers

FEW = 3
"""The most conditions that are named."""


def troubles_of(part: Part) -> list[str]:
    """The sentences, the most serious first; none where all is well."""
    sentences = [f"{one.run} could not be read, and nothing below is about it: {one.why}." for one in part.lost]
    sentences += part.request.disclosed
    sentences += part.notes
    if part.kept_all:
        sentences.append("No trial is excluded by its knowledge answer or a mark, since --no-exclusions was given.")
    if part.frame is None:
        return [*sentences, "There are no rows to tell of."]
    for model, rows in part.frame.models.items():
        sentences += [f"{_called(part, model)}: {sentence}" for sentence in _of_model(part, model, rows)]
    sentences += _quality(part)
    notes = part.analysis.summary["notes"] if part.analysis else ()
    return [*sentences, *(f"{by_name(note, part.groups)}." for note in notes)]


def _called(part: Part, model: str) -> str:
    """A model's name; a table of one model may not have it, but its run does."""
    return model or model_name(part.groups[0]) or part.study.name


def _of_model(part: Part, model: str, rows: Sequence[Row]) -> Iterator[str]:
    failed = sum(row.failed for row in rows)
    if failed == len(rows):
        yield f"the model failed: none of {counted(len(rows), 'row')} has an answer ({_why(rows)})."
        return
    if failed:
        yield f"{whole(failed)} of {whole(len(rows))} rows have no answer ({_why(rows)})."
    answers = (row[RESPONSE] for row in rows if row[RESPONSE])
    first = next(answers, None)
    if first is not None and len(rows) > 1 and all(answer == first for answer in answers):
        yield "all answers are equal, so nothing varies, and tests of differences between rows are not defined."
    summary = part.analysis.summary["models"].get(model) if part.analysis else None
    if summary and not summary["analysed"] and asked_for_answers(rows):
        yield "none of its answers can be analysed."
        return
    yield from _empty_cells(part, model)
    for note in summary["notes"] if summary else ():
        yield f"{note}."
    undefined = summary["undefined_tests"] if summary else ()
    # that a model has no probabilities is said elsewhere
    if of_answers := [name for name in undefined if kind_in(name) != EXPECTED]:
        are = "test is" if len(of_answers) == 1 else "tests are"
        yield f"{whole(len(of_answers))} {are} not defined; the tables say why."


def _why(rows: Sequence[Row]) -> str:
    """What the first failed row says."""
    return next((" ".join(row["error"].split()) for row in rows if row.failed), "")


def _empty_cells(part: Part, model: str) -> Iterator[str]:
    """The conditions without a row that is analysed."""
    rows = rows_of(records(part.tables.get("means")), model)
    keys = analysis_of(part.study).factors if rows else ()
    empty = dict.fromkeys(tuple(row[key] for key in keys) for row in rows if not row["n"])
    if empty:
        cells = [", ".join(f"{name} {level}" for name, level in zip(heads(keys), cell, strict=True)) for cell in empty]
        more = f"; and {whole(len(cells) - FEW)} more" if len(cells) > FEW else ""
        number = "a condition has" if len(cells) == 1 else f"{whole(len(cells))} conditions have"
        yield f"{number} no row that can be analysed ({'; '.join(cells[:FEW])}{more}); tests leave them out."


def _quality(part: Part) -> Iterator[str]:
    reasons = {one.why for one in part.lost}
    for one in part.quality:
        if one.report is None and one.why not in reasons:
            yield f"{one.name}: the data's quality could not be checked: {one.why}."
        elif one.report and not one.report.ok:
            yield f"{one.name}: the data are not good enough: {one.report.verdict}."


def headline(part: Part) -> list[str]:
    """How many rows of each model are analysed."""
    if part.analysis is None:
        return [f"{model}: {whole(len(rows))} rows" for model, rows in part.frame.models.items()] if part.frame else []
    rows = records(part.tables["rows"])
    lines = []
    for model in models_of(records(part.tables["design"])):
        name = _called(part, model)
        counts = {row["what"]: row["rows"] for row in rows_of(rows, model)}
        scored = any(is_known(row["mean"]) for row in rows_of(records(part.tables.get("distributions")), model))
        if counts:
            beside = ", beside its probabilities" if scored else ""
            lines.append(f"{name}: {whole(counts['analysed'])} of {counted(counts['all'], 'answer')} analysed{beside}")
        else:
            lines.append(f"{name}: {'its probabilities, and ' if scored else ''}no answers of Experiment 1")
    return lines
