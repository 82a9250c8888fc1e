"""The decision after phase 2: the page that a person reads, and what the person then decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import orjson

from grace.errors import InputError, Refused
from grace.files import replacing, sha256_of
from grace.manifest import EXTRACT
from grace.roadmap.checks.carried import carrying
from grace.roadmap.disclosures import disclosures
from grace.roadmap.evidence import FOLDER, EvidenceEntry, Kind
from grace.roadmap.ground import Ground
from grace.roadmap.results import Made, held_results
from grace.roadmap.said import noted, say
from grace.roadmap.status import Status, record
from grace.runs import now

PAGE = f"{FOLDER}/decision-2.html"
DECIDED = "2.5.5"


@dataclass(frozen=True)
class DecisionRow:
    """What the page says about one study of one model."""

    model: str
    study: str
    verdict: str
    ok: bool
    coverage: str
    noise: str


def write_page(ground: Ground) -> Path:
    """Write the page about the data of phase 2, and keep its digest. Raises InputError; Refused without data."""
    record(ground)
    if ground.evidence.fault:
        raise InputError(ground.evidence.fault)
    status = Status(ground)
    rows = list(rows_of(ground))
    if not rows:
        way = status.way([each for each in status.phase(2).missing if not each.item.follows])
        raise Refused(f"phase 2 has no data to decide on yet.\n      {way.command}")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(_TEMPLATE).render(
        when=now()[:10],
        question=status.phase(2).phase.question,
        scarce=ground.road_name == "cluster",
        rows=rows,
        left=[each for each in status.phase(2).missing if each.item.id != DECIDED and not each.item.follows],
        comparisons=list(comparisons(ground)),
        frozen=ground.last_freeze,
        disclosed=list(disclosures(ground)),
        note=ground.note,
    )
    path = ground.folder / PAGE
    with replacing(path) as file:
        file.write(page.encode())
    facts = {"file": PAGE, "sha256": sha256_of(path), "data": ground.data(ground.profile("rtx3090"))}
    say(ground, Kind.PAGE, "2", facts, None)
    return path


def rows_of(ground: Ground) -> Iterator[DecisionRow]:
    """Quality, coverage and noise floor of each model and study of phase 2."""
    for name, (_, model) in carrying(ground, "rtx3090", True).models.items():
        for verdict in ground.verdicts_on_model(model):
            runs = [run for run in model.runs if run.path.name in verdict.runs and run.experiment != EXTRACT]
            answered, failed = sum(run.answered for run in runs), sum(run.failed for run in runs)
            coverage = f"{answered:,} of {answered + failed:,} requests answered"
            noise = ", ".join(filter(None, (_noise(run.path / "noise.json") for run in runs)))
            yield DecisionRow(name, verdict.study, verdict.sentence, verdict.ok, coverage, noise or "not measured")


def _noise(path: Path) -> str:
    try:
        floor = orjson.loads(path.read_bytes())
        return f"largest difference {float(floor['largest']):.4f} of {int(floor['questions'])} questions"
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def comparisons(ground: Ground) -> Iterator[dict[str, Any]]:
    """The comparisons of this project's runs that are as they were written, with their sentences."""
    for result in held_results(ground, Made.COMPARISON):
        if not result.why_not:
            yield {"file": result.entry.subject, "sentence": result.sentence}


def decide(ground: Ground, phase: int, go: bool, note: str, by: str | None) -> EvidenceEntry:
    """Keep a person's decision after phase 2 (go on to scarce GPUs, or stop) or 3 (stop: they were refused).

    Raises:
        Refused: the page was not written for the data that there are now, or phase 2 lacks something.
        InputError: nothing is decided after this phase, or the note says nothing.
    """
    if phase not in (2, 3):
        raise InputError(
            f"phase {phase}: a person decides after phases 2 and 3; the other gates open by what is proven"
        )
    note = noted(note)
    record(ground)
    if ground.evidence.fault:
        raise InputError(ground.evidence.fault)
    if phase == 3:
        if go:
            raise InputError('phase 3 ends with an approval: grace request approve --until DATE --note "..."')
        return say(ground, Kind.DECISION, "3", {"go": False, "note": note}, by)
    if not ground.page_holds:
        raise Refused(
            "the decision is made on a page that shows the data as they are now.\n      grace roadmap decide 2"
        )
    if go:
        status = Status(ground)
        left = [e for e in status.phase(2).missing if e.item.id != DECIDED and not e.item.follows]
        if left:
            way = status.way(left)
            text = f"{way.item.item.id} {way.item.item.text}: {way.item.text}"
            raise Refused(f"phase 2 lacks {text}\n      {way.command}")
    page = ground.evidence.of(Kind.PAGE, "2")[-1]
    return say(ground, Kind.DECISION, "2", {"go": go, "note": note, "page": page.name, "data": page.facts["data"]}, by)


_TEMPLATE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Decision after phase 2</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #ccc; }
.bad { color: #a00; }
code { background: #f2f2f2; padding: .1rem .3rem; }
</style></head>
<body>
<h1>{{ question }}</h1>
<p>Written on {{ when }} about the data that were there. A person decides; no number here does.</p>
<h2>Quality, coverage, noise</h2>
<table>
<tr><th>model</th><th>study</th><th>checks of quality</th><th>coverage</th><th>noise floor</th></tr>
{% for row in rows %}
<tr><td>{{ row.model }}</td><td>{{ row.study }}</td><td{% if not row.ok %} class="bad"{% endif %}>{{ row.verdict }}</td>
<td>{{ row.coverage }}</td><td>{{ row.noise }}</td></tr>
{% endfor %}
</table>
<h2>Comparisons</h2>
{% if comparisons %}<ul>{% for one in comparisons %}<li>{{ one.sentence }} (<code>{{ one.file }}</code>)</li>
{% endfor %}</ul>
{% else %}<p>None was made. <code>grace compare</code> shows what quantization changes, where both precisions exist.</p>
{% endif %}
<h2>Thresholds</h2>
{% if frozen %}<p>Frozen on {{ frozen.time[:10] }} ({{ frozen.name }}): {{ frozen.facts["claims"] | length }}.</p>
{% else %}<p class="bad">They were not frozen before the data existed.</p>
{% endif %}
{% if disclosed %}<h2>What reports and papers will say</h2>
<ul>{% for line in disclosed %}<li>{{ line }}</li>
{% endfor %}</ul>
{% endif %}
{% if left %}<h2>Left in phase 2</h2>
<ul>{% for each in left %}<li>{{ each.item.id }} {{ each.item.text }}: {{ each.text }}</li>
{% endfor %}</ul>
{% endif %}
<h2>Then</h2>
{% if scarce %}<p>Good enough: <code>grace roadmap decide 2 --stop --note "{{ note }}"</code>. Phases 3 and 4 are
skipped; reports and papers say that these are the results.</p>
{% else %}<p>Good enough: <code>grace roadmap decide 2 --go --note "{{ note }}"</code>; the analysis comes next.</p>
{% endif %}
{% if scarce %}<p>Better GPUs are worth asking for: <code>grace roadmap decide 2 --go --note "{{ note }}"</code>.</p>
{% endif %}
</body>
</html>
"""
