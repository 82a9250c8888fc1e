"""What all experiments do with a run: record one chat, and read the study that was asked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.dialects import read_answer
from grace.errors import InputError
from grace.manifest import GENERATE, SCORE, Identity
from grace.runs import Run
from grace.studies.study import Study, parse_study


async def chat(client: Client, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for a chat completion, and give its record's part about the answer. Raises RequestFailed."""
    exchange = await client.post("/v1/chat/completions", body)
    answer = read_answer(exchange.data)
    return {
        "status": "answered" if answer.text.strip() else "empty",
        "response": {"text": answer.text, "reasoning": answer.reasoning, "finish_reason": answer.finish_reason},
        "tokens": {"prompt": answer.prompt_tokens, "completion": answer.completion_tokens},
        "milliseconds": round(exchange.milliseconds, 3),
        "attempts": exchange.attempts,
    }


def keep_study(run: Run, study: Study) -> None:
    """Keep a study's file with a run that has begun, and the people's data that it brings."""
    run.keep_study(study.content)
    if study.people_file:
        run.keep_people(study.people_file)


def study_of(run: Run, compiled: dict[bytes, Study] | None = None) -> Study:
    """The study of a run, from the run's own copy.

    `compiled` holds the studies compiled so far, by the bytes of their file; a new one is added.

    Raises:
        InputError: the copy is gone, or asks other questions than the run did.
    """
    compiled = {} if compiled is None else compiled
    try:
        content = run.study.read_bytes()
    except OSError as error:
        raise InputError(f"{run.study}: cannot be read: {error.strerror}; restore it from a copy") from None
    if content not in compiled:
        compiled[content] = parse_study(content, str(run.study))
        if compiled[content].people and run.people.is_file():
            compiled[content] = replace(compiled[content], people_file=run.people)
    study = compiled[content]
    if run.manifest.files.get(run.study.name) not in (None, study.sha256) or not _asks_the_same(study, run.identity):
        raise InputError(f"{run.study}: was changed since the run began; restore it from a copy")
    return study


def _asks_the_same(study: Study, identity: Identity) -> bool:
    """Whether a study has the name, and the prompts and answers, that a run was made with."""
    if study.name != identity.study:
        return False
    if identity.experiment == SCORE:
        return {name: question.sha256 for name, question in study.scored.items()} == identity.questions
    if identity.experiment == GENERATE and identity.protocol is not None:
        conversation = study.conversations.get(identity.protocol)
        asked = identity.turns, identity.templates
        return conversation is not None and (conversation.turns, conversation.hashes) == asked
    return True
