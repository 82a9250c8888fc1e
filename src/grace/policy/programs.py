"""What containers run: commands in `command`, `args`, shell strings, and scripts that ConfigMaps bring."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grace.policy.documents import Container, FieldPath, Manifest, Scene, Workload
from grace.policy.shell import MOST_NESTED, SHELLS, Loop, is_script, read_script, unwrapped

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)", re.ASCII)
_PYTHON = re.compile(r"(python|pypy)[0-9.]*")


@dataclass(frozen=True, eq=False)
class Program:
    """A command that a container runs.

    Attributes:
        words: program first, without those that only start it (`timeout 60`, `env A=b`); known variables filled in. The
            program is "" where there are only options for the one that the image names.
        path: the path of the word in the manifest that holds it or starts its script.
        script: the file that contains it, as "run.sh of ConfigMap/scripts"; empty for the manifest itself.
        line: of its script, from 1; of a script in another one, that of the outermost in this field or file.
        loops: those of a script that contain it.
        settings: variables, as far as they are known.
        code: text of a Python program, where it is known.
        timed: something ends it after a while, as timeout does.
        files: those that its redirections name.
        fallback: it runs only where a program before it has failed.
    """

    words: tuple[str, ...]
    path: FieldPath
    script: str
    line: int
    loops: tuple[Loop, ...]
    settings: Mapping[str, str]
    code: str = ""
    timed: bool = False
    files: tuple[str, ...] = ()
    fallback: bool = False

    @property
    def row(self) -> int:
        """The row of its script in the manifest's field; 0 where the script is elsewhere."""
        return 0 if self.script else self.line

    @property
    def name(self) -> str:
        """The program's name, without its folder."""
        return self.words[0].rpartition("/")[2]

    def option(self, *names: str) -> str | None:
        """The value of the last of some options, as `--output=a.csv` or `--output a.csv` give it."""
        option = None
        for number, word in enumerate(self.words):
            name, equals, value = word.partition("=")
            if name in names:
                option = value if equals else " ".join(self.words[number + 1 : number + 2])
        return option

    @property
    def is_python(self) -> bool:
        """Whether it is a Python interpreter."""
        return _PYTHON.fullmatch(self.name) is not None

    @property
    def place(self) -> str:
        """Its place, as the end of a message: " (run.sh of ConfigMap/scripts, line 3)"."""
        return f" ({self.script}, line {self.line})" if self.script else ""


@dataclass(frozen=True)
class _ScriptFile:
    text: str
    title: str


def programs(scene: Scene, workload: Workload, container: Container) -> list[Program]:
    """What a container runs, as far as its manifest and the ConfigMaps beside it show.

    Without a command, the image decides what happens to the arguments: they count as a command when they can be one.
    """
    if container not in scene.running:
        scene.running[container] = _CommandReader(scene, workload, container).read()
    programs: list[Program] = scene.running[container]
    return programs


def variables(scene: Scene, workload: Workload, container: Container) -> dict[str, str]:
    """The variables of a container whose values are known, including those from ConfigMaps among the objects."""
    values: dict[str, str] = {}
    for source in container.body.get("envFrom") or []:
        if name := (source.get("configMapRef") or {}).get("name"):
            prefix = source.get("prefix", "")
            values |= {prefix + key: value for key, value in _data(scene, workload, name).items()}
    for entry in container.body.get("env") or []:
        reference = (entry.get("valueFrom") or {}).get("configMapKeyRef") or {}
        value = _data(scene, workload, reference.get("name", "")).get(reference.get("key", ""))
        if "valueFrom" not in entry:
            value = expanded(entry.get("value", ""), values)
        values.pop(entry["name"], None)
        if value is not None:
            values[entry["name"]] = value
    return values


