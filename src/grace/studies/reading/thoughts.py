"""Thoughts: what a model writes before its answer, where a server passes both through in one text."""

import re

_NAMES = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|analysis|reflection|seed:think)"
_OPEN = re.compile(rf"(?:<{_NAMES}>|\[think\]|◁think▷|<\|begin_of_thought\|>|<\|start_thinking\|>)", re.IGNORECASE)
_CLOSE = re.compile(rf"</{_NAMES}>|\[/think\]|◁/think▷|<\|end_of_thought\|>|<\|end_thinking\|>", re.IGNORECASE)
_INNER = re.compile(rf"<({_NAMES})>(?:(?!</?\1>).)*+</\1>", re.IGNORECASE | re.DOTALL)
_HARMONY = re.compile(
    r"\s*(?:(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<]{0,60}<\|message\|>"
    r"|analysis(?=[A-Z\"'*]))"
)
"""How harmony text begins; servers may leave out its special tokens: "analysisThe user asks ...assistantfinalYes."."""
_FINAL = re.compile(
    r"(?:<\|start\|>assistant)?<\|channel\|>final[^<]{0,60}(?:<\|constrain\|>\w+)?<\|message\|>"
    r"|assistantfinal"
)
_TOKEN = re.compile(
    r"<\|(?:end|return|start|message|begin_of_solution|end_of_solution|start_response"
    r"|end_response)\|>",
    re.IGNORECASE,
)


def separated(text: str) -> tuple[str | None, str]:
    """The thoughts of a text, None where it has none, and the answer behind them.

    Thoughts that were never closed are all thoughts: the answer was cut off before it began. Thoughts that were never
    opened were opened by the chat template, as some models' do.
    """
    final = next(reversed(list(_FINAL.finditer(text))), None)
    harmony = _HARMONY.match(text)
    if harmony or final:
        thoughts = text[harmony.end() if harmony else 0 : final.start() if final else len(text)]
        return _TOKEN.sub("", thoughts).strip() or None, _TOKEN.sub("", text[final.end() :]).strip() if final else ""
    start = len(text) - len(text.lstrip())
    opened, closed = _OPEN.match(text, start), _CLOSE.search(text)
    if not opened and (closed is None or _OPEN.search(text, 0, closed.start())):
        return None, text
    thoughts = text[opened.end() if opened else 0 : closed.start() if closed else len(text)].strip()
    return thoughts or None, _TOKEN.sub("", text[closed.end() :]).lstrip() if closed else ""


def answer_of(text: str) -> str:
    """A text without the thoughts before and in it."""
    if "<" not in text and "[/" not in text and "◁" not in text and "analysis" not in text and "assistantf" not in text:
        return text
    return _INNER.sub("", separated(text)[1])
