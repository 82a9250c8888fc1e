"""`grace lineup clean`."""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.cluster.options import Context, Kubeconfig, Namespace, connect
from grace.cli.lineup.options import Lineups
from grace.errors import ClusterError, InputError, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grace.cluster.access.connection import Api
    from grace.files import FileFacts
    from grace.lineup.backend import Cleanup
    from grace.lineup.cleaning import LineupObjects
    from grace.lineup.folder import LineupFolder
    from grace.lineup.home.copies import Archived

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def clean(
    name: Annotated[
        str | None, typer.Argument(help="The lineup's name. None, with --older-than: list those of the namespace.")
    ] = None,
    lineups: Lineups = Path("lineups"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what there is.")] = False,
    older_than: Annotated[
        str | None, typer.Option(metavar="7d", help="Only what was made so long ago: 30m, 12h, 7d, 2w.")
    ] = None,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep the volume with the weights for another lineup of this name.")
    ] = False,
    archive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="An archive whose files count as copies; it is verified first. May be given several times.",
        ),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Remove all that is left of a lineup, and prove that it is gone.

    On a cluster: the Jobs, Deployments, pods, Services, ConfigMaps and Secrets that Grace made for it, each by its
    name, and then its volumes. A volume stays if one of its files has no copy at home or in an --archive, which is
    verified first; the hub keeps copies of the weights. The namespace is the one that the lineup was carried in. On
    this machine: servers that outlived their runner. lineups/NAME/cleanup.json says what was there and what is left.

    Exit code 4: a volume or something that Grace did not make was kept. 5: something did not go, or the cluster fails.

    \b
    Examples:
      grace lineup clean local --dry-run
      grace lineup clean mine
      grace lineup clean mine --archive s3://lab/mine
      grace lineup clean --older-than 7d
    """
    from grace.lineup.folder import LineupFolder
    from grace.policy.forms import is_label
    from grace.project import find_project

    age = _age(older_than)
    project = find_project()
    usual = namespace if namespace is not None or project is None else project.content.namespace
    if name is None:
        if age is None:
            raise InputError("give the name of a lineup, or --older-than 7d to list what was forgotten")
        with connect(kubeconfig, context) as api:
            _tell_forgotten(api, _namespace(api, usual), age)
        return
    if not is_label(name):
        raise InputError(f"{name!r}: no lineup has this name; names have a-z, 0-9 and -")
    folder = LineupFolder(lineups / name)
    if folder.file.is_file() and not folder.lineup.on_cluster:
        _clean_here(folder, dry_run)
        return
    from grace.cluster.manifests.layout import PYTHON_IMAGE
    from grace.lineup.cleaning import ClusterCleaning
    from grace.lineup.lineup_file import ClusterPlace
    from grace.lock import locked

    archived = _archived(archive or ())
    place = (folder.lineup.place if folder.file.is_file() else None) or ClusterPlace(namespace=usual)
    with connect(kubeconfig, context or place.context) as api, options.progressing() as progress:
        where = _namespace(api, place.namespace if namespace is None else namespace, place.cluster)
        cleaning = ClusterCleaning(
            api,
            where,
            name,
            folder.path,
            PYTHON_IMAGE,
            archived=archived,
            keep_weights=keep_weights,
            older_than=age,
            bucket=project.content.bucket if project and age is None else None,
        )
        if dry_run:
            _tell_objects(cleaning.objects(), where)
            return
        with locked(folder.path):
            _tell(folder, cleaning.clean(progress))


def _archived(places: "Sequence[str]") -> "Archived":
    """What verified archives hold. Raises Refused for one that is not as it was made."""
    from grace.archive.store import store_at
    from grace.archive.verify import copies_of

    held: set[FileFacts] = set()
    with options.progressing() as progress:
        for place in places:
            held |= copies_of(store_at(place), progress)
    return held.__contains__


def _clean_here(folder: "LineupFolder", dry_run: bool) -> None:
    """Clean this machine."""
    from grace.lineup.backends import backend_for
    from grace.lock import locked

    with options.progressing() as progress, backend_for(folder.lineup, folder) as backend:
        if dry_run:
            print("\n".join(backend.leftovers()) or f"{folder.path}: nothing is left")
            return
        with locked(folder.path):
            _tell(folder, backend.clean(progress))


def _namespace(api: "Api", given: str | None, cluster: str = "nrp") -> str:
    from grace.policy.cluster_file import load_cluster

    return api.namespace(given, load_cluster(cluster).namespace)


def _age(text: str | None) -> timedelta | None:
    """What `7d` says. Raises InputError."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,4})([mhdw])", text)
    if not match:
        raise InputError(f"--older-than {text}: give a number and m, h, d or w, as 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _tell_forgotten(api: "Api", namespace: str, age: timedelta) -> None:
    """List the lineups that have objects so old, with the command that removes them."""
    from datetime import UTC, datetime

    from grace.lineup.cleaning import objects_of

    now = datetime.now(UTC)
    forgotten = [each for each in objects_of(api, namespace) if each.made and now - each.oldest > age]
    for each in forgotten:
        _tell_objects(each, namespace)
        print(f"  since {each.oldest:%Y-%m-%d}; if it is yours, `grace lineup clean {each.name}` removes it")
    if not forgotten:
        print(f"{namespace}: nothing of Grace's is so old")


def _tell_objects(objects: "LineupObjects", namespace: str) -> None:
    from collections import Counter

    counts = Counter(each.kind for each in objects.made)
    said = ", ".join(f"{number} {kind}" for kind, number in counts.items()) or "nothing"
    print(f"lineup {objects.name} in {namespace}: {said}")
    for each in objects.made:
        print(f"  {each}{' (is being deleted)' if each.deleting else ''}")
    for each in objects.foreign:
        print(f"  {each} (was not made by Grace, and stays)")
    if objects.unseen:
        print(f"  you may not list {', '.join(objects.unseen)}: whether there are any is not known")


def _tell(folder: "LineupFolder", cleanup: "Cleanup") -> None:
    """Print what became of everything, and prove it. Raises Refused, ClusterError."""
    from grace.lineup.proof import write_cleanup

    write_cleanup(folder, cleanup)
    for each in cleanup.removed:
        print(f"removed {each}")
    for each, reason in cleanup.kept.items():
        print(f"kept {each}: {reason}")
    if cleanup.left:
        raise ClusterError(f"still there: {', '.join(cleanup.left)}; the same command tries again")
    if cleanup.unseen:
        raise ClusterError(f"you may not list {', '.join(cleanup.unseen)}, so that nobody knows whether any is left")
    if cleanup.kept:
        raise Refused(f"{folder.cleanup}: {options.count(len(cleanup.kept), 'object')} stay, for the reasons above")
    print(f"{folder.path}: nothing is left; proof: {folder.cleanup}")
