"""GUIDE-LLM, the reporting checklist of studies with language models: each item as far as runs can answer it.

The items are the 14 core items of GUIDE-LLM (https://llm-checklist.com/checklist), in words of our own. What runs do
not know is left to the authors, and marked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from grace.endpoints.transport import is_loopback
from grace.manifest import EXTRACT
from grace.report.gather import Part
from grace.report.grids import Record, records
from grace.report.markdown import plain
from grace.report.methods import values_of
from grace.report.numbers import counted, is_known, whole
from grace.report.ran import ANSWERS, PROBABILITIES, RULES, VALUES, prompts_of
from grace.runs import Run

SOURCE = "https://llm-checklist.com"
OPEN = "TO BE SAID BY THE AUTHORS"
"""Stands where only the authors can say what belongs there."""


@dataclass(frozen=True)
class ReportedItem:
    """An item: its number in GUIDE-LLM, what is to be reported, and the answers, of which some may be left open."""

    number: str
    about: str
    answers: tuple[str, ...]


def checklist_of(part: Part) -> str:
    """The checklist of a study's runs, as Markdown; what only the authors can say is marked with OPEN."""
    items = tuple(_items(part))
    left = sum(any(OPEN in answer for answer in item.answers) for item in items)
    lines = [
        f"# GUIDE-LLM: {plain(part.study.title)}",
        "",
        f"The {len(items)} core items of the reporting checklist for studies with language models ({SOURCE}), filled "
        f"from the runs. In {left} of them something is left to the authors: **{OPEN}**.",
    ]
    for item in items:
        lines += ["", f"**{item.number}. {item.about}**", "", *(f"- {answer}" for answer in item.answers)]
    return "\n".join([*lines, ""])


def _items(part: Part) -> Iterator[ReportedItem]:
    rows = records(part.tables.get("runs"))
    asked = [row for row in rows if row["kind"] in (ANSWERS, PROBABILITIES)]
    runs = [run for group in part.groups for run in group.runs]
    yield ReportedItem("A.1", "What language models were used for", tuple(_uses(part, rows)))
    yield ReportedItem("A.2", "Automatic, or with people in the loop", (_automation(runs),))
    yield ReportedItem("B.1", "Models: name, provider, size, version, date of access, source", tuple(_models(asked)))
    yield ReportedItem("B.2", "Access, and separate calls or a chat", tuple(_access(part, runs)))
    yield ReportedItem("B.3", "Parameters", tuple(dict.fromkeys(_parameters(row) for row in asked)))
    trained = f"Whether the models were fine-tuned or customized for this study: {_open()}"
    yield ReportedItem("B.4", "Fine-tuning and customization", ("Grace trains no model.", trained))
    yield ReportedItem("B.5", "State kept between interactions", (_state(part),))
    yield ReportedItem("C.1", "Exact prompts", tuple(_prompts(part)))
    yield ReportedItem("C.2", "System-wide instructions", tuple(_system(part)))
    yield ReportedItem(
        "D.1", "Personal and sensitive data", (_where(runs), f"What is personal in the trials: {_open()}")
    )
    yield ReportedItem("E.1", "Validation by people", tuple(_validation(runs)))
    yield ReportedItem(
        "E.2", "Filtering, reformatting and other processing of the output", tuple(_processing(part, rows))
    )
    code = f"{_versions(runs)}; `grace archive create` puts it into one archive with prompts and answers"
    yield ReportedItem("F.1", "Code that called the models", (code, f"Where it is shared: {_open()}"))
    yield ReportedItem("G.1", "Funding, support and relationships", (_open(),))


def _versions(runs: Sequence[Run]) -> str:
    """The versions of Grace that worked on some runs, which may not be the one that writes this."""
    versions = dict.fromkeys(session.grace for run in runs for session in run.sessions if session.grace)
    return f"Grace {plain(', '.join(versions) or 'of an unknown version')}"


def _open() -> str:
    return f"**{OPEN}**"


def _uses(part: Part, rows: Sequence[Record]) -> Iterator[str]:
    if trials := _trials(rows, ANSWERS):
        yield f"As participants: models were asked about {trials} (Experiment 1)"
    if trials := _trials(rows, PROBABILITIES):
        yield f"As participants: the probabilities of possible answers were measured for {trials} (Experiment 2)"
    coders = {str(row["extractor"]) for row in rows if row["kind"] == VALUES and row["extractor"] != RULES}
    if coders:
        yield f"As coders: {plain(', '.join(sorted(coders)))} found values in answers that rules left open"
    yield f"Any other use, such as for writing: {_open()}"


def _trials(rows: Sequence[Record], kind: str) -> str:
    """How many rows of which tables were asked about in runs of a kind, in words; "" where there is no such run."""
    asked = {(row["rows"], row["input_rows"]) for row in rows if row["kind"] == kind}
    told = [
        f"{whole(some)} of the {whole(every)} rows of a table" if is_known(every) else f"{whole(some)} rows of a table"
        for some, every in sorted(asked, key=str)
    ]
    return " and ".join(told)


def _decided(runs: Sequence[Run]) -> int:
    return sum(session.decided or 0 for run in runs for session in run.sessions)


def _automation(runs: Sequence[Run]) -> str:
    decided = _decided(runs)
    if decided:
        return f"Automatic, but for {counted(decided, 'decision')} of people in review"
    return "Automatic: no run holds a decision of a person"


