"""Eight processes that want one lock, again and again; now and then one dies with it, and another comes in its place.

`racing.py FOLDER ROUNDS`: prints how often the lock was taken, how many died with it, and what went wrong, as JSON. Who
has the lock makes a file that must not be there, and takes it away again.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

from grace.errors import RunLocked
from grace.lock import locked

CONTENDERS = 8
DEATHS = 0.2
"""The share of rounds in which the holder dies before it gives the lock back."""
DIED, WRONG = 7, 1


def contend(folder: Path, rounds: int, dice: random.Random) -> None:
    """Take the lock until it was taken so many times by all together."""
    inside, taken = folder / "inside", folder / "taken"
    while taken.stat().st_size < rounds:
        if dice.random() < 0.5:
            time.sleep(dice.random() / 500)  # so that some come while another gives it back
        try:
            with locked(folder / "run"):
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                with open(taken, "ab") as file:
                    file.write(b".")
                time.sleep(dice.random() / 1000)
                inside.unlink()
                if dice.random() < DEATHS:
                    os._exit(DIED)
        except RunLocked:
            continue


def child(folder: Path, rounds: int, number: int) -> None:
    """Start a contender."""
    if os.fork():
        return
    try:
        contend(folder, rounds, random.Random(number))
        os._exit(0)
    except BaseException as error:
        (folder / f"wrong-{number}").write_text(f"{type(error).__name__}: {error}")
        os._exit(WRONG)


def race(folder: Path, rounds: int) -> dict[str, object]:
    """Let them race to the end."""
    (folder / "taken").touch()
    started, ends = CONTENDERS, {0: 0, DIED: 0, WRONG: 0}
    for number in range(CONTENDERS):
        child(folder, rounds, number)
    while ends[0] + ends[WRONG] < CONTENDERS:
        _, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        ends[code] += 1
        if code == DIED:
            child(folder, rounds, started)
            started += 1
    wrong = [path.read_text() for path in sorted(folder.glob("wrong-*"))]
    return {"taken": (folder / "taken").stat().st_size, "died": ends[DIED], "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(race(Path(sys.argv[1]), int(sys.argv[2]))))
