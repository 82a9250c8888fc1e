"""Checks of what commands made of runs: analyses, reports, papers, comparisons, archives."""

from collections.abc import Sequence

from grace.manifest import EXTRACT
from grace.roadmap.checks.finding import ItemFinding, check
from grace.roadmap.evidence import Kind
from grace.roadmap.ground import Ground
from grace.roadmap.results import Made, held_results


@check
def written(ground: Ground, what: Sequence[str]) -> ItemFinding:
    """One of some kinds of results was made of the data that there are now, and its files are as they were written."""
    return _finding(ground, [Made(kind) for kind in what])


@check
def compared(ground: Ground) -> ItemFinding:
    """A comparison of two runs of the project was made."""
    return _finding(ground, [Made.COMPARISON])


def _finding(ground: Ground, kinds: Sequence[Made]) -> ItemFinding:
    broken = ""
    for kind in kinds:
        for result in held_results(ground, kind):
            if not result.why_not:
                said = f": {result.sentence}" if result.sentence else ""
                return ItemFinding(True, f"{result.entry.subject}{said} ({result.entry.name})")
            broken = broken or result.why_not
    names = " or ".join(kind.value for kind in kinds)
    commands = " or ".join(f"`grace {kind.command}`" for kind in kinds)
    return ItemFinding(
        False, broken or f"no {names} of this project's runs yet; {commands} makes one", stale=bool(broken)
    )


@check
def archive(ground: Ground) -> ItemFinding:
    """An archive with all answers of the final data was made, read back and verified."""
    entries = [] if ground.evidence.fault else ground.evidence.of(Kind.ARCHIVE)
    carried = [run for each in ground.lineups(ground.final) for model in each.models for run in model.runs]
    asked = [run for run in carried or ground.traces.runs if run.experiment != EXTRACT and not run.problems]
    wanted = {run.files.get("ledger.jsonl", ""): run.path for run in asked}
    lacking = ""
    for entry in reversed(entries):
        missing = sorted(wanted.keys() - set(entry.facts["ledgers"]))
        if wanted and not missing:
            return ItemFinding(True, f"{entry.name}, {entry.time[:10]}: {entry.subject}")
        where = wanted[missing[0]] if missing else "any run of this project"
        lacking = lacking or f"{entry.subject}: does not hold the answers of {where} as they are now"
    return ItemFinding(False, lacking or "no archive was verified yet", stale=bool(lacking))
