"""Leaving nothing on a cluster: a lineup's objects are deleted by name, and volumes only when their files are home."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.objects import KINDS, ClusterObject, labelled
from grace.cluster.access.pods import LINEUP
from grace.cluster.names import LONGEST_LINEUP, object_name, sanitized
from grace.errors import ClusterError, Refused
from grace.files import FileFacts
from grace.lineup.backend import Cleanup
from grace.lineup.home.copies import Archived, copies_in, nowhere, without_copy
from grace.lineup.home.relay import clean_bucket
from grace.lineup.home.volumes import Volume, VolumeRemote
from grace.progress import Progress
from grace.project_file import BucketSettings

MANAGED = {"app.kubernetes.io/managed-by": "grace"}
"""The label of all that Grace makes. Together with a lineup's it says what may be deleted; neither does alone."""
CLAIM = "PersistentVolumeClaim"
GONE_SECONDS = 300.0
"""The longest that deleted objects may take until they are gone; a pod has a minute to end."""
LOOK_SECONDS = 2.0
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class LineupObjects:
    """What a namespace has of a lineup.

    Attributes:
        name: the lineup's, as labels say it.
        made: by Grace, or by what Grace made.
        foreign: has the lineup's label, and not that of Grace: a pod that somebody made by hand.
        unseen: kinds that one may not list.
    """

    name: str
    made: tuple[ClusterObject, ...]
    foreign: tuple[ClusterObject, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def oldest(self) -> datetime:
        """When the first of them was made."""
        return min((made_at(each) for each in self.made), default=datetime.max.replace(tzinfo=UTC))


def objects_of(api: Api, namespace: str, lineup: str = "") -> list[LineupObjects]:
    """The objects of a lineup, or of each lineup in a namespace (""), by its name. Raises ApiError.

    A kind that one may not list is named, and is no reason to leave the others.
    """
    objects: list[ClusterObject] = []
    unseen: list[str] = []
    for kind in KINDS:
        try:
            objects += labelled(api, namespace, {LINEUP: lineup}, [kind])
        except ApiError as error:
            if error.status != 403:
                raise
            unseen.append(kind)
    if len(unseen) == len(KINDS):
        raise Refused(f"you may list nothing in the namespace {namespace}; choose another with --namespace")
    names = sorted({each.labels.get(LINEUP, "") for each in objects} | ({lineup} if lineup else set()))
    return [
        LineupObjects(
            name,
            tuple(each for each in objects if each.labels.get(LINEUP) == name and _is_ours(each)),
            tuple(each for each in objects if each.labels.get(LINEUP) == name and not _is_ours(each)),
            tuple(unseen),
        )
        for name in names
    ]


def made_at(each: ClusterObject) -> datetime:
    """When an object was made; now where the cluster does not say."""
    text = str((each.body.get("metadata") or {}).get("creationTimestamp") or "")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)


