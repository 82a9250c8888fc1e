"""`grace noise`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.asking import ask
from grace.cli.options import count

if TYPE_CHECKING:
    from grace.stages.scores.noise import NoiseResult


def noise(
    run: Annotated[
        Path, typer.Argument(help="The folder of a run of `grace score`, such as outputs/study1_scores.run.")
    ],
    repeat: Annotated[int, typer.Option(min=1, help="How often to ask each question again.")] = 3,
    questions: Annotated[int, typer.Option(min=1, help="Number of the run's distinct questions to ask.")] = 50,
    seed: Annotated[int, typer.Option(help="Chooses the questions; the same seed chooses the same ones.")] = 1,
    model_endpoint: Annotated[
        str | None, typer.Option(help="Address of a model server, or 'embedded'. Default: the one that scored the run.")
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="The model's name on the server. Default: the run's.")] = None,
    concurrency: options.Concurrency = "auto",
    timeout: options.Timeout = 300.0,
    max_retries: options.MaxRetries = 5,
    api_key_env: options.ApiKeyEnv = None,
    break_lock: options.BreakLock = False,
) -> None:
    """Measure the noise floor of a run: how far the probabilities of equal questions differ.

    Servers compute many requests together, and rounding depends on the batch. So Grace asks a sample of the run's
    questions again, many at once and in other orders. (The embedded server takes one at a time, and its numbers
    repeat.) The largest and the mean difference go to the run's folder (noise.json); a smaller difference between two
    models means nothing. Grace keeps answers under the same conditions, and does not ask for them twice.

    \b
    Examples:
      grace noise outputs/study1_scores.run --repeat 3
      grace noise outputs/study1_gemma.run --repeat 5 --questions 100 --model-endpoint http://localhost:8000
    """
    from grace.runs import Run
    from grace.stages.scores.noise import Noise, last_endpoint

    scored = Run(run)
    where = model_endpoint or last_endpoint(scored), model_name or scored.identity.model["name"]
    task = Noise(
        endpoint=options.read_endpoint(*where, concurrency, timeout, max_retries, api_key_env),
        run=scored,
        repeat=repeat,
        questions=questions,
        seed=seed,
        break_lock=break_lock,
    )
    ask(task, _tell)


def _tell(result: "NoiseResult") -> bool:
    """Print what was measured; False when requests failed."""
    floor = result.floor
    print(f"{result.path}: {count(floor.questions, 'question')} asked again, {floor.repeats} times each")
    print(f"  largest difference of a probability {floor.largest:.2g}, mean {floor.mean:.2g}")
    print(f"  largest difference of a label mass {floor.largest_label_mass:.2g}")
    for name, largest in floor.by_question.items():
        print(f"  {name}: {largest:.2g}")
    if result.failed:
        print(f"  {count(result.failed, 'request')} failed; the same command asks again for these.")
    if result.invariant is not None:
        said = "is batch-invariant here" if result.invariant else "is not batch-invariant, although the run says so"
        print(f"  the server {said}")
    return not result.failed and result.invariant is not False
