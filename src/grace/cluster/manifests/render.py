"""Manifests of a lineup: files that `kubectl apply -f` accepts as they are, one for each model and a few for all."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from textwrap import wrap
from typing import Any

from grace.cluster.manifests.layout import LineupLayout, Served, make_layout
from grace.cluster.manifests.request import Request
from grace.cluster.manifests.yaml_text import to_yaml
from grace.cluster.names import file_name
from grace.errors import InputError
from grace.files import replacing
from grace.version import __version__

STORAGE, LINEUP, CODE = "00-storage.yaml", "01-lineup.yaml", "01-code.yaml"

_FIRST_LINE = re.compile(r"# Grace, (?:lineup|run) ([a-z0-9-]+): .*")
"""Files of an earlier Grace call a lineup a run."""


@dataclass(frozen=True)
class File:
    """One file with manifests.

    Attributes:
        name: without folder.
        objects: those in it, as Kubernetes takes them.
        text: the same as YAML, with a header.
    """

    name: str
    objects: tuple[dict[str, Any], ...]
    text: str


@dataclass(frozen=True)
class Rendering:
    """All files of a lineup, in the order in which they are applied.

    Attributes:
        lineup, namespace: their names.
        notes: remarks for the user.
        layout: what they are made from.
    """

    lineup: str
    namespace: str
    files: tuple[File, ...]
    notes: tuple[str, ...]
    layout: LineupLayout = field(repr=False)


@dataclass(frozen=True)
class Written:
    """What was done in a folder: files written, and files of an earlier rendering that were removed."""

    written: tuple[Path, ...]
    removed: tuple[Path, ...]


def render_lineup(request: Request) -> Rendering:
    """Make the manifests. Equal requests give equal bytes. It writes nothing, and asks no cluster.

    Raises:
        InputError: something requested does not exist or is not possible; or the Kubernetes client is not installed.
        Refused: a rule about models or of the cluster forbids it.
    """
    layout = make_layout(request)
    drafts = list(_drafts(layout))
    names = [draft.name for draft in drafts]
    files = []
    for draft in drafts:
        objects = _plain(draft.objects)
        files.append(File(draft.name, objects, _header(layout, draft, names) + to_yaml(objects)))
    _check_names([each for file in files for each in file.objects])
    return Rendering(layout.lineup, layout.namespace, tuple(files), tuple(_notes(layout)), layout)


def write_rendering(rendering: Rendering, folder: Path) -> Written:
    """Write the files into a folder, and remove those that only an earlier rendering of the same lineup has.

    Raises:
        InputError: a file of the same name is not of this lineup, the folder holds another one, or it cannot be made.
    """
    mine = {folder / file.name: file for file in rendering.files}
    there = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    for path in dict.fromkeys([*there, *mine]):
        _check_ours(path, rendering.lineup, written=path in mine)
    removed = [path for path in there if path not in mine and _lineup_of(path) == rendering.lineup]
    for path, file in mine.items():
        with replacing(path) as out:
            out.write(file.text.encode())
    for path in removed:
        path.unlink()
    return Written(tuple(mine), tuple(removed))


def _check_ours(path: Path, lineup: str, written: bool) -> None:
    """Refuse to replace a file that is not this lineup's, or to write beside another lineup's files."""
    if not path.exists() and not path.is_symlink():
        return
    owner = None if path.is_symlink() else _lineup_of(path)
    if owner is None and written:
        raise InputError(f"{path}: was not made by `grace cluster render`; move it away, or choose another --out")
    if owner not in (None, lineup):
        raise InputError(
            f"{path}: belongs to lineup {owner}, and this is lineup {lineup}: one folder holds one lineup; choose "
            "another --out"
        )


def _lineup_of(path: Path) -> str | None:
    """The lineup whose manifests a file holds; None when Grace did not make it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = _FIRST_LINE.fullmatch(file.readline(500).rstrip("\n"))
    except OSError:
        return None
    return match[1] if match else None


@dataclass(frozen=True)
class _Draft:
    """One file before it is written: what it is about, its objects, and remarks on them."""

    name: str
    about: str
    objects: Sequence[Any]
    remarks: Sequence[str] = ()


def _drafts(layout: LineupLayout) -> Iterator[_Draft]:
    try:
        from grace.cluster.manifests import config_maps, volumes, weights_job, workloads
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "kubernetes":
            raise
        raise InputError("manifests need the client for Kubernetes: pip install 'grace-experiments[cluster]'") from None
    opening = [volumes.open_job(layout)] if layout.root_owned else []
    about = "volumes for input, outputs and weights"
    yield _Draft(STORAGE, about, [*volumes.claims(layout), *opening], ["A volume can grow, and never be made smaller."])
    yield _Draft(LINEUP, "what every model is asked", [config_maps.lineup_map(layout)])
    if layout.wheel:
        about = "Grace's own code, which pods install when they start"
        yield _Draft(CODE, about, config_maps.code_maps(layout, layout.wheel))
    for served in layout.models:
        about = f"the weights of {served.name} come to their volume, on a CPU"
        name = f"02-weights-{file_name(served.name)}.yaml"
        yield _Draft(name, about, [weights_job.weights_job(layout, served)], _about_token(layout, served))
    objects_of = workloads.job_objects if layout.request.mode == "job" else workloads.server_objects
    for served in layout.models:
        nodes = f"{served.nodes} nodes with " if served.nodes > 1 else ""
        where = f"{nodes}{served.plan.gpus} x {served.plan.gpu.title}"
        name = f"10-{file_name(served.name)}.yaml"
        yield _Draft(name, f"ask {served.name} on {where}", objects_of(layout, served), _about_gpus(layout, served))


