"""How much longer than a bare interpreter's start `grace --help` takes."""

from statistics import median

from benchmarks.parts import PYTHON, Options, Result, measured, spread

NAME = "startup"
REPEATS = 20
TARGET = 8
OF_COMMANDS = 12
COMMANDS = ("query", "lineup run", "models pull")


def run(options: Options) -> Result:
    bare: list[float] = []
    spent: dict[str, list[float]] = {"": [], **{name: [] for name in COMMANDS}}
    wall = []
    for _ in range(REPEATS):
        bare.append(measured([PYTHON, "-c", "pass"]).cpu)
        for name, times in spent.items():
            took = measured([PYTHON, "-m", "grace", *name.split(), "--help"])
            times.append(took.cpu)
            wall += [] if name else [took.wall]
    ratios = {name: [a / b for a, b in zip(times, bare, strict=True)] for name, times in spent.items()}
    return Result(
        NAME,
        f"`grace --help` at most {TARGET} times `python -c pass`, the help of a command at most {OF_COMMANDS} times",
        median(ratios[""]) <= TARGET and all(median(ratios[name]) <= OF_COMMANDS for name in COMMANDS),
        figures=[
            ("**`grace --help` / `python -c pass`**", f"**{spread(ratios[''], 1)}**"),
            *((f"`grace {name} --help` / `python -c pass`", spread(ratios[name], 1)) for name in COMMANDS),
            ("`grace --help`, CPU", spread(spent[""], 3, "s")),
            ("`grace --help`, wall", spread(wall, 3, "s")),
            ("`python -c pass`, CPU", spread(bare, 3, "s")),
        ],
        ratios={
            f"a bare start to `{' '.join(('grace', *name.split(), '--help'))}`": [1 / ratio for ratio in own]
            for name, own in ratios.items()
        },
        commands=["python -m grace --help", *(f"python -m grace {name} --help" for name in COMMANDS)],
        notes=["CPU time of the whole process; they take turns, and the files are in the system's cache."],
    )
