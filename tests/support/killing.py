"""Kills all that writes at random moments, many in a second: a process that has imported Grace forks one for each.

`killing.py FOLDER KILLS SEED URL`: in FOLDER are runs; at URL is a model with answers and probabilities. After each
kill it looks at what is left, and at the end prints what it did, as JSON. A kill is a timer of the kernel that ends the
process without another step of it (SIGPROF), at a moment of its own computing, so that a busy machine moves nothing.
"""

import http.client
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from threading import Thread

from grace.calls.display import make_progress
from grace.cli import main
from grace.ledger import scan
from grace.lineup.journal import Journal, Step, entries
from grace.lock import locked
from grace.review.local import TOKEN_HEADER
from grace.review.queue import Choice
from grace.review.sitting import OpenPage, Review, review
from grace.roadmap.evidence import FILE, HEAD, Evidence, Kind
from grace.runs import Run

LEFT_CODES = (0, 1)
"""How a command ends that comes to its end: what its data fail is not looked at here."""
SAID = Path("acknowledged")
"""What a review has said is decided: the places, one a line."""
JOURNAL = Path("lineup", "lineup.jsonl")
MODELS = ("one", "other")


@dataclass
class Victim:
    """What is killed again and again.

    Attributes:
        name: of it.
        work: what is done in the child, in the current folder.
        outputs: the files that it writes: each is as it was, or whole.
        ledger: the append-only file that it writes, whose finished records are never lost.
        loose: other files and folders that it makes, which hold times and so differ.
        look: raises AssertionError where something is wrong after a kill, or after the end.
    """

    name: str
    work: Callable[[], object]
    outputs: tuple[str, ...] = ()
    ledger: str = ""
    loose: tuple[str, ...] = ()
    look: Callable[[], object] = lambda: None
    once: bool = True
    """Whether each request has one record at the end."""
    seconds: float = 0.0
    whole: dict[str, bytes] = field(default_factory=dict)


def command(*arguments: str) -> Callable[[], None]:
    return lambda: main(list(arguments))


def victims(url: str) -> list[Victim]:
    """One of each kind of writing."""
    merged = tuple(f"merged/study1{ending}" for ending in (".csv", "_codebook.md", "_codebook.csv"))
    asked = ("study1", "--input", "trials.csv", "--model-endpoint", url, "--model-name", "table")
    extract = ("extract", "--input", "turns.csv", "--output", "read.csv")
    sample = ("data", "sample", "turns.csv", "--rows", "2", "--output", "few.csv", "--force")
    archive = ("archive", "create", "turns.run", "--to", "kept", "--no-results")
    return [
        Victim("export", command("export", "turns.run", "--output", "turns.csv", "--force"), ("turns.csv",)),
        Victim("parquet", command("export", "skies.run", "--output", "skies.parquet", "--force"), ("skies.parquet",)),
        Victim("merge", command("merge", "turns.run", "--out", "merged"), merged[:1], loose=("merged",)),
        Victim("sample", command(*sample), ("few.csv",)),
        Victim("extract", command(*extract), ("read.csv",), loose=("read.run",)),
        Victim("join", command("join", "parts.csv"), ("parts.csv",), "parts.run/ledger.jsonl", ("parts.run",)),
        Victim("validate", command("validate", "turns.run", "--out", "quality"), loose=("quality",)),
        Victim("query", command("query", *asked, "--output", "asked.csv"), (), *asked_files("asked")),
        Victim("score", command("score", *asked, "--limit", "2", "--output", "bits.csv"), (), *asked_files("bits")),
        Victim("review", reviewed, (), "judged_structured.run/ledger.jsonl", (), review_is_kept),
        Victim("archive", command(*archive), loose=("kept", "kept.sha256")),
        Victim("journal", worked, (), str(JOURNAL), (str(JOURNAL),), lambda: list(entries(JOURNAL)), once=False),
        Victim("evidence", proven, (), FILE, (FILE, HEAD, "roadmap"), chain_holds, once=False),
    ]


def asked_files(name: str) -> tuple[str, tuple[str, ...]]:
    return f"{name}.run/ledger.jsonl", (f"{name}.run", f"{name}.csv")


# Reviews, lineups' journals and evidence


def reviewed() -> None:
    """Hold a review whose page decides one row after the other; what is decided already is passed over."""

    def opened(page: OpenPage) -> None:
        Thread(target=decide_all, args=(page,), daemon=True).start()

    review(Review(run=Run(Path("judged_structured.run")), by="a", choice=Choice(all=True)), make_progress, opened)


def decide_all(page: OpenPage) -> None:
    host, token = page.address.split("/")[2], page.address.partition("#")[2]
    connection = http.client.HTTPConnection(host)
    with open(SAID, "ab", buffering=0) as said:
        for place in range(len(page.queue)):
            connection.request(
                "POST",
                f"/api/rows/{place}",
                json.dumps({"verdict": "rejected", "seen": None}),
                {TOKEN_HEADER: token, "Content-Type": "application/json"},
            )
            reply = connection.getresponse()
            reply.read()
            if reply.status == 200:
                said.write(f"{place}\n".encode())
    connection.request("POST", "/api/finish", "{}", {TOKEN_HEADER: token, "Content-Type": "application/json"})
    connection.getresponse().read()


