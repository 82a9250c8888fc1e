"""Every command checks in the same way what a shell hands to it, and ends alike when stopped or not listened to."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import all_commands
from conftest import ROOT, Command, read_rows
from limits import HANG, cpu_below

RUNS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below one, by the words that call them."""
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(commands(all_commands()))


def kind(parameter: Any) -> Any:
    return parameter.type_descriptor.annotation


def given(parameter: Any, value: str) -> list[str]:
    return [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]


def call(grace: Command, path: tuple[str, ...], parameter: Any, value: str) -> str:
    """What a command says to one odd value; where it needs others, they are plain."""
    others = [each for each in COMMANDS[path].params if each.required and each is not parameter]
    plain = [part for each in others for part in given(each, "1" if kind(each) in (int, float) else "x")]
    done = grace(*path, *plain, *given(parameter, value))
    assert (done.code, done.out) == (2, ""), (path, parameter.name, done)
    return done.err


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_refuses_what_is_no_text_and_no_number(
    grace: Command, path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("grace.cli.app", all_commands())  # building it takes longer than all else
    for parameter in COMMANDS[path].params:
        if parameter.name == "help" or getattr(parameter, "is_flag", False):
            continue
        if kind(parameter) in (int, float):
            for value in ("9" * 30, "-" + "9" * 30) if kind(parameter) is int else ("nan", "inf", "-inf", "1e999"):
                assert re.search("number|Input should be|No such option: -9", call(grace, path, parameter, value))
        else:
            assert re.search("UTF-8|is not one of|unicode", call(grace, path, parameter, "caf\udce9"))
            assert re.search("null byte|is not one of|valid integer", call(grace, path, parameter, "a\0b"))
    assert list(tmp_path.iterdir()) == []


def test_bytes_of_another_encoding_in_a_shell(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grace", "export", b"caf\xe9.run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=HANG)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"grace: RUN 'caf\\udce9.run': holds bytes that are no UTF-8; rename the file")


def test_requests_are_counted_and_not_listed(grace: Command, trials: Path, tmp_path: Path) -> None:
    asked = ("query", "study1", "--input", trials, "--output", tmp_path / "a.csv", "--dry-run", "--replications")
    with cpu_below(5):
        assert "12000000 requests" in grace(*asked, 10**6).out
        assert "6000000 requests" in grace(*asked, 10**6, "--shard", "1/2").out
    done = grace(*asked, 10**11)
    assert (done.code, done.err) == (2, "grace: --replications 100000000000: must be at most 1,000,000\n")


# Nobody listens


def export_into(tmp_path: Path, after: str) -> "subprocess.CompletedProcess[str]":
    """`grace export` in a shell that does something with its output."""
    command = f"'{sys.executable}' -m grace export '{RUNS / 'turns.run'}' --output a.csv {after}"
    return subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=HANG, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("after", [">&- 2>&-", "<&- >&-", "| true; exit ${PIPESTATUS[0]}"])
def test_a_command_does_its_work_when_nobody_listens(tmp_path: Path, after: str) -> None:
    done = export_into(tmp_path, after)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(read_rows(tmp_path / "a.csv")) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_takes_nothing_is_told(tmp_path: Path) -> None:
    done = export_into(tmp_path, "> /dev/full")
    assert (done.returncode, done.stderr) == (2, "grace: standard output: cannot be written: No space left on device\n")


# Stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("command", ["export", "merge"])
def test_a_command_that_is_stopped_leaves_nothing(tmp_path: Path, command: str, number: signal.Signals) -> None:
    """The code stops itself at the end of its table, when all of it is in the temporary file."""
    stop = f"""
import os, grace.files
from grace.cli import main
sync = grace.files.os.fsync
def stopped(fd):
    sync(fd)
    os.kill(os.getpid(), {int(number)})
grace.files.os.fsync = stopped
main()
"""
    options = {"export": ["--output", "a.csv"], "merge": ["--out", "merged"]}[command]
    arguments = [sys.executable, "-c", stop, command, RUNS / "turns.run", *options]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 130, done
    assert "grace: interrupted; no file is half written\n" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
