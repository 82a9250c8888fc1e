"""One row of a board in full: the trial, and of each model the prompts, answers, values and probabilities."""

from collections.abc import Iterator
from typing import Any

from grace.columns import ENDING, ERROR, MODEL, REPLICATION, RESPONSE, SEED
from grace.errors import GraceError, StudyError
from grace.ledger import LedgerReader, Record
from grace.review.board import Board
from grace.review.lane import NOWHERE, ModelLane
from grace.review.places import pieces, places
from grace.review.view import Readings, unseen, value_read
from grace.runs import Run
from grace.stages.answers.records import request_seed
from grace.stages.answers.table import readable
from grace.stages.fields.records import FieldRecords, Rows, extractor_of
from grace.studies.reading import Value

JSON = dict[str, Any]
MOST_LABELS = 200


def drill(board: Board, unit: int) -> JSON:
    """All about one row."""
    row, replication = divmod(unit, board.replications)
    cells = board.cells(row)
    about = {name: column.about for name, column in board.study.columns.items()}
    design = board.study.design
    first = [name for name in (design.item, design.participant, *design.cells) if name and cells.get(name)]
    others = [name for name in dict.fromkeys(board.shown) if name and name not in first]
    return {
        "unit": unit,
        "row": row + 1,
        "replication": replication + 1,
        "conditions": [{"name": name, "value": cells[name], "about": about.get(name, "")} for name in first],
        "others": [{"name": name, "value": cells.get(name, ""), "about": about.get(name, "")} for name in others],
        "lanes": [_lane(board, lane, unit, cells) for lane in board.lanes],
    }


def _lane(board: Board, lane: ModelLane, unit: int, cells: dict[str, str]) -> JSON:
    trouble = ""
    talk: list[JSON] = []
    fields: list[JSON] = []
    questions: list[JSON] = []
    try:
        answered = _answered_row(board, lane, unit)
        rows = _rows_of(lane, answered)
        talk = list(_talk(board, lane, unit, cells, answered, rows))
        fields = list(_fields(lane, rows, answered)) if rows else []
        questions = list(_questions(lane, unit, cells))
    except (GraceError, LookupError, OSError) as error:
        trouble = str(error)
    return {"name": lane.name, "talk": talk, "fields": fields, "questions": questions, "trouble": trouble}


def _answered_row(board: Board, lane: ModelLane, unit: int) -> dict[str, str]:
    """The row of the table of answers that a unit has: its trial, and what was answered."""
    row, replication = divmod(unit, lane.replications)
    trial = board.table.row(row)
    run = lane.related.answers
    if run is None:
        return trial
    names = board.table.beside(lane.study.answer_names(lane.turns))
    full = dict(zip(names, trial.values(), strict=True))
    records = _records(lane, unit)
    answered = [(turn, record["response"]) for turn, record in records if record["status"] != "failed"]
    failed = [record["error"]["message"] for _, record in records if record["status"] == "failed"]
    texts = {turn: readable(response["text"]) for turn, response in answered}
    endings = [response["finish_reason"] for _, response in answered]
    identity = run.identity
    full |= {
        MODEL: str(identity.model["name"]),
        RESPONSE: "\n\n".join(texts.values()),
        REPLICATION: str(replication + 1),
        SEED: str(request_seed(identity.seed, identity.study, row, replication)),
        ENDING: "length" if "length" in endings else str(endings[-1] or "") if endings else "",
        ERROR: failed[0] if failed else "" if len(texts) == len(lane.turns) else "not asked yet",
    }
    if len(lane.turns) > 1:
        full |= {f"response_{turn}": texts.get(turn, "") for turn in lane.turns}
    return full


def _records(lane: ModelLane, unit: int) -> list[tuple[str, Record]]:
    run = lane.related.answers
    if run is None or not run.ledger.exists():
        return []
    with LedgerReader(run.ledger) as reader:
        return lane.records(unit, reader)


def _rows_of(lane: ModelLane, answered: dict[str, str]) -> Rows | None:
    """What reads values in the answers; None where the study reads none, or there is nothing to read."""
    if lane.study.extraction is None or not any(name.startswith("response") or name == RESPONSE for name in answered):
        return None
    study = lane.related.study_of(lane.related.extraction) if lane.related.extraction else lane.study
    return Rows(study, tuple(answered))