def _models(asked: Sequence[Record]) -> Iterator[str]:
    """A line for each model: what its server reports, when it was asked, and what is left open."""
    for name in dict.fromkeys(row["model_name"] for row in asked):
        own = [row for row in asked if row["model_name"] == name]
        facts = [
            f"{words} {plain(', '.join(values))}"
            for field, words in (("revision", "revision"), ("quantization", "quantization"), ("weights", "weights"))
            if (values := _values(own, field))
        ]
        sizes = [f"{whole(row['parameters'])} parameters" for row in own if is_known(row["parameters"])][:1]
        days = sorted(value[:10] for field in ("started", "ended") for value in _values(own, field))
        times = [f"accessed {' to '.join(dict.fromkeys((days[0], days[-1])))}"] if days else []
        sources = [f"from {plain(', '.join(values))}" for values in [_values(own, "source")] if values]
        lacking = "".join(f", {what}" for what, there in (("size", sizes), ("source", sources)) if not there)
        yield f"{plain(name)}: {'; '.join([*facts, *sizes, *times, *sources, f'provider{lacking}: {_open()}'])}"


def _values(rows: Sequence[Record], field: str) -> list[str]:
    """What a column of some rows says, each once."""
    return list(dict.fromkeys(str(row[field]) for row in rows if row[field]))


def _access(part: Part, runs: Sequence[Run]) -> Iterator[str]:
    engines = _values(records(part.tables.get("runs")), "engine")
    yield f"By a program over HTTP, {_hosts(runs)}: {plain(', '.join(engines) or 'an unknown server')}"
    turns = {len(run.identity.turns) for run in runs if run.identity.turns}
    if turns - {0, 1}:
        yield f"Each trial was a conversation of its own, of {whole(max(turns))} turns"
    else:
        yield "Separate calls: each trial and question was a request of its own"


def _hosts(runs: Sequence[Run]) -> str:
    """Where the models were, as a part of a sentence."""
    endpoints = {session.endpoint for run in runs for session in run.sessions if session.endpoint}
    addresses = {each for each in endpoints if "://" in each}
    if far := sorted({urlsplit(each).hostname or each for each in addresses if not is_loopback(each)}):
        return f"on the host {plain(', '.join(far))}"
    if addresses:
        return "at an address of the machine that asked, which may lead to another one"
    return "on the machine that asked"


def _parameters(row: Record) -> str:
    if row["kind"] == PROBABILITIES:
        settings = [f"{field} {plain(row[field])}" for field in ("policy", "residual") if row[field]]
        return f"{plain(row['model_name'])}, probabilities: {', '.join(['computed, not sampled', *settings])}"
    names = {
        "temperature": "temperature",
        "max_tokens": "max tokens",
        "seed": "seed",
        "replications": "runs of a trial",
    }
    settings = [f"{words} {plain(row[field])}" for field, words in names.items() if row[field] is not None]
    settings += [plain(row["further_sampling"])] if row["further_sampling"] else []
    return f"{plain(row['model_name'])}, answers: {', '.join(settings) or 'those of the server'}"


def _state(part: Part) -> str:
    several = any(len(run.identity.turns) > 1 for group in part.groups for run in group.runs)
    within = ", and within a trial its earlier turns were sent again" if several else ""
    return f"None: no request knew of another trial{within}"


def _prompts(part: Part) -> Iterator[str]:
    asked = [row for row in records(part.tables.get("runs")) if row["kind"] != VALUES]
    digests = ", ".join(_values(asked, "study_sha256")) or "unknown"
    yield "Those of the first trial: section Prompts of the paper"
    yield f"The templates of all trials: study.yaml of each run (SHA-256 {digests})"


def _system(part: Part) -> Iterator[str]:
    prompts = [prompt for group in part.groups for prompt in prompts_of(group) if prompt.name == "system"]
    system = dict.fromkeys(" ".join(prompt.text.split()) for prompt in prompts)
    yield from (f"System message: {plain(text)}" for text in system)
    if not system:
        yield "Grace sent no system message in the first trial"
    yield f"What the chat templates of the models, or providers, add: {_open()}"


def _where(runs: Sequence[Run]) -> str:
    return f"Trials were sent to models {_hosts(runs)}"


def _validation(runs: Sequence[Run]) -> Iterator[str]:
    decided = _decided(runs)
    if not any(run.identity.experiment == EXTRACT for run in runs):
        yield "No values were extracted from answers"
    elif decided:
        yield f"People recorded {counted(decided, 'decision')} in review; every other value is as it was extracted"
    else:
        yield "No run holds a decision of a person about an extracted value"
    yield f"Other validation, and agreement with people: {_open()}"


def _processing(part: Part, rows: Sequence[Record]) -> Iterator[str]:
    yield "Raw answers are kept as they came; values are in columns of their own"
    if values := values_of(part):
        yield plain(values)
    failed = [f"{plain(row['model_name'])}: {row['failed']}" for row in rows if row["failed"]]
    if failed:
        yield f"Failed requests, which have no answer: {'; '.join(failed)}"
    if part.kept_all:
        yield "No trial was excluded by its knowledge answers (--no-exclusions)"
    yield "How trials and values entered the analysis: section Methods of the paper"
