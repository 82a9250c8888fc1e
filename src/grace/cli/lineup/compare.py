"""`grace lineup compare-outputs`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.asking import end
from grace.cli.options import count

if TYPE_CHECKING:
    from grace.stages.sameness import Sameness


def compare_outputs(
    left: Annotated[Path, typer.Argument(metavar="A", help="A run, or a folder with runs: a lineup, a model of one.")],
    right: Annotated[Path, typer.Argument(metavar="B", help="Another one that was asked the same.")],
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Differences of probabilities that mean nothing. Default: what `grace noise` measured."
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="How many differences of each run to list.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print all differences as JSON, for programs.")] = False,
) -> None:
    """Compare what two runs or two lineups brought home: which rows differ, and whether by more than the noise floor.

    Use it to see whether the cluster equals this machine, or one machine another. Probabilities that differ by no more
    than the noise floor of either run are no difference; answers in words are equal or not. Exit code 0: no
    difference. 1: some rows differ, or only one side has them.

    \b
    Examples:
      grace lineup compare-outputs lineups/local lineups/again
      grace lineup compare-outputs lineups/local/smollm2-135m/study1_scores.run outputs/study1_scores.run
    """
    from dataclasses import asdict

    import orjson

    from grace.stages.sameness import compare_runs, pairs

    common, lacking = pairs(left, right)
    compared = [compare_runs(*pair, tolerance=tolerance) for pair in common]
    good = not lacking and all(each.good for each in compared)
    if as_json:
        content = {"same": good, "lacking": lacking, "runs": [asdict(each) for each in compared]}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        end(0 if good else 1)
        return
    for each in compared:
        _tell(each, show)
    for text in lacking:
        print(text)
    print("the same" if good else "not the same")
    end(0 if good else 1)


def _tell(compared: "Sameness", show: int) -> None:
    from grace.text import printable, shortened

    beyond, within = len(compared.beyond), compared.within
    print(f"{compared.name}: {count(compared.same, 'answer')} equal", end="")
    if compared.experiment == "score":
        floor = "that nobody measured" if compared.floor is None else f"of {compared.floor:.2g}"
        print(f", {within} within the noise floor {floor}, {beyond} beyond it; largest {compared.largest:.2g}")
        if beyond and compared.floor is None:
            print("  `grace noise` measures the floor of a run; --tolerance gives another one")
    else:
        print(f", {count(beyond, 'text')} not")
    for note in compared.notes:
        print(f"  {shortened(printable(note), 500)}")
    for one in compared.beyond[:show]:
        rows = f"row {one.rows[0]}" + (f" and {len(one.rows) - 1} more" if len(one.rows) > 1 else "")
        values = (
            f"{value:.4g}" if isinstance(value, float) else repr(shortened(printable(value), 60))
            for value in (one.left, one.right)
        )
        print(f"  {rows}, {one.question}, {one.what}: {' and '.join(values)}")
    if beyond > show:
        print(f"  and {beyond - show} more; --show lists them")
    if compared.one_sided:
        row, question = compared.one_sided[0]
        print(f"  {count(len(compared.one_sided), 'answer')} on one side alone, the first at row {row}, {question}")
