"""What shells run: commands among quotes, comments, here-documents, loops, wrappers; and what only looks like one."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.errors import InputError
from grace.policy.shell import MOST_LOOPS, _parser, is_script, read_script, unwrapped
from limits import cpu_below


def run(text: str, **settings: str) -> list[str]:
    """The commands of a script, innermost, as text."""
    return [" ".join([*unwrapped(command.words)][-1]) for command in read_script(text, settings)]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a; b && c || d | e & f", ["a", "b", "c", "d", "e", "f"]),
        ("a\nb \\\n c\n", ["a", "b c"]),
        ("echo 'sleep 5' \"; sleep 5\" \\; sleep", ["echo sleep 5 ; sleep 5 ; sleep"]),
        ("# sleep 5\na # sleep 5\nb c#sleep", ["a", "b c#sleep"]),
        ("cat <<EOF > f\nsleep 5\nEOF\nb", ["cat", "b"]),
        ("cat <<-'EOF'\n\tsleep 5\n\tEOF\nb", ["cat", "b"]),
        ("cat <<A <<B\nx\nA\ny\nB\nb", ["cat", "b"]),
        ("bash <<EOF\nsleep 5\nEOF", ["bash", "sleep 5"]),
        ("a > out.txt 2>&1 < in.txt", ["a"]),
        ("sl'e'ep \"5\"", ["sleep 5"]),
        ("X=1 Y=2 a", ["a"]),
        ("if a; then b; elif c; then d; else e; fi", ["a", "b", "c", "d", "e"]),
        ("case $1 in\nsleep) a;;\nesac", ["a"]),
        ("echo $(sleep 5)", ["sleep 5", "echo $(sleep 5)"]),
        ("echo '$(sleep 5)'", ["echo $(sleep 5)"]),
        ("x=`sleep 5`", ["sleep 5"]),
        ("(sleep 5)", ["sleep 5"]),
        ("f() { sleep 5; }; f", ["sleep 5"]),
        ("exec timeout -k 5 60 env A=b nice -n 5 sleep 5", ["sleep 5"]),
        ("tini -- sleep 5", ["sleep 5"]),
        ("echo 'never ends", ["echo"]),
        ("case $1 in a|b*) x;; (c) y && z;; *) sleep 5 esac", ["x", "y", "z", "sleep 5"]),
        ("case $(a) in\n  x) case $2 in y) b; esac;;\nesac", ["a", "b"]),
        ("cat <<EOF\n$(a) and $(b), not c\nEOF", ["cat", "a", "b"]),
        ("cat <<'EOF'\n$(a)\nEOF\nb", ["cat", "b"]),
        ("cat <<EOF | bash\nsleep 5\nEOF", ["cat", "bash", "sleep 5"]),
        ("cat <<EOF > run.sh && a\nsleep 5\nEOF\nb", ["cat", "a", "sleep 5", "b"]),
        ("cat <<EOF\nsleep 5\nEND\nsleep 6", ["cat"]),
        ("cat <<A <<B <<C\nx\nA\ny\nB\nz\nC\nb", ["cat", "b"]),
        ("bash <<'EOF'\nbash <<< 'sleep 5'\nEOF", ["bash", "bash", "sleep 5"]),
        ('a "$(b "$(c \'d\')")" <(e) ${X:-$(f)}', ["c d", "b $(c 'd')", "e", "f", "a $(b \"$(c 'd')\") <(e) $(f)"]),
        ("x=(1 $(a)); y[0]=2; ((z > 1)) && b", ["a", "b"]),
        ("[ -f x ] || [[ $a == b* ]] && c", ["[ -f x ]", "[[ $a == b* ]]", "c"]),
        ("! a; { b; }; ( c ); coproc d; e |& f", ["a", "b", "c", "d", "e", "f"]),
        ("function f { a; }; f() ( b ); export X=$(c) Y; unset X", ["a", "b", "c"]),
        ("a\r\nb \\\r\n c\r\n", ["a", "b c"]),
        ("a )\nb\nif c; then d\n", ["a", "b", "c", "d"]),
    ],
)
def test_commands_of_a_script(text: str, commands: list[str]):
    assert run(text) == commands


def test_variables_of_the_script_and_of_the_container_are_filled_in():
    assert run("M=google/gemma\nserve \"$M\" ${N:-2} '$M' $UNKNOWN", N="4") == ["serve google/gemma 4 $M $UNKNOWN"]
    assert run("serve ${N:-2}") == ["serve 2"]
    assert run("export A=1 B=2; x $A$B") == ["x 12"]


def test_a_variable_before_a_command_holds_for_it_alone():
    first, second = read_script("A=1 x\ny")
    assert first.settings == {"A": "1"}
    assert second.settings == {}


def test_parameters_are_passed_on():
    command = read_script('exec vllm serve "$@" --rank="$2"', {}, ["a b", "c"])[0]
    assert command.words == ("exec", "vllm", "serve", "a b", "c", "--rank=c")


@pytest.mark.parametrize(
    ("text", "endless", "background"),
    [
        ("while true; do sleep 5; done", True, False),
        ("until false; do sleep 5; done", True, False),
        ("while :; do sleep 5; done &\na", True, True),
        ("while true; do a && break; sleep 5; done", False, False),
        ("until a; do sleep 5; done", False, False),
        ("for i in 1 2 3; do sleep 5; done", False, False),
    ],
)
def test_loops(text: str, endless: bool, background: bool):
    sleep = next(command for command in read_script(text) if command.program == "sleep")
    assert [(loop.endless, loop.background) for loop in sleep.loops] == [(endless, background)]


def test_a_loop_in_a_loop_has_both():
    text = "while true; do a; for x in $(b); do c; done | d; until e; do sleep 5; done & done"
    loops = {command.program: command.loops for command in read_script(text)}
    assert [len(loops[program]) for program in ("a", "b", "c", "d", "e", "sleep")] == [1, 1, 2, 1, 2, 2]
    assert [loop.endless for loop in loops["sleep"]] == [True, False]
    assert [loop.background for loop in loops["sleep"]] == [False, True]
    assert [command.program for command in loops["sleep"][-1].commands] == ["e", "sleep"]


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("python - <<EOF\nx = 1\nEOF", "python"),
        ("python - <<EOF | tee log\nx = 1\nEOF", "python"),
        ("python - > log <<-'EOF' && b\nx = 1\n\tEOF\nc", "python"),
        ("a | python <<EOF\nx = 1\nEOF", "python"),
    ],
)
def test_a_here_document_belongs_to_the_command_that_reads_it(text: str, program: str):
    assert [(c.program, c.document.strip()) for c in read_script(text) if c.document] == [(program, "x = 1")]


def test_values_are_put_together():
    assert run("A=x; A+=y; a $A") == ["a xy"]
    assert run('A=1 b; a ${A} "c \\" $A" $\'d e\'', A="2") == ["b", 'a 2 c " 2 d e']


def test_lines_are_those_of_the_script():
    text = "a\n\n# b\ncat <<EOF\nx\nEOF\nb 'one\ntwo'\nc"
    assert [(command.program, command.line) for command in read_script(text)] == [
        ("a", 1),
        ("cat", 4),
        ("b", 7),
        ("c", 9),
    ]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("#!/bin/bash\n", True),
        ("#!/usr/bin/env -S bash -e\n", True),
        ("#! /bin/sh -e", True),
        ("#!/usr/bin/env python3\n", False),
        ("bash\n", False),
        ("", False),
    ],
)
def test_what_is_a_script(text: str, script: bool):
    assert is_script(text) is script


WORDS = [
    "sleep",
    "5",
    "while",
    "true",
    "do",
    "done",
    "if",
    "then",
    "fi",
    "case",
    "in",
    "esac",
    "x=1",
    "<<A",
    "A",
    "$(",
    "${",
]
TEXTS = st.lists(st.sampled_from([*WORDS, *"'\"`\\;&|()<>#$ \n{}!"]), max_size=60).map(" ".join) | st.text(max_size=200)


@given(TEXTS)
def test_any_text_is_read_without_a_fault(text: str):
    for command in read_script(text):
        assert command.words
        assert 1 <= command.line <= text.count("\n") + 1
        assert [*unwrapped(command.words)]


HOSTILE = ["${", "$(", "(", "'", "'\"\\'", "`", "while ", "<<A\n", "$(a ", "a)", "x=1\n", "do ", "\\"]
HOSTILE += [
    "a|",
    "(a)|",
    "f() ",
    "x=(",
    "case x in (",
    "<<",
    "<<A <<B\n",
    "while a; do ",
    "for x in y; do ",
    "\x00",
    "{ ",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_texts_take_no_long_time(part: str):
    with cpu_below(5):  # the parser alone takes minutes for some of them
        commands = read_script(part * (200_000 // len(part)))
    assert all(len(command.loops) <= MOST_LOOPS for command in commands)


def test_a_long_script_is_read_to_its_end():
    commands = read_script("while true; do python run.py | tee log; done\n" * 1900 + "sleep 5\n")
    assert (len(commands), commands[-1].words) == (1900 * 3 + 1, ("sleep", "5"))


def test_without_the_parser_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    _parser.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter_bash", None)
    with pytest.raises(InputError, match=r"pip install 'grace-experiments\[cluster\]'"):
        read_script("a")
