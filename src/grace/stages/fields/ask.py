"""Extraction: make a table of values from a table of raw answers, by rules, and where they leave off by a model."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson

from grace.endpoints.client import Client
from grace.endpoints.dialects import Sampling
from grace.endpoints.handshake import Need, meet
from grace.errors import InputError, RunMismatch
from grace.files import sweep
from grace.ledger import Ledger
from grace.manifest import EXTRACT, GENERATE, ExtractorFacts, Identity
from grace.progress import Progress
from grace.runs import Run
from grace.stages.fields.extractor import ASK, REPAIR, Extractor, Invalid, ask, ask_again, read_reply, response_format
from grace.stages.fields.records import Answered, Known, Rows, extractor_of
from grace.stages.fields.table import BATCH, Agreement, ExportedFields, export_fields, output_columns
from grace.stages.prepare import Endpoint, check_endpoint, check_output, choose_pace, served, session_facts, with_client
from grace.stages.records import chat
from grace.stages.related import source_of
from grace.stages.session import Outcome, Session
from grace.studies.check import choose_study
from grace.studies.fields import Extracted
from grace.studies.reading import Value
from grace.studies.study import Study
from grace.studies.templates import Message
from grace.tables import CsvTable

TOKENS = 700
"""An extractor's reply is shorter than that."""


@dataclass(frozen=True, kw_only=True)
class Extract:
    """What the user asked for; each field is an option of the command.

    Attributes:
        extractor: the model to ask where rules leave off; None for rules alone.
        mode: how its server is told to reply in JSON.
        extra: further fields of its requests.
        check_rules: the share of rows that rules read wholly which are sent to it too.
    """

    study: str | None
    input: Path
    output: Path
    extractor: Endpoint | None = None
    mode: Literal["schema", "object"] = "schema"
    extra: Mapping[str, Any] = field(default_factory=dict)
    check_rules: float = 0.0
    seed: int = 1
    break_lock: bool = False


@dataclass(frozen=True)
class Made:
    """An extraction's table, and what the check of the rules found."""

    table: ExportedFields
    checked: dict[str, Agreement]


def extract(wanted: Extract, progress: Progress) -> tuple[Outcome, Made | None]:
    """Read every row of a table of answers, and write the values' table unless interrupted.

    Raises:
        InputError: options, study or table do not fit, or the run is another one's.
        EndpointError: the extractor cannot be used.
    """
    run = Run.beside(wanted.output)
    _check_options(wanted, run)
    with CsvTable(wanted.input) as table:
        study = choose_study(wanted.study, table)
        rows = Rows(study, table.columns, table.path)
        if not len(table):
            raise InputError(f"{table.path}: has a header but no rows")
        output_columns(rows.extraction, table)
        if table.encoding != "utf-8":
            progress.note(
                f"{table.path}: is not UTF-8; read as Latin-1 ({table.encoding}), values are written as UTF-8"
            )
        source = Run.beside(wanted.input)
        known_source = source.exists and source.identity.experiment == GENERATE
        if known_source and source.identity.study != study.name:
            raise InputError(
                f"{table.path}: holds answers of the study {source.identity.study!r} "
                f"({source.path}), not of {study.name!r}"
            )
        identity = Identity(experiment=EXTRACT, study=study.name, source=source_of(source) if known_source else None)
        with run.locked(wanted.break_lock):
            _check_source(run, identity, wanted)
            sweep(wanted.output)
            run.begin(identity, table.path, study.content)
            run.keep_study(study.content)
            run.keep_input(table.path)
            table.read_from(run.input)
            run.widen(len(table), 1)
            if wanted.extractor is None:
                with run.session(output=wanted.output.name, rows=len(table)):
                    pass
                return Outcome(), Made(export_fields(run, wanted.output, table, study, progress), {})
            return _with_model(wanted, wanted.extractor, run, study, table, progress)


def _check_source(run: Run, identity: Identity, wanted: Extract) -> None:
    """Say in words that an extraction was made from other answers; digests would not tell."""
    if run.exists and run.identity.experiment == EXTRACT and run.identity.source != identity.source:
        raise RunMismatch(
            f"{run.path}: was made from the answers of another run than {Run.beside(wanted.input).path}, or that "
            "folder was moved or renamed since; move it back beside the table, or choose another --output"
        )


def _check_options(wanted: Extract, run: Run) -> None:
    check_output(wanted.output, wanted.input, run)
    if wanted.extractor:
        check_endpoint(wanted.extractor)
    elif wanted.check_rules:
        raise InputError("--check-rules: needs an --extractor to check the rules against")


def _with_model(
    wanted: Extract, endpoint: Endpoint, run: Run, study: Study, table: CsvTable, progress: Progress
) -> tuple[Outcome, Made | None]:
    """Ask the extractor what rules leave open, then write the table."""
    with served(endpoint) as (url, key):
        outcome = asyncio.run(
            with_client(
                endpoint, url, key, progress, lambda client: _ask(wanted, endpoint, run, study, table, client, progress)
            )
        )
    if outcome.interrupted:
        return outcome, None
    made = export_fields(run, wanted.output, table, study, progress)
    return outcome, Made(made, _checked(wanted, run, study, table))


