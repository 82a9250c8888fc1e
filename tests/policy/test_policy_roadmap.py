"""The manifests printed in the researchers' own plan, saved as files: what the check finds, line by line of FACTS."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("kubernetes_validate")

from grace.policy.check import check_manifests
from grace.policy.cluster_file import load_cluster
from grace.policy.reading import read
from grace.policy.rule import Severity

SERVER = "Deployment/vllm-gemma-2b-test"
NINE = "Deployment/vllm-gemma-9b"
A100 = "Deployment/vllm-llama-70b-a100"
CLIENT = "Job/test-query-gemma2b"
SEVENTY = "Deployment/vllm-llama-70b"
OSS = "Deployment/vllm-gpt-oss-20b"

EVERY_SERVER = {
    "K8S025": "uses :latest",
    "NRP035": "GPU use above 40% of request; warm the cache in a CPU Job before a GPU pod starts",
    "VLLM008": "--generation-config vllm, or the model's own file changes sampling",
    "VLLM011": "startup probe 10 s x 60-90 below 10B, x 180-360 for 40-100B",
}
"""Rules that each server of the plan breaks, with the line of FACTS.md that says so."""

PRINTED = {
    ("NRP013", "Namespace/grace-experiments"): "creates a Namespace; users do not create namespaces with kubectl",
    ("K8S025", CLIENT): "uses :latest",
    ("NRP032", CLIENT): "memory 20 to 150%: a client uses less than 20% of 4Gi",
    ("NRP033", CLIENT): "CPU 20 to 200%: a client uses less than 20% of 2 cores",
    **{(rule, SERVER): fact for rule, fact in EVERY_SERVER.items()},
    ("NRP002", SERVER): "CPU 4 -> 5 is 125%, not within 20%; memory 16 -> 19Gi is 118.75%, fine",
    ("VLLM001", SERVER): "--dtype float16 with any Gemma 2 is refused by vLLM",
    ("VLLM004", SERVER): "serves google/gemma-2-2b-it while clients ask for gemma-2-2b-it",
    **{(rule, A100): fact for rule, fact in EVERY_SERVER.items()},
    ("VLLM010", A100): "/dev/shm 64 MB by default: mount memory, 2 to 10Gi",
    ("NRP015", A100): "nvidia.com/gpu with A100 affinity never schedules there",
    ("NRP028", A100): "default ephemeral-storage limit 50Gi a container; 131.4 GiB of weights",
}
"""What the complete manifests of the plan break: errors and warnings, all of them."""

PHASE_TWO = {
    **{(rule, NINE): fact for rule, fact in EVERY_SERVER.items() if rule != "NRP035"},  # there is nothing to download
    ("NRP002", NINE): "CPU 4 -> 5 is 125%",
    ("NRP018", NINE): "suncave is a reservation: pinning suncave-N needs permission",
    ("VLLM001", NINE): "so is AWQ with half on Gemma",
    ("VLLM003", NINE): "TheBloke/gemma-2-9b-it-AWQ does not exist",
    **{(rule, SEVENTY): fact for rule, fact in EVERY_SERVER.items()},
    ("VLLM010", SEVENTY): "/dev/shm 64 MB by default: mount memory, 2 to 10Gi",
    ("NRP002", SEVENTY): "CPU 4 -> 5 is 125%",
    ("NRP009", SEVENTY): "one pod cannot span suncave-4 and suncave-6",
    ("NRP018", SEVENTY): "suncave is a reservation",
    **{(rule, OSS): fact for rule, fact in EVERY_SERVER.items()},
    ("NRP002", OSS): "CPU 4 -> 5 is 125%",
    ("NRP018", OSS): "suncave is a reservation",
    ("VLLM002", OSS): "gpt-oss-20b ships as MXFP4; neither AWQ nor FP16 exists for it",
}
"""What the fragments of phase 2 break, merged into the deployment of phase 1 as the plan's table tells."""

