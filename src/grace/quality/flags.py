"""Checks of single rows: each needs one row, alone or joined from several tables, and says what is wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grace.quality.checks import CHECKS, TablePart
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Look, Maker, Thresholds, Unit


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
        self._looks: dict[str, Look] = {}
        for name, make in _makers(layout, again).items():
            look = make(layout, thresholds)
            if isinstance(look, str):
                self.undone[name] = look
            else:
                self._looks[name] = look

    @property
    def names(self) -> tuple[str, ...]:
        """The checks that are done."""
        return tuple(self._looks)

    def units(self, cells: Cells) -> Iterator[tuple[str, Unit]]:
        """What each check sees in a row: the check's name, and each unit that it counts."""
        for name, look in self._looks.items():
            for unit in look(cells):
                yield name, unit

    def flags(self, row: Mapping[str, str | None]) -> list[Flag]:
        """What is wrong with a row."""
        return [Flag(name, column, why) for name, (_, faults) in self.units(Cells(row)) for column, why in faults]


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
