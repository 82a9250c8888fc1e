"""Which back end carries a lineup: the profile says it. And what it would make, before anything is made."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from grace.lineup.backend import Backend
from grace.lineup.folder import LineupFolder
from grace.lineup.lineup_file import ClusterPlace, LineupFile
from grace.models.files import find_model
from grace.stages.visit_file import VisitFile

if TYPE_CHECKING:
    from grace.cluster.manifests.render import Rendering


def backend_for(lineup: LineupFile, folder: LineupFolder) -> Backend:
    """The back end of the lineup that a folder holds, not yet entered; one of a cluster is connected to it.

    Raises:
        InputError: there is no such profile, or no kubeconfig.
        Refused: a model cannot run on the profile's GPUs, or not on this cluster.
        ClusterError: the login to the cluster failed.
    """
    if lineup.local:
        from grace.lineup.process import ProcessBackend

        return ProcessBackend(folder)
    if lineup.endpoint:
        from grace.lineup.endpoint import EndpointBackend

        return EndpointBackend(folder, lineup.endpoint)
    from grace.cluster.access.connection import connect
    from grace.lineup.kubernetes import KubernetesBackend, request_of
    from grace.policy.cluster_file import load_cluster
    from grace.project import find_project

    place = lineup.place or ClusterPlace()
    usual = load_cluster(place.cluster).namespace
    api = connect(None, place.context)
    try:
        request = request_of(folder, **place.request, namespace=api.namespace(place.namespace, usual))
        project = find_project()
        return KubernetesBackend(folder, api, request, project.content.bucket if project else None)
    except BaseException:
        api.close()
        raise


def planned_objects(lineup: LineupFile, visit: VisitFile, inputs: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """What would be made for each model of a lineup that has not begun, by kind and name.

    What all share is the first one's. No cluster is asked, and nothing is left.

    Raises:
        InputError, ModelFileError, Refused: a model cannot be served; the message says what to change.
    """
    if lineup.local:
        return {model: (f"a process that serves {find_model(model).path}",) for model in lineup.models}
    if lineup.endpoint:
        return dict.fromkeys(lineup.models, ())
    from grace.cluster.access.connection import check_client

    check_client()
    from grace.lineup.kubernetes import request_of

    with tempfile.TemporaryDirectory() as temporary:
        folder = LineupFolder(Path(temporary, lineup.name))
        folder.begin(lineup, visit, inputs)
        place = lineup.place or ClusterPlace()
        from grace.cluster.manifests.render import render_lineup

        rendering = render_lineup(request_of(folder, **place.request, namespace=place.namespace))
    return _by_model(lineup, rendering)


def _by_model(lineup: LineupFile, rendering: "Rendering") -> dict[str, tuple[str, ...]]:
    from grace.cluster.access.pods import MODEL
    from grace.cluster.names import file_name

    objects = [body for file in rendering.files for body in file.objects]
    made: dict[str, list[str]] = {model: [] for model in lineup.models}
    served = {file_name(each.name): model for model, each in zip(lineup.models, rendering.layout.models, strict=True)}
    for body in objects:
        metadata = body["metadata"]
        model = served.get(metadata.get("labels", {}).get(MODEL, ""), lineup.models[0])
        made[model].append(f"{body['kind']} {metadata['name']}")
    return {model: tuple(names) for model, names in made.items()}