@dataclass(frozen=True)
class ClusterCleaning:
    """The cleaning of one lineup in a namespace.

    Attributes:
        api: the connection.
        namespace: where the lineup is.
        lineup: its name.
        home: its folder on this machine, with the copies of its files; it may be missing.
        image: one with Python, for the pods that list the files of volumes.
        archived: knows the files that archives hold.
        keep_weights: leave the volume with the weights, which would be fetched from the hub again.
        older_than: leave what was made since.
        bucket: through which the lineup's data came home; None: through none.
    """

    api: Api = field(repr=False)
    namespace: str
    lineup: str
    home: Path
    image: str
    archived: Archived = nowhere
    keep_weights: bool = False
    older_than: timedelta | None = None
    bucket: BucketSettings | None = None

    @property
    def label(self) -> str:
        """The lineup's name as labels have it."""
        return sanitized(self.lineup, LONGEST_LINEUP)

    def objects(self) -> LineupObjects:
        """What there is, and is old enough. Raises ApiError."""
        (found,) = objects_of(self.api, self.namespace, self.label)
        if self.older_than is None:
            return found
        before = datetime.now(UTC) - self.older_than
        return LineupObjects(
            found.name, tuple(each for each in found.made if made_at(each) < before), found.foreign, found.unseen
        )

    def clean(self, progress: Progress) -> Cleanup:
        """Delete what was made for the lineup, then the volumes whose files have a copy, and look what is left.

        Limits: GONE_SECONDS for the objects, and again for the volumes.

        Raises:
            ApiError: one may not, or the cluster is away.
        """
        found = self.objects()
        claims = [each for each in found.made if each.kind == CLAIM]
        others = [each for each in found.made if each.kind != CLAIM]
        self._delete(others, progress)
        kept = {str(each): "was not made by Grace, but has the lineup's label" for each in found.foreign}
        here = copies_in(self.home) if claims or self.bucket else frozenset()
        for claim in claims:
            if reason := self._reason_to_keep(claim, here, progress):
                kept[str(claim)] = reason
        self._delete([each for each in claims if str(each) not in kept], progress)
        relayed = clean_bucket(self.bucket, self.label, here, self.archived) if self.bucket else {}
        kept |= {title: reason for title, reason in relayed.items() if reason}
        (after,) = objects_of(self.api, self.namespace, self.label)
        there = {each.uid for each in after.made}
        return Cleanup(
            removed=tuple(str(each) for each in found.made if each.uid not in there),
            kept=kept,
            left=tuple(
                _described(each) for each in after.made if str(each) not in kept and self._is_meant(each, found)
            ),
            unseen=after.unseen,
        )

    def _is_meant(self, each: ClusterObject, found: LineupObjects) -> bool:
        """Whether an object should be gone; with `older_than`, only those that were old."""
        return self.older_than is None or any(each.uid == other.uid for other in found.made)

    def _delete(self, objects: Sequence[ClusterObject], progress: Progress) -> None:
        """Delete objects, each if it is still the one that was listed, and wait until they are gone.

        What an object owns goes before it does (Foreground), so pods are never left to run on.
        """
        uids = {each.uid for each in objects}
        for each in objects:
            if not each.deleting and _owner(each.body) not in uids:
                self.api.delete(each.path, each.uid, propagation="Foreground")
        ends = self.api.clock.now() + GONE_SECONDS
        left = list(objects)
        said = False
        while left := [each for each in left if self._is_there(each)]:
            if self.api.clock.now() > ends:
                return  # what is left is told when all is listed again
            if not said:
                progress.note(f"waiting until {', '.join(map(str, left[:3]))} is gone")
                said = True
            self.api.clock.sleep(LOOK_SECONDS)

    def _is_there(self, each: ClusterObject) -> bool:
        there = self.api.find(each.path)
        return there is not None and (there.get("metadata") or {}).get("uid") == each.uid

    def _reason_to_keep(self, claim: ClusterObject, here: Container[FileFacts], progress: Progress) -> str:
        """Why a volume must not be deleted; empty where it may be."""
        if (claim.body.get("status") or {}).get("phase") == "Pending":
            return ""  # it has never been a volume
        if users := self._users(claim.name):
            return f"is used by {', '.join(users)}"
        if claim.name == object_name(self.label, "weights"):
            return "keeps the weights, as you asked" if self.keep_weights else ""
        volume = Volume(self.api, self.namespace, self.label, claim.name, self.image)
        progress.note(f"{claim}: comparing its files with those at home")
        try:
            with VolumeRemote(volume) as remote:
                missing = without_copy(remote.listing(), here, self.archived)
        except ApiError as error:
            if error.status == 401:
                raise
            return f"its files could not be listed: {error}"
        except ClusterError as error:
            return f"its files could not be listed: {error}"
        if not missing:
            return ""
        return (
            f"{len(missing)} of its files have no copy at home: {', '.join(missing[:3])}; "
            f"`grace lineup fetch {self.lineup}` brings them"
        )

    def _users(self, claim: str) -> list[str]:
        """Pods that use a volume, whosever they are."""
        path = KINDS["Pod"].path(self.namespace)
        pods = [each for each in self.api.items(path) if (each.get("status") or {}).get("phase") not in _ENDED]
        return [f"Pod/{(each.get('metadata') or {}).get('name')}" for each in pods if claim in _claims(each)]


def _is_ours(each: ClusterObject) -> bool:
    return MANAGED.items() <= each.labels.items()


def _claims(pod: Mapping[str, Any]) -> set[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return {str((each.get("persistentVolumeClaim") or {}).get("claimName")) for each in volumes}


def _owner(body: Mapping[str, Any]) -> str:
    """The uid of what controls an object; empty when nothing does."""
    owners = (body.get("metadata") or {}).get("ownerReferences") or []
    return next((str(owner.get("uid")) for owner in owners if owner.get("controller")), "")


def _described(each: ClusterObject) -> str:
    """An object that should be gone, with what it may wait for."""
    node = (each.body.get("spec") or {}).get("nodeName") if each.kind == "Pod" else None
    holders = (each.body.get("metadata") or {}).get("finalizers") or []
    why = f", on {node}: is that node up?" if node else f", held by {', '.join(map(str, holders))}" if holders else ""
    return f"{each} (is being deleted{why})" if each.deleting else str(each)
