"""Extraction: make a table of values from a table of raw answers, by rules, and by a model where they find nothing."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson

from grace.endpoints.client import Client
from grace.endpoints.dialects import Sampling
from grace.endpoints.handshake import EndpointNeed, meet
from grace.endpoints.serving import Address
from grace.errors import InputError, RunMismatch
from grace.files import sweep
from grace.ledger import Ledger
from grace.manifest import EXTRACT, GENERATE, ExtractorFacts, Identity
from grace.progress import Progress
from grace.runs import Run
from grace.stages.fields.extractor import ASK, REPAIR, Extractor, Invalid, ask, ask_again, read_reply, response_format
from grace.stages.fields.known import note_table
from grace.stages.fields.records import Answered, FieldRecords, Rows, extractor_of
from grace.stages.fields.table import BATCH, Agreement, ExportedFields, export_fields, output_columns
from grace.stages.prepare import check_endpoint, check_output, choose_pace, session_facts, tell_how_read
from grace.stages.records import chat, keep_study
from grace.stages.related import source_of
from grace.stages.session import RequestCounts, Session
from grace.stages.task import Endpoint, TaskOutcome, with_client
from grace.studies.check import choose_study
from grace.studies.fields import Extracted
from grace.studies.reading import Value
from grace.studies.study import Study, check_kin
from grace.studies.templates import Message
from grace.table_files import AUTO, open_table
from grace.tables import CsvTable, TableFormat

TOKENS = 700
"""The most tokens of an extractor's reply."""


@dataclass(frozen=True, kw_only=True)
class Extract:
    """What the user asked for; each field is an option of the command.

    Attributes:
        extractor: the model to ask where rules find nothing; None for rules alone.
        mode: how its server is told to reply in JSON.
        extra: further fields of its requests.
        check_rules: the share of rows fully read by rules that it is asked about, too.
    """

    study: str | None
    input: Path
    output: Path
    extractor: Endpoint | None = None
    mode: Literal["schema", "object"] = "schema"
    extra: Mapping[str, Any] = field(default_factory=dict)
    check_rules: float = 0.0
    seed: int = 1
    table_format: TableFormat = AUTO
    break_lock: bool = False

    @property
    def run(self) -> Run:
        """The run that is worked on."""
        return Run.beside(self.output)

    @contextmanager
    def prepared(self, progress: Progress) -> Iterator["PreparedExtract"]:
        """Check options, study and table, begin the run and keep it locked for the length of the block.

        Raises:
            InputError: options, study or table do not fit, the run is that of others, or another process writes it.
        """
        run = self.run
        check_output(self.output, self.input, run)
        if self.extractor:
            check_endpoint(self.extractor)
        elif self.check_rules:
            raise InputError("--check-rules: needs an --extractor to check the rules against")
        with open_table(self.input, self.table_format) as table:
            study = choose_study(self.study, table)
            source = _source(table, study, self.input)
            check_kin(study, table.columns, table.path)
            rows = Rows(study, table.columns, table.path)
            if not len(table):
                raise InputError(f"{table.path}: has a header but no rows")
            output_columns(rows.extraction, table)
            tell_how_read(table, progress)
            identity = Identity(experiment=EXTRACT, study=study.name, source=source)
            with run.locked(self.break_lock):
                _check_source(run, identity, self)
                sweep(self.output)
                run.begin(identity, table.plain, study.content)
                keep_study(run, study)
                run.keep_input(table.plain)
                table.read_from(run.input)
                run.widen(len(table), 1)
                yield PreparedExtract(self, run, study, table, rows)


@dataclass(frozen=True)
class ExtractResult:
    """The values' table, how far the extractor agrees with the rules by field, and how many requests failed."""

    table: ExportedFields
    checked: dict[str, Agreement]
    failed: int = 0


@dataclass(frozen=True)
class PreparedExtract:
    """An extraction that is ready to read: its table is open and its run is locked."""

    task: Extract
    run: Run
    study: Study
    table: CsvTable
    rows: Rows

    def read(self, progress: Progress) -> TaskOutcome[ExtractResult]:
        """Read every row by rules alone, and write the values' table."""
        with self.run.session(output=self.task.output.name, rows=len(self.table)):
            pass
        return TaskOutcome(ExtractResult(self._export(progress), {}))

    def ask(self, address: Address, progress: Progress) -> TaskOutcome[ExtractResult]:
        """Read every row, ask the extractor at an address what rules leave open, and write the values' table.

        The table is not written when this is interrupted.

        Raises:
            EndpointError: the extractor cannot be used.
        """
        endpoint = self.task.extractor
        assert endpoint is not None
        requests = with_client(endpoint, address, progress, lambda client: self._ask(endpoint, client, progress))
        if requests.interrupted:
            return TaskOutcome(requests=requests)
        exported = self._export(progress)
        checked = _checked(self.task, self.run, self.study, self.table)
        return TaskOutcome(ExtractResult(exported, checked, requests.failures.total()), requests)

    def _export(self, progress: Progress) -> ExportedFields:
        exported = export_fields(self.run, self.task.output, self.table, self.study, progress)
        note_table(self.run, self.task.output, self.study)
        return exported

    async def _ask(self, endpoint: Endpoint, client: Client, progress: Progress) -> RequestCounts:
        task, run, table, extraction = self.task, self.run, self.table, self.rows.extraction
        need = EndpointNeed(shape=ask(extraction, dict.fromkeys(extraction.about, "Yes.")))
        handshake = await meet(client, endpoint.model, need)
        sampling = Sampling(0.0, TOKENS, {"response_format": response_format(extraction, task.mode), **task.extra})
        body = handshake.dialect.chat_body(endpoint.model, [], sampling, task.seed)
        extractor = Extractor(
            model=orjson.loads(orjson.dumps(handshake.facts.identity)),
            settings={name: value for name, value in body.items() if name not in ("model", "messages")},
        )
        run.manifest.extractor = ExtractorFacts(model=dict(extractor.model), settings=dict(extractor.settings))
        pace = choose_pace(endpoint.concurrency, handshake.facts.slots, client)
        facts = session_facts(endpoint, client, handshake)
        with (
            run.session(**facts, output=task.output.name, rows=len(table), check_rules=task.check_rules) as record,
            Ledger(run.ledger) as ledger,
            FieldRecords.read(run, extraction, extractor) as records,
        ):
            session = Session(run, ledger, handshake, pace, progress, records.add)
            asker = _ExtractorAsker(self.rows, table, records, client, session, endpoint.model)
            todo, done = await asker.todo(task, progress)
            requests = await session.work((partial(asker.ask_row, row) for row in todo), len(todo) + done, done)
            requests.note_in(record)
        return requests