def _talk(
    board: Board, lane: ModelLane, unit: int, cells: dict[str, str], answered: dict[str, str], rows: Rows | None
) -> Iterator[JSON]:
    """The messages to the model and its answers, in order."""
    run = lane.related.answers
    if run is None:
        for column in dict.fromkeys(rows.sources.values()) if rows else ():
            yield _answer(column, answered.get(column, ""), rows, answered, column, {})
        return
    conversation = lane.related.study_of(run).conversation(run.identity.protocol)
    records = dict(_records(lane, unit))
    several = len(conversation.turns) > 1
    try:
        for message in conversation.opening(cells):
            yield _said("system", "System message", message["content"])
    except StudyError as error:
        yield _said("trouble", "The prompt cannot be shown", str(error))
    for turn in conversation.turns:
        try:
            prompt = conversation.turn(turn, cells)["content"]
            yield _said("shown", f"Prompt: {turn}" if several else "Prompt", prompt)
        except StudyError as error:
            yield _said("trouble", "The prompt cannot be shown", str(error))
        record = records.get(turn)
        if record is None:
            yield _said("waiting", "Not answered yet", "")
        elif record["status"] == "failed":
            yield {**_said("trouble", "The request failed", str(record["error"]["message"])), "facts": _facts(record)}
        else:
            yield from _answers(record, turn, several, rows, answered)


def _answers(record: Record, turn: str, several: bool, rows: Rows | None, answered: dict[str, str]) -> Iterator[JSON]:
    response = record["response"]
    if response.get("reasoning"):
        yield _said("reasoning", "Reasoning", str(response["reasoning"]))
    title = f"Answer: {turn}" if several else "Answer"
    column = f"response_{turn}" if several else RESPONSE
    yield _answer(title, readable(str(response["text"])), rows, answered, column, _facts(record))


def _answer(title: str, text: str, rows: Rows | None, answered: dict[str, str], column: str, facts: JSON) -> JSON:
    marked = places(rows, answered, column) if rows and column in rows.sources.values() and text else []
    return {**_said("answer", title, text), "pieces": list(pieces(text, marked)), "facts": facts}


def _said(who: str, title: str, text: str) -> JSON:
    hidden = list(unseen(text)) if who in ("answer", "reasoning") else []
    return {"who": who, "title": title, "pieces": [{"text": text, "fields": []}], "unseen": hidden, "facts": {}}


def _facts(record: Record) -> JSON:
    """Tokens, times and the rest of a record, by what the page calls them."""
    tokens = record.get("tokens") or {}
    response = record.get("response") or {}
    seconds = record.get("milliseconds")
    facts = {
        "tokens of the prompt": tokens.get("prompt"),
        "tokens of the answer": tokens.get("completion"),
        "seconds": None if seconds is None else round(seconds / 1000, 3),
        "ended": response.get("finish_reason"),
        "attempts": record.get("attempts"),
        "when": record.get("ended"),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _fields(lane: ModelLane, rows: Rows, answered: dict[str, str]) -> Iterator[JSON]:
    """Each field with its value, and who read it; why there is none."""
    run = lane.related.extraction
    ready = rows.of(answered)
    if not ready.has_text:
        return
    read = rows.read(ready)
    if run is None:
        readings = Readings(read, read, read, None)
    else:
        with _field_records(run, rows) as records:
            now, before = records.completed(ready, read), records.unreviewed(ready, read)
            readings = Readings(read, before, now, records.decision(ready.key))
    decision = readings.decision
    for name, field in rows.extraction.fields.items():
        own = readings.now.answers[name]
        found = value_read(readings.read.answers[name], readings.rules.answers[name])
        said = {"verdict": decision.verdict, "by": decision.by} if decision else None
        yield {
            "name": name,
            "about": field.about,
            "value": own.value if isinstance(own, Value) else None,
            "found": found,
            "decision": said,
        }


def _field_records(run: Run, rows: Rows) -> FieldRecords:
    return FieldRecords.read(run, rows.extraction, extractor_of(run))


def _questions(lane: ModelLane, unit: int, cells: dict[str, str]) -> Iterator[JSON]:
    """Each question with its prompt and the probability of each label."""
    run = lane.related.scores
    if run is None:
        return
    row = unit // lane.replications
    for name, prompts in lane.prompts.items():
        question = lane.study_of_scores.questions[name]
        number = prompts[row]
        if not number:
            continue
        scored = lane.scored_of(number)
        shares = scored.shares if scored else None
        labels = list(zip(question.space.labels, shares, strict=True))[:MOST_LABELS] if shares else []
        try:
            prompt = "\n\n".join(message["content"] for message in question.messages(cells))
        except StudyError as error:
            prompt = str(error)
        residual: float | None = None
        facts: JSON = {}
        if scored and scored.offset != NOWHERE:
            with LedgerReader(run.ledger) as reader:
                record = reader[scored.offset]
            residual, facts = record["response"]["residual"], _facts(record)
        yield {
            "name": name,
            "prompt": prompt,
            "labels": labels,
            "mass": scored.mass if scored else None,
            "residual": residual,
            "facts": facts,
        }
