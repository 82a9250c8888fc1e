"""Choices: the reader and the field of a `read: choice`, also where the labels have other words in other rows."""

from collections.abc import Mapping

from grace.studies import format
from grace.studies.fields import Field
from grace.studies.reading import Reader
from grace.studies.reading.choice import ChoiceReader
from grace.studies.reading.text import plain
from grace.studies.templates import Compiler, RowText

MOST_ROWS = 1000
"""Readers of single rows that are kept."""


class ChoiceByRow:
    """A choice whose labels have other words in other rows."""

    def __init__(self, name: str, reading: format.ChoiceReading, compiler: Compiler, where: str) -> None:
        """Compile the words of the labels. Raises StudyError."""
        self._name, self._reading, self._where = name, reading, f"{compiler.origin}: {where}"
        names = compiler.spec.visible
        self._texts = {
            label: [RowText(word, compiler, f"{where}.labels.{label}", names) for word in words]
            for label, words in reading.labels.items()
        }
        self._made: dict[tuple[tuple[str, ...], ...], tuple[Reader, Field, str]] = {}

    def of(self, row: Mapping[str, str]) -> tuple[Reader, Field, str]:
        """The reader of a completed row's answer, its field, and the words of the labels. Raises StudyError."""
        words = {label: tuple(filter(None, (text.of(row) for text in own))) for label, own in self._texts.items()}
        made = self._made.get(key := tuple(words.values()))
        if made is None:
            reading = self._reading.model_copy(update={"labels": {own: ways for own, ways in words.items() if ways}})
            if len(self._made) >= MOST_ROWS:
                self._made.clear()
            said = "; ".join(f"{label}: {', '.join(ways)}" for label, ways in reading.labels.items())
            made = self._made[key] = (*choice_of(self._name, reading, self._where), said)
        return made


def choice_of(name: str, reading: format.ChoiceReading, where: str) -> tuple[Reader, Field]:
    """The reader and the field of a choice."""
    choice = ChoiceReader(reading.column, reading.labels, reading.phrases, reading.unclear, where)
    also = {plain(word): label for label, words in reading.labels.items() for word in words}
    return choice, Field(reading.column, reading.about, str, name, values=tuple(reading.labels), also=also)
