"""CPU time of a row, from the table's cells to the ledger's record and the answers' table, at 0 ms latency."""

from statistics import median

from benchmarks.parts import (
    QUERY_SHOWN,
    Options,
    Result,
    canned_server,
    measured,
    query,
    say,
    spread,
    workspace,
    write_trials,
    yardstick,
)

NAME = "cpu"
FEW, MANY = 1_000, 11_000
REPEATS = 5
TARGET = 0.6


def run(options: Options) -> Result:
    each, start, rates, sticks = [], [], [], []
    with workspace() as folder, canned_server() as url:
        few, many = write_trials(folder / "few.csv", FEW), write_trials(folder / "many.csv", MANY)
        for repeat in range(REPEATS):
            small = measured(query(few, folder / f"few{repeat}.csv", url))
            large = measured(query(many, folder / f"many{repeat}.csv", url))
            each.append((large.cpu - small.cpu) / (MANY - FEW) * 1000)
            start.append(small.cpu - each[-1] / 1000 * FEW)
            sticks.append(yardstick() / each[-1])
            rates.append((MANY - FEW) / (large.wall - small.wall))
            say(f"{each[-1]:.3f} ms a row")
    return Result(
        NAME,
        f"at 0 ms latency at most {TARGET} ms of CPU a row, ledger included",
        median(each) <= TARGET,
        figures=[
            ("**CPU a row**", f"**{spread(each, 3, 'ms')}**"),
            ("CPU of start and end, whatever the rows", spread(start, 2, "s")),
            ("rows a second, server on the same machine", spread(rates, 0)),
        ],
        commands=["python tests/support/canned.py --latency 0", QUERY_SHOWN],
        ratios={"the yardstick's CPU to that of a row": sticks},
        notes=[
            "User and system time of the grace process as the kernel counts it (wait4). What a start costs is taken "
            f"out by the difference between {MANY:,} and {FEW:,} rows; reading the table, checking it, rendering, "
            "asking, the ledger and the answers' table are all in it.",
        ],
    )
