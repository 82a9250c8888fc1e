"""An archive of a run with a million rows: memory while it is made, verified and listed."""

from benchmarks.million import FIRST, ROWS, fill, sit
from benchmarks.parts import PYTHON, Options, Result, free_gigabytes, measured, say, workspace, write_trials
from grace.runs import Run

NAME = "archive"
MEMORY = 200
ROOM = 5.0
"""Gigabytes of disk that trials, ledger, the run's copy of the table and the archive take."""


def run(options: Options) -> Result:
    result = Result(NAME, f"an archive of a million rows is made, verified and listed below {MEMORY} MB")
    if free_gigabytes() < ROOM:
        result.notes = [f"Needs {ROOM:.0f} GB of disk; there are {free_gigabytes():.1f}."]
        return result
    with workspace() as folder:
        trials, output = write_trials(folder / "trials.csv", ROWS), folder / "answers.csv"
        sit(trials, output, until=lambda asked: asked >= FIRST)
        run = Run.beside(output)
        filled = fill(run, ROWS)
        place = str(folder / "archive")
        archive = [PYTHON, "-m", "grace", "archive"]
        made = measured([*archive, "create", str(run.path), "--to", place, "--no-results"])
        say(f"made: {made.peak:.0f} MB, {made.wall:.0f} s")
        verified = measured([*archive, "verify", place])
        listed = measured([*archive, "list", place])
        size = sum(path.stat().st_size for path in (folder / "archive").rglob("*") if path.is_file())
    peak = max(each.peak for each in (made, verified, listed))
    result.met = peak < MEMORY
    result.figures = [
        ("**largest resident memory, all three**", f"**{peak:.0f} MB**"),
        *(
            (f"{what}: memory, CPU", f"{each.peak:.0f} MB, {each.cpu:.0f} s")
            for what, each in (("made", made), ("verified", verified), ("listed", listed))
        ),
        ("the archive", f"{size / 1e6:,.0f} MB"),
    ]
    result.commands = [
        "python -m grace archive create answers.run --to archive --no-results",
        "python -m grace archive verify archive",
        "python -m grace archive list archive",
    ]
    result.notes = [
        f"{filled:,} of the records were written into the ledger as Grace writes them, apart from a constant answer; "
        "the others were asked. Without results: making these is measured by extraction and report."
    ]
    return result
