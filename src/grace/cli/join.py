"""`grace join`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli import options
from grace.cli.asking import end
from grace.cli.export import tell_table


def join(
    output: Annotated[Path, typer.Argument(help="The table to make, such as outputs/study1.csv.")],
    break_lock: options.BreakLock = False,
) -> None:
    """Put the shards of a run together, and make its table.

    `grace query` and `grace score` make shards with --shard: outputs/study1.shard-0-of-4.run and so on belong to
    outputs/study1.csv. The shards stay unchanged. The joined run is an ordinary run: the same command without --shard
    asks what no shard has answered.

    \b
    Examples:
      grace join outputs/study1.csv
      grace join outputs/study1_scores.parquet
    """
    from grace.stages.join import join_shards

    joined = join_shards(output, break_lock=break_lock)
    print(f"{options.count(len(joined.shards), 'shard')} joined, {options.count(joined.records, 'new record')}")
    if joined.missing:
        print(f"  not there: {', '.join(map(str, joined.missing))}; join again when they are")
    end(not tell_table(joined.table))