NOTES = {
    ("K8S016", CLIENT),  # Service never applied; another file may bring it
    ("K8S013", SERVER),  # the cleanup selectors match nothing (labels stand only in pod templates); said once
    ("K8S017", SERVER),  # the Secret of the hub's token, rightly in no file
    ("K8S029", SERVER),  # said once
    ("NRP014", SERVER),  # whether a Deployment may hold GPUs is stated both ways
    ("VLLM009", SERVER),  # the module entry point still works but is deprecated
    ("K8S017", A100),
    ("NRP014", A100),
    ("VLLM013", A100),  # VLLM_ENGINE_READY_TIMEOUT_S defaults to 600
    ("K8S030", CLIENT),  # set ttlSecondsAfterFinished and collect first
    ("K8S031", CLIENT),
}


@pytest.fixture(scope="module")
def blocks(shared: Path) -> list[Any]:
    """The YAML that the plan prints, block by block."""
    path = shared / "roadmap.md"
    if not path.exists():
        pytest.skip(f"no plan in {shared}")
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(re.sub(rf"(?m)^{indent}", "", text)) for indent, text in found]


@pytest.fixture
def found(tmp_path: Path, blocks: list[Any]) -> Any:
    """Check objects, each saved as a file: the rules of findings by severity, with their objects."""

    def run(*objects: dict[str, Any]) -> dict[Severity, set[tuple[str, str]]]:
        for number, body in enumerate(objects):
            (tmp_path / f"{number}-{body['kind'].lower()}.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
        report = check_manifests(read([tmp_path]), load_cluster("nrp"))
        return {
            severity: {(f.rule.id, f.object) for f in report.findings if f.severity is severity}
            for severity in Severity
        }

    return run


def test_printed_manifests_give_what_facts_predict_and_no_more(blocks: list[Any], found: Any) -> None:
    complete = [block for block in blocks if "kind" in block]
    assert [block["kind"] for block in complete] == [
        "Namespace",
        "PersistentVolumeClaim",
        "Deployment",
        "Job",
        "Deployment",
    ]
    result = found(*complete)
    assert result[Severity.ERROR] | result[Severity.WARNING] == set(PRINTED)
    assert result[Severity.NOTE] == NOTES


def test_fragments_of_phase_two_give_what_facts_predict_and_no_more(blocks: list[Any], found: Any) -> None:
    deployment = next(block for block in blocks if block.get("kind") == "Deployment")
    arguments = next(block["args"] for block in blocks if "args" in block)
    selector = next(block["nodeSelector"] for block in blocks if "nodeSelector" in block)
    assert selector == {"kubernetes.io/hostname": "suncave-0"}
    seventy = ["--model=casperhansen/llama-3-70b-instruct-awq", *arguments[1:], "--tensor-parallel-size=2"]
    oss = ["--model=openai/gpt-oss-20b", *arguments[1:]]
    result = found(
        merged(deployment, NINE, arguments, ["suncave-1"]),
        merged(deployment, SEVENTY, seventy, ["suncave-4", "suncave-6"]),
        merged(deployment, OSS, oss, ["suncave-7"]),
    )
    assert result[Severity.ERROR] | result[Severity.WARNING] == set(PHASE_TWO)


def merged(deployment: dict[str, Any], title: str, arguments: list[str], hosts: list[str]) -> dict[str, Any]:
    """The plan's deployment for another model: arguments of the fragment instead of those of the same name."""
    body = yaml.safe_load(yaml.safe_dump(deployment))
    name = title.partition("/")[2]
    body["metadata"]["name"] = name
    labels = {"app": "vllm-server", "model": name.removeprefix("vllm-")}
    body["spec"]["selector"]["matchLabels"] = labels
    body["spec"]["template"]["metadata"]["labels"] = dict(labels)
    pod = body["spec"]["template"]["spec"]
    del pod["affinity"]
    container = pod["containers"][0]
    given = {argument.partition("=")[0] for argument in arguments}
    container["args"] = arguments + [word for word in container["args"] if word.partition("=")[0] not in given]
    if len(hosts) == 1:
        pod["nodeSelector"] = {"kubernetes.io/hostname": hosts[0]}
    else:
        wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": hosts}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
        pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        for part in ("requests", "limits"):
            container["resources"][part]["nvidia.com/gpu"] = len(hosts)
    return body
