"""Conditions: whether what a text says holds only under one, as in "if she had smiled, I would say 5"."""

from grace.studies.reading.languages import BUT, EVEN, FORCED, IF, OTHERWISE, either, word_of
from grace.studies.reading.late import Late

FURTHEST = 120
"""Characters behind a mention in which a condition may follow."""
_IF = Late(
    lambda: (
        r"\bimagine\b(?<!\bi imagine)(?<!\bwe imagine)"
        rf"|\bif(?! (?:i|we|you|one|forced|pressed|asked|required|pushed|anything)\b)|{word_of(IF)}"
    )
)
_EVEN = Late(lambda: rf"{word_of(EVEN)}[,\s]*\Z")
_ELSE = Late(lambda: rf"{word_of(OTHERWISE)}[^.;!?\n\d]{{0,20}}\d")
_FORCED = Late(lambda: either(FORCED))
_HINTS = ("had ", "were ", "should ", "would", "wär", "hätt", "würd", "käme", "gäbe", "stünd", "serait", "eydi", "aydi")
_SUBJUNCTIVE = Late(
    lambda: (
        r"(?:^|[.;:!?\n(]\s?)[\"'*]*(?:(?:had|were|should) (?:he|she|it|they|the|this|that|there) "
        r"|(?:hätten?|wären?|würden?|käme|gäbe|stünde) (?!ich\b|wir\b|man\b|meine)[^.,;:!?\n]{1,60}, )"
        r"|\b(?:with|without)\b[^.;!?\n]{1,50}\b(?:it|this|that|they|he|she) would (?:be|have been"
        r"|get) [^.;!?\n]{0,12}\Z"
        r"|\b(?:mit|ohne)\b[^.;!?\n]{1,50}\bwären? (?:es|das|er|sie) [^.;!?\n]{0,12}\Z"
        r"|\b(?:avec|sans)\b[^.;!?\n]{1,50}\b(?:ce|il|elle) serait [^.;!?\n]{0,12}\Z"
        r"|(?<=[^\W\d_])s[ae]yd[iı]\w{0,3} [^.;!?\n]{0,40}\Z"
    )
)
"""A condition without "if", as "had she smiled, ..." and "with a comma, it would be ..."."""
_IF_BEHIND = Late(
    lambda: (
        rf"[\"')\]]*(?: (?!because|since|even\b|auch\b|selbst\b|même\b|anche\b|mesmo\b|даже\b|as\b|weil|denn|da\b"
        rf"|car\b|parce|puisque|porque|perché|pois|omdat"
        rf"|потому)[^\W\d_]+)"
        rf"{{0,4}},? (?:(?:only|nur|seulement|solo|sólo|só|alleen|только|tylko|bara) )?"
        rf"(?:if(?! (?:i|we|you|one|forced|pressed|asked|required|pushed|anything)\b)"
        rf"|(?!otherwise|sonst|sinon|si no\b|altrimenti|иначе){word_of(IF)}"
        r"|(?:had|were|should) (?:he|she|it|they|the)\b)(?P<what>[^.;!?\n]{0,60})"
    )
)
_STOPS = Late(lambda: r"[.!?;\n](?=\s)")
_LINKS = Late(lambda: rf"[.;:!?\n]|{word_of(BUT + ' however still so therefore thus hence')}")


def is_conditional(text: str, end: int) -> bool:
    """Whether a condition follows a mention, as in "yes, if she saw it"."""
    if _ELSE.search(text, end, end + FURTHEST):
        return True
    condition = _IF_BEHIND.match(text, end, end + FURTHEST)
    return condition is not None and not _FORCED.search(condition["what"])


def is_supposed(words: str) -> bool:
    """Whether what follows some words stands under a condition."""
    clause = last_part(_LINKS, words)
    condition = _IF.search(clause)
    if condition and not (_FORCED.search(clause, condition.end()) or _EVEN.search(clause, 0, condition.start())):
        return True
    may_be = any(hint in words for hint in _HINTS)
    return may_be and _SUBJUNCTIVE.search(last_part(_STOPS, words)) is not None


def last_part(limits: Late, words: str) -> str:
    """What stands behind the last limit in some words."""
    return words[max((match.end() for match in limits.finditer(words)), default=0) :]
