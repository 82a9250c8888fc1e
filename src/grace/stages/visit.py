"""A visit: everything that one model is asked while its weights are loaded, as a visit file lists it."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from grace.declared import read
from grace.endpoints.serving import Address
from grace.endpoints.waiting import wait_until_gone
from grace.errors import EndpointError, GraceError, InputError
from grace.progress import Progress
from grace.stages.answers.ask import Query
from grace.stages.answers.table import ExportedAnswers
from grace.stages.scores.ask import Score
from grace.stages.scores.table import ExportedScores
from grace.stages.shard import completion_index
from grace.stages.task import ShardResult, TaskOptions, TaskOutcome
from grace.stages.visit_file import VisitFile
from grace.studies.study import BUILT_IN, load_study


def tasks(path: Path, out: Path, options: TaskOptions) -> Sequence[Query | Score]:
    """The tasks of a visit file, in order: each study's Experiment 1, then its Experiment 2 where it has questions.

    Their tables go to the folder `out`; `options` are those of all tasks.

    Raises:
        InputError: the file, or a study file that it names, is invalid.
    """
    file = read(path, VisitFile)
    return visit_tasks(file, lambda place: str(path.parent / place), out, options, str(path))


def visit_tasks(
    file: VisitFile, place: Callable[[str], str], out: Path, options: TaskOptions, name: str = "the visit"
) -> Sequence[Query | Score]:
    """As `tasks`, of a file that is read; `place` says where its paths lead, and `name` is what errors call it."""
    listed: list[Query | Score] = []
    for visited in file.studies:
        named = visited.study if visited.study in BUILT_IN else place(visited.study)
        study = load_study(named)
        shared = {**vars(options), "study": named, "input": Path(place(visited.input))}
        if 1 in file.experiments:
            settings = {**dict(file.query), "protocol": visited.protocol}
            listed.append(Query(output=out / f"{study.name}.csv", **shared, **settings))
        if 2 in file.experiments and study.scored:
            listed.append(Score(output=out / f"{study.name}_scores.csv", **shared, **dict(file.score)))
    twice = [output for output, times in Counter(task.output for task in listed).items() if times > 1]
    if twice:
        raise InputError(f"{name}: lists a study twice; both would be written to {twice[0]}")
    if not listed:
        raise InputError(f"{name}: has nothing to ask: only Experiment 2, of studies without questions to score")
    return listed


def slots_for(listed: Sequence[Query | Score]) -> int | None:
    """How many requests a server for all these tasks should work on at once; None: its own default."""
    slots = {task.slots for task in listed}
    return slots.pop() if len(slots) == 1 else None


def exact_for(listed: Sequence[Query | Score]) -> bool:
    """Whether a server for all these tasks should keep prompts in 32 bits: where all measure texts."""
    return all(isinstance(task, Score) and load_study(task.study or "").measures for task in listed)


def follow_leader(leader: str, seconds: float, progress: Progress) -> None:
    """In a pod that is not the first of its Job, wait until the first one's server is gone, however long it takes.

    Such a pod holds a part of the model; the first one asks. It always ends with an error: a Job whose first pod
    succeeded ends the others by itself, and if the first pod was evicted, both must start again.

    `leader` is the address of the first pod's server, which may take `seconds` to come up.

    Raises:
        InputError: `leader` is not a server's address.
        EndpointError: the server did not come up.
        LeaderGone: in the end, it is gone.
    """
    if completion_index():
        wait_until_gone(leader, seconds, progress.note)


def ask_all(
    listed: Sequence[Query | Score],
    serve: Callable[[], AbstractContextManager[Address]],
    show: Callable[[], AbstractContextManager[Progress]],
) -> Generator[tuple[Query | Score, TaskOutcome[ExportedAnswers | ExportedScores | ShardResult]]]:
    """Do one task after the other and yield each with its outcome, as soon as it has ended.

    The others go on if one fails. An interrupted one is the last. A server that died is started again for the next
    task; if it cannot start, no further start is tried, and all remaining tasks fail for the same reason.

    Args:
        listed: the tasks.
        serve: gives the model's address for the length of the block; entered when the first task is ready to ask.
        show: opens the progress display of one task.
    """
    with ExitStack() as served:
        address: Address | None = None
        no_start: GraceError | None = None
        for task in listed:
            try:
                with show() as progress, task.prepared(progress) as prepared:
                    if no_start:
                        raise no_start
                    try:
                        address = address or served.enter_context(serve())
                    except GraceError as error:
                        no_start = error
                        raise
                    outcome = prepared.ask(address, progress)
            except GraceError as error:
                outcome = TaskOutcome(error=error)
            except KeyboardInterrupt:  # before the asking began, or after it
                outcome = TaskOutcome()
            if isinstance(outcome.error, EndpointError):  # the server may have died
                served.close()
                address = None
            yield task, outcome
            if outcome.interrupted:
                return
