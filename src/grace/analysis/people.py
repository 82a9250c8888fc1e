"""People: the published results of both studies, from `human/`; its files say where each figure comes from."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import yaml

from grace.analysis.designs import GOAL_HEARTS, UTTERANCES
from grace.analysis.distances import Array


@dataclass(frozen=True)
class Published:
    """A published test.

    Attributes:
        name: its name in tests.csv.
        statistic: F, or t, positive where the difference is as the name says.
        df: its degrees of freedom.
        p: as printed; None where it is not printed.
        holds: whether people show the effect.
    """

    name: str
    statistic: float
    df: tuple[int, ...]
    p: str | None
    holds: bool

    @property
    def effect_size(self) -> float:
        """d_z = t / sqrt(n), of a paired test with n = df + 1 pairs."""
        return float(self.statistic / np.sqrt(self.df[-1] + 1))


@cache
def study1_tests() -> dict[str, Published]:
    """The tests of study 1 by name, in the order of the paper."""
    file = yaml.safe_load(_read("study1.yaml"))
    variance = {
        name: Published(name, test["F"], tuple(test["df"]), None, test["holds"])
        for name, test in file["analysis_of_variance"].items()
    }
    planned = {
        name: Published(name, test["t"], (test["df"],), str(test["p"]), test["holds"])
        for name, test in file["planned"].items()
    }
    return variance | planned


@cache
def study2_counts() -> Array:
    """How many people chose which utterance, shape (conditions, utterances), in the order of `designs`."""
    lines = [line for line in _read("study2.csv").splitlines() if not line.startswith("#")]
    counts = {(row["goal"], row["hearts"]): row for row in csv.DictReader(lines)}
    return np.array([[float(counts[cell][name]) for name in UTTERANCES] for cell in GOAL_HEARTS])


def _read(name: str) -> str:
    return resources.files("grace.analysis").joinpath("human", name).read_text(encoding="utf-8")
