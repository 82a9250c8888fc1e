"""Freezing: thresholds and planned comparisons are written down, with digests, before the data that they judge exist.

Each is a manifest of PRML 0.1, the Pre-Registered ML Manifest (https://spec.falsify.dev/v0.1): nine fields, serialized
as block YAML with sorted keys, two spaces and line feeds (section 3), known by the SHA-256 of these bytes (section 4).
A change is a new manifest with the same claim_id that names the one before it (`prior_hash`, section 6).
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from grace.errors import InputError
from grace.files import replacing
from grace.models.catalogue import hub_models
from grace.quality.checks import CHECKS
from grace.quality.thresholds import thresholds_of
from grace.roadmap.evidence import FOLDER, EvidenceEntry, Kind, person
from grace.roadmap.ground import Ground
from grace.roadmap.said import noted, say
from grace.runs import now
from grace.version import __version__

VERSION = "prml/0.1"
PLACE = f"{FOLDER}/frozen"
SUMS = "frozen.sha256"
"""The digests of all manifests, as `sha256sum -c` reads them."""
MARGIN = 0.05
"""Two precisions of one model are to differ by less than this in total variation; the default of `grace compare`."""
SEED = 1
"""The base seed of lineups."""


@dataclass(frozen=True)
class FrozenClaim:
    """A threshold that is frozen: `name` is that of its file, `content` the manifest without what makes it unique."""

    name: str
    content: Mapping[str, Any]


def canonical(manifest: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a manifest, whose SHA-256 is its name (PRML 0.1, section 3)."""
    content = dict(manifest)
    if isinstance(content.get("threshold"), int):
        content["threshold"] = float(content["threshold"])
    text: str = yaml.safe_dump(content, sort_keys=True, default_flow_style=False, allow_unicode=True, width=1 << 20)
    return text.encode()


def claims_of(ground: Ground) -> Iterator[FrozenClaim]:
    """All thresholds of the project's studies, and the comparisons that are planned. Raises InputError."""
    for name, study in ground.studies.items():
        digest = next(iter(ground.digests[name]), None)
        if digest is None:
            raise InputError(f"{ground.path_of(name)}: is not there, and its digest belongs to what is frozen")
        dataset = {"id": name, "hash": digest}
        limits = thresholds_of(study, ground.project.content.thresholds)
        for check in CHECKS.values():
            content = {
                "metric": f"grace_quality_{check.name}",
                "comparator": ">=" if check.least else "<=",
                "threshold": float(limits[check.name]),
                "dataset": dataset,
                "metric_args": {
                    "study_sha256": study.sha256,
                    "unit": check.unit,
                    **{own.name: float(limits[own.name]) for own in check.settings},
                },
            }
            yield FrozenClaim(f"{name}-{check.name}", content)
        for model in hub_models().values():
            light, full = model.profiles.get("rtx3090"), model.profiles.get("a100")
            if light and full and light.variant != full.variant:
                content = {
                    "metric": "grace_compare_total_variation",
                    "comparator": "<",
                    "threshold": MARGIN,
                    "dataset": dataset,
                    "metric_args": {"a": light.variant, "b": full.variant, "study_sha256": study.sha256},
                    "model": {"id": model.name},
                }
                yield FrozenClaim(f"{name}-compare-{model.name}", content)


def freeze(ground: Ground, producer: str | None, reason: str | None) -> EvidenceEntry:
    """Write the manifests of all thresholds, and keep their digests in the evidence.

    Args:
        ground: the project's.
        producer: who claims; PRML asks for a DNS name, an ORCID or a handle. None: git's user.name.
        reason: why they change, where some are frozen already.

    Raises:
        InputError: they are frozen and nothing changed, or a change has no reason.
    """
    if ground.evidence.fault:
        raise InputError(ground.evidence.fault)
    before = _manifests(ground, ground.last_freeze)
    wanted = {claim.name: claim for claim in claims_of(ground)}
    changed = [name for name, claim in wanted.items() if name in before and _differs(before[name], claim)]
    changed += [name for name in wanted.keys() ^ before.keys() if before]
    if before and not changed:
        raise InputError(f"{PLACE}: nothing changed since {ground.last_freeze.name if ground.last_freeze else ''}")
    if before and reason is None:
        raise InputError(
            f"{PLACE}: {len(changed)} thresholds differ from the frozen ones ({', '.join(sorted(changed)[:3])}). "
            '--reason "..." freezes them anew; reports and papers say so'
        )
    folder, files, claims = ground.folder / PLACE, {}, {}
    for name, claim in wanted.items():
        if name in before and name not in changed:
            manifest = before[name]
        else:
            manifest = _manifest(claim, producer or person(), before.get(name))
        content = canonical(manifest)
        with replacing(folder / f"{name}.prml.yaml") as file:
            file.write(content)
        files[f"{PLACE}/{name}.prml.yaml"] = hashlib.sha256(content).hexdigest()
        claims[name] = manifest
    with replacing(folder / SUMS) as file:
        file.write("".join(f"{digest}  {Path(name).name}\n" for name, digest in files.items()).encode())
    facts = {
        "files": files,
        "claims": claims,
        "changed": sorted(changed),
        "reason": noted(reason, "--reason") if reason else "",
    }
    return say(ground, Kind.FREEZE, PLACE, facts, producer)


def _manifest(claim: FrozenClaim, producer: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
    manifest = {
        "version": VERSION,
        "claim_id": str(before["claim_id"]) if before else uuid7(),
        "created_at": now()[:19] + "Z",
        "seed": SEED,
        "producer": {"id": producer},
        "code": {"id": f"grace {__version__}"},
        **claim.content,
    }
    if before:
        manifest["prior_hash"] = hashlib.sha256(canonical(before)).hexdigest()
    return manifest


def _manifests(ground: Ground, entry: EvidenceEntry | None) -> dict[str, dict[str, Any]]:
    return {} if entry is None else {name: dict(claim) for name, claim in entry.facts["claims"].items()}


def _differs(manifest: Mapping[str, Any], claim: FrozenClaim) -> bool:
    return any(manifest.get(name) != value for name, value in claim.content.items())


def deviations(ground: Ground) -> Iterator[str]:
    """What differs from what was frozen first, in sentences; for reports and papers."""
    entries = [] if ground.evidence.fault else ground.evidence.of(Kind.FREEZE)
    for entry in entries[1:]:
        names = ", ".join(entry.facts["changed"][:5])
        yield f"Thresholds were frozen anew on {entry.time[:10]} ({entry.name}: {entry.facts['reason']}): {names}."
    if not entries:
        return
    frozen = _manifests(ground, entries[-1])
    for claim in claims_of(ground):
        if claim.name in frozen and _differs(frozen[claim.name], claim):
            was, is_now = frozen[claim.name]["threshold"], claim.content["threshold"]
            what = f"{was:g}, and is now {is_now:g}" if was != is_now else "for another study file or table"
            yield f"The threshold {claim.name} was frozen ({entries[-1].name}) as {what}."


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562): milliseconds since 1970, then random bits."""
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    number = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
