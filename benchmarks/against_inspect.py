"""Wall time of a row beside that of a sample of `inspect eval`: same server, prompts, sampling and connections."""

import os
import shutil
from pathlib import Path
from statistics import median

from benchmarks.latency import write_bodies
from benchmarks.parts import (
    CONNECTIONS,
    MODEL,
    QUERY_SHOWN,
    ROOT,
    Options,
    Result,
    Spent,
    canned_server,
    measured,
    query,
    requests_seen,
    say,
    spread,
    workspace,
    write_trials,
)

NAME = "inspect"
INSPECT = ROOT / ".venv-bench" / "bin" / "inspect"
FEW, MANY = 200, 1_200
GRACE_MANY = 20_200
REPEATS = 3
TARGET = 10
LEAN = ("--no-log-realtime", "--no-log-model-api", "--no-score", "--display", "none")
"""All that can be left out while answers are still kept."""


def run(options: Options) -> Result:
    result = Result(NAME, f"at least {TARGET} times as fast a row as `inspect eval` is a sample, both with a log kept")
    if not INSPECT.exists():
        result.notes = [f"{INSPECT.relative_to(ROOT)} is not there; `make bench` makes it from requirements.txt."]
        return result
    short: dict[str, list[float]] = {"grace": [], "usual": [], "lean": []}
    middle: dict[str, list[float]] = {"grace": [], "usual": [], "lean": []}
    long: list[float] = []
    with workspace() as folder, canned_server() as url:
        few, many = write_trials(folder / "few.csv", FEW), write_trials(folder / "many.csv", GRACE_MANY)
        equal = write_trials(folder / "equal.csv", MANY)
        bodies = write_bodies(equal, folder / "bodies.jsonl")
        shutil.copy(Path(__file__).with_name("inspect_task.py"), folder)
        for repeat in range(REPEATS):
            short["grace"].append(measured(query(few, folder / f"few{repeat}.csv", url)).wall)
            middle["grace"].append(measured(query(equal, folder / f"equal{repeat}.csv", url)).wall)
            long.append(measured(query(many, folder / f"many{repeat}.csv", url)).wall)
            for name, extra in (("usual", ("--display", "plain")), ("lean", LEAN)):
                short[name].append(_inspect(folder, url, bodies, FEW, extra).wall)
                middle[name].append(_inspect(folder, url, bodies, MANY, extra).wall)
            say(f"{MANY} rows: " + ", ".join(f"{name} {times[-1]:.1f} s" for name, times in middle.items()))
    grace = _each(short["grace"], long, GRACE_MANY)
    usual, lean = (_each(short[name], middle[name], MANY) for name in ("usual", "lean"))
    to_usual = [b / a for a, b in zip(grace, usual, strict=True)]
    to_lean = [b / a for a, b in zip(grace, lean, strict=True)]
    result.met = median(to_lean) >= TARGET
    result.figures = [
        ("**inspect at its leanest / Grace** (what the target is held against)", f"**{spread(to_lean, 1)}**"),
        ("inspect as it comes / Grace", spread(to_usual, 1)),
        ("Grace, ms a row", spread(grace, 2)),
        ("inspect as it comes, ms a sample", spread(usual, 1)),
        ("inspect at its leanest, ms a sample", spread(lean, 1)),
        (f"whole command, {MANY:,} rows, Grace", spread(middle["grace"], 1, "s")),
        (f"whole command, {MANY:,} samples, inspect as it comes", spread(middle["usual"], 1, "s")),
        (f"whole command, {MANY:,} samples, inspect at its leanest", spread(middle["lean"], 1, "s")),
    ]
    result.ratios = {"inspect at its leanest to Grace": to_lean}
    shown = _command(Path(), Path("bodies.jsonl"), MANY, ())
    result.commands = [
        "python tests/support/canned.py --latency 0",
        QUERY_SHOWN,
        " ".join(["inspect", *shown[1:]]),
        "the same with " + " ".join(LEAN),
    ]
    result.notes = [
        f"Time of a row or sample: wall time of a long command less the median of short ones (inspect {MANY:,} and "
        f"{FEW:,}, Grace {GRACE_MANY:,} and {FEW:,}), so that neither pays for its start. They take turns.",
        "0 ms latency, so this is the tools' own cost; a real model's time comes on top of both. inspect does much "
        "more than ask (agents, tools, scoring, live views); its leanest setting still keeps every answer in its log.",
    ]
    return result


def _each(short: list[float], long: list[float], rows: int) -> list[float]:
    """Milliseconds a row, once for each long command."""
    return [(seconds - median(short)) / (rows - FEW) * 1000 for seconds in long]


def _command(folder: Path, bodies: Path, rows: int, extra: tuple[str, ...]) -> list[str]:
    return [
        *(str(INSPECT), "eval", "inspect_task.py", "-T", f"bodies={bodies}", "-T", f"rows={rows}"),
        *("--model", f"openai-api/{MODEL}/{MODEL}", "--temperature", "0.7", "--max-tokens", "512"),
        *("--top-p", "1", "--seed", "1", "--log-dir", str(folder / "logs")),
        *("--max-connections", str(CONNECTIONS), "--max-samples", str(CONNECTIONS)),
        *extra,
    ]


def _inspect(folder: Path, url: str, bodies: Path, rows: int, extra: tuple[str, ...]) -> Spent:
    """One `inspect eval`, with all that it writes in `folder`."""
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"), str(folder))
    key = {f"{MODEL.upper()}_API_KEY": "dummy", f"{MODEL.upper()}_BASE_URL": f"{url}/v1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INSPECT_", "PYTHON"))}
    before, _ = requests_seen(url)
    spent = measured(_command(folder, bodies, rows, extra), env={**kept, **homes, **key}, cwd=folder)
    asked = requests_seen(url)[0] - before
    assert asked == rows, f"inspect asked {asked} of {rows} samples:\n{spent.printed[-2000:]}"
    return spent
