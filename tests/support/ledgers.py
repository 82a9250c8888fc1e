"""Ledgers of runs, changed as a program that writes ledgers would: each line has the check of its new content."""

from collections.abc import Callable
from pathlib import Path

import orjson

from grace.ledger import Ledger, Record, scan


def rewrite(path: Path, change: Callable[[list[Record]], object] = lambda records: None) -> None:
    """Write a ledger anew with its records, which `change` may change in place."""
    records = [record for _, record in scan(path)]
    change(records)
    path.unlink()
    with Ledger(path) as ledger:
        for record in records:
            ledger.append(record)


def reword(path: Path, then: str, now: str) -> None:
    """Write a ledger anew with other words in its records."""

    def change(records: list[Record]) -> None:
        records[:] = orjson.loads(orjson.dumps(records).replace(then.encode(), now.encode()))

    rewrite(path, change)
