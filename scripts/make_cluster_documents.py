"""Write what the plan refers to: kubernetes/PROFILE, docs/policy-compliance.md and docs/gpu-contingency.md."""

from collections.abc import Iterator
from pathlib import Path

from grace.cluster.manifests.render import render_lineup, write_rendering
from grace.cluster.manifests.request import Request
from grace.models.catalogue import gpus, hub_models
from grace.models.plan import CannotRun, plan_model
from grace.policy.audit import audit
from grace.policy.check import check_manifests
from grace.policy.cluster_file import load_cluster
from grace.policy.reading import survey

ROOT = Path(__file__).parents[1]
PROFILES = ("rtx3090", "a100")
NAMESPACE = "my-lab"
COMPLIANCE = ROOT / "docs" / "policy-compliance.md"
CONTINGENCY = ROOT / "docs" / "gpu-contingency.md"
MADE = "<!-- Made by scripts/make_cluster_documents.py; changes belong there. -->\n"
COUNTS = (1, 2, 4, 8)


def render(folder: Path) -> None:
    """Render both profiles below a folder."""
    for profile in PROFILES:
        write_rendering(render_lineup(Request(profile=profile, namespace=NAMESPACE)), folder / profile)


def compliance() -> str:
    """The page about each policy and the rendered objects."""
    reading, cluster = survey([ROOT / "kubernetes"]), load_cluster("nrp")
    report = check_manifests(reading.manifests, cluster, reading.unread, reading.generated)
    return MADE + "\n".join(audit(report, cluster)) + "\n"


def contingency() -> str:
    """The page about where each model runs when GPUs are lacking."""
    return MADE + "\n".join(_contingency()) + "\n"


def _contingency() -> Iterator[str]:
    yield "# When GPUs are lacking\n"
    yield "Which GPUs of one machine each model runs on, in each precision, computed as `grace models plan` does. A"
    yield "number is the fewest GPUs that are enough; a dash means that it does not run there.\n"
    kinds = list(gpus().values())
    yield "| model | weights | " + " | ".join(kind.name for kind in kinds) + " |"
    yield "|---|---|" + "---|" * len(kinds)
    for model in hub_models().values():
        for variant in model.variants:
            cells = (_fewest(model.name, variant.name, kind.name, kind.per_node) for kind in kinds)
            yield f"| {model.name} | {variant.name} | " + " | ".join(cells) + " |"
    yield "\n## What to do\n"
    yield "| what is lacking | what to run |"
    yield "|---|---|"
    yield "| no A100 at all | the profile `rtx3090`: its results stand on their own, and the report says so |"
    yield "| only A100 of 40 GB | the column a100-40; `grace models plan NAME --gpu a100-40` plans one |"
    yield "| no two GPUs of one machine | a smaller variant on one GPU; a pod never spans two machines |"
    yield "| no GPU of the profile | another column, by `--gpu` of `grace models plan` |"


def _fewest(model: str, variant: str, gpu: str, per_node: int) -> str:
    for count in COUNTS:
        try:
            if count <= per_node:
                plan_model(model, gpu=gpu, gpus=count, variant=variant)
                return str(count)
        except CannotRun:
            continue
    return "–"


if __name__ == "__main__":
    render(ROOT / "kubernetes")
    COMPLIANCE.write_text(compliance())
    CONTINGENCY.write_text(contingency())
