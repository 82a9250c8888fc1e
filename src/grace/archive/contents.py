"""What an archive holds: the files of runs and lineups, and others as they are, by their names in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from grace.archive.bag import name_faults
from grace.errors import InputError
from grace.lineup.folder import LineupFolder
from grace.runs import Run
from grace.stages.related import groups_of, table_of
from grace.stages.shard import is_shard

RUNS, LINEUPS, FILES = "runs", "lineups", "files"
MADE = ("_quality", "_merged")
"""Ends of the names of folders that Grace makes beside runs; an archive makes them anew."""


@dataclass(frozen=True)
class Contents:
    """What was given, by names in the archive.

    Attributes:
        runs: the runs whose results are made, by their folders' names, in the order given.
        files: all files as they are on this machine.
        tables: tables that lineups brought home, by the name of their run; results make them again.
    """

    runs: dict[str, Run]
    files: dict[str, Path]
    tables: dict[str, Path]

    @classmethod
    def of(cls, places: Sequence[Path]) -> "Contents":
        """The contents for some runs, lineups, and other files and folders.

        A run brings along what belongs to it in its folder: extraction and probabilities.

        Raises:
            InputError: a place is not there or holds a link, or two places have one name.
        """
        contents = cls({}, {}, {})
        for place in places:
            path = place.resolve()
            if Run(path).exists:
                for run in dict.fromkeys(run for group in groups_of([Run(path)]) for run in group.runs):
                    contents._add_run(f"{RUNS}/{run.path.name}", Run(run.path.resolve()))
            elif LineupFolder(path).file.is_file():
                contents._add_lineup(path)
            elif path.exists():
                contents._add_files(f"{FILES}/{path.name}", path)
            else:
                raise InputError(f"{place}: is not there; give runs, lineups, or other files")
        faults = list(name_faults(sorted(contents.files)))
        if faults:
            raise InputError(f"{faults[0]}; rename it")
        return contents

    def _add_run(self, name: str, run: Run) -> None:
        if self.runs.setdefault(name, run).path != run.path:
            raise InputError(f"{run.path} and {self.runs[name].path} have one name; rename one of them")
        self._add_files(name, run.path)

    def _add_lineup(self, folder: Path) -> None:
        name = f"{LINEUPS}/{folder.name}"
        made: set[Path] = set()
        for model in (each for each in sorted(folder.iterdir()) if each.is_dir() and not each.is_symlink()):
            for run in (Run(path) for path in sorted(model.glob("*.run"))):
                place = f"{name}/{model.name}/{run.path.name}"
                self._add_run(place, run)
                table = table_of(run)
                if table.is_file():
                    self.tables[place] = table
                made |= {table, *(run.path.with_name(f"{run.path.stem}{end}") for end in MADE)}
        for path in _files_below(folder):
            if not any(each in made for each in (path, *path.parents)):
                self._add_file(f"{name}/{path.relative_to(folder).as_posix()}", path)

    def _add_files(self, name: str, path: Path) -> None:
        if path.is_file():
            self._add_file(name, path)
        for each in _files_below(path) if path.is_dir() else ():
            self._add_file(f"{name}/{each.relative_to(path).as_posix()}", each)

    def _add_file(self, name: str, path: Path) -> None:
        if self.files.setdefault(name, path) != path:
            raise InputError(f"{path} and {self.files[name]} have one name in an archive; rename one of them")

    @property
    def whole_runs(self) -> list[str]:
        """The names of runs whose results can be made: all but shards."""
        return [name for name, run in self.runs.items() if not is_shard(run.path)]


def withheld(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that one of some patterns takes, such as `runs/*/ledger.jsonl`. Raises InputError for an idle one."""
    names = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"--exclude {pattern}: no file of the archive has such a name, as runs/NAME.run/input.csv")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _files_below(folder: Path) -> Iterator[Path]:
    """The files of a folder, in order; no locks, and nothing hidden. Raises InputError for a link to a folder."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "lock":
            continue
        if path.is_dir():
            if path.is_symlink():
                raise InputError(f"{path}: is a link to a folder; name the folder itself")
            yield from _files_below(path)
        elif path.is_file():
            yield path
