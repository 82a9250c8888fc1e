"""Tables of very many columns take time in proportion to them: the user's own columns beside the study's."""

import csv
from pathlib import Path

from canned import CannedServer
from conftest import Command
from limits import cpu_below
from quality_tables import trials

COLUMNS = 100_000


def test_a_hundred_thousand_columns_are_asked_about_and_checked(
    grace: Command, canned: CannedServer, tmp_path: Path
) -> None:
    with open(trials("study1", tmp_path, 2).write(), newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    wide = tmp_path / "wide.csv"
    with open(wide, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*header, *(f"extra_{number}" for number in range(COLUMNS))])
        writer.writerows([*row, *map(str, range(COLUMNS))] for row in rows)
    output = tmp_path / "answers.csv"
    server = ("--model-endpoint", canned.url, "--model-name", "canned")
    with cpu_below(25):
        assert grace("query", "study1", "--input", wide, "--output", output, *server).code == 0
        checked = grace("validate", output.with_suffix(".run"))
    assert "columns" in checked.out + checked.err
    with open(output, newline="", encoding="utf-8") as file:
        columns, *answered = csv.reader(file)
    assert columns[len(header) : len(header) + COLUMNS] == [f"extra_{number}" for number in range(COLUMNS)]
    assert len(answered) == len(rows)
