"""A visit: all that is asked of one model while its weights are loaded, as a visit file (YAML) lists it.

studies:
  - {study: study1, input: trials/study1.csv}
  - {study: my_study.yaml, input: trials/mine.csv, protocol: single}
experiments: [1, 2]
query: {temperature: 0.7, max_tokens: 512, replications: 1, seed: 1}
score: {policy: variants}

Paths start at the file's own folder. The tables go to one folder: study1.csv, study1_scores.csv and so on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from grace.errors import InputError
from grace.stages.answers.ask import Query
from grace.stages.prepare import Endpoint
from grace.stages.scores.ask import Score
from grace.stages.shard import Shard
from grace.studies.answers import Policy
from grace.studies.study import BUILT_IN, load_study

Experiment = Literal[1, 2]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudyVisit(_Strict):
    """One study: its name or the path of its file, the table of trials, and how it asks (None: its first way)."""

    study: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1)]
    protocol: str | None = None


class QuerySettings(_Strict):
    """What `grace query` takes, with its defaults."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7
    max_tokens: PositiveInt = 512
    replications: PositiveInt = 1
    seed: Annotated[int, Field(ge=-(2**53), le=2**53)] = 1


class ScoreSettings(_Strict):
    """What `grace score` takes, with its defaults."""

    policy: Policy = "variants"
    residual: Annotated[float, Field(ge=0, le=1)] | None = None


class VisitFile(_Strict):
    """The content of a visit file."""

    studies: Annotated[tuple[StudyVisit, ...], Field(min_length=1)]
    experiments: Annotated[tuple[Experiment, ...], Field(min_length=1)] = (1, 2)
    query: QuerySettings = QuerySettings()
    score: ScoreSettings = ScoreSettings()


def read_visit(path: Path) -> VisitFile:
    """Read a visit file.

    Raises:
        InputError: it cannot be read, or does not hold together; the message names the place in it.
    """
    try:
        return VisitFile.model_validate(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{path}: {where}: {first['msg']}") from None


def tasks(
    path: Path,
    endpoint: Endpoint,
    out: Path,
    *,
    revision: str | None = None,
    limit: int | None = None,
    shard: Shard | None = None,
    break_lock: bool = False,
) -> Sequence[Query | Score]:
    """What a visit file asks for, in order: each study's Experiment 1, then its Experiment 2 where it has questions.

    Args:
        path: the visit file.
        endpoint: the model, and how patiently it is asked.
        out: the folder of the tables.
        revision: which weights answer, where the server does not tell.
        limit: only the first rows of each table.
        shard: only this part of each.
        break_lock: go on with runs whose writer died on another machine.

    Raises:
        InputError: the file, or a study file that it names, does not hold together.
    """
    file = read_visit(path)
    here = path.parent
    common = {**asdict(endpoint), "revision": revision, "limit": limit, "shard": shard, "break_lock": break_lock}
    found: list[Query | Score] = []
    for visited in file.studies:
        named = visited.study if visited.study in BUILT_IN else str(here / visited.study)
        study = load_study(named)
        common |= {"study": named, "input": here / visited.input}
        if 1 in file.experiments:
            settings = {**dict(file.query), "protocol": visited.protocol}
            found.append(Query(output=out / f"{study.name}.csv", **common, **settings))
        if 2 in file.experiments and study.questions:
            found.append(Score(output=out / f"{study.name}_scores.csv", **common, **dict(file.score)))
    twice = [output for output, times in Counter(task.output for task in found).items() if times > 1]
    if twice:
        raise InputError(f"{path}: lists a study twice; both would be written to {twice[0]}")
    if not found:
        raise InputError(f"{path}: asks nothing: Experiment 2 alone, of studies without questions to score")
    return found
