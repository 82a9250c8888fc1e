"""Shell scripts, read far enough to say which commands they run and in which loops; nothing is ever executed.

tree-sitter-bash parses; this module reads its tree. Simple variables are followed, functions are read where they are
defined. What a shell would compute (arrays, arithmetic, the output of commands) is left as it is written. In a script
with a syntax error, the parts that make sense are read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from time import thread_time
from typing import TYPE_CHECKING

from grace.errors import InputError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

SHELLS = {"sh", "bash", "ash", "dash", "zsh", "ksh"}
MOST_NESTED = 8
"""How many levels of scripts in scripts are followed."""
MOST_LOOPS = 50
"""Loops around a command that are told apart, from the innermost."""
MOST_COMMANDS = 20_000
"""Of a script, after which calls of functions are not followed."""
MOST_SETTINGS = 500
"""How many variables are followed."""
MOST_BYTES = 200_000
MOST_PIPES = 2000
"""Of a script; what follows is left unread. The time that the parser takes for a pipeline grows with its square."""
UNREAD = "(a script that is too long to read)"
"""The program of a command that stands for what is left unread."""
MOST_SECONDS = 1
"""Processor time for a script: enough for a hundred times the work of a long one, and a bound for hostile texts."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))", re.ASCII)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.ASCII | re.DOTALL)
_ALL_PARAMETERS = {"$@", '"$@"', "$*", '"$*"', "${@}", '"${@}"'}
_ALWAYS = {"true", ":", "/bin/true", "[ 1 ]", "[[ 1 ]]", "[ true ]", "[[ true ]]"}
_NEVER = {"false", "/bin/false"}
_SPAN = re.compile(r"\{(-?\d{1,9})\.\.(-?\d{1,9})\}|\$\(seq\s+(?:(-?\d{1,9})\s+)?(-?\d{1,9})\)", re.ASCII)
"""Numbers of a loop, as {1..5} and $(seq 5)."""


@dataclass(eq=False)
class Loop:
    """A loop of a script.

    Attributes:
        endless: its condition always holds, and nothing in it breaks out.
        conditional: it ends when something has happened, as a wait does.
        counted: it goes through a list, so that it ends by itself.
        turns: how often it runs what is in it, where its list says so; 0 where that is not known.
        background: the script goes on beside it.
        commands: those inside, condition included.
    """

    endless: bool = False
    conditional: bool = False
    counted: bool = False
    turns: int = 0
    background: bool = False
    commands: list["Command"] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Command:
    """A command of a script.

    Attributes:
        words: program first, without quotes; variables whose values are known are filled in.
        line: in the script, from 1.
        loops: those that contain it, the innermost last.
        settings: variables that are set where it runs.
        document: the here-document that it reads; empty when there is none.
        files: those that its redirections name.
        fallback: it runs only where what stands before a || has failed.
    """

    words: tuple[str, ...]
    line: int
    loops: tuple[Loop, ...]
    settings: Mapping[str, str]
    document: str = ""
    files: tuple[str, ...] = ()
    fallback: bool = False

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.words[0].rpartition("/")[2]


def read_script(
    text: str, settings: Mapping[str, str] | None = None, parameters: Sequence[str] = (), line: int = 1
) -> list[Command]:
    """The commands of a script, in their order; variables are set before it, and its parameters are $1, $2 and so on.

    Its first line has the number `line`.

    Raises:
        InputError: tree-sitter-bash is not installed.
    """
    numbered = {str(number): word for number, word in enumerate(parameters, start=1)}
    return _Script({**(settings or {}), **numbered}, parameters).read(text, line, 0)


