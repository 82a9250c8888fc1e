"""Ticks: the label that has a tick where others have a cross or nothing, as "[x] often" in a list of labels."""

import re
from collections.abc import Sequence

from grace.studies.reading import CLEAR, Answer, Value
from grace.studies.reading.late import Late
from grace.studies.reading.mentions import Mention
from grace.studies.reading.weighing import EDGE, MOST

_VERDICTS = frozenset(("true", "false", "yes", "no", "right", "wrong", "correct", "incorrect"))
_YES = r"(?P<yes>[✓✔✅☑☒◉●🗹]|true\b|correct\b|right\b|yes\b|\[x\]|\(x\))"
_NO = r"(?:[✗✘❌☐○◯×🗷]|false\b|incorrect\b|wrong\b|no\b|\[ ?\]|\( ?\)|\|\s*(?:\n|\Z))"
_TICK = re.compile(r"[✓✔✅☑☒◉●🗹]|\[x\]|\(x\)|(?:[:|→]|->)\s?(?:true|correct|right|yes)\b")
_TICK_BEFORE = re.compile(r"(?:(?P<yes>[✓✔✅☑☒◉●🗹]|\[x\]|\(x\))|[✗✘❌☐○◯🗷]|\[ ?\]|\( ?\))[\s\"'*]*\Z")
_TICK_BEHIND = Late(
    lambda: rf"[\"')\]]*\s?(?:(?:[:|=]|->|→| - )\s*(?:{_YES}|{_NO})|(?:(?P<sign>[✓✔✅☑])|[✗✘❌])(?=\s*(?:\n|\Z|,)))"
)


def ticked(text: str, mentions: Sequence[Mention]) -> Answer | None:
    """The only label that has a tick where others have a cross or nothing, as "[x] often"; None without ticks."""
    if not 1 < len(mentions) <= MOST or not _TICK.search(text):
        return None
    marks: dict[str, set[bool]] = {}
    for mention in mentions:
        behind = _TICK_BEHIND.match(text, mention.end)
        mark = behind or _TICK_BEFORE.search(text, max(0, mention.start - EDGE), mention.start)
        if mark and mention.label and mention.words not in _VERDICTS:
            marks.setdefault(mention.label, set()).add(bool(mark["yes"] or (behind and behind["sign"])))
    chosen = [label for label, own in marks.items() if own == {True}]
    rejected = [label for label, own in marks.items() if own == {False}]
    return (
        Value(chosen[0], CLEAR) if len(chosen) == 1 and rejected and len(chosen) + len(rejected) == len(marks) else None
    )
