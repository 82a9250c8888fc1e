"""From a volume home by way of a bucket: a pod brings the files there, and this machine reads them."""

import base64
from dataclasses import replace
from pathlib import Path

from grace.cluster.access.paths import path_of
from grace.cluster.access.pods import LINEUP
from grace.cluster.names import object_name
from grace.files import FileFacts, FileList
from grace.lineup.home.bucket import BucketKeys, BucketRemote, bucket_place, place_names
from grace.lineup.home.copies import Archived, nowhere, without_copy
from grace.lineup.home.fetch import fetch
from grace.lineup.home.volumes import Volume, VolumeRemote
from grace.progress import Progress
from grace.project_file import BucketSettings


def fetch_relayed(volume: Volume, path: str, settings: BucketSettings, folder: Path, progress: Progress) -> FileList:
    """Bring the files of a folder on a volume home. The image of the pod must have Grace, with its extra s3.

    Raises:
        InputError: there are no keys for the bucket.
        ClusterError, Refused, HostileListing: as `fetch`, on either way.
    """
    place = bucket_place(settings, path)
    secret = _keep_keys(volume, BucketKeys.read())
    progress.note(f"{volume.claim}/{path}: to {place.title}")
    with VolumeRemote(replace(volume, secret=secret), path) as remote:
        endpoint = settings.inside or settings.endpoint
        options = [f"--region={settings.region}", *([f"--endpoint={endpoint}"] if endpoint else [])]
        remote.upload(place.title, options)
    return fetch(BucketRemote(place), folder, progress)


def clean_bucket(
    settings: BucketSettings, lineup: str, here: frozenset[FileFacts], archived: Archived = nowhere
) -> dict[str, str]:
    """Remove what a lineup has in a bucket, and say for each place why it was kept: "" where it is gone.

    Only what `upload` writes is removed, and only where all files of the place's listing have a copy. Raises as
    `upload`.
    """
    outcomes = {}
    for name in place_names(settings, lineup):
        place = bucket_place(settings, f"{lineup}/{name}")
        missing = without_copy(BucketRemote(place).listing(), here, archived)
        outcomes[place.title] = f"{len(missing)} of its files have no copy at home: {missing[0]}" if missing else ""
        if not missing:
            place.clear()
    return outcomes


def _keep_keys(volume: Volume, keys: BucketKeys) -> str:
    """The Secret of the lineup with the keys, which pods use, and which goes with the lineup's other objects."""
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in keys.variables.items()}
    volume.api.hide(*keys.variables.values(), *encoded.values())
    name = object_name(volume.lineup, "bucket")
    labels = {"app.kubernetes.io/managed-by": "grace", LINEUP: volume.lineup}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": volume.namespace, "labels": labels},
        "type": "Opaque",
        "data": encoded,
    }
    volume.api.apply(path_of("api", "v1", "namespaces", volume.namespace, "secrets", name), body)
    return name
