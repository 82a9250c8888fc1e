"""How long `grace --help` takes."""

from statistics import median

from benchmarks.parts import PYTHON, Options, Result, measured, spread

NAME = "startup"
REPEATS = 20
TARGET = 0.2


def run(options: Options) -> Result:
    helps, cpu, bare = [], [], []
    for _ in range(REPEATS):
        spent = measured([PYTHON, "-m", "grace", "--help"])
        helps.append(spent.wall)
        cpu.append(spent.cpu)
        bare.append(measured([PYTHON, "-c", "pass"]).wall)
    return Result(
        NAME,
        f"`grace --help` below {TARGET} s",
        median(helps) < TARGET,
        figures=[
            ("**`grace --help`**", f"**{spread(helps, 3, 's')}**"),
            ("CPU of it", spread(cpu, 3, "s")),
            ("`python -c pass`, for comparison", spread(bare, 3, "s")),
        ],
        commands=["python -m grace --help"],
        notes=["Wall time of the whole process; the two take turns, and the files are in the system's cache."],
    )