def is_script(text: str) -> bool:
    """Whether a text begins like a shell script."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    match = re.match(r"#!\s*(\S+)(?:\s+(?:-\S+\s+)*(\S+))?", first)
    if not match:
        return False
    program = match[2] if match[1].endswith("/env") and match[2] else match[1]
    return program.rpartition("/")[2] in SHELLS


class _Script:
    """Reads one script: its variables, and the loops and statements that are open."""

    def __init__(self, settings: Mapping[str, str], parameters: Sequence[str]) -> None:
        self.settings = settings
        self.parameters = parameters
        self.commands: list[Command] = []
        self.loops: list[Loop] = []
        self.closed: Loop | None = None
        """The loop that a `&` sends into the background."""
        self.reader = 0
        """How many commands there are before a here-document: the last one reads it."""
        self.target = ""
        """Where the output of a statement goes."""
        self.document: tuple[str, int] | None = None
        """A here-document and its line."""
        self.functions: dict[str, list[Command]] = {}
        """Their commands, which run where a function is called."""
        self.written: dict[str, list[Command]] = {}
        """Commands of scripts that a script writes, by their path."""
        self.called: set[str] = set()
        self.uncalled: list[Command] = []
        self.starts: list[int] = []
        """How many commands there are before the functions that are open."""
        self.fallbacks = 0
        """How many || there are around a statement on their right."""

    def read(self, text: str, line: int, depth: int) -> list[Command]:
        """The commands; `line` is that of the text's beginning."""
        self.first, self.depth, self.breaks = line, depth, text.count("\n")
        self.source, root = _parsed(text)
        if root is None or len(self.source) < len(text.encode(errors="replace")) - text.count("\r") - text.count("\0"):
            self.commands.append(Command((UNREAD,), line, (), {}))
        parents: list[str] = []
        for node, entered in _walk(root) if root else ():
            if entered:
                self._enter(node, parents[-1] if parents else "")
                parents.append(node.type)
            else:
                parents.pop()
                self._leave(node, parents[-1] if parents else "")
        for name in [*self.functions]:
            self._forget(name)
        return [*self.uncalled, *self.commands]

    def _forget(self, name: str) -> None:
        """A function is defined again, or the script ends: one that nobody called is kept, as a trap may call it."""
        body = self.functions.pop(name, [])
        self.uncalled += [] if name in self.called else body

    def _enter(self, node: "Node", parent: str) -> None:
        if node.type == "while_statement":
            condition = " ".join(self._text(node.named_children[0]).split()) if node.named_children else ""
            endless = condition in (_NEVER if node.children[0].type == "until" else _ALWAYS)
            self.loops.append(Loop(endless, conditional=not endless))
        elif node.type == "function_definition":
            self.starts.append(len(self.commands))
        elif node.type == "do_group" and parent in ("for_statement", "c_style_for_statement"):
            values = node.parent.children_by_field_name("value") if node.parent else []
            turns = [_turns(self._text(value)) for value in values]
            self.loops.append(Loop(counted=parent == "for_statement", turns=sum(turns) if all(turns) else 0))
        elif node.type == "redirected_statement":
            self.target = ""
        elif node.type == "heredoc_redirect":
            self.reader = len(self.commands)

    def _leave(self, node: "Node", parent: str) -> None:
        """Read a node on leaving it, in most cases: what is inside runs first."""
        kind = node.type
        if kind == "while_statement" or (kind == "do_group" and parent in ("for_statement", "c_style_for_statement")):
            self.closed = self.loops.pop()
        elif kind == "function_definition":
            named, start = node.child_by_field_name("name"), self.starts.pop()
            name = self._text(named) if named else ""
            self._forget(name)
            self.functions[name] = self.commands[start:]
            del self.commands[start:]
        elif kind == "&" and self.closed:
            self.closed.background = True
        elif kind == "||" and parent == "list":
            self.fallbacks += 1
        elif kind == "list":
            self.fallbacks -= sum(child.type == "||" for child in node.children)
        elif kind == "command":
            self._command(node)
            self._attached()
        elif kind == "test_command":
            self._add(node, self._text(node).split(), self.settings)
        elif kind == "variable_assignment" and parent != "command":
            self.settings = self._merged(self._assignment(node))
        elif kind == "file_redirect" and node.named_children:
            self.target = self._plain(node.named_children[-1])
        elif kind == "herestring_redirect" and node.named_children:
            self.reader = len(self.commands) + (parent == "command")
            self.document = self._plain(node.named_children[-1]), self._line(node)
        elif kind == "heredoc_body":
            self.document = self._text(node), self._line(node)
        elif kind == "redirected_statement":
            self._redirected(node)
            self._attached()

    def _redirected(self, node: "Node") -> None:
        """A command gets the files of its redirections, and the words behind them, which are its arguments."""
        redirects = [child.named_children for child in node.children if child.type == "file_redirect"]
        if not redirects or node.named_children[0].type != "command" or not self.commands:
            return
        words = [[self._plain(word) for word in each if word.type != "file_descriptor"] for each in redirects]
        command = self.commands[-1]
        more = tuple(word for each in words for word in each[1:])
        files = tuple(word for each in words for word in each[:1])
        self.commands[-1] = replace(command, words=command.words + more, files=files)
        for loop in command.loops:
            loop.commands[-1:] = self.commands[-1:]

    def _command(self, node: "Node") -> None:
        settings: dict[str, str] = {}
        for child in node.children:
            if child.type == "variable_assignment":
                settings |= self._assignment(child)
        words = [*node.children_by_field_name("name"), *node.children_by_field_name("argument")]
        self._add(node, [plain for word in words for plain in self._passed(word)], self._merged(settings))

    def _add(self, node: "Node", words: list[str], settings: Mapping[str, str]) -> None:
        self.closed = None
        if not words or not words[0]:
            return
        loops = tuple(self.loops[-MOST_LOOPS:])
        name = words[0].rpartition("/")[2]
        name = words[1] if name in SHELLS and len(words) > 1 else words[0]
        body = self.written.get(name, self.functions.get(name, [])) if len(self.commands) < MOST_COMMANDS else []
        self.called |= {name} & self.functions.keys()
        called = [
            replace(inner, loops=(*loops, *inner.loops)[-MOST_LOOPS:], fallback=self.fallbacks > 0 or inner.fallback)
            for inner in body
        ]
        commands = called or [Command(tuple(words), self._line(node), loops, settings, fallback=self.fallbacks > 0)]
        self.commands += commands
        for loop in loops:
            loop.commands += commands
        if words[0] in ("break", "exit", "return", "exec"):
            for loop in loops[-1:] if words[0] == "break" else loops:
                loop.conditional = loop.conditional or loop.endless or words[0] == "break"
                loop.endless = False

    def _attached(self) -> None:
        """A here-document goes to its command; it is a script where a shell reads it or a file gets it that is one."""
        if self.document is None:
            return
        (text, line), self.document = self.document, None
        if not 0 < self.reader <= len(self.commands):
            return
        reader = self.commands[self.reader - 1]
        self.commands[self.reader - 1] = replace(reader, document=text)
        shell = any(command.program in SHELLS and len(command.words) == 1 for command in (reader, self.commands[-1]))
        written = self.target.endswith((".sh", ".bash"))
        if (shell or written) and self.depth < MOST_NESTED:
            inner = _Script(self.settings, self.parameters).read(text, line, self.depth + 1)
            self.commands += inner
            self.written |= {self.target: inner} if written else {}

    def _assignment(self, node: "Node") -> dict[str, str]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or name.type != "variable_name":
            return {}
        key = self._text(name)
        before = self.settings.get(key, "") if any(child.type == "+=" for child in node.children) else ""
        return {key: before + (self._plain(value) if value else "")}

    def _merged(self, settings: dict[str, str]) -> Mapping[str, str]:
        return {**self.settings, **settings} if settings and len(self.settings) < MOST_SETTINGS else self.settings

    def _passed(self, node: "Node") -> Sequence[str]:
        """What a word becomes: one word, or all parameters."""
        every = self.parameters and self._text(node) in _ALL_PARAMETERS
        return self.parameters if every else (self._plain(node),)

    def _plain(self, node: "Node") -> str:
        """A word as the shell passes it on."""
        text, kind = self._text(node), node.type
        if kind == "word":
            return re.sub(r"\\(.)", lambda match: match[1].strip("\n"), text, flags=re.DOTALL)
        if kind == "raw_string":
            return text[1:-1]
        if kind == "ansi_c_string":
            return text[2:-1]
        if kind in ("simple_expansion", "expansion"):
            return self._filled(text)
        if kind not in ("command_name", "concatenation", "string", "translated_string"):
            return text
        pieces, position = [], node.start_byte
        for child in node.children:
            pieces.append(self._between(position, child.start_byte))
            pieces.append(self._piece(child, kind))
            position = child.end_byte
        return "".join([*pieces, self._between(position, node.end_byte)])

    def _piece(self, node: "Node", kind: str) -> str:
        """A part of a word; in a string only some characters are escaped."""
        if node.type == '"':
            return ""
        if kind == "string" and node.type == "string_content":
            return re.sub(r'\\([$`"\\\n])', lambda match: match[1].strip("\n"), self._text(node))
        return self._plain(node)

    def _filled(self, text: str) -> str:
        """An expansion with the value of its variable, or its default."""

        def value(match: re.Match[str]) -> str:
            setting = self.settings.get(match[1] or match[3])
            if setting is not None:
                return setting
            return match[0] if match[2] is None else match[2]

        return _VARIABLE.sub(value, text)

    def _text(self, node: "Node") -> str:
        return self._between(node.start_byte, node.end_byte)

    def _between(self, start: int, end: int) -> str:
        return self.source[start:end].decode(errors="replace")

    def _line(self, node: "Node") -> int:
        return self.first + min(node.start_point.row, self.breaks)  # here-documents may get an end that they lack


