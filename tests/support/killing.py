"""Kills commands at random moments, many in a second: a process that has imported Grace forks one for each.

`killing.py FOLDER KILLS SEED [URL]`: in FOLDER are runs; URL is a canned server, for commands that ask. After each kill
it looks at what is left, and at the end prints what it did, as JSON. A kill is a timer of the kernel that ends the
process without another step of it (SIGPROF), at a moment of its own computing, so that a busy machine moves nothing.
"""

import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from grace.cli import main
from grace.ledger import scan

LEFT_CODES = (0, 1)
"""How a command ends that comes to its end: what its data fail is not looked at here."""


@dataclass
class Victim:
    """A command that is killed again and again.

    Attributes:
        arguments: of the command, in the current folder.
        outputs: the files that it writes: each is as it was, or whole.
        run: the run that it writes, whose finished records are never lost.
        timed: a file that it writes with times in it, which differ.
    """

    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    run: str = ""
    timed: str = ""
    seconds: float = 0.0
    whole: dict[str, bytes] = field(default_factory=dict)


def victims(url: str) -> list[Victim]:
    """One of each kind of writing."""
    merged = tuple(f"merged/study1{ending}" for ending in (".csv", "_codebook.md", "_codebook.csv"))
    found = [
        Victim(("export", "turns.run", "--output", "turns.csv", "--force"), ("turns.csv",)),
        Victim(("export", "skies.run", "--output", "skies.parquet", "--force"), ("skies.parquet",)),
        Victim(("merge", "turns.run", "--out", "merged"), merged[:1]),
        Victim(("data", "sample", "turns.csv", "--rows", "2", "--output", "few.csv", "--force"), ("few.csv",)),
        Victim(("extract", "--input", "turns.csv", "--output", "read.csv"), ("read.csv",), "read.run"),
        Victim(("join", "parts.csv"), ("parts.csv",), "parts.run"),
    ]
    asked = ("query", "study1", "--input", "trials.csv", "--output", "asked.csv", "--model-name", "canned")
    return [*found, Victim((*asked, "--model-endpoint", url), (), "asked.run", "asked.csv")] if url else found


def call(victim: Victim, seconds: float | None) -> tuple[int, float]:
    """Run a command in a child, killed after `seconds` of CPU time: how it ended (a wait status), and the CPU time."""
    before = _cpu()
    child = os.fork()
    if child == 0:
        try:
            with open("said", "wb") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            if seconds is not None:
                signal.setitimer(signal.ITIMER_PROF, seconds)
            main(list(victim.arguments))
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 0)
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    return status, _cpu() - before


def _cpu() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def finished(run: str) -> list[bytes]:
    """The complete lines of a run's ledger."""
    ledger = Path(run, "ledger.jsonl")
    content = ledger.read_bytes() if run and ledger.exists() else b""
    return content[: content.rfind(b"\n") + 1].splitlines()


def to_its_end(victim: Victim) -> float:
    """Run a command to its end, look at what there is, and give its CPU time."""
    status, spent = call(victim, None)
    code = os.waitstatus_to_exitcode(status)
    assert code in LEFT_CODES, (victim.arguments, code, Path("said").read_text())
    left = [path for path in Path().rglob("*") if path.name == "lock" or path.suffix == ".tmp"]
    left = [path for path in left if not path.name.startswith(".lock.")]  # a draft of a lock is swept an hour later
    assert not left, (victim.arguments, left)
    return spent


def torment(victim: Victim, kills: int, dice: random.Random) -> int:
    """Kill a command, and after some kills let it come to its end; give how many died."""
    for name in (*victim.outputs, victim.run, victim.timed):
        if name and Path(name).is_dir():
            shutil.rmtree(name)
        elif name:
            Path(name).unlink(missing_ok=True)
    victim.seconds = to_its_end(victim)
    victim.whole = {name: Path(name).read_bytes() for name in victim.outputs}
    died = begun = 0
    while begun < kills:
        if victim.run and Path(victim.run).exists():
            shutil.rmtree(victim.run)
        for name in (*victim.outputs, *([victim.timed] if victim.timed else ())):
            Path(name).unlink(missing_ok=True)
        for _ in range(min(dice.randint(1, 12), kills - begun)):
            begun += 1
            kept = finished(victim.run)
            status, _ = call(victim, dice.uniform(0.001, victim.seconds * 1.05))
            died += os.WIFSIGNALED(status)
            if not os.WIFSIGNALED(status):
                assert os.waitstatus_to_exitcode(status) in LEFT_CODES, Path("said").read_text()
            assert finished(victim.run)[: len(kept)] == kept, "a finished record is gone"
            for name, content in victim.whole.items():
                assert not Path(name).exists() or Path(name).read_bytes() == content, f"{name} is half written"
        to_its_end(victim)
        assert {name: Path(name).read_bytes() for name in victim.outputs} == victim.whole
        if victim.run:
            keys = [record["key"] for _, record in scan(Path(victim.run, "ledger.jsonl"))]
            assert len(keys) == len(set(keys)), "something is there twice"
    return died


def torture(folder: Path, kills: int, seed: int, url: str) -> dict[str, int]:
    """Kill all commands, so many times in all; how many died of it, for each."""
    os.chdir(folder)
    dice = random.Random(seed)
    listed = victims(url)
    sources = {path: path.read_bytes() for path in Path().glob("[ts]*.run/*")}
    sources |= {path: path.read_bytes() for path in Path().glob("parts.shard*/*")}
    for each in listed[:1] + listed[2:6]:  # what they import is there, then, in every child
        with suppress(SystemExit), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            main(list(each.arguments))
    importlib.import_module("grace.stages.answers.ask")
    died = {" ".join(each.arguments[:2]): torment(each, -(-kills // len(listed)), dice) for each in listed}
    assert {path: path.read_bytes() for path in sources} == sources, "a command changed what it only reads"
    return died


if __name__ == "__main__":
    print(json.dumps(torture(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), "".join(sys.argv[4:]))))
