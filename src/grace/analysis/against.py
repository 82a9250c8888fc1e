"""A table against the references: every model in it, from its answers and from its probabilities."""

from collections.abc import Iterator, Mapping, Sequence

from grace.analysis import study1, study2
from grace.analysis.bootstrap import DRAWS, SEED
from grace.analysis.exclusions import WORDS, Columns, Trial
from grace.analysis.frames import Frame, Row
from grace.analysis.references import Fit, Pattern, against, yardsticks
from grace.analysis.samples import ANSWERS, SOURCES, Sample, columns_of, sample_of
from grace.studies.study import Study

NUMBERS = {word: number for number, word in WORDS.items()}


def table_against(
    frame: Frame, study: Study, exclusions: bool = True, draws: int = DRAWS, seed: int = SEED
) -> tuple[tuple[Fit, ...], tuple[Pattern, ...]]:
    """Compare all models of a table with people and with rational speech acts, and add what to hold that against.

    Args:
        frame: the table.
        study: study1 or study2.
        exclusions: whether trials of study 1 are excluded by their knowledge answers, as in the other tables.
        draws: how many bootstrap samples.
        seed: of the bootstrap.

    Raises:
        InputError: the table lacks what tells its conditions.
    """
    fits: list[Fit] = []
    patterns: list[Pattern] = []
    for model, rows in frame.models.items():
        found = against(study.name, model, dict(_samples(frame, study, exclusions, rows)), draws, seed)
        fits += found.fits
        patterns += found.patterns
    return (*fits, *yardsticks(study.name, draws, seed)), tuple(patterns)


def _samples(frame: Frame, study: Study, exclusions: bool, rows: Sequence[Row]) -> Iterator[tuple[str, Sample]]:
    """The samples of one model, by source; the answers are those that the other tables rest on."""
    if study.name == "study1":
        has_answers = Columns.of(frame).bets is not None
        read = study1.read_answers(rows, frame, study, exclusions)
        kept = [_as_study1(trial) for trial in read.kept] if has_answers else []
        missing = sum(read.unusable.values())
    else:
        has_answers = study2.Columns.of(frame).answered
        said = study2.read_answers(rows, frame, study)
        kept = [_as_study2(trial) for trial in said.kept] if has_answers else []
        missing = sum(said.unusable.values())
    if has_answers:
        yield ANSWERS, sample_of(study.name, ANSWERS, kept, missing)
    for source in SOURCES[study.name]:
        if source != ANSWERS and set(columns_of(study.name, source)) <= set(frame.columns):
            yield source, sample_of(study.name, source, [row.cells for row in rows])


def _as_study1(trial: Trial) -> Mapping[str, object]:
    bets = {f"probability_{state}": bet for state, bet in enumerate(trial.bets or ())}
    story = trial.unit
    return {"access": trial.access, "observe": NUMBERS[trial.word], "story_shortname": story, **bets}


def _as_study2(trial: study2.Trial) -> Mapping[str, object]:
    frame, _, assessment = (trial.utterance or "").partition("_")
    thing = trial.unit
    return {
        "goal": trial.goal,
        "State": trial.state,
        "Domain": thing,
        "Was_Wasnt": frame,
        "Assessment": assessment,
    }
