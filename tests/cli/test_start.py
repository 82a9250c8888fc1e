"""`grace` starts quickly: it imports a command when it is called, and what is heavy only where it is needed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from commands import all_commands
from conftest import Command
from grace.cli import app

HEAVY = "aiohttp annotated_types asyncio jinja2 kubernetes numpy orjson pandas pydantic pyarrow rich scipy yaml"


def groups(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that call each group of commands."""
    if below := getattr(command, "commands", {}):
        yield path
    for name, each in below.items():
        yield from groups(each, (*path, name))


LOOK = """
import contextlib, io, json, os, sys
from grace.cli import main
answers = []
for line in json.load(sys.stdin):
    reader, writer = os.pipe()
    if os.fork() == 0:
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as said:
            main(line)
        os.write(writer, json.dumps([said.getvalue()[:6], sorted(sys.modules)]).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        answers.append(json.load(file))
    os.wait()
print(json.dumps(answers))
"""


def test_no_command_imports_what_it_does_not_need(tmp_path: Path) -> None:
    """Each help in a fork of a process that has imported the command line and nothing else."""
    paths = [
        (),
        ("query",),
        ("report",),
        ("lineup", "run"),
        ("cluster", "render"),
        ("models", "pull"),
        ("runs", "remove"),
    ]
    lines = [[*path, "--help"] for path in paths]
    done = subprocess.run(
        [sys.executable, "-c", LOOK], input=json.dumps(lines), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for line, (said, modules) in zip(lines, json.loads(done.stdout), strict=True):
        if "--help" not in line:  # these ask no server
            assert {"aiohttp", "kubernetes", "rich", "scipy"} & {*modules} == set(), line
            continue
        assert said == "Usage:", line
        assert {*HEAVY.split()} & {*modules} == set(), line
        loaded = {name for name in modules if name.startswith("grace.cli.")}
        assert "grace.cli.query" not in loaded or line[0] == "query", line
        assert "grace.cli.lineup.run" not in loaded or line[0] == "lineup", line


@pytest.mark.parametrize("path", list(groups(all_commands())), ids=" ".join)
def test_the_help_of_a_group_lists_its_commands(grace: Command, path: tuple[str, ...]) -> None:
    command: Any = get_command(app)
    for word in path:
        command = command.commands[word].command
    told = " ".join(grace(*path, "--help").out.partition("Commands:")[2].split())
    assert len(command.commands) > 0
    for name, each in command.commands.items():
        assert f"{name} {each.get_short_help_str(30).removesuffix('...')}" in told


def test_every_entry_leads_to_a_command_of_its_name() -> None:
    for name, entry in get_command(app).commands.items():  # type: ignore[attr-defined]
        command = entry.command
        assert command.name == name
        assert command.help
        assert len(entry.get_short_help_str()) > 10


def test_every_command_that_reads_a_table_has_the_options_that_messages_advise() -> None:
    """A visit's file names tables of several studies; what `grace data sample` writes of them needs no option."""
    advised = {"encoding", "delimiter", "decimal"}
    reading = {
        path: {parameter.name for parameter in command.params}
        for path, command in leaves(get_command(app))
        if {"input", "file"} & {parameter.name for parameter in command.params}
    }
    assert {
        "query",
        "score",
        "extract",
        "analyze",
        "study new",
        "study check",
        "data check",
        "data sample",
    } <= reading.keys()
    del reading["visit"]
    assert {path: advised - names for path, names in reading.items() if not advised <= names} == {}


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All commands that are no groups, by their words."""
    for name, entry in getattr(command, "commands", {}).items():
        own = getattr(entry, "command", entry)
        yield from leaves(own, f"{path} {name}") if hasattr(own, "commands") else [(f"{path} {name}".strip(), own)]


def test_a_wrong_command_is_told_with_the_nearest(grace: Command) -> None:
    done = grace("qeury")
    assert (done.code, done.out) == (2, "")
    assert "No such command 'qeury'. Did you mean 'query'" in done.err
    done = grace("lineup", "resum")
    assert done.code == 2
    assert "No such command 'resum'. Did you mean 'resume'" in done.err


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("grace che", ["check-endpoint"]),
        ("grace lineup co", ["compare-outputs"]),
        ("grace cluster preflight --nam", ["--namespace"]),
        ("grace models p", ["plan", "pull", "path"]),
        ("grace query stu", ["study1", "study2"]),
    ],
)
def test_a_shell_completes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, offered: list[str]
) -> None:
    monkeypatch.setenv("_GRACE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    with pytest.raises(SystemExit) as ended:
        get_command(app).main([], prog_name="grace")
    assert (ended.value.code, capsys.readouterr().out.split()) == (0, offered)


def test_options_of_a_group_hold_before_and_without_a_command(
    grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRACE_CATALOGUE", "")  # --catalogue sets it
    assert grace("runs", "--json").out == "[]\n"
    assert grace("models", "--catalogue", "none.yaml", "list").err.startswith("grace: none.yaml: ")
    monkeypatch.setenv("GRACE_CATALOGUE", "")
    assert grace("models", "list").code == 0  # and no longer
    assert grace("runs", "--folder", "nowhere", "remove", "a.run").err.startswith("grace: a.run: ")
