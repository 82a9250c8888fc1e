"""Shell scripts, read far enough to know which commands they run and in which loops; nothing is ever executed.

Quotes, comments, here-documents, redirections, substitutions, loops and simple variables are understood. Functions are
read where they stand; arrays and arithmetic are not. What cannot be understood is left as it is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

SHELLS = {"sh", "bash", "ash", "dash", "zsh", "ksh"}
MOST_NESTED = 8
"""Scripts in scripts and substitutions in substitutions that are followed."""
MOST_LOOPS = 50
"""Loops in loops that are told apart."""
MOST_SETTINGS = 500
"""Variables that are followed."""

_TOKEN = re.compile(
    r"""
      (?P<blank>   (?: [ \t\r] | \\\r?\n )+ )
    | (?P<comment> \# [^\n]*+ )
    | (?P<here>    <<(?P<tabs>-?)[ \t]*+(?P<quote>['"\\]?)(?P<tag>\w++)['"]? )
    | (?P<redirect>[0-9]*(?: <<< | >\||&>>|&> | >>&?|>&|<&|<>|>|< )(?!\() )
    | (?P<operator>\n|;;&|;;|;&|&&|\|\||\|&|;|&|\||\(|\)|<(?=\()|>(?=\() )
    | (?P<word>    (?: \\. | '[^']*+' | "(?:\\.|[^"\\])*+" | \$\((?:[^()'"]|'[^']*+'|"(?:\\.|[^"\\])*+"|\([^()]*+\))*+\)
                     | `[^`]*+` | \$\{[^}]{0,500}+\} | [^\s;&|()<>'"\\`] )++ )
    | (?P<rest>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(
    r"""\\(?P<escaped>.) | '(?P<single>[^']*+)' | "(?P<double>(?:\\.|[^"\\])*+)" | (?P<plain>[^'"\\]++|.)""",
    re.VERBOSE | re.DOTALL,
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))", re.ASCII)
_SUBSTITUTION = re.compile(r"\$\(((?:[^()]|\([^()]*+\))*+)\)|`([^`]*+)`", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.ASCII | re.DOTALL)
_LOOPS = {"while", "until", "for", "select"}
_KEYWORDS = {
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "do",
    "done",
    "esac",
    "!",
    "{",
    "}",
    "time",
    "coproc",
    "function",
} | _LOOPS
_ALL_PARAMETERS = ("$@", '"$@"', "$*", '"$*"', "${@}", '"${@}"')
_ALWAYS = ("true", ":", "/bin/true", "[ 1 ]", "[[ 1 ]]", "[ true ]", "[[ true ]]")
_ENDLESS = {f"while {always}" for always in _ALWAYS} | {"until false", "until /bin/false"}
"""Loops that do not end by themselves."""


@dataclass(eq=False)
class Loop:
    """A loop of a script.

    Attributes:
        endless: its condition always holds, and nothing in it breaks out.
        background: the script goes on beside it.
        commands: those inside, condition included.
    """

    endless: bool = False
    background: bool = False
    commands: list["Command"] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Command:
    """A command of a script.

    Attributes:
        words: program first, without quotes; variables that are known are filled in.
        line: in the script, from 1.
        loops: that it stands in, the innermost last.
        settings: variables that are set where it runs.
        document: the here-document that it reads; empty when there is none.
    """

    words: tuple[str, ...]
    line: int
    loops: tuple[Loop, ...]
    settings: Mapping[str, str]
    document: str = ""

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.words[0].rpartition("/")[2]


def read_script(text: str, settings: Mapping[str, str] | None = None, parameters: Sequence[str] = ()) -> list[Command]:
    """The commands of a script, in their order.

    Args:
        text: the script.
        settings: variables that are set before it.
        parameters: what it is called with: $1, $2, ... and $@.
    """
    numbered = {str(number): word for number, word in enumerate(parameters, start=1)}
    return _Script({**(settings or {}), **numbered}, parameters).read(text, 1, 0)


def is_script(text: str) -> bool:
    """Whether a text begins as shell scripts do."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    found = re.match(r"#!\s*(\S+)(?:\s+(?:-\S+\s+)*(\S+))?", first)
    if not found:
        return False
    program = found[2] if found[1].endswith("/env") and found[2] else found[1]
    return program.rpartition("/")[2] in SHELLS


class _Script:
    """Reads one script: its variables, and the loops that are open."""

    def __init__(self, settings: Mapping[str, str], parameters: Sequence[str]) -> None:
        self.settings = settings
        self.parameters = parameters
        self.loops: list[Loop] = []
        self.found: list[Command] = []
        self.words: list[str] = []
        self.line = 1
        self.target = ""
        """Of the last redirection of a line."""

    def read(self, text: str, line: int, depth: int) -> list[Command]:
        """The commands; `line` is that of the text's beginning."""
        waiting: list[re.Match[str]] = []  # here-documents that begin behind the next line break
        position, skip, here_string, parentheses = 0, False, False, 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            assert token
            if not self.words:
                self.line = line
            position, kind = token.end(), token.lastgroup
            line += token[0].count("\n")
            if kind in ("word", "rest"):
                if skip:
                    self.target = self._plain(token[0])
                else:
                    self.words.append(token[0])
                self._substituted(token[0], depth)
                if skip and here_string:
                    self._finish("")
                    self._document(self.target, self.line, depth)
                skip = False
            elif kind == "redirect":
                skip, here_string = True, token[0].endswith("<<<")
            elif token["here"]:
                waiting.append(token)
            elif kind == "operator":
                operator, skip = token[0], False
                self._finish(operator, pattern=operator == ")" and parentheses == 0)
                parentheses = max(0, parentheses + (operator == "(") - (operator == ")"))
                if operator == "\n" and waiting:
                    body, end = _documents(text, position, waiting)
                    self._document(body, line, depth)
                    line += text.count("\n", position, end)
                    position, waiting = end, []
                if operator == "\n":
                    self.target = ""
        self._finish("")
        return self.found

    def _document(self, text: str, line: int, depth: int) -> None:
        """A here-document: a script where a shell reads it (`bash <<EOF`) or a file gets it that will be one."""
        command = self.found[-1] if self.found else None
        if command is None:
            return
        read = (command.program in SHELLS and len(command.words) == 1) or self.target.endswith((".sh", ".bash"))
        self.found[-1] = replace(command, document=text)
        if read and depth < MOST_NESTED:
            self.found += _Script(self.settings, self.parameters).read(text, line, depth + 1)

    def _substituted(self, word: str, depth: int) -> None:
        """Commands inside `$(...)` of a word."""
        if depth >= MOST_NESTED or ("$(" not in word and "`" not in word):
            return
        for found in _SUBSTITUTION.finditer(re.sub(r"'[^']*'", "''", word)):
            inner = _Script(self.settings, self.parameters)
            inner.loops = list(self.loops)
            self.found += inner.read(found[1] or found[2] or "", self.line, depth + 1)

    def _finish(self, operator: str, pattern: bool = False) -> None:
        """One command is complete; a pattern of `case` is none."""
        words, self.words = self.words, []
        first = 0
        while first < len(words) and words[first] in _KEYWORDS:
            word, first = words[first], first + 1
            if word in _LOOPS and len(self.loops) < MOST_LOOPS:
                self.loops.append(Loop(" ".join([word, *words[first : first + 4]]) in _ENDLESS))
            elif word == "done" and self.loops:
                self.loops.pop().background = operator == "&"
            if word in ("for", "select", "done"):
                return
            first += word == "function"  # its name
        if not pattern:
            self._add(*self._assigned([plain for word in words[first:] for plain in self._passed(word)]))

    def _add(self, words: list[str], settings: Mapping[str, str]) -> None:
        if not words or not words[0]:
            return
        command = Command(tuple(words), self.line, tuple(self.loops), settings)
        self.found.append(command)
        for loop in self.loops:
            loop.commands.append(command)
        if words[0] in ("break", "exit", "return", "exec"):
            for loop in self.loops[-1:] if words[0] == "break" else self.loops:
                loop.endless = False

    def _assigned(self, words: list[str]) -> tuple[list[str], Mapping[str, str]]:
        """A command without the variables that are set before it, and all that are set where it runs.

        Variables that are set without a command hold from then on.
        """
        exports = bool(words) and words[0] in ("export", "declare", "local", "readonly", "typeset")
        rest = [word for word in words[1:] if not word.startswith("-")] if exports else words
        settings: dict[str, str] = {}
        while rest and (found := _ASSIGNMENT.fullmatch(rest[0])):
            settings[found[1]] = found[2]
            rest = rest[1:]
        merged = {**self.settings, **settings} if settings and len(self.settings) < MOST_SETTINGS else self.settings
        if exports or not rest:
            self.settings = merged
            return [], merged
        return rest, merged

    def _passed(self, word: str) -> Sequence[str]:
        """What a word becomes: one word, or all parameters."""
        return self.parameters if self.parameters and word in _ALL_PARAMETERS else (self._plain(word),)

    def _plain(self, word: str) -> str:
        """A word as the shell passes it on."""
        pieces: list[str] = []
        for found in _PIECE.finditer(word):
            if found["single"] is not None:
                pieces.append(found["single"])
            elif found["escaped"] is not None:
                pieces.append(found["escaped"])
            elif found["double"] is not None:
                pieces.append(self._filled(re.sub(r"\\([$`\"\\\n])", r"\1", found["double"])))
            else:
                pieces.append(self._filled(found["plain"]))
        return "".join(pieces)

    def _filled(self, text: str) -> str:
        """Text with the variables that are known."""

        def value(found: re.Match[str]) -> str:
            known = self.settings.get(found[1] or found[3])
            if known is not None:
                return known
            return found[0] if found[2] is None else found[2]

        return _VARIABLE.sub(value, text) if "$" in text else text


def _documents(text: str, position: int, waiting: list[re.Match[str]]) -> tuple[str, int]:
    """The text of the last of some here-documents, and where the script goes on behind them."""
    body = ""
    for document in waiting:
        indent = r"\t*" if document["tabs"] else ""
        end = re.compile(rf"^{indent}{re.escape(document['tag'])}[ \t\r]*$\n?", re.MULTILINE).search(text, position)
        if end is None:
            return text[position:], len(text)
        body, position = text[position : end.start()], end.end()
    return body, position


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
"""Those with an argument of their own before the program."""


def _without_options(words: tuple[str, ...], with_value: str) -> tuple[str, ...]:
    while words and words[0].startswith("-"):
        option, words = words[0], words[1:]
        if option == "--":
            break
        if len(option) == 2 and option[1] in with_value:
            words = words[1:]
    return words
