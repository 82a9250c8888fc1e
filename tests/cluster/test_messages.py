"""What a cluster says, explained: real wordings, the table itself, the command and the page."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from grace.cluster.messages import MOST_TEXT, SPEAKERS, Message, explain, messages, nearest
from limits import cpu_below

REAL = yaml.safe_load((Path(__file__).parent / "messages.yaml").read_text())


def ids(text: str, reason: str = "") -> list[str]:
    return [each.message.id for each in explain(text, reason)]


@pytest.mark.parametrize(("expected", "text"), REAL, ids=[f"{number}-{each[0][0]}" for number, each in enumerate(REAL)])
def test_real_messages_are_explained(expected: list[str], text: str):
    assert ids(text) == expected
    assert ids(text.replace('"', '\\"').replace(" ", "\n    ")) == expected, "as a terminal breaks it"


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.id)
def test_each_wording_leads_to_its_message(message: Message):
    for pattern in message.patterns:
        explained = [each.message for each in explain(pattern.replace("...", "x1"))]
        assert message in explained or (message.general and explained), pattern


def test_the_table_is_whole():
    assert len({message.id for message in messages()}) == len(messages())
    assert {message.says for message in messages()} == set(SPEAKERS)
    for message in messages():
        assert not message.means.endswith("."), message.id
        assert not message.do.endswith("."), message.id
        assert f"{message.means}{message.do}".isascii(), message.id
    wordings = [pattern for message in messages() for pattern in message.patterns]
    assert len(set(wordings)) == len(wordings)


def test_a_reason_helps_where_the_message_says_little():
    assert ids("the container ended", "OOMKilled") == ["out-of-memory"]
    assert ids("", "Evicted") == ["evicted"]
    assert ids("0/2 nodes are available: 2 Insufficient cpu.", "FailedScheduling") == ["no-node", "insufficient"]


def test_what_is_counted_is_shown_once_each():
    [lead, first, last] = explain(
        "0/9 nodes are available: 3 Insufficient cpu, 4 Insufficient memory, 2 node(s) had untolerated taint {a: b c}. "
        "preemption: 0/9 nodes are available"
    )
    assert lead.texts == ("0/9 nodes are available",)
    assert first.texts == ("3 Insufficient cpu", "4 Insufficient memory")
    assert last.texts == ("2 node(s) had untolerated taint {a: b c}",)


def test_an_unknown_message_has_neighbours_or_none():
    assert explain("the frobnicator is busy") == ()
    assert "no-gpu" in [message.id for message in nearest("no CUDA device for this container")]
    assert nearest("xyzzy") == []


def test_a_long_text_takes_little_time():
    log = "0/... nodes 1 Insufficient failed to resolve reference exec: " * (5 * MOST_TEXT)
    with cpu_below(10):
        explain(log)


def test_the_command(grace):
    result = grace("cluster", "explain", "OOMKilled")
    assert result.code == 0
    assert "Meaning: the container used more memory" in result.out
    result = grace("cluster", "explain", "what is \x1b[31m this")
    assert result.code == 1
    assert "Grace does not know this message." in result.out
    assert grace("cluster", "explain", " ").code == 2
    assert "a quota of 0 pods" in grace("cluster", "explain", "exceeded", "quota:", "low-priority-ban").out


def test_the_command_reads_a_whole_description():
    described = "Events:\n  Warning  FailedScheduling  5m  scheduler  0/2 nodes are available: 2 Insufficient\n cpu.\n"
    command = [sys.executable, "-m", "grace", "cluster", "explain", "-"]
    result = subprocess.run(command, input=described, capture_output=True, text=True, check=True)
    assert "2 Insufficient cpu\n  Said by: the scheduler" in result.stdout


def test_the_page_is_what_the_script_makes():
    spec = importlib.util.spec_from_file_location("make_messages", ROOT / "scripts" / "make_cluster_messages.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text() == script.page(), "python scripts/make_cluster_messages.py makes it again"
    assert "| `OOMKilled`" in script.page()
