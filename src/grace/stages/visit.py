"""A visit: all that is asked of one model while its weights are loaded, as a visit file lists it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from grace.declared import read
from grace.errors import InputError
from grace.stages.answers.ask import Query
from grace.stages.prepare import Endpoint
from grace.stages.scores.ask import Score
from grace.stages.shard import Shard
from grace.stages.visit_file import VisitFile
from grace.studies.study import BUILT_IN, load_study


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
    file = read(path, VisitFile)
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
