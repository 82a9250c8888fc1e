"""Checks of this machine and of the project's own files: programs, packages, logins, tables, manifests."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from grace.endpoints.client import without_userinfo
from grace.endpoints.serving import EMBEDDED
from grace.models.files import find_model
from grace.roadmap.checks.finding import ItemFinding, check
from grace.roadmap.ground import Ground
from grace.table_files import open_table


@check
def program(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """One of some programs is on the path."""
    there = next(filter(shutil.which, names), None)
    return ItemFinding(bool(there), f"{there} is here" if there else f"none of {', '.join(names)} is here")


@check
def python(ground: Ground) -> ItemFinding:
    """This Python, in an environment of its own."""
    version = ".".join(map(str, sys.version_info[:3]))
    return ItemFinding(sys.version_info >= (3, 11), f"Python {version}")


@check
def installed(ground: Ground, packages: Sequence[str]) -> ItemFinding:
    """Some packages can be imported."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return ItemFinding(not missing, f"{', '.join(missing)} missing" if missing else f"{', '.join(packages)} installed")


@check
def hub_token(ground: Ground) -> ItemFinding:
    """A token of the model hub is set, or stored where the hub's own tool stores it. It is not read."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    stored = Path(os.environ.get("HF_TOKEN_PATH", home / "token"))
    there = bool(os.environ.get("HF_TOKEN")) or stored.is_file()
    return ItemFinding(there, "a token is there" if there else f"neither HF_TOKEN nor {stored} is there")


@check
def model_file(ground: Ground) -> ItemFinding:
    """The file of the model that stands in here."""
    names = ground.models_of("local")
    for name in names:
        find_model(str(ground.folder / name) if name.endswith(".gguf") else name)
    return ItemFinding(True, f"{', '.join(names)}: here")


@check
def kubeconfig(ground: Ground) -> ItemFinding:
    """A kubeconfig is there; it is not read."""
    paths = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    there = next((path for path in (*paths, Path.home() / ".kube" / "config") if path.is_file()), None)
    return ItemFinding(bool(there), f"{there}" if there else "neither KUBECONFIG nor ~/.kube/config is there")


@check
def file(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """Some files of the project."""
    missing = [name for name in names if not (ground.folder / name).exists()]
    return ItemFinding(not missing, f"{', '.join(missing)} missing" if missing else f"{', '.join(names)}: there")


@check
def repository(ground: Ground, committed: bool = False) -> ItemFinding:
    """The project is in a git repository; with a commit."""
    arguments = ["rev-parse", "HEAD" if committed else "--git-dir"]
    try:
        done = subprocess.run(["git", "-C", str(ground.folder), *arguments], capture_output=True, timeout=10)
        good = done.returncode == 0
    except (OSError, subprocess.SubprocessError):
        good = False
    what = "a commit" if committed else "a git repository"
    return ItemFinding(good, f"{what} is there" if good else f"there is no {what[2:]}")


@check
def ignored(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """Names that .gitignore keeps out."""
    path = ground.folder / ".gitignore"
    lines = path.read_text(errors="replace").split() if path.is_file() else []
    plain = {line.strip("/") for line in lines}
    missing = [name for name in names if name.strip("/") not in plain]
    return ItemFinding(not missing, f"{path.name} lacks {', '.join(missing)}" if missing else "kept out")


@check
def dockerfiles(ground: Ground) -> ItemFinding:
    """Dockerfiles of the project or of Grace's repository."""
    there = sorted(ground.folder.glob("docker/*/Dockerfile"))
    return ItemFinding(bool(there), f"{len(there)} Dockerfiles" if there else "no docker/*/Dockerfile here")


@check
def tables_fit(ground: Ground) -> ItemFinding:
    """Each study's table is there, has rows, and has the study's columns."""
    words = []
    for (named, path), study in zip(ground.tables.items(), ground.studies.values(), strict=True):
        if not path.is_file():
            return ItemFinding(False, f"{path}: is not there; it is the table of {named}")
        with open_table(path) as table:
            study.check_columns(table.columns, path)
            if not len(table):
                return ItemFinding(False, f"{path}: has no rows")
            words.append(f"{study.name}: {len(table):,} trials")
    return ItemFinding(True, ", ".join(words))


@check
def manifests(ground: Ground, profile: str, folder: str) -> ItemFinding:
    """Manifests of the profile are there and break no rule of the cluster."""
    from grace.policy.check import check_manifests
    from grace.policy.cluster_file import load_cluster
    from grace.policy.reading import survey

    place = ground.folder / folder
    if not any(place.glob("*.yaml")):
        return ItemFinding(False, f"no manifests in {folder}/")
    reading = survey([place])
    report = check_manifests(
        reading.manifests, load_cluster(ground.project.content.cluster or "nrp"), reading.unread, reading.generated
    )
    good = not report.refuses(strict=False)
    return ItemFinding(
        good, f"{folder}/: {'break no rule' if good else f'`grace cluster check {folder}` names errors'}"
    )


@check
def endpoint(ground: Ground) -> ItemFinding:
    """The project's file names an endpoint of somebody else, and models there. It is not asked."""
    address, models = ground.project.content.endpoint, ground.models_of("api")
    if address in (None, EMBEDDED):
        return ItemFinding(False, f"{ground.project.path.name} names no endpoint")
    if not models:
        return ItemFinding(False, f"{ground.project.path.name} names no models of the profile api")
    return ItemFinding(True, f"{without_userinfo(str(address))}: {', '.join(models)}")
