"""Rules about commands: those that cannot work, programs that the image does not have, scripts that are not read."""

import re
from collections.abc import Iterator

from grace.policy.documents import FieldPath, Scene, Workload
from grace.policy.installs import is_pip
from grace.policy.programs import Program, programs, shell_script
from grace.policy.rule import Hit, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.names import shown
from grace.policy.shell import MOST_PIPES, SHELLS, UNREAD
from grace.policy.sleeps import ASIDE

BUILTINS = ("source", ".", "export", "eval", "set", "alias", "ulimit")
"""Commands of shells that are no programs."""
OPERATORS = ("&&", "||", ">>", "2>&1", "2>/dev/null")
"""Words that mean something to a shell, and to no program."""
PYTORCH_INDEX = "download.pytorch.org/whl"
NOT_OF_PYTORCH = re.compile(
    r"(accelerate|bitsandbytes|datasets|diffusers|huggingface[-_]hub|matplotlib|pandas|peft|scikit-learn|scipy|"
    r"sentencepiece|tokenizers|transformers|wandb)\b.*"
)
"""Packages that PyTorch's own index does not have."""
_DEBIAN = ("curl", "wget", "git", "python", "python3", "pip", "pip3", "ssh", "rsync", "unzip")
LACKS = {
    r"(ubuntu|debian)(:.*)?": _DEBIAN,
    r"python:[\w.]+-slim.*": ("curl", "wget", "git", "rsync", "unzip"),
    r"python:[\w.]+-alpine.*": ("bash", "curl", "git", "rsync"),
    r"alpine(:.*)?": ("bash", "curl", "git", "python", "python3", "pip", "rsync"),
    r"busybox(:.*)?": ("bash", "curl", "git", "python", "python3", "rsync"),
    r"pytorch/pytorch:.*-runtime": ("curl", "wget"),
    r"nvidia/cuda:.*": ("curl", "wget", "git", "python", "python3", "pip", "pip3"),
}
"""Well-known images by their name, with programs that they do not have."""
INSTALLERS = ("apt", "apt-get", "apk", "conda", "dnf", "mamba", "micromamba", "microdnf", "pip", "pip3", "yum")
_JOB = example("hardened-job")
_ARGS = "args: [--shard"
_LONG = "command: [sh, -c, '" + "a|" * (MOST_PIPES + 1) + f"b']\n        {_ARGS}"
_WAITING = (
    ("ghcr.io/example/query-generator:0.3.0", "python:3.12.4-slim"),
    (_ARGS, f'command: [sh, -c, "apt-get install -y curl; curl -sf http://a/b"]\n        {_ARGS}'),
)