def _data(scene: Scene, workload: Workload, name: str) -> dict[str, str]:
    """The texts of a ConfigMap."""
    config: Manifest | None = scene.near("ConfigMap", name, workload.manifest) if name else None
    data = config.at(("data",)) if config else None
    return {key: text for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Text with `$(NAME)` filled in, as Kubernetes does."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else values.get(match[1], match[0])

    return _REFERENCE.sub(value, text) if "$" in text else text


def _files(scene: Scene, workload: Workload, container: Container) -> dict[str, _ScriptFile]:
    """Files that ConfigMaps put into a container, by their path there."""
    volumes = {body.get("name"): body for _, body in workload.volumes}
    files: dict[str, _ScriptFile] = {}
    for mount in container.body.get("volumeMounts") or []:
        volume = volumes.get(mount.get("name")) or {}
        projected = (volume.get("projected") or {}).get("sources") or []
        for source in (volume.get("configMap"), *(part.get("configMap") for part in projected)):
            name = (source or {}).get("name", "")
            data = _data(scene, workload, name)
            listed = (source or {}).get("items") or []
            items = {item["key"]: item["path"] for item in listed} or {key: key for key in data}
            for key, path in items.items():
                place = mount["mountPath"] if mount.get("subPath") == path else posixpath.join(mount["mountPath"], path)
                if key in data and mount.get("subPath") in (None, path):
                    files[posixpath.normpath(place)] = _ScriptFile(data[key], f"{key} of ConfigMap/{name}")
    return files


class _CommandReader:
    """Follows what a container runs into shell strings and scripts."""

    def __init__(self, scene: Scene, workload: Workload, container: Container) -> None:
        self.container = container
        self.variables = variables(scene, workload, container)
        self.files = _files(scene, workload, container)
        self.followed: set[str] = set()
        self.at_exit: list[Program] = []

    def read(self) -> list[Program]:
        words = [(path, expanded(word, self.variables)) for path, word in self.container.words]
        started = [*self._started(words)]
        started += self.at_exit
        if not self.followed:  # nobody says which script runs: any of them may
            path = (*self.container.path, "volumeMounts")
            for name, file in self.files.items():
                if is_script(file.text) or name.endswith((".sh", ".bash")):
                    started += self._script(file.text, Program((), path, file.title, 1, (), self.variables), 1)
        return started

    def _started(self, words: Sequence[tuple[FieldPath, str]]) -> Iterator[Program]:
        if not words:
            return
        texts = tuple(text for _, text in words)
        if not self.container.body.get("command") and texts[0].startswith("-"):
            if re.fullmatch(r"-\w*c", texts[0]) and len(words) > 1:  # of an image that starts a shell
                yield from self._script(texts[1], Program((), words[1][0], "", 1, (), self.variables), 1)
            else:
                yield Program(("", *texts), words[0][0], "", 1, (), self.variables)
            return
        if len(words) == 1 and re.search(r"\s", texts[0].strip()):
            yield from self._script(texts[0], Program((), words[0][0], "", 1, (), self.variables), 1)
            return
        inner = [*unwrapped(texts)][-1]
        first = len(texts) - len(inner)
        given = (n for n in range(first + 2, len(words)) if re.fullmatch(r"-\w*c", words[n - 1][1]))
        longest = max(words[first + 1 :], key=lambda word: len(word[1]), default=words[first])[0]
        script = next((words[number][0] for number in given), longest)
        program = Program(texts, words[first][0], "", 1, (), self.variables)
        for followed in self._followed(program, 1):
            yield replace(followed, path=script) if followed.words != inner or "-c" in inner else followed

    def _followed(self, program: Program, depth: int) -> Iterator[Program]:
        """A program, or those that its script runs."""
        *outer, words = unwrapped(program.words)
        timed = program.timed or any(starter[0].rpartition("/")[2] == "timeout" for starter in outer)
        program = replace(program, words=words, timed=timed)
        if depth > MOST_NESTED:
            return
        if program.name in SHELLS:
            given, first, parameters = shell_script(words)
            if given:
                yield from self._script(first, program, depth, parameters[1:])  # the first one is $0
            elif file := self._file(first):
                yield from self._script(file.text, replace(program, script=file.title, line=1), depth, parameters)
            else:
                yield program
        elif program.name in (".", "source") and (file := self._file(" ".join(words[1:2]))):
            yield from self._script(file.text, replace(program, script=file.title, line=1), depth)
        elif program.name == "eval":
            yield from self._script(" ".join(words[1:]), program, depth)
        elif program.name == "trap" and len(words) > 2:
            self.at_exit += self._script(words[1], program, depth)
        elif program.name == "su" and (text := program.option("-c", "--command")):
            yield from self._script(text, program, depth)
        elif (file := self._file(words[0])) and not _is_python_text(file):
            yield from self._script(file.text, replace(program, script=file.title, line=1), depth, words[1:])
        else:
            yield replace(program, code=self._code(program))

    def _script(self, text: str, outer: Program, depth: int, parameters: tuple[str, ...] = ()) -> Iterator[Program]:
        for command in read_script(text, outer.settings, parameters, outer.line):
            inner = replace(
                outer,
                words=command.words,
                line=command.line,
                loops=(*outer.loops, *command.loops),
                settings=command.settings,
                code=command.document,
                files=command.files,
                fallback=outer.fallback or command.fallback,
            )
            yield from self._followed(inner, depth + 1)

    def _file(self, path: str) -> _ScriptFile | None:
        """The file of a ConfigMap that a word names, also relative to the working directory or by its name alone."""
        if not path or not self.files:
            return None
        full = posixpath.normpath(posixpath.join(self.container.body.get("workingDir", "/"), path))
        same = [name for name in self.files if posixpath.basename(name) == posixpath.basename(path)]
        chosen = full if full in self.files else same[0] if len(same) == 1 and not path.startswith("/") else None
        if chosen is None or (chosen in self.followed and is_script(self.files[chosen].text)):
            return None
        self.followed.add(chosen)
        return self.files[chosen]

    def _code(self, program: Program) -> str:
        """The text of a Python program."""
        if not program.is_python:
            file = self._file(program.words[0])
            return file.text if file else ""
        rest = list(program.words[1:])
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            if option == "-c":
                return rest[0] if rest else ""
            if option == "-":
                return program.code  # its here-document
            if option == "-m":
                return ""
            if option in ("-W", "-X"):
                rest = rest[1:]
        if not rest:
            return program.code
        file = self._file(rest[0])
        return file.text if file else ""


def shell_script(words: tuple[str, ...]) -> tuple[bool, str, tuple[str, ...]]:
    """Whether a shell is given its script (`sh -c SCRIPT`), the script or its file, and what follows."""
    rest, given = words[1:], False
    while rest and rest[0][:1] in ("-", "+") and len(rest[0]) > 1:
        option, rest = rest[0], rest[1:]
        given = given or (not option.startswith("--") and "c" in option[1:])
        if option in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file") or re.fullmatch(r"-\w*o", option):
            rest = rest[1:]
    return given, rest[0] if rest else "", rest[1:]


def _is_python_text(file: _ScriptFile) -> bool:
    first = file.text.partition("\n")[0]
    return file.title.partition(" ")[0].endswith(".py") or (first.startswith("#!") and "python" in first)