async def _ask(
    wanted: Extract, endpoint: Endpoint, run: Run, study: Study, table: CsvTable, client: Client, progress: Progress
) -> Outcome:
    rows = Rows(study, table.columns)
    extraction = rows.extraction
    hands = await meet(client, endpoint.model, Need(shape=ask(extraction, dict.fromkeys(extraction.about, "Yes."))))
    sampling = Sampling(0.0, TOKENS, {"response_format": response_format(extraction, wanted.mode), **wanted.extra})
    body = hands.dialect.chat_body(endpoint.model, [], sampling, wanted.seed)
    extractor = Extractor(
        model=orjson.loads(orjson.dumps(hands.facts.identity)),
        settings={name: value for name, value in body.items() if name not in ("model", "messages")},
    )
    run.manifest.extractor = ExtractorFacts(model=dict(extractor.model), settings=dict(extractor.settings))
    pace = choose_pace(endpoint.concurrency, hands.facts.slots, client)
    facts = session_facts(endpoint, client, hands)
    with (
        run.session(**facts, output=wanted.output.name, rows=len(table), check_rules=wanted.check_rules) as record,
        Ledger(run.ledger) as ledger,
        Known.read(run, extraction, extractor) as known,
    ):
        session = Session(run, ledger, client, pace, progress, known.add)
        asker = _Asker(rows, table, known, client, session, endpoint.model)
        todo, done = await asker.todo(wanted, progress)
        outcome = await session.work((partial(asker.ask_row, row) for row in todo), len(todo) + done, done)
        record.finished, record.failed = outcome.finished, dict(outcome.failures)
    return outcome


class _Asker:
    """Asks the extractor about rows."""

    def __init__(self, rows: Rows, table: CsvTable, known: Known, client: Client, session: Session, model: str) -> None:
        assert known.extractor is not None
        self._rows, self._table, self._known, self._extractor = rows, table, known, known.extractor
        self._client, self._session, self._model = client, session, model

    async def todo(self, wanted: Extract, progress: Progress) -> tuple[list[int], int]:
        """The rows to ask about (from 0), one for each different answer, and how many more were asked before."""
        todo: list[int] = []
        seen: set[str] = set()
        done = 0
        progress.note(f"reading {len(self._table)} rows by rules")
        for row, cells in enumerate(self._table.rows()):
            if row % BATCH == 0:
                await asyncio.sleep(0)  # an interrupt comes through here
            answered = self._rows.of(cells)
            read = self._rows.read(answered)
            if not (_is_open(self._known, answered, read) or _is_checked(wanted, answered, read)):
                continue
            key = self._extractor.key(ask(self._rows.extraction, answered.texts))
            if key in seen:
                continue
            seen.add(key)
            if self._known.is_settled(answered.texts):
                done += 1
            else:
                todo.append(row)
        return todo, done

    async def ask_row(self, row: int) -> float | None:
        """Ask about one row, and a second time where the reply is not valid."""
        extraction = self._rows.extraction
        texts = self._rows.of(self._table.row(row)).texts
        messages = ask(extraction, texts)
        reply, seconds = await self._reply(messages, row, ASK)
        if reply is None:
            return None
        try:
            read_reply(extraction, texts, reply, 1.0)
        except Invalid as error:
            if not self._session.stopping:
                _, seconds = await self._reply(ask_again(messages, reply, str(error)), row, REPAIR)
        return seconds

    async def _reply(self, messages: list[Message], row: int, question: str) -> tuple[str | None, float | None]:
        """The reply to some messages and the seconds it took, from the ledger or the model; None when it failed."""
        key = self._extractor.key(messages)
        known = self._known.reply(key)
        if known is not None:
            return known, None
        settings = {name: value for name, value in self._extractor.settings.items() if name != "response_format"}
        request = {"key": key, "rows": [row + 1], "question": question, "request": settings}
        body = {"model": self._model, "messages": messages, **self._extractor.settings}
        record = await self._session.record(request, partial(chat, self._client, body))
        if record["status"] == "failed":
            return None, None
        return str(record["response"]["text"]), record["milliseconds"] / 1000


def _is_open(known: Known, answered: Answered, read: Extracted) -> bool:
    """Whether a row needs the extractor: rules leave fields open, there is an answer, and no person has decided."""
    return bool(read.open) and not read.refused and known.decision(answered.key) is None and answered.has_text


def _is_checked(wanted: Extract, answered: Answered, read: Extracted) -> bool:
    """Whether a row that rules read wholly is sent to the extractor too."""
    return not read.open and random.Random(f"{wanted.seed}/{answered.key}").random() < wanted.check_rules


def _checked(wanted: Extract, run: Run, study: Study, table: CsvTable) -> dict[str, Agreement]:
    """How far the extractor agrees with the rules, field by field, among the rows that were sent to it for that."""
    rows = Rows(study, table.columns)
    agreements = {name: Agreement() for name in rows.extraction.fields}
    if not wanted.check_rules:
        return {}
    with Known.read(run, rows.extraction, extractor_of(run)) as known:
        for cells in table.rows():
            answered = rows.of(cells)
            read = rows.read(answered)
            found = known.modelled(answered.texts) if _is_checked(wanted, answered, read) else None
            if not isinstance(found, dict):
                continue
            for name, value in read.values.items():
                answer = found[name]
                agreements[name].add(value, answer.value if isinstance(answer, Value) else None)
    return agreements
