"""Asking again: a sample of an archive's questions goes to a model, and its numbers stand beside the archived ones."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from grace.endpoints.serving import Address
from grace.progress import Progress
from grace.runs import Run
from grace.stages.scores.noise import Noise, read_floor
from grace.stages.task import Endpoint

Serve = Callable[[Endpoint, int | None, bool], AbstractContextManager[Address]]
"""Gives the address of an endpoint, whose server may have to be started with so many slots, and be exact."""


@dataclass(frozen=True)
class RerunScores:
    """What became of questions that were asked again.

    Attributes:
        questions: how many.
        failed: requests without an answer.
        largest: the largest difference of a probability, or of a label mass, from the archive's.
        floor: the noise floor that was measured of the run before it was archived; None: nobody measured it.
    """

    questions: int
    failed: int
    largest: float
    floor: float | None

    @property
    def good(self) -> bool:
        """Whether all was answered, and nothing differs by more than the floor; without one, nothing may differ."""
        return not self.failed and self.largest <= (self.floor or 0.0)


def rerun_scores(run: Run, endpoint: Endpoint, questions: int, serve: Serve, progress: Progress) -> RerunScores:
    """Ask some of a scored run's questions once more, and compare.

    Args:
        run: a copy of the archived one, to which the answers are written (`noise.jsonl`).
        endpoint: serves the same model, as the run's manifest has it.
        questions: how many to ask; the sample is always the same.
        serve: gives the endpoint's address.
        progress: hears what is done.

    Raises:
        InputError: it is no run of `grace score`, or has no answers.
        RunMismatch: the endpoint serves another model, or renders prompts in another way.
        EndpointError: it cannot be used.
        KeyboardInterrupt: somebody stopped it.
    """
    floor = read_floor(run)
    for earlier in ("noise.jsonl", "noise.json"):
        (run.path / earlier).unlink(missing_ok=True)
    task = Noise(endpoint=endpoint, run=run, repeat=1, questions=questions)
    with task.prepared(progress) as prepared, serve(endpoint, task.slots, prepared.exact) as address:
        outcome = prepared.ask(address, progress)
    if outcome.error:
        raise outcome.error
    if outcome.result is None:
        raise KeyboardInterrupt
    seen = outcome.result.floor
    return RerunScores(seen.questions, outcome.result.failed, max(seen.largest, seen.largest_label_mass), floor)