def _source(table: CsvTable, study: Study, input: Path) -> str | None:
    """The key of the answers' run, where the table is beside it. Raises InputError for another study."""
    source = Run.beside(input)
    if not (source.exists and source.identity.experiment == GENERATE):
        return None
    if source.identity.study != study.name:
        raise InputError(
            f"{table.path}: holds answers of the study {source.identity.study!r} ({source.path}), not of {study.name!r}"
        )
    return source_of(source)


def _check_source(run: Run, identity: Identity, task: Extract) -> None:
    """Refuse a run that belongs to other answers, in words: digests would explain nothing. Raises RunMismatch."""
    if run.exists and run.identity.experiment == EXTRACT and run.identity.source != identity.source:
        raise RunMismatch(
            f"{run.path}: was made from the answers of another run than {Run.beside(task.input).path}, or that "
            "folder was moved or renamed since; move it back beside the table, or choose another --output"
        )


class _ExtractorAsker:
    """Asks the extractor about rows."""

    def __init__(
        self, rows: Rows, table: CsvTable, records: FieldRecords, client: Client, session: Session, model: str
    ) -> None:
        assert records.extractor is not None
        self._rows, self._table, self._records, self._extractor = rows, table, records, records.extractor
        self._client, self._session, self._model = client, session, model

    async def todo(self, task: Extract, progress: Progress) -> tuple[list[int], int]:
        """The rows to ask about (from 0), one for each different answer, and how many more were asked before."""
        todo: list[int] = []
        seen: set[str] = set()
        done = 0
        progress.note(f"reading {len(self._table)} rows by rules")
        for row, cells in enumerate(self._table.rows()):
            if row % BATCH == 0:
                await asyncio.sleep(0)  # lets an interrupt through
            answered = self._rows.of(cells)
            read = self._rows.read(answered)
            if not (_is_open(self._records, answered, read) or _is_checked(task, answered, read)):
                continue
            key = self._extractor.key(ask(answered.extraction, answered.texts))
            if key in seen:
                continue
            seen.add(key)
            if self._records.is_settled(answered):
                done += 1
            else:
                todo.append(row)
        return todo, done

    async def ask_row(self, row: int) -> float | None:
        """Ask about one row, and a second time where the reply is not valid."""
        answered = self._rows.of(self._table.row(row))
        extraction, texts = answered.extraction, answered.texts
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
        earlier = self._records.reply(key)
        if earlier is not None:
            return earlier, None
        settings = {name: value for name, value in self._extractor.settings.items() if name != "response_format"}
        request = {"key": key, "rows": [row + 1], "question": question, "request": settings}
        body = {"model": self._model, "messages": messages, **self._extractor.settings}
        record = await self._session.record(request, partial(chat, self._client, body))
        if record["status"] == "failed":
            return None, None
        return str(record["response"]["text"]), record["milliseconds"] / 1000


def _is_open(records: FieldRecords, answered: Answered, read: Extracted) -> bool:
    """Whether a row needs the extractor: rules leave fields open, there is an answer, and no person has decided."""
    return bool(read.open) and not read.refused and records.decision(answered.key) is None and answered.has_text


def _is_checked(task: Extract, answered: Answered, read: Extracted) -> bool:
    return not read.open and random.Random(f"{task.seed}/{answered.key}").random() < task.check_rules


def _checked(task: Extract, run: Run, study: Study, table: CsvTable) -> dict[str, Agreement]:
    """How far the extractor agrees with the rules, field by field, among the rows that were sent to it for that."""
    rows = Rows(study, table.columns)
    agreements = {name: Agreement() for name in rows.extraction.fields}
    if not task.check_rules:
        return {}
    with FieldRecords.read(run, rows.extraction, extractor_of(run)) as records:
        for cells in table.rows():
            answered = rows.of(cells)
            read = rows.read(answered)
            modelled = records.modelled(answered) if _is_checked(task, answered, read) else None
            if not isinstance(modelled, dict):
                continue
            for name, value in read.values.items():
                answer = modelled[name]
                agreements[name].add(value, answer.value if isinstance(answer, Value) else None)
    return agreements
