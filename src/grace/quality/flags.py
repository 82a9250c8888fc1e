"""Checks of single rows: each needs one row, alone or joined from several tables, and says what is wrong with it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grace.quality.checks import CHECKS, TablePart
from grace.quality.layout import Layout, places_of
from grace.quality.looks import (
    Fault,
    Maker,
    Picked,
    Remembered,
    RememberedCells,
    Row,
    Thresholds,
    Unit,
    remembered,
)


@dataclass(frozen=True)
class Flag:
    """A fault of a row: the check that finds it, the column or columns that it is about, and what is wrong."""

    check: str
    column: str
    why: str


class RowChecks:
    """The checks of single rows, made ready for a table.

    Attributes:
        undone: the checks that cannot be done in this table, and why.
    """

    def __init__(self, layout: Layout, thresholds: Thresholds, again: bool = False) -> None:
        """For a table with this layout; `again` has the answers read again, which takes time."""
        self.undone: dict[str, str] = {}
        self._looks: dict[str, list[Remembered | RememberedCells]] = {}
        places = places_of(layout.columns)
        for name, make in _makers(layout, again).items():
            looks = make(layout, thresholds)
            if isinstance(looks, str):
                self.undone[name] = looks
            else:
                self._looks[name] = [remembered(look, places) for look in looks]

    @property
    def names(self) -> tuple[str, ...]:
        """The checks that are done."""
        return tuple(self._looks)

    def see(self, rows: Sequence[Row]) -> Iterator[tuple[str, Counter[str], list[tuple[int, Unit]]]]:
        """What each check sees in some rows of the table.

        Yields:
            The check's name, how many units it counts, by group, and the units with faults, each with its row's place.
        """
        picked: Picked = {}
        for name, looks in self._looks.items():
            (units, bad), *others = [look.see(rows, picked) for look in looks]
            yield name, units, _of_one_unit([bad, *(own for _, own in others)]) if others else bad

    def flags(self, rows: Sequence[Row]) -> list[list[Flag]]:
        """What is wrong with each of some rows."""
        flags: list[list[Flag]] = [[] for _ in rows]
        for name, _, bad in self.see(rows):
            for place, (_, faults) in bad:
                flags[place] += [Flag(name, column, why) for column, why in faults]
        return flags


def _of_one_unit(seen: Sequence[list[tuple[int, Unit]]]) -> list[tuple[int, Unit]]:
    """The units with faults that several looks see in rows, of which each is one unit."""
    faults: dict[int, list[Fault]] = {}
    for place, unit in (each for own in seen for each in own):
        faults.setdefault(place, []).extend(unit.faults)
    return [(place, Unit("", faults[place])) for place in sorted(faults)]


def _makers(layout: Layout, again: bool) -> dict[str, Maker]:
    """The checks that fit a table's parts."""
    parts: dict[TablePart, bool] = {
        "requests": layout.answers or layout.scores,
        "cells": True,
        "scores": layout.scores,
        "answers": layout.answers,
        "refusals": layout.judges_refusals,
        "fields": layout.fields,
        "fields again": layout.fields and again,
    }
    return {
        check.name: check.on[1]
        for part, is_there in parts.items()
        for check in CHECKS.values()
        if is_there and check.on and check.on[0] == part
    }