def _turns(text: str) -> int:
    """How many words a word of a loop's list stands for; 0 where that is not known."""
    if match := _SPAN.fullmatch(text):
        first, last = (int(number) for number in (match[1] or match[3] or 1, match[2] or match[4]))
        return abs(last - first) + 1 if match[2] else max(last - first + 1, 0)
    return 0 if re.search(r"[$`*?{\[]", text) else 1


@cache
def _parser() -> "Parser":
    try:
        import tree_sitter_bash
        from tree_sitter import Language, Parser
    except ImportError:
        raise InputError(
            "scripts in manifests are read with tree-sitter-bash, which is not installed: "
            "pip install 'grace-experiments[cluster]'"
        ) from None
    return Parser(Language(tree_sitter_bash.language()))


def _parsed(text: str) -> tuple[bytes, "Node | None"]:
    """A script as bytes, and its tree; None where the parser takes too long.

    tree-sitter-bash understands one here-document a line, and none without an end. The shell reads the last one of a
    line, and one without an end to the end of the file: such texts are written so that they mean the same.
    """
    text = text.replace("\r\n", "\n").replace("\0", "")
    source = "|".join(text.split("|")[: MOST_PIPES + 1]).encode(errors="replace")[:MOST_BYTES]
    end = thread_time() + MOST_SECONDS
    for _ in range(MOST_NESTED):
        root = _tree(source, end)
        plain = _plain_documents(source, root) if root and root.has_error else source
        if plain == source:
            break
        source = plain
    return source, root


