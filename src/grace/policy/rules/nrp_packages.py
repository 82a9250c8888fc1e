"""NRP: packages that are installed when a pod runs: never onto shared storage, and else pinned."""

import posixpath
import re
from collections.abc import Iterator

from grace.policy.documents import Container, Scene, Workload
from grace.policy.pods import place_of
from grace.policy.programs import Program, programs
from grace.policy.rule import Hit, broken, error, note
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import CEPH

_PIP = re.compile(r"pip[0-9.]*|pipx")
_CONDA = {"conda", "mamba", "micromamba"}
_SYSTEM = ("/usr", "/opt", "/bin", "/root", "/venv")
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
_LISTS = ("-r", "--requirement", "-c", "--constraint")
_JOB = example("installing-job")
_INSTALL = "pip install --target /scratch/lib"


@error(
    "NRP030",
    "packages on shared storage",
    why="pip and conda write many thousands of small files, which slow CephFS down for everybody. It is strictly "
    "prohibited there.",
    source=CEPH,
    fix="Install into the image; or onto an emptyDir when the pod starts, with pinned versions; or use block storage "
    "(RBD).",
    examples=broken(_JOB, (_INSTALL, "pip install --target=/data/lib")),
)
def check_shared(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        environment = ""  # a virtual environment that a script has entered
        for program in programs(scene, workload, container):
            if program.name in (".", "source") and "/bin/activate" in " ".join(program.words[1:2]):
                environment = program.words[1].partition("/bin/activate")[0]
            for path in _targets(program, environment):
                if claim := _shared(scene, workload, container, path):
                    message = f"container {container.name} installs packages into {path}, on {claim}{program.place}"
                    yield Hit(workload.manifest, program.path, message)
                    break


def _shared(scene: Scene, workload: Workload, container: Container, path: str) -> str:
    """The shared volume claim that holds a path; empty when there is none, or one of block storage."""
    place = place_of(workload, container, path)
    if place is None or not place.claim:
        return ""
    claim = scene.near("PersistentVolumeClaim", place.claim, workload.manifest)
    if claim:
        storage = scene.cluster.storage_class(claim.at(("spec", "storageClassName")) or "")
        modes = storage.access if storage else claim.at(("spec", "accessModes")) or []
        if modes and set(modes) <= {"ReadWriteOnce", "ReadWriteOncePod"}:
            return ""
    return f"the volume claim {place.claim}"


def _targets(program: Program, environment: str) -> Iterator[str]:
    """Folders that a program installs packages into, the likely one first; none when it installs nothing."""
    words, settings = program.words, program.settings
    if _is_pip(program):
        given = program.option("-t", "--target", "--prefix", "--root") or settings.get("PIP_TARGET")
        if given:
            yield given
            return
        if "--user" in words:
            yield from filter(None, (settings.get("PYTHONUSERBASE"), settings.get("HOME")))
        yield from filter(None, (environment, settings.get("VIRTUAL_ENV"), program.option("--python")))
    elif program.name in _CONDA and {"install", "create", "update"} & set(words[1:3]):
        prefixes = (
            program.option("-p", "--prefix"),
            settings.get("MAMBA_ROOT_PREFIX"),
            settings.get("CONDA_ENVS_PATH"),
        )
        yield from filter(None, prefixes)
    elif _makes_environment(words):
        yield from (word for word in words[2:] if word.startswith(("/", ".")) or "/" in word)
    elif "conda" in " ".join(words[:2]).lower() and "-p" in words:  # an installer's script
        yield from filter(None, (program.option("-p"),))
        return
    else:
        return
    folder = posixpath.dirname(posixpath.dirname(words[0]))
    if folder.startswith("/") and not folder.startswith(_SYSTEM):
        yield folder


def _is_pip(program: Program) -> bool:
    """Whether a program is a pip that installs."""
    words = program.words
    if program.is_python:
        return words[1:4] == ("-m", "pip", "install")
    if program.name == "uv":
        return words[1:3] in (("pip", "install"), ("pip", "sync"))
    return _PIP.fullmatch(program.name) is not None and "install" in words[1:]


def _makes_environment(words: tuple[str, ...]) -> bool:
    """Whether a command makes a virtual environment."""
    name = words[0].rpartition("/")[2]
    return (
        name == "virtualenv"
        or words[1:3] in (("-m", "venv"), ("-m", "virtualenv"))
        or (name == "uv" and words[1:2] == ("venv",))
    )


@note(
    "NRP031",
    "packages without a version",
    why="The same manifest runs another program tomorrow: results cannot be reproduced, and a new release can break "
    "it.",
    source="pip's documentation, Repeatable Installs, https://pip.pypa.io/en/stable/topics/repeatable-installs/",
    fix="Write versions (httpx==0.28.1), or install with -r or -c and a list of pinned ones; best of all, into the "
    "image.",
    examples=broken(_JOB, ("httpx==0.28.1", "httpx")),
)
def check_pinned(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            if _is_pip(program) and (loose := _unpinned(program)):
                message = f"container {container.name} installs {', '.join(loose[:4])} without a version{program.place}"
                yield Hit(workload.manifest, program.path, message)


def _unpinned(program: Program) -> list[str]:
    """Packages without a version; none where a list of requirements or constraints is given."""
    words = program.words
    if "PIP_CONSTRAINT" in program.settings or any(word.startswith(_LISTS) for word in words if word.startswith("-")):
        return []
    rest = list(words[1 + max(words.index(word) for word in ("install", "sync") if word in words) :])
    loose: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in _WITH_VALUE:
            rest = rest[1:]
        elif not word.startswith("-") and not re.search(r"==|@|/|\$|\.whl$|^\.", word):
            loose.append(word)
    return loose
