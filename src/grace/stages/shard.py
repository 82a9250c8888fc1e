"""A shard: one of several equal parts of what a run asks, worked on by itself, in a run folder of its own.

All shards of a run have the run's identity: joined (`grace.stages.join`), they are what one run would have been.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grace.errors import InputError
from grace.runs import Run

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""The variable in which Kubernetes tells a pod of an Indexed Job which one it is."""
_FOLDER = re.compile(r"(?P<stem>.*)\.shard-(?P<index>\d+)-of-(?P<count>\d+)\.run")


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 0) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `K/N`, or `auto/N` with K from the environment. Raises InputError."""
        match = re.fullmatch(r"(auto|\d{1,6})/(\d{1,6})", text, re.ASCII)
        if not match:
            raise InputError(f"--shard {text}: is not of the form K/N or auto/N, as 0/4 for the first of four parts")
        index = completion_index() if match[1] == "auto" else int(match[1])
        if index is None:
            raise InputError(
                f"--shard {text}: {INDEX_VARIABLE} holds no number; Kubernetes sets it in Jobs whose completionMode "
                "is Indexed"
            )
        shard = cls(index, int(match[2]))
        if shard.index >= shard.count:
            raise InputError(f"--shard {shard}: there is no such part; parts are numbered from 0 to {shard.count - 1}")
        return shard

    def run(self, output: Path) -> Run:
        """The run of this part of the table `output`: `a.csv` has `a.shard-0-of-4.run` and so on."""
        return Run(output.with_name(f"{output.stem}.shard-{self.index}-of-{self.count}.run"))

    def takes(self, number: int) -> bool:
        """Whether the unit of work of that number belongs to this part."""
        return number % self.count == self.index

    def rows(self, rows: Sequence[int], replication: int) -> Sequence[int]:
        """Those of `rows` that this part asks in a replication: each part some rows of every replication."""
        return [row for row in rows if self.takes(row + replication)]

    def count_rows(self, rows: Sequence[int], replications: int) -> int:
        """How many requests of one turn this part takes in all replications; they repeat after `count` of them."""
        whole, rest = divmod(replications, self.count)
        sizes = [len(self.rows(rows, number)) for number in range(min(replications, self.count))]
        return whole * sum(sizes) * (whole > 0) + sum(sizes[:rest])


def completion_index() -> int | None:
    """The index of this pod in its Indexed Job; None outside of one."""
    index = os.environ.get(INDEX_VARIABLE, "")
    return int(index) if re.fullmatch(r"[0-9]{1,6}", index) else None


def is_shard(folder: Path) -> bool:
    """Whether a run's folder is named as a shard's."""
    return shard_of(folder) is not None


def shard_of(folder: Path) -> Shard | None:
    """Which part a run's folder holds, by its name; None where it is not named as a shard's."""
    match = _FOLDER.fullmatch(folder.name)
    return Shard(int(match["index"]), int(match["count"])) if match else None


def shards_of(output: Path) -> Iterator[tuple[Shard, Run]]:
    """The runs beside `output` that are parts of it, in order, whatever their divisions."""
    parts = []
    for folder in output.parent.iterdir() if output.parent.is_dir() else ():
        match = _FOLDER.fullmatch(folder.name)
        if match and match["stem"] == output.stem and (folder / "run.json").exists():
            parts.append((Shard(int(match["index"]), int(match["count"])), Run(folder)))
    yield from sorted(parts, key=lambda part: (part[0].count, part[0].index))
