"""What an archive holds: the files of runs and lineups, and others as they are, by their names in it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import orjson

from grace.archive.bag import name_faults
from grace.errors import InputError
from grace.files import meant_by, sha256_of
from grace.index import is_index
from grace.lineup.folder import LineupFolder
from grace.runs import Run
from grace.stages.inventory import DONE, WRITING, listed
from grace.stages.related import extractions_of, groups_of, table_of
from grace.stages.shard import is_shard

ROOMS = RUNS, LINEUPS, FILES = "runs", "lineups", "files"
MADE = ("_quality", "_merged")
"""Ends of the names of folders that Grace makes beside runs; an archive makes them anew."""
LOCKS = ("lock", "lock.guard")
"""Files of a run or a lineup that say who writes it."""


@dataclass(frozen=True)
class Contents:
    """What was given, by names in the archive.

    Attributes:
        runs: the runs whose results are made, by their folders' names, in the order given.
        files: all files as they are on this machine.
        tables: tables that lineups brought home, by the name of their run; results make them again.
        left_out: what is not archived though it lies in a place that was given, and why.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)
    _places: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Sequence[Path]) -> "Contents":
        """The contents for some runs, lineups, and other files and folders.

        A run brings along what belongs to it in its folder: extraction and probabilities.

        Raises:
            InputError: a place is not there or holds a link, or two places have one name.
        """
        contents = cls()
        for path, place in {place.resolve(): place for place in places}.items():
            if Run(path).exists:
                for run in dict.fromkeys(run for group in groups_of([Run(path)]) for run in group.runs):
                    contents._add_run(f"{RUNS}/{run.path.name}", Run(run.path.resolve()))
            elif LineupFolder(path).file.is_file():
                contents._add_lineup(path)
            elif path.is_dir() or path.is_file():
                contents._add_files(contents._place(FILES, path), path)
            else:
                raise InputError(f"{place}: is not there, or no file; give runs, lineups, or other files")
        faults = list(name_faults(sorted(contents.files)))
        percents = [name for name in contents.files if "%" in name]
        faults += [f"{name!r} has a percent sign, which tools for BagIt read in two ways" for name in percents]
        if faults:
            raise InputError(f"{faults[0]}; rename it")
        return contents

    def _place(self, room: str, path: Path) -> str:
        """The name of a folder or file in the archive, which no other one has. Raises InputError."""
        name = f"{room}/{path.name}"
        other = self._places.setdefault(name, path)
        if other != path:
            raise InputError(f"{path} and {other} have one name in an archive; rename one of them")
        return name

    def _add_run(self, name: str, run: Run) -> None:
        if self.runs.setdefault(name, run).path != run.path:
            raise InputError(f"{run.path} and {self.runs[name].path} have one name; rename one of them")
        self._add_files(name, run.path)

    def _add_lineup(self, folder: Path) -> None:
        name = self._place(LINEUPS, folder)
        made: set[Path] = set()
        for model in (each for each in sorted(folder.iterdir()) if each.is_dir() and not each.is_symlink()):
            for run in (Run(path) for path in sorted(model.glob("*.run"))):
                place = f"{name}/{model.name}/{run.path.name}"
                self._add_run(place, run)
                table = table_of(run)
                if table.is_file():
                    self.tables[place] = table
                made |= {table, *(run.path.with_name(f"{run.path.stem}{end}") for end in MADE)}
        for path in self._files_below(folder):
            if not any(each in made for each in (path, *path.parents)):
                self._add_file(f"{name}/{path.relative_to(folder).as_posix()}", path)

    def _add_files(self, name: str, path: Path) -> None:
        if path.is_file():
            self._add_file(name, path)
        for each in self._files_below(path) if path.is_dir() else ():
            self._add_file(f"{name}/{each.relative_to(path).as_posix()}", each)

    def _add_file(self, name: str, path: Path) -> None:
        if self.files.setdefault(name, path) != path:
            raise InputError(f"{path} and {self.files[name]} have one name in an archive; rename one of them")

    def _files_below(self, folder: Path) -> Iterator[Path]:
        """The files of a folder, in order. Raises InputError for a link to a folder."""
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
        working = Run(folder).exists or LineupFolder(folder).file.is_file()
        for path in paths:
            if meant_by(path) or (working and (path.name in LOCKS or is_index(path))):
                continue
            if path.name.startswith("."):
                self.left_out[path] = "its name begins with a full stop"
            elif path.is_dir() and path.is_symlink():
                raise InputError(f"{path}: is a link to a folder; name the folder itself")
            elif path.is_dir():
                yield from self._files_below(path)
            elif path.is_file():
                yield path
            else:
                self.left_out[path] = "it is a link to nothing" if path.is_symlink() else "it is no ordinary file"

    def unfinished(self) -> Iterator[str]:
        """A sentence for each run that is not done. Raises InputError where one is being written."""
        for name, run in self.runs.items():
            facts = listed(run)
            if facts.state == WRITING:
                raise InputError(f"{run.path}: is being written {facts.why}; archive it when that has ended")
            if facts.state != DONE:
                yield f"{name} is {facts.state}: {facts.why}"

    def withheld(self, patterns: Sequence[str]) -> list[str]:
        """The names that a pattern such as `runs/*/ledger.jsonl` takes, and those of files that tell the same.

        The same is told by an extraction from the run (it has a copy of the answers), by noise.jsonl (questions of the
        ledger, asked again), by the shards of a run and the run that they were joined into, and by files of the same
        bytes.

        Raises:
            InputError: a pattern takes no file.
        """
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in self.files):
                raise InputError(
                    f"--exclude {pattern}: no file of the archive has such a name, as runs/NAME.run/input.csv"
                )
        held = {name for name in self.files if any(fnmatchcase(name, pattern) for pattern in patterns)}
        held |= self._parts(held)
        places = {run.path: name for name, run in self.runs.items()}
        for name, run in self.runs.items():
            if f"{name}/ledger.jsonl" in held:
                held.add(f"{name}/noise.jsonl")
            if any(each.startswith(f"{name}/") for each in held):
                copies = [place for each in extractions_of(run) if (place := places.get(each.path.resolve()))]
                held |= {f"{copy}/{file}" for copy in copies for file in ("input.csv", "ledger.jsonl")}
        held &= self.files.keys()
        sizes = {size for name in held if (size := self.files[name].stat().st_size)}
        alike = {name for name, path in self.files.items() if path.stat().st_size in sizes} if held else set()
        digests = {name: sha256_of(self.files[name]) for name in alike}
        same = {digests[name] for name in held & alike}
        return sorted(held | {name for name, digest in digests.items() if digest in same})

    def _parts(self, held: Collection[str]) -> set[str]:
        """The ledgers of shards of runs whose ledgers are held back, and of runs whose shards' are."""
        parts: dict[bytes, list[str]] = {}
        for name, run in self.runs.items():
            parts.setdefault(orjson.dumps(run.identity.as_json(), option=orjson.OPT_SORT_KEYS), []).append(name)
        shards = [names for names in parts.values() if any(is_shard(self.runs[name].path) for name in names)]
        ledgers = [{f"{name}/ledger.jsonl" for name in names} for names in shards]
        return {ledger for group in ledgers if not group.isdisjoint(held) for ledger in group}

    @property
    def whole_runs(self) -> list[str]:
        """The names of runs whose results can be made: all but shards."""
        return [name for name, run in self.runs.items() if not is_shard(run.path)]
