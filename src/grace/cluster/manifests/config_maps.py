"""ConfigMaps: what each model is asked, and Grace's own code."""

from kubernetes import client as k8s

from grace.cluster.manifests.grace_container import code_names
from grace.cluster.manifests.layout import LineupLayout, Served
from grace.cluster.manifests.parts import metadata
from grace.cluster.manifests.wheel import CodeWheel, install_script
from grace.cluster.manifests.yaml_text import dumped

COMPONENT = "lineup"


def lineup_map(layout: LineupLayout) -> k8s.V1ConfigMap:
    """The visit file, which every asking pod reads, the user's own study files, and the lineup for the record."""
    return k8s.V1ConfigMap(
        api_version="v1",
        kind="ConfigMap",
        metadata=metadata(layout, layout.name("lineup"), COMPONENT),
        data={
            "lineup.yaml": dumped([_entry(served) for served in layout.models]),
            "visit.yaml": dumped(layout.visit.model_dump(mode="json", exclude_none=True)),
            **layout.files,
        },
    )


def _entry(served: Served) -> dict[str, object]:
    plan = served.plan
    return {
        "model": served.name,
        "weights": served.identity,
        "dtype": plan.dtype,
        "context": plan.context,
        "gpu": plan.gpu.name,
        "gpus": plan.gpus,
        "nodes": plan.nodes,
    }


def code_maps(layout: LineupLayout, wheel: CodeWheel) -> list[k8s.V1ConfigMap]:
    """The wheel in parts; the first one also has the program that installs it."""
    beside = {"install.py": install_script(), "constraints.txt": wheel.constraints}
    return [
        k8s.V1ConfigMap(
            api_version="v1",
            kind="ConfigMap",
            metadata=metadata(layout, name, "code"),
            data=None if number else beside,
            binary_data=dict(part),
        )
        for number, (name, part) in enumerate(zip(code_names(layout, wheel), wheel.parts, strict=True))
    ]