def review_is_kept() -> None:
    """What the page was told is decided is in the ledger."""
    said = {int(line) for line in SAID.read_text().split()} if SAID.exists() else set()
    decided = [record for _, record in scan(Path("judged_structured.run/ledger.jsonl")) if record["status"] == "human"]
    assert len(decided) >= len(said), (said, decided)


def worked() -> None:
    """Take the models of a lineup through all steps, each once."""
    with locked(JOURNAL.parent), Journal(JOURNAL) as journal:
        for model in MODELS:
            for step in Step:
                if not journal.of(model).done(step):
                    with journal.step(model, step) as facts:
                        facts["number"] = 1


def proven() -> None:
    """Note twelve items of evidence, each once."""
    evidence = Evidence.read(Path())
    for number in range(12):
        if not evidence.of(Kind.ATTESTATION, str(number)):
            evidence.append(Kind.ATTESTATION, str(number), {"note": "seen"}, by="a")
    evidence.append(Kind.ATTESTATION, f"end of {os.getpid()}", {"note": "so that each call writes"}, by="a")


def chain_holds() -> None:
    evidence = Evidence.read(Path())
    assert not evidence.fault, evidence.fault
    subjects = [entry.subject for entry in evidence.of(Kind.ATTESTATION)]
    assert len(subjects) == len(set(subjects)), "something is proven twice"


# Killing


def call(victim: Victim, seconds: float | None) -> tuple[int, float]:
    """Work in a child, killed after `seconds` of CPU time: how it ended (a wait status), and the CPU time."""
    before = _cpu()
    child = os.fork()
    if child == 0:
        try:
            with open("said", "wb") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            if seconds is not None:
                signal.setitimer(signal.ITIMER_PROF, seconds)
            victim.work()
            os._exit(0)
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 0)
        except BaseException as error:
            print(repr(error), flush=True)
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    return status, _cpu() - before


def _cpu() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def finished(ledger: str) -> list[bytes]:
    """The complete lines of a ledger."""
    content = Path(ledger).read_bytes() if ledger and Path(ledger).exists() else b""
    return content[: content.rfind(b"\n") + 1].splitlines()


def to_its_end(victim: Victim) -> float:
    """Work to the end, look at what there is, and give the CPU time."""
    status, spent = call(victim, None)
    code = os.waitstatus_to_exitcode(status)
    assert code in LEFT_CODES, (victim.name, code, Path("said").read_text())
    left = [path for path in Path().rglob("*") if path.name == "lock" or path.suffix == ".tmp"]
    left = [path for path in left if not path.name.startswith(".lock.")]  # a draft of a lock is swept an hour later
    assert not left, (victim.name, left)
    victim.look()
    return spent


def torment(victim: Victim, kills: int, dice: random.Random) -> int:
    """Kill it, and after some kills let it come to its end; give how many died."""
    kept = {path: path.read_bytes() for path in Path().glob("judged*/*") if path.is_file()}
    afresh(victim, kept)
    victim.seconds = to_its_end(victim)
    victim.whole = {name: Path(name).read_bytes() for name in victim.outputs}
    died = begun = 0
    while begun < kills:
        afresh(victim, kept)
        for _ in range(min(dice.randint(1, 12), kills - begun)):
            begun += 1
            before = finished(victim.ledger)
            status, _ = call(victim, dice.uniform(0.001, victim.seconds * 1.05))
            died += os.WIFSIGNALED(status)
            if not os.WIFSIGNALED(status):
                assert os.waitstatus_to_exitcode(status) in LEFT_CODES, (victim.name, Path("said").read_text())
            assert finished(victim.ledger)[: len(before)] == before, "a finished record is gone"
            for name, content in victim.whole.items():
                assert not Path(name).exists() or Path(name).read_bytes() == content, f"{name} is half written"
            victim.look()
        to_its_end(victim)
        assert {name: Path(name).read_bytes() for name in victim.outputs} == victim.whole
        if victim.ledger and victim.once:
            keys = [record["key"] for _, record in scan(Path(victim.ledger))]
            assert len(keys) == len(set(keys)), "something is there twice"
        if victim.name == "archive":
            whole = Victim("verify", command("archive", "verify", "kept"))
            assert call(whole, None)[0] == 0, Path("said").read_text()
    return died


def afresh(victim: Victim, kept: dict[Path, bytes]) -> None:
    """Take away what the last call made."""
    for name in (*victim.outputs, *victim.loose, str(SAID)):
        if Path(name).is_dir():
            shutil.rmtree(name)
        else:
            Path(name).unlink(missing_ok=True)
    for path, content in kept.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def torture(folder: Path, kills: int, seed: int, url: str) -> dict[str, int]:
    """Kill all that writes, so many times in all; how many died of it, for each."""
    os.chdir(folder)
    dice = random.Random(seed)
    listed = victims(url)
    sources = {path: path.read_bytes() for path in Path().glob("[ts]*.run/*")}
    sources |= {path: path.read_bytes() for path in Path().glob("parts.shard*/*")}
    for each in listed[:1] + listed[2:9] + listed[10:11]:  # what they import is there, then, in every child
        with suppress(SystemExit), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            each.work()
    died = {each.name: torment(each, -(-kills // len(listed)), dice) for each in listed}
    assert {path: path.read_bytes() for path in sources} == sources, "a command changed what it only reads"
    return died


if __name__ == "__main__":
    print(json.dumps(torture(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
