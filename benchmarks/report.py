"""How much CPU time a report on both studies takes: 300 and 2,424 answers, with the probabilities of study 1."""

import subprocess
import sys
from statistics import median

from benchmarks.parts import PYTHON, ROOT, Options, Result, measured, spread, workspace

NAME = "report"
REPEATS = 3
TARGET = 20.0
BARE = "import matplotlib.figure, scipy.stats"


def run(options: Options) -> Result:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]
    from conftest import Result as Ended
    from report_runs import ask, speaker

    def grace(*arguments: object) -> Ended:
        command = [PYTHON, "-m", "grace", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    reports, bare, wall = [], [], []
    with workspace() as folder:
        with speaker() as server:
            runs = [
                ask(grace, server, "study1", ROOT / "data" / "study1.csv", folder / "study1.csv", score=300),
                ask(grace, server, "study2", ROOT / "data" / "study2.csv", folder / "study2.csv"),
            ]
        command = [PYTHON, "-m", "grace", "report", *map(str, runs), "--out", str(folder / "report.html")]
        for _ in range(REPEATS):
            spent = measured(command)
            reports.append(spent.cpu)
            wall.append(spent.wall)
            bare.append(measured([PYTHON, "-c", BARE]).cpu)
    return Result(
        NAME,
        f"`grace report` on both studies below {TARGET:g} s of CPU time",
        median(reports) < TARGET,
        figures=[
            ("**CPU of `grace report`**", f"**{spread(reports, 1, 's')}**"),
            ("wall time of it", spread(wall, 1, "s")),
            ("CPU of importing the packages alone", spread(bare, 1, "s")),
        ],
        ratios={"importing the packages to `grace report`": [a / b for a, b in zip(bare, reports, strict=True)]},
        commands=["python -m grace report study1.run study2.run --out report.html"],
        notes=["300 and 2,424 answers, each with its values; the probabilities are those of study 1."],
    )
