"""One million rows: memory while asking and while writing the table, and how soon asking goes on after kill -9."""

import csv
import filecmp
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

from benchmarks.parts import (
    CONNECTIONS,
    PYTHON,
    QUERY_SHOWN,
    ROOT,
    Options,
    Result,
    canned_server,
    free_gigabytes,
    measured,
    megabytes,
    query,
    requests_seen,
    say,
    spread,
    workspace,
    write_trials,
)
from grace.ledger import Ledger, request_key, scan
from grace.runs import Run
from grace.stages.answers.records import request_seed
from grace.studies.study import load_study
from grace.tables import CsvTable

NAME = "million"
ROWS = 1_000_000
FIRST = 5_000
"""Rows asked in earnest before the first kill."""
LAST = 60_000
"""Rows asked in earnest after it, the first half of them before the second kill."""
KILLS, BRIEF = 4, 200
"""So many kills follow, each after so few requests, to see how soon asking goes on."""
ROOM = 5.0
"""Gigabytes of disk that two copies of the table, the ledger and the answers take, with some to spare."""
MEMORY, RESUME, EXPORT = 250, 5, 15


@dataclass
class Session:
    """One sitting of work on the run, until it was killed or came to its end.

    Attributes:
        sending: seconds from the process's start to its first chat request beyond the handshake.
        cpu: seconds of CPU that it had used by then, at most a tenth too many.
        asking: largest resident memory up to its last request, in MB.
        steady: resident memory when about 2,000 requests had been sent, in MB.
        peak: largest resident memory of the whole process, in MB.
        asked: how many requests it sent.
    """

    sending: float
    cpu: float
    asking: float
    steady: float
    peak: float
    asked: int


