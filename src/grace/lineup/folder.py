"""A lineup's folder: what was asked, copies of its inputs, the journal, and a folder for each model.

lineups/NAME/
    lineup.yaml     which models, and where (`grace.lineup.lineup_file`)
    visit.yaml      what each of them is asked
    input/          the tables, and study files of the user's own
    lineup.jsonl    the journal (`grace.lineup.journal`)
    MODEL/          the runs and tables of a model, files.json with their digests
    forecast.json   what each model was to take, and what it took
    cleanup.json    what was there at the end, and what was left
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from grace.declared import read
from grace.errors import InputError, RunMismatch
from grace.files import replacing, sha256_of
from grace.lineup.lineup_file import LineupFile
from grace.runs import differences
from grace.stages.visit_file import StudyVisit, VisitFile
from grace.studies.study import BUILT_IN, load_study

LIST = "files.json"
"""In a model's folder: its files with their digests, as they were when they came home."""


@dataclass(frozen=True)
class LineupFolder:
    """A lineup on disk."""

    path: Path

    @property
    def file(self) -> Path:
        """Which models are carried, and where."""
        return self.path / "lineup.yaml"

    @property
    def visit(self) -> Path:
        """What each model is asked."""
        return self.path / "visit.yaml"

    @property
    def journal(self) -> Path:
        """The record of what was done."""
        return self.path / "lineup.jsonl"

    @property
    def forecast(self) -> Path:
        """What each model was to take, and what it took."""
        return self.path / "forecast.json"

    @property
    def cleanup(self) -> Path:
        """The proof that nothing is left."""
        return self.path / "cleanup.json"

    def model(self, name: str) -> Path:
        """The folder of a model's runs and tables; a file is called by its stem."""
        return self.path / re.sub(r"[^\w.-]+", "-", Path(name).stem if name.endswith(".gguf") else name)

    @property
    def lineup(self) -> LineupFile:
        """What was asked. Raises InputError for a folder without a lineup, or with one that cannot be read."""
        if not self.file.is_file():
            raise InputError(f"{self.path}: is not a lineup (it has no lineup.yaml); `grace lineup run` begins one")
        return read(self.file, LineupFile)

    def begin(self, lineup: LineupFile, visit: VisitFile, inputs: Mapping[str, Path]) -> None:
        """Start the lineup with copies of its inputs, or continue the one that is there.

        Args:
            lineup: which models are carried, and where.
            visit: what each of them is asked.
            inputs: files by their place in the folder.

        Raises:
            InputError: two models would have one folder.
            RunMismatch: the folder holds a lineup that asks something else, or whose inputs differ.
        """
        folders: dict[Path, str] = {}
        for name in lineup.models:
            other = folders.setdefault(self.model(name), name)
            if other != name:
                raise InputError(f"{other} and {name} would share the folder {self.model(name)}; rename one of them")
        if self.file.exists():
            before = {**self.lineup.model_dump(mode="json"), **read(self.visit, VisitFile).model_dump(mode="json")}
            now = {**lineup.model_dump(mode="json"), **visit.model_dump(mode="json")}
            different = [f"  {name}: {old!r} there, {new!r} now" for name, old, new in differences(before, now)]
            different += [
                f"  {place}: {source} is not what the lineup began with"
                for place, source in inputs.items()
                if sha256_of(source) != sha256_of(self.path / place)
            ]
            if different:
                raise RunMismatch(
                    f"{self.path}: is another lineup.\n{chr(10).join(different)}\n"
                    "Choose another --name, or repeat the options that began it."
                )
            return
        for place, source in inputs.items():
            with replacing(self.path / place) as copy, open(source, "rb") as original:
                shutil.copyfileobj(original, copy, 1 << 20)
        for path, content in ((self.visit, visit), (self.file, lineup)):  # the last one makes it a lineup
            with replacing(path) as file:
                text = yaml.safe_dump(content.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
                file.write(text.encode())


def visited(studies: Sequence[tuple[str, Path]]) -> tuple[tuple[StudyVisit, ...], dict[str, Path]]:
    """The studies of a lineup as its file lists them, and the inputs that its folder needs copies of.

    Args:
        studies: each study's name or file, with its table.

    Raises:
        InputError: a study file does not hold together, a table is not there, or two studies have one name.
    """
    visits: list[StudyVisit] = []
    inputs: dict[str, Path] = {}
    for named, table in studies:
        study = load_study(named)
        if not table.is_file():
            raise InputError(f"{table}: is not a table of {study.name}: there is no such file")
        place = f"input/{study.name}{table.suffix}"
        if place in inputs:
            raise InputError(f"two studies are called {study.name}; give one of them another name in its file")
        inputs[place] = table
        own = named
        if named not in BUILT_IN:
            own = f"input/{study.name}.yaml"
            inputs[own] = Path(named)
        visits.append(StudyVisit(study=own, input=place))
    return tuple(visits), inputs
