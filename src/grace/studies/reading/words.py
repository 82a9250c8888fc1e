"""Reads a text: the answer in its own words, cleaned, for a person to code."""

import re
from typing import Any

import orjson

from grace.studies.reading import BY_PERSON, EXACT, Answer, Missing, Value
from grace.studies.reading.languages import HEADS
from grace.studies.reading.late import Late
from grace.studies.reading.text import REFUSAL, Text, tidy

_FENCE = re.compile(r"\A\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)
_HEADS = f"(?:{'|'.join(word.replace('_', ' ') for word in sorted(HEADS.split(), key=len, reverse=True))})"
_HEAD = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)\b[!,.]?\s*)?(?:here(?:'s| is)\b[^:\n]{0,60}:\s*|\W{0,4}(?:(?:my|the"
    r"|final|meine?|ma|mon|la|mi|il|mia|a|minha|mijn|het|mitt|min|mój|moja|moje|мой|můj)\s+){0,2}"
    rf"{_HEADS}\W{{0,4}}?(?:\s(?:is|would be|ist|lautet|est|es|è|é)(?=\s?:))?\s?[:：]\s*"
    rf"|\s*[【\[]{_HEADS}[】\]]\s*[:：]?\s*)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?:my|the)\s(?:answer|reply|response)\s(?:is|would be)\s([\"“][^\"“”]*[\"”])\.?", re.IGNORECASE)
_REFUSES = Late(
    lambda: (
        r"\bas an? (?:ai|(?:large )?language model)\b|\b(?:can(?:no|')t|cannot|unable to|won't"
        r"|not able to) (?:\w+ )?(?:help|assist|answer|comply|provide"
        r"|complete|fulfil|respond|do that)\b"
        r"|\bals (?:ki|sprachmodell)\b|\ben tant (?:qu'ia|que modèle)\b|\bcomo (?:una )?ia\b|\bcomo (?:modelo"
        r"|un modelo) de"
        r"|\bcome (?:ia|modello)\b|как (?:ии|языковая модель)|作为(?:一个)?(?:ai|人工智能|语言模型)"
        r"|\b(?:dazu|darauf|das|diese frage|hierzu) kann ich (?:leider )?(?:nichts?|keine)\b"
        r"|\bkann ich (?:leider )?nicht "
        r"(?:beantworten|helfen|beurteilen|sagen)|\bje ne (?:peux|suis) pas (?:en mesure de "
        r"|capable de )?(?:répondre|vous"
        r" aider|vous répondre)|\bno puedo (?:responder|ayudar|contestar)|\bnon posso (?:rispondere|aiutar)"
        r"|\bnão posso (?:responder|ajudar)|не могу (?:ответить|помочь|отвечать)|nie mogę (?:odpowiedzieć|pomóc)"
        r"|\bkan ik (?:niet|geen)\b[^.]{0,30}(?:antwoord|helpen)|yanıt veremem|cevap veremem|yardımcı olamam"
        r"|无法(?:回答|提供|帮助)|不能回答|お答えできません|回答できません|答えられません"
        r"|답변(?:할|드릴) 수 없|대답할 수 없"
        r"|لا (?:أستطيع|يمكنني) الإجابة|उत्तर नहीं दे सकत"
    )
)
"""What a refusal says; a text may well begin with "I am sorry"."""
_TASKS = (
    r"(?:continue|write|create|generate|produce|complete|finish|tell|describe|imagine|share|discuss|engage|fulfil+"
    r"|say|offer|comment|contribute|process|support|translate|play|role-?play|help|assist|provide|answer|go on"
    r"|carry on)"
)
_DECLINES = Late(
    lambda: (
        r"\W*(?<![\"'])(?:(?:i(?:'m| am) (?:so |very |truly )?sorry|sorry|i apologi[sz]e|unfortunately|i(?:'m"
        r"| am) afraid|my"
        r" apologies)\b[,.:]?\s?(?:but|that|however|for any inconvenience)?,?\s?)?"
        r"i (?:can(?:no|')t|cannot|can not|won't|will not|am (?:not able|unable) to|'m (?:not able|unable) to"
        r"|must decline to"
        r"|have to decline to|decline to|refuse to|won't be able to)(?: (?:be able to|really|just|actually))?"
        rf" {_TASKS}(?: (?:with|on|to|about|any|such|content|that|this|the|these|those|your|it|a|an|further|more)\b"
        rf"|[.!]"
        rf"|\Z)"
        r"|[^.!?。！？\"]{0,80}(?:\bkann (?:ich )?[^.,\"]{0,40}nicht (?:fortsetzen|schreiben|weiterschreiben|erstellen"
        r"|verfassen"
        r"|fortführen|vervollständigen)|\bne (?:peux|suis) pas (?:en mesure de |capable de )?(?:continuer|écrire"
        r"|rédiger"
        r"|créer|compléter|poursuivre) |\bno puedo (?:continuar|escribir|crear|completar|generar) |\bnon posso"
        r" (?:continuare|scrivere|creare|completare|proseguire) |\bnão posso (?:continuar|escrever|criar|completar) "
        r"|не могу (?:продолжить|продолжать|написать|создать|дописать)|nie mogę (?:kontynuować|napisać|stworzyć"
        r"|dokończyć)"
        r"|\bkan (?:ik )?[^.,\"]{0,30}niet (?:voortzetten|schrijven|afmaken)|devam (?:ettiremem|edemem)|yazamam"
        r"|(?:无法|不能)(?:继续|续写|创作|编写|撰写|完成)|(?:続け|書|作成|お手伝い|執筆)[^。]{0,8}(?:でき(?:ません|かね)|けません)"
        r"|(?:계속|작성|쓸|이어)[^.]{0,6} 수 없|لا (?:أستطيع|يمكنني) (?:المتابعة|متابعة|كتابة|إكمال))"
    )
)
"""How an answer begins that declines to write; a quotation is no refusal."""
TURN = re.compile(
    r"\n\s*(?:[#*]{0,4}\s?)(?:human|user|assistant|next question|instruction|question|q|frage|domanda|pregunta|pergunta"
    r"|вопрос|问题|問題|質問|질문|سؤال)\s?\d*\s?[:：]|\n#{3,}\s|<\|",
    re.IGNORECASE,
)
"""Where somebody else begins to speak."""
_SORRY = Late(
    lambda: (
        r"\W*(?:es )?(?:(?:tut mir|leider)|(?:je suis )?désolée?|pardon|lo siento|mi dispiace|(?:me )?desculp"
        r"|sinto muito"
        r"|извините|к сожалению|простите|przepraszam|niestety|helaas|het spijt|üzgünüm|maalesef|抱歉|对不起"
        r"|很遗憾|申し訳|すみません|죄송|عذر|آسف|للأسف|معذرة|क्षमा|माफ़|malheureusement|purtroppo|lamentablemente|infelizmente"
        r"|als ki|as an ai"
        r"|en tant|como|come|как|作为)"
    )
)
LONGEST_REFUSAL = 300
_KEYS = ("answer", "response", "text", "reply", "output")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "「": "」", "‘": "’"}