def run(options: Options) -> Result:
    result = Result(
        NAME,
        f"resident memory below {MEMORY} MB with a million rows, asking again within {RESUME} s after kill -9, and "
        f"`grace export` within {EXPORT} s",
    )
    if free_gigabytes() < ROOM or not Path("/proc/self/status").exists():
        result.notes = [f"Needs Linux and {ROOM:.0f} GB of disk; there are {free_gigabytes():.1f}."]
        return result
    with workspace() as folder:
        trials, output = write_trials(folder / "trials.csv", ROWS), folder / "answers.csv"
        of = Run.beside(output)
        say(f"{trials.stat().st_size / 1e6:.0f} MB of trials")

        first = sit(trials, output, until=lambda asked: asked >= FIRST)
        filled = 0 if options.full else fill(of, ROWS - LAST)
        say(f"new run: sending after {first.sending:.1f} s; {filled:,} records filled in")
        lines = count(of.ledger)
        second = sit(trials, output, until=lambda asked: lines + asked >= ROWS - LAST // 2)
        short = [sit(trials, output, until=lambda asked: asked >= BRIEF) for _ in range(KILLS)]
        third = sit(trials, output, until=None)
        sessions, resumed = (first, second, *short, third), (*short, third)
        say("after kills: sending after " + ", ".join(f"{session.sending:.1f}" for session in resumed) + " s")
        say(f"{third.asking:.0f} MB while asking, {third.peak:.0f} MB in all")
        export = measured([PYTHON, "-m", "grace", "export", str(of.path), "--output", str(folder / "again.csv")])
        say(f"export: {export.peak:.0f} MB, {export.wall:.0f} s")

        check_answers(output)
        assert filecmp.cmp(output, folder / "again.csv", shallow=False), "the export differs from the query's table"
        asked = sum(session.asked for session in sessions)
        # What was under way at a kill has no record, and is asked a second time.
        assert ROWS <= filled + asked <= ROWS + len(sessions) * CONNECTIONS, (filled, asked)
        sizes = [f"{path.stat().st_size / 1e6:,.0f} MB" for path in (trials, of.ledger, output)]
    peak = max(export.peak, *(session.peak for session in sessions))
    sending = [session.sending for session in resumed]
    result.met = peak < MEMORY and median(sending) < RESUME and export.wall < EXPORT
    result.figures = [
        ("**largest resident memory, all processes**", f"**{peak:.0f} MB**"),
        ("**sending after kill -9**", f"**{spread(sending, 1, 's')}**"),
        ("CPU used until then", spread([session.cpu for session in resumed], 1, "s")),
        ("sending in a new run", f"{first.sending:.1f} s, with {first.cpu:.1f} s of CPU"),
        (
            "memory while asking: at the start, largest",
            f"{third.steady:.0f} MB, {third.asking:.0f} MB ({third.asked:,} rows)",
        ),
        ("the same in an earlier session", f"{second.steady:.0f} MB, {second.asking:.0f} MB ({second.asked:,} rows)"),
        ("memory of the query to its end, its table written", f"{third.peak:.0f} MB"),
        ("memory of `grace export` on its own", f"{export.peak:.0f} MB, in {export.wall:.0f} s"),
        ("trials, ledger, answers", ", ".join(sizes)),
    ]
    result.commands = [
        QUERY_SHOWN,
        f"kill -9, and the same again; {len(sessions) - 1} times",
        "python -m grace export answers.run",
    ]
    result.notes = [
        "Sending: from the start of the process to the first chat request beyond the handshake, by the server's clock, "
        f"with all but the last {LAST // 2:,} rows in the ledger. Files are in the system's cache, as after a kill "
        "they are. Where other work wants the cores too, the CPU time says how long it would take alone.",
        f"The server was asked {asked:,} times in earnest"
        + (
            "."
            if options.full
            else f"; **the other {filled:,} records were not asked but written into the ledger** between the first "
            "kill and the restart, byte for byte as Grace writes them (with true keys and seeds) apart from a constant "
            "answer. `python -m benchmarks million --full` asks all."
        ),
        "Every row is answered in the table at the end, the export of its own equals it, and no more requests than "
        "were under way at the kills were sent twice.",
    ]
    return result


def sit(trials: Path, output: Path, until: Callable[[int], bool] | None) -> Session:
    """Work on the run with a fresh server; kill -9 when `until` says so of the number of requests sent."""
    with canned_server() as url, tempfile.TemporaryFile() as printed:
        started = time.time()
        process = subprocess.Popen(query(trials, output, url), cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
        asked, before, asking, steady, cpu = 0, -1, 0.0, 0.0, 0.0
        ended = status = 0
        while not ended:
            if until and until(asked):
                process.send_signal(signal.SIGKILL)
            elif asked > before or not asked:
                memory = status_megabytes(process.pid)
                asking = memory.get("VmHWM", asking)
                cpu = cpu if before > 0 else cpu_seconds(process.pid)
                steady = memory.get("VmRSS", 0.0) if asked and not steady and asked >= 2_000 else steady
            time.sleep(0.1)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            before, (asked, first) = asked, requests_seen(url)
        process.returncode = os.waitstatus_to_exitcode(status)
        wanted = -signal.SIGKILL if until else 0
        printed.seek(0)
        assert process.returncode == wanted, (process.returncode, printed.read()[-2000:])
        assert first is not None
        return Session(first - started, cpu, asking, steady, megabytes(usage.ru_maxrss), asked)


def status_megabytes(pid: int) -> dict[str, float]:
    """The memory fields of a process's status, in MB; empty when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    fields = (line.split() for line in lines if line.startswith("Vm"))
    return {field[0].rstrip(":"): int(field[1]) * 1024 / 1e6 for field in fields}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_answers(output: Path) -> None:
    """See that every trial has its answer and none an error."""
    with open(output, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        columns = next(reader)
        answer, error = columns.index("model_response"), columns.index("error")
        rows = 0
        for cells in reader:
            assert cells[answer], cells
            assert not cells[error], cells
            rows += 1
    assert rows == ROWS, rows


def count(ledger: Path) -> int:
    """How many complete records a ledger holds."""
    with open(ledger, "rb") as file:
        return sum(line.endswith(b"\n") for line in file)


def fill(of: Run, to: int, answer: Callable[[str, str], str] | None = None) -> int:
    """Write records for all rows before number `to` that have none, as if they had been asked; returns how many.

    `answer` makes an answer from a prompt and the request's key; None: all are as the last one that was asked for.
    """
    there: set[int] = set()
    for _, record in scan(of.ledger):
        there.add(record["rows"][0] - 1)
    study, identity = load_study("study1"), of.identity
    conversation = study.conversation(identity.protocol)
    (turn,) = conversation.turns
    model, seed = identity.model, identity.seed

    def messages(cells: dict[str, str]) -> Sequence[dict[str, str]]:
        full = study.complete(cells)
        return [*conversation.opening(full), conversation.turn(turn, full)]

    with CsvTable(of.input) as table, Ledger(of.ledger) as ledger:

        def keyed(row: int, asked: Sequence[dict[str, str]]) -> dict[str, object]:
            settings = {**record["request"], "seed": request_seed(seed, study.name, row, 0)}
            return {
                **record,
                "key": request_key(model, asked, settings),
                "rows": [row + 1],
                "request": settings,
            }

        last = record["rows"][0] - 1
        assert orjson.dumps(keyed(last, messages(table.row(last)))) == orjson.dumps(record), "not what Grace writes"
        # The table says the same things over and over; only participants differ, and no prompt names them.
        prompts: dict[tuple[str, ...], Sequence[dict[str, str]]] = {}
        missing = [row for row in range(to) if row not in there]
        for row in missing:
            shown = tuple(table.cells(row)[1:])
            if shown not in prompts:
                prompts[shown] = messages(table.row(row))
            asked = prompts[shown]
            full = keyed(row, asked)
            if answer:
                full["response"] = {**record["response"], "text": answer(asked[-1]["content"], str(full["key"]))}
            ledger.append(full)
    return len(missing)
