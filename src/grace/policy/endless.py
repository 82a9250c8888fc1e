"""Programs that never end by themselves: servers, and loops without a way out."""

import re
from collections.abc import Sequence

from grace.policy.documents import Container
from grace.policy.installs import is_pip
from grace.policy.programs import Program
from grace.policy.sleeps import ASIDE, IDLE, is_sleep

SERVERS: dict[str, tuple[str, ...]] = {
    "code-server": (),
    "dockerd": (),
    "gunicorn": (),
    "http-server": (),
    "jupyter": ("lab", "notebook", "server", "labhub"),
    "jupyter-lab": (),
    "jupyter-notebook": (),
    "llama-server": (),
    "memcached": (),
    "minio": ("server",),
    "mlflow": ("server", "ui"),
    "mongod": (),
    "mysqld": (),
    "ollama": ("serve",),
    "postgres": (),
    "redis-server": (),
    "start-notebook.sh": (),
    "streamlit": ("run",),
    "tensorboard": (),
    "text-generation-launcher": (),
    "tritonserver": (),
    "uvicorn": (),
    "vllm": ("serve",),
}
"""Servers, each with the words of which one must follow; none: any."""
MODULES = (
    "http.server",
    "jupyter",
    "jupyterlab",
    "llama_cpp.server",
    "notebook",
    "sglang.launch_server",
    "tensorboard.main",
    "uvicorn",
    "vllm.entrypoints.openai.api_server",
)
"""Servers that Python starts with -m."""
IMAGES = ("memcached", "mongo", "mysql", "nginx", "ollama", "postgres", "rabbitmq", "redis", "registry")
"""Images that start a server when they get no command."""
ENDS = {"cp", "curl", "gdown", "git", "hf", "huggingface-cli", "mv", "rclone", "rsync", "tar", "unzip", "wget"}
"""Programs that end by themselves."""
_LASTING = {"daemon", "mount", "rcd", "serve"}
"""With these they do not."""
_STARTERS = {"accelerate", "deepspeed", "torchrun"}
_TRAINS = re.compile(r"(^|[/_-])(train|finetune|fine_tune|pretrain|evaluate|benchmark)(ing)?([_.-][\w.-]*)?\.py$")
"""Python programs that end, by their name."""
ENDING = {"--help", "-h", "--version", "-t", "-v", "--initialize", "--daemonize", "--check"}
"""Options with which a server ends at once, or goes on in the background."""


def endless_program(container: Container, running: Sequence[Program]) -> str:
    """What keeps a container from ever ending, in words; empty when nothing is known to."""
    if not container.line:
        image = container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        return f"the server of its image ({image})" if image in IMAGES else ""
    last = [program for program in running if program.name not in ASIDE][-1:]
    if not last or last[0].timed:
        return ""
    program = last[0]
    loop = program.loops[-1] if program.loops else None
    if loop and loop.endless and not loop.background:
        return "" if all(command.program in IDLE for command in loop.commands) else "a loop without an end"
    if is_sleep(program):
        return ""
    return f"`{' '.join(program.words)[:60]}`, which serves until it is stopped" if _serves(program) else ""


def ends(running: Sequence[Program]) -> Program | None:
    """The last program of a script, if it ends by itself; None where that is not known."""
    last = [program for program in running if program.name not in ASIDE and not program.fallback][-1:]
    waits = any(program.name == "wait" for program in running)
    if not last or waits or any(loop.endless for loop in last[0].loops) or _LASTING & {*last[0].words[1:2]}:
        return None
    program = last[0]
    scripts = [word for word in program.words[1:] if word.endswith(".py")][:1]
    trains = (program.is_python or program.name in _STARTERS) and any(map(_TRAINS.search, scripts))
    return program if program.timed or trains or program.name in ENDS or is_pip(program) else None


def _serves(program: Program) -> bool:
    words = program.words
    if ENDING & set(words):
        return False
    if program.name == "tail":
        return any(word in ("-f", "-F", "--follow") for word in words) and "--pid" not in " ".join(words)
    if program.name == "sshd":
        return "-D" in words
    if program.name == "nginx":
        return any("daemon off" in word for word in words)
    if program.is_python:
        return "-m" in words and any(word in MODULES for word in words)
    needed = SERVERS.get(program.name)
    return needed is not None and (not needed or words[1:2] == () or words[1] in needed)
