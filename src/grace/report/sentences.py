"""Sentences of a paper's results, each from a row of the analysis's tables; without a row there is no sentence."""

from collections.abc import Iterator, Mapping

from grace.analysis.analyze import Table
from grace.analysis.decisions import UNKNOWN, UNSURE
from grace.quality.layout import number_in
from grace.report.grids import Record, Records, models_of, records, rows_of
from grace.report.grids_common import in_words, source_of
from grace.report.markdown import plain
from grace.report.numbers import counted, decimal, whole
from grace.report.studies import report_of
from grace.studies.study import Study

IN_WORDS = {UNSURE: "undecided"}


def results_of(study: Study, tables: Mapping[str, Table]) -> Iterator[tuple[str, list[str]]]:
    """For each model its name and the paragraphs about it."""
    for model in models_of(records(tables.get("design"))):
        own = {name: rows_of(records(table), model) for name, table in tables.items()}
        paragraphs = [" ".join(_rows(own["rows"]))]
        paragraphs += report_of(study).results(own)
        paragraphs += [" ".join(_calibration(own)), *_patterns(records(tables.get("patterns")), model)]
        yield model, [text for text in paragraphs if text]


def _rows(rows: Records) -> Iterator[str]:
    counts = {str(row["what"]): row["rows"] for row in rows}
    if not counts:
        yield "There were no answers of Experiment 1: this model was asked for probabilities alone."
        return
    every, analysed = counts.pop("all"), counts.pop("analysed")
    were = "was" if analysed == 1 else "were"
    yield f"Of {counted(every, 'answer')} of Experiment 1, {whole(analysed)} {were} analysed."
    left = [f"{whole(number)} {plain(in_words(why))}" for why, number in counts.items()]
    if left:
        yield f"Left out: {'; '.join(left)}."


def _calibration(own: Mapping[str, Records]) -> Iterator[str]:
    """How well the distributions predict the sampled answers, and whether an even one would do better."""
    for row in own.get("calibration_of_all", ()):
        brier, even = number_in(row["brier"]), number_in(row["brier_uniform"])
        if brier is None or even is None:
            continue
        than = "better than" if brier < even else "worse than" if brier > even else "as good as"
        yield (
            f"Held against {counted(row['answers'], 'sampled answer')} to the question {plain(row['question'])}, the "
            f"distributions of Experiment 2 have a Brier score of {decimal(brier, 3)} (0 is perfect), {than} the "
            f"{decimal(even, 3)} of an even distribution."
        )


def _patterns(rows: Records, model: str) -> Iterator[str]:
    """The effects of people's tests by what the model does, separately for each source."""
    by_source: dict[str, list[Record]] = {}
    for row in rows_of(rows, model):
        if row["verdict"]:
            by_source.setdefault(source_of(row), []).append(row)
    for source, own in by_source.items():
        if all(row["verdict"] == UNKNOWN for row in own):
            why = "; ".join(dict.fromkeys(str(row["reason"]) for row in own if row["reason"])) or "nothing is known"
            yield f"Effects of people's study in {plain(source)} are not defined: {plain(in_words(why))}."
            continue
        verdicts: dict[str, list[str]] = {}
        for row in own:
            about = f"{in_words(row['about'])} (people: {row['people_verdict']})"
            verdicts.setdefault(str(row["verdict"]), []).append(about)
        lists = ". ".join(
            f"{IN_WORDS.get(verdict, verdict).capitalize()}: {'; '.join(names)}" for verdict, names in verdicts.items()
        )
        yield f"Effects of people's study in {plain(source)}, as differences of shares. {plain(lists)}."
