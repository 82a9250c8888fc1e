"""NRP: packages that are installed when a pod runs: never onto shared storage, and else pinned."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from grace.policy.documents import Scene, Workload
from grace.policy.installs import installs, is_pip
from grace.policy.pods import place_of
from grace.policy.programs import Program, programs
from grace.policy.rule import Hit, Severity, broken, changed, error, note
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import CEPH

_WITH_VALUE = {
    "-t",
    "--target",
    "--prefix",
    "--root",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--src",
    "--python",
    "--cache-dir",
    "--timeout",
    "--retries",
    "--upgrade-strategy",
    "--only-binary",
    "--no-binary",
    "--progress-bar",
    "--trusted-host",
    "--platform",
    "--python-version",
}
"""Options of pip that take a value other than a package."""
_FIXED = re.compile(r"==|@|/|\$|\.whl$|^\.")
_LISTS = ("-r", "--requirement", "-c", "--constraint")
TOOLS = {"pip", "setuptools", "wheel", "uv"}
"""What only installs others: its version is no part of what the program computes."""
_JOB = example("installing-job")
_CLAIM = changed(example("shared-claim"), ("name: outputs", "name: grace-data"))
_INSTALL = "pip install --target /scratch/lib"


@error(
    "NRP030",
    "packages on shared storage",
    why="pip, conda, npm and the like write many thousands of small files, which slow CephFS down for everybody. It is "
    "strictly prohibited there. Where the claim is in no file, and so its class is not known, this is a note.",
    source=CEPH,
    fix="Install into the image; or onto an emptyDir when the pod starts, with pinned versions; or use block storage "
    "(RBD).",
    examples=broken(f"{_JOB}---\n{_CLAIM}", (_INSTALL, "pip install --target=/data/lib")),
)
def check_shared(scene: Scene) -> Iterator[Hit]:
    for hit, shared in _on_claims(scene):
        if shared is None:
            known = f"{hit.message}: if that is CephFS, it is prohibited (`kubectl get pvc` shows the class)"
            yield replace(hit, message=known, severity=Severity.NOTE)
        elif shared:
            yield hit


def _on_claims(scene: Scene) -> Iterator[tuple[Hit, bool | None]]:
    """Programs that install packages onto a volume claim, and whether it is shared; None where nobody knows."""
    for workload, container in scene.containers:
        reported: set[Program] = set()
        for program, path in installs(container, programs(scene, workload, container)):
            place = place_of(workload, container, path)
            if place and place.claim and program not in reported:
                reported.add(program)
                where = f"{path}, on the volume claim {place.claim}{program.place}"
                message = f"container {container.name} installs packages into {where}"
                hit = Hit(workload.manifest, program.path, message, program.row)
                yield hit, _shared(scene, workload, place.claim)


def _shared(scene: Scene, workload: Workload, name: str) -> bool | None:
    """Whether a volume claim is one that many nodes share; None when it is in no file, or does not say."""
    claim = scene.near("PersistentVolumeClaim", name, workload.manifest)
    if claim is None:
        return None
    storage = scene.cluster.storage_class(claim.at(("spec", "storageClassName")) or "")
    if storage and storage.published:
        return False
    modes = set(storage.access if storage else claim.at(("spec", "accessModes")) or [])
    return not modes <= {"ReadWriteOnce", "ReadWriteOncePod"} if modes else None


@note(
    "NRP031",
    "packages without a fixed version",
    why="The same manifest runs another program tomorrow: results cannot be reproduced, and a new release can break "
    "it. A version that the shell cuts off, since > is not in quotes, is a warning.",
    source="pip's documentation, Repeatable Installs, https://pip.pypa.io/en/stable/topics/repeatable-installs/",
    fix="Write versions (httpx==0.28.1), or install with -r or -c and a list of pinned ones; best of all, into the "
    "image.",
    examples=broken(_JOB, ("httpx==0.28.1", "httpx")),
)
def check_pinned(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            brought = pairwise(program.words) if program.name in ("uv", "uvx") else ()  # for one program
            named = [after for word, after in brought if word in ("--from", "--with") and not _FIXED.search(after)]
            if loose := _unpinned(program) if is_pip(program) else named:
                more = f" and {len(loose) - 6} more" if len(loose) > 6 else ""
                what = f"{', '.join(loose[:6])}{more}"
                message = f"container {container.name} installs {what} without a fixed version{program.place}"
                yield Hit(workload.manifest, program.path, message, program.row)
            if is_pip(program) and (cut := [file for file in program.files if file.startswith("=")]):
                message = (
                    f"container {container.name}: the shell takes >{cut[0]} for a file to write, so that any version "
                    f"is installed: put the package into quotes, as 'NAME>{cut[0]}'{program.place}"
                )
                yield Hit(workload.manifest, program.path, message, program.row, Severity.WARNING)


def _unpinned(program: Program) -> list[str]:
    """Packages without a fixed version; none where a list of requirements or constraints is given."""
    words = program.words
    if "PIP_CONSTRAINT" in program.settings or any(word.startswith(_LISTS) for word in words if word.startswith("-")):
        return []
    rest = list(words[1 + max(words.index(word) for word in ("install", "sync") if word in words) :])
    loose: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in _WITH_VALUE:
            rest = rest[1:]
        elif not word.startswith("-") and not _FIXED.search(word) and word not in TOOLS:
            loose.append(word)
    return loose
