"""The manifest of a run, `run.json`: what determines its answers, how far it goes, and who worked on it when.

Formats have numbers. A file of an earlier format is migrated when it is read, by one small function for each
format; the next session writes it in the newest one.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from grace.declared import checked, problem_of
from grace.errors import InputError
from grace.json_text import read_json
from grace.tables import TableFormat

GENERATE, SCORE, EXTRACT = "generate", "score", "extract"
"""What a run may hold: Experiment 1, Experiment 2, or the values that an extraction finds in answers."""
INPUT, STUDY, PEOPLE = "input.csv", "study.yaml", "people.csv"
"""The run's own copies of the table and of the study file."""
BATCH_INVARIANT = "batch_invariant"
"""In a run's model: true where its server is said to answer whatever else it computes at the same time."""
Experiment = Literal["generate", "score", "extract"]

_NEEDED: dict[str, set[str]] = {
    GENERATE: {"study", "turns", "input", "model", "seed"},
    SCORE: {"study", "questions", "input", "model", "scoring"},
    EXTRACT: {"study", "source"},
}


MOST = 2**53
"""The largest number of a manifest, and the most rows of a table."""
MOST_REPLICATIONS = 1_000_000


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError
    return text


def _time(text: str) -> str:
    try:
        return _moment(text)
    except ValueError:
        raise ValueError("must be a time, as 2026-11-28T19:34:36.495Z") from None


def _file_name(text: str) -> str:
    if text in (".", "..") or "\0" in text or PurePath(text).name != text:
        raise ValueError("must be the name of a file, without a folder")
    return text


def _check_part(value: dict[str, Any], model: type, name: str) -> None:
    """Check a mapping that stays as it is. Raises ValueError, which names the field."""
    try:
        TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join([name, *map(str, first["loc"][:1])])
        raise ValueError(f"{place}: {problem_of(first, BaseModel)}") from None


Time = Annotated[str, AfterValidator(_time)]
FileName = Annotated[str, AfterValidator(_file_name)]
Count = Annotated[StrictInt, Field(ge=0, le=MOST)]


class _ManifestPart(BaseModel):
    """A part of the manifest; fields that this version does not know are kept."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    def as_json(self) -> dict[str, Any]:
        """The part as the file has it: without fields that nobody set."""
        return self.model_dump(mode="json", exclude_unset=True)


class InputFacts(_ManifestPart):
    """The table of trials that was asked about.

    Attributes:
        file: the file's name.
        rows: how many it has.
        sha256: digest of the run's own copy of it.
        source: digest of the file itself, where the copy was made from another kind of file (`grace.table_files`).
        read_as: how that file was read, by the names of the options.
    """

    file: str = ""
    rows: Count = 0
    sha256: str = ""
    source: str = ""
    read_as: dict[str, Any] = {}

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        unknown = self.read_as.keys() - {field.name for field in fields(TableFormat)}
        if unknown:
            raise ValueError(f"read_as: no field {min(unknown)!r}")
        _check_part(self.read_as, TableFormat, "read_as")
        return self


class _ModelFacts(BaseModel):
    """What every model has in a manifest, beside all that its server says."""

    name: StrictStr = Field(min_length=1)
    revision: StrictStr | None = None


class _ScoringFacts(BaseModel):
    """How probabilities are measured."""

    policy: Literal["canonical", "variants"]
    residual: Annotated[float, Field(ge=0, le=1)] | None
    answer_start: StrictStr | None
    measuring: StrictStr | None = None


class _SamplingFacts(BaseModel):
    """The settings of sampling that are known here; a server may have more."""

    temperature: Annotated[float, Field(ge=0, le=MOST)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MOST)] | None = None


class Identity(_ManifestPart):
    """All that determines the answers of a run; another value of any field is another run.

    Attributes:
        experiment: what the run holds.
        study: the study's name.
        input: the table of trials.
        model: the model as its server describes it, with `name`, and `revision` where the server or the user gives it.
        protocol, turns, templates, sampling, seed: how Experiment 1 asks, with digests of its templates.
        questions, scoring, rendered: what Experiment 2 asks, by digests, how it scores, and the digest of a prompt in
            the server's tokens.
        source: the key of the run of answers that values are extracted from.
    """

    experiment: Experiment
    study: str = ""
    input: InputFacts = InputFacts()
    model: dict[str, Any] = {}
    protocol: str | None = None
    turns: tuple[str, ...] = ()
    templates: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    seed: Annotated[StrictInt, Field(ge=-MOST, le=MOST)] = 0
    questions: dict[str, str] = {}
    scoring: dict[str, Any] = {}
    rendered: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = sorted(_NEEDED[self.experiment] - self.model_fields_set)
        if missing:
            raise ValueError(f"lacks {', '.join(missing)}")
        if self.experiment == GENERATE and not self.turns:
            raise ValueError("turns: is empty")
        if self.experiment == SCORE:
            _check_part(self.scoring, _ScoringFacts, "scoring")
        if self.experiment != EXTRACT:
            _check_part(self.model, _ModelFacts, "model")
        _check_part(self.sampling, _SamplingFacts, "sampling")
        return self


class Scope(_ManifestPart):
    """How many of the input's rows (the first ones), and how many replications of each, were ever requested."""

    rows: Count = 0
    replications: Annotated[StrictInt, Field(ge=0, le=MOST_REPLICATIONS)] = 0