def _about_token(layout: LineupLayout, served: Served) -> list[str]:
    if not served.plan.variant.gated:
        return []
    return [
        f"Needs the licence accepted on {served.plan.model.licence.page}, and the key {layout.request.secret_key} of",
        f"the Secret {layout.request.secret}, which `grace cluster secret` makes.",
    ]


def _about_gpus(layout: LineupLayout, served: Served) -> list[str]:
    if served.priority_class not in layout.cluster.priority_classes.no_quota:
        return []
    quota, resource = served.gpu.quota, served.gpu.resource
    because = "" if quota is None else f" because a namespace has {quota} {resource} until it asks for more"
    where = f" ({served.gpu.request})" if served.gpu.request else ""
    return [
        f"Pods have the priority class {served.priority_class}{because}{where}:",
        "they can be preempted at any time, and their Jobs go on. With a quota, render with --priority-class none.",
    ]


def _plain(objects: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """The client's objects as plain ones, as they are sent."""
    from kubernetes.client import ApiClient

    with ApiClient() as client:
        return tuple(client.sanitize_for_serialization(each) for each in objects)


def _check_names(objects: Sequence[dict[str, Any]]) -> None:
    """Refuse two objects of one name: shortened names are hardly ever equal, but they can be."""
    (title, count), *_ = Counter(f"{each['kind']}/{each['metadata']['name']}" for each in objects).most_common(1)
    if count > 1:
        raise InputError(f"two objects would be {title}; choose another --lineup or other models")


def _header(layout: LineupLayout, draft: _Draft, names: Sequence[str]) -> str:
    shared = ", ".join(name for name in names if not name.startswith(("02-", "10-")))
    tables = ", ".join(Path(visited.input).name for visited in layout.visit.studies)
    paragraphs = [
        " ".join(draft.remarks),
        f"Made by grace {__version__} with: {_command(layout.request)}",
        "Change that command, not this file.",
        f"Apply {shared}, and put {tables} onto the volume {layout.name('input')}; then 02-weights-*.yaml, and wait "
        f"until each Job is complete; then 10-*.yaml, one model after the other. `kubectl delete -f` removes what a "
        f"file made. 00-storage.yaml comes last, and takes all data with it: bring the outputs home before.",
    ]
    lines = [f"Grace, lineup {layout.lineup}: {draft.about}", ""]
    for paragraph in paragraphs:
        lines += wrap(paragraph, 110, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _command(request: Request) -> str:
    """The command that asks for this, with what differs from the defaults, in one line of ASCII."""
    words = ["grace", "cluster", "render"]
    for option in fields(request):
        value = getattr(request, option.name)
        if value == option.default:
            continue
        if value is True:
            words.append(f"--{option.name.replace('_', '-')}")
            continue
        for each in (value,) if isinstance(value, str | int | float) else value:
            words += [f"--{option.name.replace('_', '-')}", shlex.quote(str(each))]
    return "".join(letter if " " <= letter <= "~" else ascii(letter)[1:-1] for letter in " ".join(words))


def _notes(layout: LineupLayout) -> Iterator[str]:
    """Remarks for the user."""
    for served in layout.models:
        for note in served.plan.notes:
            yield f"{served.name}: {note}"
        if layout.request.batch_invariant and not served.batch_invariant:
            yield f"{served.name}: served without batch invariance, which vLLM does not document for it or its GPUs"
    for remark in dict.fromkeys(" ".join(_about_gpus(layout, served)) for served in layout.models):
        if remark:
            yield remark
    most = layout.cluster.limits.violators
    pods = max(layout.parallelism, *(served.nodes for served in layout.models))
    if most and layout.request.mode == "job" and pods > most:
        yield (
            f"{pods} pods with GPUs at once, and no more than {most} may use less of them than {layout.cluster.title} "
            f"allows; --parallelism {most} lets the others wait"
        )
    if layout.request.shards > 1:
        yield "each shard has a run of its own; `grace join` puts them together when the outputs are home"
    if layout.request.mode == "server" and len(layout.models) > 1:
        yield "servers hold their GPUs until they are deleted: apply and delete one model after the other"
    if layout.request.queue:
        yield f"what asks models starts suspended, until Kueue admits it from queue {layout.request.queue}"
