"""Projects on the road: one whose local lineup is done, by a real server of a model that knows nothing."""

import os
import shutil
from importlib import resources
from pathlib import Path

import yaml

from tiny_gguf import write_tiny_gguf

MODEL = "models/one.gguf"
PROJECT = {
    "studies": [{"study": "study.yaml", "input": "trials.csv"}],
    "profiles": {"local": {"models": [MODEL]}},
}


def begin(folder: Path, **content: object) -> Path:
    """A project with the study of rehearsals and a tiny model, nothing asked yet."""
    (folder / "models").mkdir(parents=True)
    for name in ("study.yaml", "trials.csv"):
        shutil.copy(str(resources.files("grace.roadmap.rehearsal") / name), folder / name)
    write_tiny_gguf(folder / MODEL)
    (folder / "grace.yaml").write_text(yaml.safe_dump({**PROJECT, **content}))
    return folder


def carry(folder: Path, *options: str) -> int:
    """Run the local lineup of a project, and return its exit code."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return call("lineup", "run", *options)
    finally:
        os.chdir(before)


def put(folder: Path, name: str, content: str) -> None:
    """Write a file of a project."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def call(*words: str) -> int:
    """Call a command in the current folder, and return its exit code."""
    from grace.cli import main

    try:
        main(list(words))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
