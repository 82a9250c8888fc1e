"""R: the same statistics once more by the scripts of `analysis/`, with lme4's models and ggplot2's figures.

Those who trust R can check Grace's numbers with it: means.csv and tests.csv have the same layout.
"""

import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from grace.analysis.analyze import Analysis
from grace.analysis.studies import ANALYSES
from grace.errors import InputError
from grace.table_files import open_table
from grace.tables import write_table

RSCRIPT = "Rscript"
PACKAGES = ("dplyr", "ggplot2", "lme4", "tidyr")
FOLDER = "r"
"""The folder of R's results, inside that of the results."""
HERE = Path(__file__).parent
PLACES = (HERE / "r", HERE.parents[2] / "analysis")
"""Where the scripts are: in the installed package, and in a checkout."""
ASK = "cat(Filter(function(name) !requireNamespace(name, quietly = TRUE), commandArgs(TRUE)))"


def check_r(studies: Collection[str]) -> None:
    """Check that there are scripts of some studies, and R with its packages. Raises InputError."""
    for study in studies:
        if study not in ANALYSES:
            raise InputError(f"--with-r: there are R scripts of {' and '.join(ANALYSES)}, and none of {study}")
    how = "on Debian and Ubuntu scripts/install_r_and_pandoc.sh installs them"
    if shutil.which(RSCRIPT) is None:
        raise InputError(f"--with-r: there is no {RSCRIPT} on the PATH; install R with {', '.join(PACKAGES)}; {how}")
    missing = _rscript("-e", ASK, *PACKAGES).split()
    if missing:
        raise InputError(f"--with-r: R has no package {', '.join(missing)}; {how}")


def run_r(analysis: Analysis, out: Path, exclusions: bool = True) -> list[Path]:
    """Analyse the same table with R.

    Args:
        analysis: the one by Python.
        out: the folder for results; those of R go to a folder inside it.
        exclusions: as in `analyze_table`.

    Returns:
        The files that R wrote; none where the table has no answers of Experiment 1, which the scripts need.

    Raises:
        InputError: R cannot analyse the table; the message is R's.
    """
    if "means" not in analysis.tables:
        return []
    own = out / FOLDER
    shutil.rmtree(own, ignore_errors=True)
    with TemporaryDirectory() as folder, open_table(analysis.source, analysis.table_format) as table:
        copy = Path(folder) / "table.csv"  # in UTF-8, whatever the table is in
        write_table(copy, table.columns, table.all_cells())
        flags = [] if exclusions or not ANALYSES[analysis.study].excludes else ["--no-exclusions"]
        _rscript(str(_script(analysis.study)), str(copy), str(own), *flags)
    return sorted(own.iterdir())


def _script(study: str) -> Path:
    scripts = [place / f"{study}.R" for place in PLACES if (place / f"{study}.R").is_file()]
    if not scripts:
        raise InputError(f"--with-r: {study}.R is not in {' or '.join(map(str, PLACES))}; install Grace again")
    return scripts[0]


def _rscript(*arguments: str) -> str:
    """Run R without the user's profile, so that it is the same everywhere. Raises InputError with R's last words."""
    done = subprocess.run(
        [RSCRIPT, "--no-environ", "--no-init-file", "--no-save", *arguments],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError(f"--with-r: R stopped: {' '.join(said[-3:]) or f'exit code {done.returncode}'}")
    return done.stdout