class ServerFacts(_ManifestPart):
    """The server that answered: its dialect, its version, and its context in tokens."""

    dialect: str | None = None
    version: str | None = None
    context: int | None = None


class SourceTree(_ManifestPart):
    """The commit of the source tree that ran, and whether it had changes."""

    commit: str
    dirty: bool


class SessionRecord(_ManifestPart):
    """One session of work on a run.

    Attributes:
        endpoint, server, options: who was asked, and with which options of the command.
        output: the name of the table that is made of the run.
        study_sha256: digest of the study file.
        started, ended: ISO 8601 in UTC; a session that was killed has no end.
        finished, failed: how many requests were answered, and how many failed by kind; None where nobody was asked.
        decided: how many decisions a person recorded.
        grace, git, python, platform, host, packages: what ran, and where.
    """

    endpoint: str | None = None
    server: ServerFacts | None = None
    options: dict[str, Any] = {}
    study_sha256: str | None = None
    output: FileName | None = None
    grace: str | None = None
    git: SourceTree | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    packages: dict[str, str] = {}
    started: Time | None = None
    ended: Time | None = None
    finished: Count | None = None
    failed: dict[str, Count] | None = None
    decided: Count | None = None


class ExtractorFacts(_ManifestPart):
    """The model that was last asked about fields that rules leave open, and the settings of its requests."""

    model: dict[str, Any]
    settings: dict[str, Any]


class TableFacts(_ManifestPart):
    """The table that was last made of an extraction: digests of it, and of all that it was made of."""

    sha256: StrictStr
    made_of: StrictStr


class RunManifest(_ManifestPart):
    """The content of `run.json`.

    Attributes:
        format: of this file.
        id: distinguishes the run from others with the same identity.
        identity, scope, sessions: what determines its answers, how far it goes, and who worked on it.
        files: digests of the run's own copies of the table and the study file, by their names; what is not known is
            not there.
        extractor: the model that was asked about fields.
        table: the table that was made of an extraction; None where nothing is known about it.
    """

    format: int
    id: str | None = None
    identity: Identity
    scope: Scope = Scope()
    sessions: list[SessionRecord]
    files: dict[str, str] = {}
    extractor: ExtractorFacts | None = None
    table: TableFacts | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        rows = self.identity.input.rows
        if rows and self.scope.rows > rows:
            raise ValueError(f"scope.rows: is {self.scope.rows}, and the input has {rows}")
        return self


def _with_scope(content: dict[str, Any]) -> None:
    """Format 2: the scope always has both of its numbers."""
    scope = content.get("scope", {})
    if isinstance(scope, dict):
        content["scope"] = {"rows": 0, "replications": 0, **scope}


def _with_digests(content: dict[str, Any]) -> None:
    """Format 3: the digests of the run's own copies, where all sessions had the same study file."""
    identity, sessions = content["identity"], content.get("sessions")
    input = identity.get("input")
    digests = {INPUT: input.get("sha256") if isinstance(input, dict) else None}
    each = sessions if isinstance(sessions, list) else []
    given = [session.get("study_sha256") for session in each if isinstance(session, dict)]
    known = [digest for digest in given if digest]  # sessions that asked nothing name none
    if known and all(digest == known[0] for digest in known):
        digests[STUDY] = known[0]
    content["files"] = {name: digest for name, digest in digests.items() if digest}


MIGRATIONS: tuple[Callable[[dict[str, Any]], None], ...] = (_with_scope, _with_digests)
"""The migrations, in order: the first one makes format 2 of format 1."""
FORMAT = 1 + len(MIGRATIONS)


def read_manifest(content: bytes, name: str) -> RunManifest:
    """Read a manifest of this format or an earlier one.

    Args:
        content: the file's content.
        name: what errors call it.

    Raises:
        InputError: it is damaged, or of a later format.
    """
    try:
        value = read_json(content)
        number, experiment = value["format"], value["identity"].get("experiment")
        if type(number) is not int:
            raise TypeError
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f"{name}: is damaged; restore it from a copy") from None
    if not 1 <= number <= FORMAT:
        raise InputError(f"{name}: has format {number}; this version reads formats 1 to {FORMAT}; update grace")
    if isinstance(experiment, str) and experiment not in get_args(Experiment):
        experiments = ", ".join(map(repr, get_args(Experiment)))
        raise InputError(f"{name}: holds the experiment {experiment!r}; this version knows {experiments}; update grace")
    for migrate in MIGRATIONS[number - 1 :]:
        migrate(value)
    return checked({**value, "format": FORMAT}, f"{name}: is damaged", RunManifest, "; restore it from a copy")
