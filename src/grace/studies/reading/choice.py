"""Reads a choice: one of a few labels, said by its name ("Yes, ...") or by a sentence."""

import re
from collections.abc import Mapping, Sequence

from grace.errors import StudyError
from grace.studies.reading import CLEAR, DOUBT, EXACT, Answer, Missing, Value
from grace.studies.reading.text import Text

_NOT_AN_ANSWER = (
    r"(?!\s(?:one|way|doubt|information|info|idea|evidence|matter|more|longer|specific|other|such|indication|mention|guarantee|"
    r"explicit|reason|need|certainty|sign|problem|question|further|additional|direct|definite|definitive|statement)\b)(?!-(?:one|brainer|go)\b|/)"
)
_QUESTION = re.compile(r"[^.!?\n]*\?(?=\s)")
NOTHING = "(?!)"
"""A regular expression that matches nothing."""
_PREFIX = re.compile(r"^\W*(?:(?:final )?answer|response)\s*:\s*")


class ChoiceReader:
    """Finds which label a text says."""

    def __init__(
        self,
        column: str,
        labels: Mapping[str, Sequence[str]],
        phrases: Mapping[str, Sequence[str]],
        unclear: Sequence[str],
        where: str,
    ) -> None:
        """Compile the labels' words and phrases; each phrase begins with a whole word, in lower case.

        Raises StudyError when a phrase is not a regular expression; the message begins with `where`.
        """
        self.columns = (column,)
        self._labels = {word.lower(): label for label, words in labels.items() for word in (label, *words)}
        words = "|".join(map(re.escape, sorted(self._labels, key=len, reverse=True)))
        word = rf"\b(?P<label>{words})\b{_NOT_AN_ANSWER}"
        self._leading = re.compile(rf"^\W*(?:(?:\w+ )?(?:answer|response|knowledge)s?\s?(?:is\b|:|-)\W*)*{word}")
        ends = r"(?=\s*(?:[.,;:!)\"]|$))"
        self._stated = re.compile(
            r"\b(?:answer|response)(?: (?:to|here|would|should|must|is|be|that|this|the|question))*(?:\s?:|\b)"
            rf"\W*\b(?P<answered>{words})\b{_NOT_AN_ANSWER}"
            rf"|\b(?:say|answer|think|go with|so|therefore|thus|hence)\W+(?P<said>{words}){ends}"
            rf"|\n\W*(?P<line>{words})\W*(?=\n|$)"
            rf"|[,;:-]\s*(?P<last>{words})\s*(?=[.!]\W*$|$)|[:;]\s*(?P<behind>{words})(?=\s*[,.;!])"
        )
        self._echo = re.compile(rf"^\W*(?:{words})\W{{1,3}}(?:(?:or|and)\W{{1,3}})?(?:{words})\b")
        self._unclear = _compile(unclear, where)
        self._phrases = {label: _compile(patterns, where) for label, patterns in phrases.items()}

    def read(self, text: Text) -> dict[str, Answer]:
        """The label. Leading words count before phrases; where phrases disagree, the last one counts with doubt."""
        return {self.columns[0]: self._read(text.plain)}

    def _read(self, text: str) -> Answer:
        asked = _QUESTION.sub(" ", text) if "?" in text else text
        text = _PREFIX.sub("", asked) or text
        said, unclear = self._said(text)
        leading = None if self._echo.search(text) else self._leading.search(text)
        if leading:
            label = self._labels[leading["label"]]
            against = bool(said) and label not in said
            return Value(label, DOUBT if against else EXACT)
        stated = {self._labels[match[match.lastgroup or 0]] for match in self._stated.finditer(text)}
        if len(stated) == 1:
            return Value(stated.pop(), CLEAR)
        if said:
            return Value(said[-1], CLEAR if len(set(said)) == 1 else DOUBT)
        return Missing(
            "says that it is not known"
            if unclear
            else f"says none of {', '.join(dict.fromkeys(self._labels.values()))}"
        )

    def _said(self, text: str) -> tuple[list[str], bool]:
        """The labels that phrases say, in the order of the text, and whether it says that the answer is not known."""
        taken = [match.span() for match in self._unclear.finditer(text)]
        unclear = bool(taken)
        said: list[tuple[int, str]] = []
        for label, pattern in self._phrases.items():
            spans = [match.span() for match in pattern.finditer(text)]
            spans = [span for span in spans if not any(span[0] < end and start < span[1] for start, end in taken)]
            said += [(start, label) for start, _ in spans]
            taken += spans
        return [label for _, label in sorted(said)], unclear


def _compile(patterns: Sequence[str], where: str) -> re.Pattern[str]:
    """A regular expression of any of some patterns; without any it matches nothing. Raises StudyError."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise StudyError(f"{where}: {pattern!r} is not a regular expression: {error}") from None
    either = "|".join(f"(?:{pattern})" for pattern in patterns) or NOTHING
    return re.compile(rf"(?<![\w'])(?:{either})")
