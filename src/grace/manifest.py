"""The manifest of a run, `run.json`: what determines its answers, how far it goes, and who worked on it when.

Formats have numbers. A file of an earlier format is migrated when it is read, by one small function for each
format; the next session writes it in the newest one.
"""

from collections.abc import Callable
from typing import Any, Literal, Self, get_args

import orjson
from pydantic import BaseModel, ConfigDict, model_validator

from grace.declared import checked
from grace.errors import InputError

GENERATE, SCORE, EXTRACT = "generate", "score", "extract"
"""What a run may hold: Experiment 1, Experiment 2, or the values that an extraction finds in answers."""
BATCH_INVARIANT = "batch_invariant"
"""In a run's model: true where its server is said to answer whatever else it computes at the same time."""
Experiment = Literal["generate", "score", "extract"]

_NEEDED: dict[str, set[str]] = {
    GENERATE: {"study", "turns", "input", "model", "seed"},
    SCORE: {"study", "questions", "input", "model", "scoring"},
    EXTRACT: {"study", "source"},
}


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
    rows: int = 0
    sha256: str = ""
    source: str = ""
    read_as: dict[str, Any] = {}


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
    seed: int = 0
    questions: dict[str, str] = {}
    scoring: dict[str, Any] = {}
    rendered: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = sorted(_NEEDED[self.experiment] - self.model_fields_set)
        if missing:
            raise ValueError(f"lacks {', '.join(missing)}")
        if "model" in _NEEDED[self.experiment] and not self.model.get("name"):
            raise ValueError("names no model")
        return self


class Scope(_ManifestPart):
    """How many of the input's rows (the first ones), and how many replications of each, were ever requested."""

    rows: int = 0
    replications: int = 0


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
    output: str | None = None
    grace: str | None = None
    git: SourceTree | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    packages: dict[str, str] = {}
    started: str | None = None
    ended: str | None = None
    finished: int | None = None
    failed: dict[str, int] | None = None
    decided: int | None = None


class ExtractorFacts(_ManifestPart):
    """The model that was last asked about fields that rules leave open, and the settings of its requests."""

    model: dict[str, Any]
    settings: dict[str, Any]


class RunManifest(_ManifestPart):
    """The content of `run.json`."""

    format: int
    id: str | None = None
    identity: Identity
    scope: Scope = Scope()
    sessions: list[SessionRecord]
    extractor: ExtractorFacts | None = None


def _with_scope(content: dict[str, Any]) -> None:
    """Format 2: the scope always has both of its numbers."""
    scope = content.get("scope", {})
    if isinstance(scope, dict):
        content["scope"] = {"rows": 0, "replications": 0, **scope}


MIGRATIONS: tuple[Callable[[dict[str, Any]], None], ...] = (_with_scope,)
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
        value = orjson.loads(content)
        number, experiment = value["format"], value["identity"].get("experiment")
        if type(number) is not int:
            raise TypeError
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
        raise InputError(f"{name}: is damaged; restore it from a copy") from None
    if not 1 <= number <= FORMAT:
        raise InputError(f"{name}: has format {number}; this version reads formats 1 to {FORMAT}; update grace")
    if isinstance(experiment, str) and experiment not in get_args(Experiment):
        experiments = ", ".join(map(repr, get_args(Experiment)))
        raise InputError(f"{name}: holds the experiment {experiment!r}; this version knows {experiments}; update grace")
    for migrate in MIGRATIONS[number - 1 :]:
        migrate(value)
    return checked({**value, "format": FORMAT}, f"{name}: is damaged", RunManifest, "; restore it from a copy")