@error(
    "K8S037",
    "command that cannot work",
    why="The container ends at once, or is never started. Without a shell, a command is a list of words: the first is "
    "the program, and && or > are arguments like others; a whole command line in one word is the name of a program "
    "that there is none of.",
    source=kubernetes(
        "Define a Command and Arguments for a Container",
        "tasks/inject-data-application/define-command-argument-container/",
    ),
    fix="Correct what the message names, and try the command in the image: `docker run --rm -it IMAGE COMMAND`. A "
    'command line with && or > is run by a shell: command: [sh, -c, "the whole line"].',
    examples=broken(_JOB, (_ARGS, f'command: ["grace query"]\n        {_ARGS}')),
)
def check_commands(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        if container.body.get("command") and (fault := command_fault(container.words)):
            path, what = fault
            yield Hit(workload.manifest, path, what)
        folder = container.body.get("workingDir") or "/"
        if not folder.startswith(("/", "$", "<", "{")):
            message = f"{shown(folder)} is no absolute path, so the container is not started: begin it with /"
            yield Hit(workload.manifest, (*container.path, "workingDir"), message)
        running = [program for program in programs(scene, workload, container) if program.name not in ASIDE]
        for program in running:
            if what := _program_fault(workload, program, program is running[-1]):
                message = f"container {container.name}: {what}{program.place}"
                yield Hit(workload.manifest, program.path, message, program.row)


def command_fault(words: list[tuple[FieldPath, str]]) -> tuple[FieldPath, str] | None:
    """Why the words of a command cannot be what was meant, and where; None when nothing is wrong."""
    path, program = words[0]
    if re.search(r"\S\s+\S", program) and not program.startswith("/"):
        return path, f"{shown(program)} is looked for as one program, with its spaces"
    if program in BUILTINS:
        return path, f"{program} is no program, but a command of shells: put `bash -c` before it"
    rest = words[1:]
    if program.rpartition("/")[2] in SHELLS:
        given, script, parameters = shell_script(tuple(word for _, word in words))
        place = words[len(words) - len(parameters) - 1][0]
        if not given and re.search(r"\s(&&|\|\||[|;>])\s|\n", script):
            return place, "the shell takes this for the name of a file: -c is missing before it"
        cut = given and set(OPERATORS) & set(parameters)
        return (place, f"the shell runs only {shown(script)}; the words behind it are its parameters") if cut else None
    operator = next(((where, word) for where, word in rest if word in OPERATORS), None)
    return (
        (operator[0], f"{operator[1]!r} is an argument of {program} here, since no shell runs it") if operator else None
    )


def _program_fault(workload: Workload, program: Program, last: bool) -> str:
    """Why a program fails or ends at once; empty when nothing is known."""
    words = program.words
    if program.is_python and words[1:2] == ("-m",) and (name := " ".join(words[2:3])).endswith(".py"):
        return f"python -m takes the name of a module, and there is none called {name}: leave out -m"
    if program.name == "ray" and words[1:2] == ("start",) and "--block" not in words and last:
        return "" if workload.custom else "`ray start` returns at once, and the container ends with it: add --block"
    index = program.option("-i", "--index-url") or ""
    if is_pip(program) and PYTORCH_INDEX in index and not program.option("--extra-index-url"):
        absent = [word for word in words if NOT_OF_PYTORCH.fullmatch(word.lower())]
        if absent:
            return (
                f"pip looks for {', '.join(absent)} only in {index}, which has PyTorch and little else: install torch "
                "by itself, or write --extra-index-url"
            )
    return ""


@warning(
    "K8S045",
    "program that the image does not have",
    why="The script ends with `command not found`; in a loop that waits for the program to succeed, it never ends.",
    source="the images' own Dockerfiles on https://hub.docker.com",
    fix="Take an image that has it, install it before (apt-get update && apt-get install -y curl), or do it in Python.",
    examples=broken(changed(_JOB, *_WAITING), ("apt-get install -y curl; ", "")),
)
def check_programs(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        lacking = set(_lacks(container.image))
        shell = container.line[0].rpartition("/")[2] if container.line and container.body.get("command") else ""
        if shell in lacking:
            message = f"container {container.name}: the image {container.image} has no {shell}; use sh"
            yield Hit(workload.manifest, container.words[0][0], message)
        for program in programs(scene, workload, container) if lacking else ():
            if program.name in INSTALLERS and {"install", "add"} & set(program.words):
                lacking -= {name for name in lacking if name in " ".join(program.words)}
            if "activate" in (program.words[-1].rpartition("/")[2], *program.words[1:2]):  # an environment with its own
                lacking = {name for name in lacking if not name.startswith(("python", "pip"))}
            if program.name in lacking and "/" not in program.words[0]:
                lacking.discard(program.name)
                loops = any(loop.conditional for loop in program.loops)
                end = ", so that this loop never ends" if loops else ""
                message = f"container {container.name}: the image {container.image} has no {program.name}{end}"
                yield Hit(workload.manifest, program.path, message + program.place, program.row)


def _lacks(image: str) -> tuple[str, ...]:
    name = image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    return next((programs for form, programs in LACKS.items() if re.fullmatch(form, name)), ())


@note(
    "K8S042",
    "script that is not read",
    why="It is too long, or takes the parser too long. What it runs is not known, and no rule about programs sees it.",
    source="Grace's own: the bounds of src/grace/policy/shell.py",
    fix="Move parts of it into files of the image.",
    examples=(changed(_JOB, (_ARGS, _LONG)), _JOB),
)
def check_read(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            if program.words[0] == UNREAD:
                message = f"container {container.name} runs a script that is not read{program.place}"
                yield Hit(workload.manifest, program.path, message)