def _tree(source: bytes, end: float) -> "Node | None":
    """The tree of a script; None where the limit of processor time is reached first."""

    def part(start: int, _: object) -> bytes:  # the parser shows no progress on a text that it has as a whole
        return source[start : start + 65536]

    try:
        return _parser().parse(part, progress_callback=lambda *_: thread_time() > end).root_node
    except ValueError:  # cancelled
        _parser().reset()
        return None


def _plain_documents(source: bytes, root: "Node") -> bytes:
    """The script with one here-document rewritten that the parser did not understand; else the script itself."""
    for node, entered in _walk(root):
        parts = {child.type: child for child in node.children} if entered and node.type in _AROUND_DOCUMENTS else {}
        start = parts.get("heredoc_start")
        if start and node.type == "ERROR":
            tag = re.sub(rb"[\"'\\]", b"", source[start.start_byte : start.end_byte])
            return source if source.endswith(b"\n" + tag) else source + b"\n" + tag
        if start and {"ERROR", "heredoc_body", "heredoc_end"} <= parts.keys():
            last = parts["heredoc_end"].end_byte
            for first, end in ((node.start_byte, start.end_byte), (parts["heredoc_body"].start_byte, last)):
                source = source[:first] + re.sub(rb"[^\n]", b" ", source[first:end]) + source[end:]
            return source
    return source


_AROUND_DOCUMENTS = {"ERROR", "heredoc_redirect"}


def _walk(root: "Node") -> Iterator[tuple["Node", bool]]:
    """All nodes of a tree in the order of the text, each when it is entered (True) and when it is left (False).

    Without recursion, since a script may be nested as deep as it is long.
    """
    cursor = root.walk()
    while True:
        assert cursor.node
        yield cursor.node, True
        if cursor.goto_first_child():
            continue
        yield cursor.node, False
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            yield cursor.node, False


def unwrapped(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A command, and those that it only starts: `timeout 60 sleep 5` starts `sleep 5`. The innermost comes last."""
    while words:
        yield words
        program, rest = words[0].rpartition("/")[2], words[1:]
        if program not in _WRAPPERS:
            return
        rest = _without_options(rest, _WRAPPERS[program])
        if program == "env":
            while rest and _ASSIGNMENT.fullmatch(rest[0]):
                rest = rest[1:]
        elif program in _WITH_ARGUMENT:
            rest = rest[1:]
        words = rest


_WRAPPERS: Mapping[str, str] = {
    "builtin": "",
    "busybox": "",
    "catatonit": "",
    "chroot": "",
    "command": "",
    "coproc": "",
    "coreutils": "",
    "dumb-init": "r",
    "env": "uC",
    "exec": "a",
    "flock": "Ew",
    "gosu": "",
    "ionice": "cn",
    "nice": "n",
    "nohup": "",
    "setsid": "",
    "stdbuf": "ioe",
    "su-exec": "",
    "sudo": "ugh",
    "taskset": "",
    "time": "of",
    "timeout": "ks",
    "tini": "pe",
    "xargs": "dEIInLPs",
}
"""Programs that start another one, with those of their options of one letter that take a value."""
_WITH_ARGUMENT = {"chroot", "flock", "gosu", "su-exec", "taskset", "timeout"}
"""Programs with an argument of their own before the program that they start."""


def _without_options(words: tuple[str, ...], with_value: str) -> tuple[str, ...]:
    while words and words[0].startswith("-"):
        option, words = words[0], words[1:]
        if option == "--":
            break
        if len(option) == 2 and option[1] in with_value:
            words = words[1:]
    return words
