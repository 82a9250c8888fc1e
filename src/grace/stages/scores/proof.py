"""The proof at the start of Experiment 2: that this endpoint gives exactly the probabilities that a run asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grace.endpoints.client import RequestFailed
from grace.endpoints.dialects import TokenDialect
from grace.endpoints.handshake import Handshake
from grace.endpoints.scoring import Scorer
from grace.errors import EndpointError
from grace.ledger import request_key
from grace.progress import Progress
from grace.studies.answers import Policy
from grace.studies.questions import AskedQuestion, Question
from grace.studies.surprisal import SurprisalQuestion
from grace.studies.templates import Message, raw_text


@dataclass(frozen=True)
class Proof:
    """What the proof shows.

    Attributes:
        spellings: for each question, the tokens of its forms.
        rendered: digest of a fixed conversation, as the server renders it in tokens. It is different for another chat
            template, and each day for one that writes the date. None from servers that do not count in tokens.
    """

    spellings: dict[str, dict[str, list[int]]]
    rendered: str | None


async def prove(
    scorer: Scorer,
    handshake: Handshake,
    questions: Mapping[str, Question | SurprisalQuestion],
    row: Mapping[str, str],
    policy: Policy,
    progress: Progress,
) -> Proof:
    """Check that answers can be scored, by scoring the first question about a row.

    It shows that tokens asked for come back, that the numbers are the model's own probabilities, that each surface form
    has a spelling after the prompt, and whether the prompt is the one that a chat would send.

    Raises:
        EndpointError: the endpoint cannot; the message says why.
        StudyError: a form cannot be scored with this model.
    """
    where = f"{handshake.client.shown_url}: scoring"
    asked = {name: question.asked(row, policy) for name, question in questions.items()}
    scored = {name: own for name, own in asked.items() if not own.kind}
    chats = {name: own for name, own in scored.items() if raw_text(own.messages) is None}
    starts = {own.start for own in asked.values()} | {scorer.start}
    if any(starts) and not isinstance(handshake.dialect, TokenDialect):
        raise EndpointError(
            f"{where}: answer_start or --answer-start needs a server that takes tokens, vLLM or llama.cpp"
        )
    try:
        await _settle(scorer, handshake, next(iter(chats.values()), None), where)
        rendered = await scorer.prove(bool(chats), exact=len(scored) < len(asked))
        spellings = {
            name: await scorer.spellings(name, own.messages, own.forms, own.start) for name, own in scored.items()
        }
        await _try(scorer, *next(iter(asked.items())))
        if chats:
            await _compare_with_chat(handshake, next(iter(chats.values())).messages, progress)
    except RequestFailed as error:
        raise EndpointError(f"{where}: {handshake.client.clean(str(error))}") from None
    if scorer.start:
        progress.note(f"answers are scored after {scorer.start!r}, which follows the prompt")
    return Proof(spellings, None if rendered is None else request_key(rendered))


async def _settle(scorer: Scorer, handshake: Handshake, chat: AskedQuestion | None, where: str) -> None:
    """Find where the answers of chats start. Raises EndpointError where it is not known."""
    if chat is None:
        scorer.start = scorer.start or ""
        return
    names = [str(handshake.facts.identity.get(part) or "") for part in ("name", "source")]
    if not await scorer.settle_start(chat.messages, names, handshake.reasons):
        raise EndpointError(
            f"{where}: the model reasons before it answers, and where its answers start is not known; give "
            "the text between prompt and answer with --answer-start TEXT ('' for nothing)"
        )


async def _try(scorer: Scorer, name: str, asked: AskedQuestion) -> None:
    """Ask one question and throw the answer away."""
    if asked.kind:
        texts = {label: text for label, (text,) in asked.forms.items()}
        await scorer.measure(asked.messages[0]["content"], texts, asked.kind == "regions")
    else:
        await scorer.score(name, asked.messages, asked.forms, asked.start)


async def _compare_with_chat(handshake: Handshake, messages: Sequence[Message], progress: Progress) -> None:
    """Note it when a chat with the same messages has another number of tokens than the rendered prompt."""
    if not isinstance(handshake.dialect, TokenDialect):
        return
    rendered = await handshake.dialect.count_tokens(handshake.client, handshake.model, messages)
    chatted = await handshake.prompt_tokens(messages)
    if chatted is not None and chatted != rendered:
        progress.note(
            f"the prompt has {rendered} tokens as rendered for scoring and {chatted} in a chat; look at the server's "
            "chat template"
        )
