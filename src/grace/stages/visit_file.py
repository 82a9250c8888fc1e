"""A visit file: what one model is asked while its weights are loaded, as YAML lists it. Data alone, no engine.

studies:
  - {study: study1, input: trials/study1.csv}
  - {study: my_study.yaml, input: trials/mine.csv, protocol: single}
experiments: [1, 2]
query: {temperature: 0.7, max_tokens: 512, replications: 1, seed: 1}
score: {policy: variants}

Paths start at the file's own folder. The tables go to one folder: study1.csv, study1_scores.csv and so on.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from grace.declared import Strict
from grace.studies.answers import Policy

Experiment = Literal[1, 2]
ENDING = "GRACE_ENDING"
"""The variable with the file that a visit's ending is written to (`grace.stages.ending`); without it none is."""


class StudyVisit(Strict):
    """One study: its name or the path of its file, the table of trials, and the protocol (None: its first one)."""

    study: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1)]
    protocol: str | None = None


class QuerySettings(Strict):
    """What `grace query` takes, with its defaults."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7
    max_tokens: PositiveInt = 512
    replications: PositiveInt = 1
    seed: Annotated[int, Field(ge=-(2**53), le=2**53)] = 1


class ScoreSettings(Strict):
    """What `grace score` takes, with its defaults."""

    policy: Policy = "variants"
    residual: Annotated[float, Field(ge=0, le=1)] | None = None


class VisitFile(Strict):
    """The content of a visit file."""

    studies: Annotated[tuple[StudyVisit, ...], Field(min_length=1)]
    experiments: Annotated[tuple[Experiment, ...], Field(min_length=1)] = (1, 2)
    query: QuerySettings = QuerySettings()
    score: ScoreSettings = ScoreSettings()