class TextReader:
    """Keeps an answer in words; its code is a person's to give."""

    def __init__(self, column: str, code: str | None) -> None:
        self.columns = (column, *([code] if code else []))

    def read(self, text: Text) -> dict[str, Answer]:
        """The text, without markup and what a model puts around it; and no code."""
        words = bare(_own(text.raw))
        is_sorry = REFUSAL.search(text.plain) or _SORRY.match(text.plain)
        refuses = (is_sorry and _REFUSES.search(text.plain)) or _DECLINES.match(text.plain)
        if refuses and len(words) < LONGEST_REFUSAL:
            return dict.fromkeys(self.columns, Missing("the answer is a refusal"))
        kept: Answer = Value(words, EXACT) if words else Missing("the answer is empty")
        return dict.fromkeys(self.columns[1:], Missing(BY_PERSON)) | {self.columns[0]: kept}


def _own(raw: str) -> str:
    """The answer without a conversation that goes on behind it, as base models write it."""
    turn = TURN.search(raw)
    return raw[: turn.start()] if turn and raw[: turn.start()].strip() else raw


def bare(raw: str) -> str:
    """The words of an answer: out of its code fence, JSON, heading and quotes, its spaces tidied."""
    fenced = _FENCE.match(raw)
    inner = _of_json(fenced[1] if fenced else raw) or (fenced[1] if fenced else raw)
    words = tidy(_HEAD.sub("", tidy(inner)))
    quoted = _QUOTED.fullmatch(words)
    words = quoted[1] if quoted else words
    if (
        len(words) > 1
        and _QUOTES.get(words[0]) == words[-1]
        and words[0] not in words[1:-1]
        and words[-1] not in words[1:-1]
    ):
        words = words[1:-1].strip()
    return words


def _of_json(text: str) -> str | None:
    """The text of a JSON object that holds one answer."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        data: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    named = [data[key] for key in _KEYS if isinstance(data, dict) and isinstance(data.get(key), str)]
    return named[0] if named else texts[0] if len(texts) == 1 else None
