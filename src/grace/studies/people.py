"""Checks people's answers against their study: every row has a condition, and an answer that the study knows."""

from collections.abc import Iterator

from grace.errors import InputError
from grace.studies.format import MISSING
from grace.studies.study import Study
from grace.table_files import open_table
from grace.text import did_you_mean


def check_people(study: Study) -> None:
    """Check the people's data that a study brings; nothing where it brings none.

    Raises:
        InputError: the file cannot be read, lacks a column, or has a level or label that the study does not know; the
            message names file, row, column and value.
    """
    if study.people is None or study.people_file is None:
        return
    path = study.people_file
    with open_table(path) as table:
        named = study.people.columns.items()
        wanted = [(name, "the conditions of people") for name in study.design.cells]
        wanted += [(given, f"answers, which people.columns names for {of}") for of, given in named]
        for name, what in wanted:
            if name not in table.columns:
                meant = did_you_mean(name, table.columns)
                raise InputError(f"{path}: has no column {name!r} for {what}{meant}; mend one of the files")
        levels = {
            name: list(map(str, study.columns[name].values))
            for name in (*study.design.cells, *filter(None, [study.design.item]))
            if name in study.columns and name in table.columns and study.columns[name].values
        }
        labels = {column: known for column, known in _labels(study) if column in table.columns}
        for number, row in enumerate(table.rows(), 1):
            for column, known in levels.items():
                if study.columns[column].canonical(row[column], table.decimal) not in known:
                    raise InputError(_unknown(number, column, row[column], "level", known, study))
            for column, own in labels.items():
                cell = row[column].strip()
                if cell not in MISSING and cell.casefold() not in {label.casefold() for label in own}:
                    raise InputError(_unknown(number, column, cell, "label", own, study))


def _unknown(number: int, column: str, cell: str, what: str, known: list[str], study: Study) -> str:
    return (
        f"{study.people_file}, row {number}, column {column!r}: {cell!r} is no {what} that the study knows"
        f"{did_you_mean(cell, known)}; it has {', '.join(known)}. Mend the file; an empty cell is no answer"
    )


def _labels(study: Study) -> Iterator[tuple[str, list[str]]]:
    """The columns of people's answers that are labels, each with all labels of what it answers; none of numbers."""
    assert study.people
    given = study.people.columns
    fields = study.extraction.fields if study.extraction else {}
    by_column: dict[str, dict[str, None]] = {}
    numbers: set[str] = set()
    for name, field in fields.items():
        column = next((given[own] for own in (name, field.reading) if own in given), None)
        for own in [column] if column else (name, field.reading):
            if field.kind is not str or not field.values:
                numbers.add(own)
            by_column.setdefault(own, {}).update(dict.fromkeys(map(str, field.values)))
    for name, question in study.questions.items():
        own = given.get(name, name)
        if question.space.values is not None:
            numbers.add(own)
        groups = (question.space.labels, *question.columns.marginals.values())
        by_column.setdefault(own, {}).update(dict.fromkeys(label for group in groups for label in group))
    yield from ((column, list(known)) for column, known in by_column.items() if column not in numbers)
