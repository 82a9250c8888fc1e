"""What is printed instead of asking: the first prompts, and what asking would take."""

from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.options import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grace.stages.answers.ask import Query
    from grace.stages.forecast import Forecast, Span
    from grace.stages.scores.ask import Score

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Ask nothing: show the first prompts, and how many requests and how long it takes."),
]


def tell_outlook(task: "Query | Score") -> None:
    """Print what a task says to the model about the first row, and what asking takes; nothing is written."""
    from grace.endpoints.serving import EMBEDDED
    from grace.models.speed import guess_speed
    from grace.stages.forecast import earlier_runs, forecast, measured
    from grace.stages.workload import outlook
    from grace.text import harmless

    with options.progressing() as progress:
        seen = outlook(task, progress)
    for number, messages in enumerate(seen.first, 1):
        print(f"--- prompt {number} of row 1")
        for message in messages:
            print(f"[{message['role']}] {harmless(message['content'])}")
    print("---")
    work = seen.work
    guess = guess_speed(work.model, work.endpoint == EMBEDDED)
    tell_forecasts([forecast([work], measured(earlier_runs(task.output.parent)), guess)])


def tell_forecasts(forecasts: "Sequence[Forecast]") -> None:
    """Print one line for each model with its requests, tokens and time, and where the numbers come from."""
    for each in forecasts:
        done = f", {each.done:,} of them answered" if each.done else ""
        tokens = f"{_in_words(each.prompt_tokens)} tokens of prompts, {_in_words(each.answer_tokens)} of answers"
        print(f"{each.model or 'the model of the server'}: {count(each.requests, 'request')}{done}; {tokens}")
        print(f"  {each.in_words()}; {each.source}")
        if each.money:
            print(f"  {each.money}, by the prices of grace.yaml")


def _in_words(span: "Span") -> str:
    for size, unit in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if span.likely >= size:
            return f"about {float(f'{span.likely / size:.2g}'):g} {unit}"
    return f"{span.likely:.0f}"
