"""Exclusions of study 1: which answers are analysed, and why the others are not.

Goodman & Stuhlmueller (2013) asked people to bet on whether the speaker knew exactly how many, and excluded trials with
70 or less on the answer that fits: "yes" where the speaker had looked at all three, "no" otherwise. A model answers yes
or no. So a trial is excluded here when the answer does not fit, or when there is none: whoever has not understood what
the speaker knows tells nothing about what follows from that knowledge. Trials that a person marked in a column drop_...
are excluded too.
"""

from dataclasses import dataclass

from grace.analysis.frames import Frame, Row
from grace.studies.study import Study

STATES = (0, 1, 2, 3)
WORDS = {1: "one", 2: "two", 3: "three"}
"""The number that the speaker says is how many were observed to have the property."""
YES, NO = "yes", "no"

FAILED = "the request failed"
OUTSIDE = "access and observe are no cell of the design"
NO_BETS = "not all four bets are numbers from 0 to 100"
UNCLEAR = "the knowledge answer is missing or neither yes nor no"
WRONG = "the knowledge answer does not fit access"
MARKED = "marked in "


@dataclass(frozen=True)
class Trial:
    """One row of study 1, understood.

    Attributes:
        row: the row.
        access: how many of the three the speaker looked at; 0 where the row is outside of the design.
        word: the number word that the speaker says.
        bets: percent on 0, 1, 2 and 3; None where one of them is missing.
        knowledge: whether the speaker knows exactly how many, "yes" or "no"; None where the answer is neither.
    """

    row: Row
    access: int
    word: str
    bets: tuple[float, ...] | None
    knowledge: str | None

    @property
    def cell(self) -> tuple[int, str]:
        """Its condition."""
        return self.access, self.word

    @property
    def unit(self) -> str | None:
        """Its stimulus, within its condition."""
        return self.row.unit("story_shortname")

    @property
    def fitting(self) -> str:
        """The knowledge answer that fits access."""
        return YES if self.access == len(WORDS) else NO

    @property
    def unusable(self) -> str | None:
        """Why the row cannot be analysed at all; None where it can."""
        if self.row.failed:
            return FAILED
        if not self.access:
            return OUTSIDE
        return NO_BETS if self.bets is None else None


@dataclass(frozen=True)
class Columns:
    """What the columns of answers are called in a table; None where it has none."""

    bets: tuple[str, ...] | None
    knowledge: str | None

    @classmethod
    def of(cls, frame: Frame) -> "Columns":
        """Find them: `probability_0`, or X0 and 0, as R and people's own tables call it."""
        bets = [frame.column(f"probability_{state}", f"X{state}", str(state)) for state in STATES]
        found = tuple(name for name in bets if name)
        return cls(found if len(found) == len(STATES) else None, frame.column("Knowledge_A"))


def cells(study: Study) -> list[tuple[int, str]]:
    """The design's cells, as access and word, by access and number."""
    pairs = sorted((int(access), int(observe)) for access, observe in study.design.expect)
    return [(access, WORDS[observe]) for access, observe in pairs]


def read_trial(row: Row, study: Study, columns: Columns) -> Trial:
    """Understand a row. Access and word are columns of the study, and not read from its sentences again."""
    access, observe = row.integer("access"), row.integer("observe")
    inside = (str(access), str(observe)) in {tuple(map(str, cell)) for cell in study.design.expect}
    assert study.extraction is not None
    bets = [row.number(name) for name in columns.bets or ()]
    numbers = tuple(bet for bet in bets if bet is not None and 0 <= bet <= 100)
    try:
        knowledge = str(study.extraction.fields["Knowledge_A"].parse(row[columns.knowledge]))
    except ValueError:
        knowledge = None
    return Trial(
        row,
        access if inside and access else 0,
        WORDS[observe] if inside and observe else "",
        numbers if len(numbers) == len(STATES) else None,
        knowledge,
    )


def excluded(trial: Trial, has_knowledge: bool) -> str | None:
    """Why a usable trial is excluded, the first reason of several; None where it is not.

    Args:
        trial: the trial.
        has_knowledge: whether the table has knowledge answers at all.
    """
    if has_knowledge and trial.knowledge is None:
        return UNCLEAR
    if has_knowledge and trial.knowledge != trial.fitting:
        return WRONG
    return f"{MARKED}{trial.row.dropped}" if trial.row.dropped else None
