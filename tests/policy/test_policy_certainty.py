"""How sure findings are, where they point, and what they tell to do: each kind once wrong, once right."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from grace.policy.check import Finding, check_manifests
from grace.policy.reading import parse, survey
from grace.policy.rule import changed
from grace.policy.rules.commands import PYTORCH_INDEX
from policy_examples import (
    ENGINE,
    JOB,
    NRP,
    SERVER,
    SERVICE,
    claim,
    found,
    job,
    pod,
    script,
    server,
    severities,
    with_volume,
)

# What is said once, and where

WHEELS = f"https://{PYTORCH_INDEX}/cpu"
"""Where PyTorch's own wheels are."""


def test_what_is_advice_for_all_objects_is_said_once_with_their_number():
    bare = job(("  ttlSecondsAfterFinished: 86400\n", ""))
    three = [bare, changed(bare, ("name: study1", "name: study2")), changed(bare, ("name: study1", "name: study3"))]
    [finding] = found("K8S030", *three)
    assert finding.object == "Job/study1"
    assert finding.message.endswith("(so do 2 more objects)")
    assert "1 more object)" in found("K8S030", *three[:2])[0].message
    ignored = changed(bare, ("labels: {app: grace}\nspec", 'annotations: {grace/ignore: "K8S030: kept"}\nspec'))
    assert found("K8S030", ignored, three[1])[0].object == "Job/study2"


def test_a_finding_in_a_script_points_at_its_line():
    text = script("set -e", "# wait", "until curl -sf http://a/b; do", "  sleep 5", "done", "pip install httpx")
    assert [text.splitlines()[f.line - 1].strip() for f in found("NRP011", text)] == ["sleep 5"]
    assert [text.splitlines()[f.line - 1].strip() for f in found("NRP031", text)] == ["pip install httpx"]
    inline = changed(JOB, ("args: [", 'command: [bash, -c, "set -e; sleep 100000"]\n        args: ['))
    assert [finding.line for finding in found("NRP010", inline)] == [20]


def test_a_value_in_a_list_is_pointed_at():
    listed = (
        "- {key: nvidia.com/gpu.product, operator: In, values: [NVIDIA-L40,\n                NVIDIA-GeForce-RTX3090]}"
    )
    affinity = (
        "affinity:\n        nodeAffinity:\n          requiredDuringSchedulingIgnoredDuringExecution:\n"
        f"            nodeSelectorTerms:\n            - matchExpressions:\n              {listed}"
    )
    text = job(("restartPolicy: Never", f"restartPolicy: Never\n      {affinity}"))
    [finding] = found("NRP040", text)
    assert text.splitlines()[finding.line - 1].strip() == "NVIDIA-GeForce-RTX3090]}"


def test_a_field_that_is_written_twice_is_a_finding_and_the_rest_is_checked():
    text = changed(JOB, ("        env: []\n", "        env: []\n        image: a/b:latest\n"))
    [finding] = found("K8S043", text)
    assert text.splitlines()[finding.line - 1].strip() == "image: a/b:latest"
    assert found("K8S025", text)
    items = f"apiVersion: v1\nkind: List\nitems:\n- {json.dumps(yaml.safe_load(JOB))}\n- {{a: 1, a: 2}}\n"
    assert [finding.object for finding in found("K8S043", items)] == ["?/?"]
    assert not found("K8S043", JOB)


# Placeholders


@pytest.mark.parametrize(
    ("image", "severity"),
    [
        ("my-image", ["error"]),
        ("image-name-here", ["error"]),
        ("your-registry/app:1", ["error"]),
        ("REPLACE_WITH_DIGEST", ["error"]),
        ("registry.example/my-image-tools:1", []),
        ("imagemagick:7", []),
    ],
)
def test_no_registry_has_an_image_of_a_placeholders_name(image: str, severity: list[str]):
    assert severities("K8S034", job(("ghcr.io/example/query-generator:0.3.0", image))) == severity


def test_what_a_placeholder_means_for_its_field():
    assert severities("K8S034", job(("labels: {app: grace}\nspec", "labels: {app: '${APP}'}\nspec"))) == ["error"]
    assert severities("K8S034", job(("env: []", "env: [{name: A, value: CHANGE_ME}]"))) == ["warning"]
    lost = with_volume("persistentVolumeClaim: {claimName: persistentVolume_name}")
    assert [finding.severity for finding in found("K8S034", lost)] == ["error"]
    assert not found("K8S004", lost)
    assert not found("K8S017", lost)


def test_a_name_that_a_comment_asks_to_change_is_a_note_unless_it_is_refused():
    asked = changed(JOB, ("name: study1\n", "name: study1  # CHANGE THIS to your job's name\n"))
    [finding] = found("K8S035", asked)
    assert (finding.severity, finding.line) == ("note", 4)
    assert "CHANGE THIS to your job's name" in finding.message
    refused = changed(asked, ("study1", "Study_1"))
    assert (severities("K8S034", refused), found("K8S035", refused), found("K8S004", refused)) == (["error"], [], [])
    assert not found("K8S035", changed(JOB, ("name: study1\n", "name: study1  # the first one\n")))


def test_a_claim_of_an_impossible_name_is_an_error():
    assert severities("K8S004", with_volume("persistentVolumeClaim: {claimName: My_Data}")) == ["error"]
    assert not found("K8S004", with_volume("persistentVolumeClaim: {claimName: my-data}"))


# What another file may supply


def test_what_is_in_no_file_is_a_note_with_the_command_that_looks():
    [finding] = found("K8S017", with_volume("persistentVolumeClaim: {claimName: outputs}"))
    assert finding.severity == "note"
    assert "`kubectl get pvc outputs`" in finding.message


def test_a_service_without_pods_is_a_note_and_beside_a_misspelt_workload_a_warning():
    assert severities("K8S014", SERVICE) == ["note"]
    near = found("K8S014", SERVER, changed(SERVICE, ("app: vllm", "app: vlm")))
    assert [(finding.severity, "Deployment/vllm-gemma have app=vllm" in finding.message) for finding in near] == [
        ("warning", True)
    ]
    assert not found("K8S014", SERVER, SERVICE)


def test_a_port_is_missed_only_where_every_container_declares_others():
    elsewhere = changed(SERVICE, ("port: 8000", "port: 9000"))
    assert severities("K8S015", SERVER, elsewhere) == ["warning"]
    assert not found("K8S015", changed(SERVER, ("args: [", "args: [--port=9000, ")), elsewhere)
    silent = changed(SERVER, ("      - name: vllm\n", "      - {name: proxy, image: a/b:1}\n      - name: vllm\n"))
    assert not found("K8S015", silent, elsewhere)


@pytest.mark.parametrize("word", ["--address=head:6379", "head:6379", "http://head:6379"])
def test_a_pods_name_is_no_address(word: str):
    head = changed(SERVER, ("name: vllm-gemma\n", "name: head\n"), ("containerPort: 8000", "containerPort: 6379"))
    client = changed(JOB, ("--model-name=gemma-2-2b-it", word))
    assert severities("K8S016", head, client) == ["note"]
    service = changed(SERVICE, ("name: vllm-gemma", "name: head-service"), ("port: 8000", "port: 6379"))
    [finding] = found("K8S016", head, client, service)
    assert (finding.severity, "'head-service'" in finding.message) == ("warning", True)
    assert not found("K8S016", head, client, changed(service, ("head-service", "head")))
    assert not found("K8S016", client)


def test_a_volume_of_one_node_in_several_files_is_a_note():
    volume = claim("v", "ReadWriteOnce")
    one = with_volume("persistentVolumeClaim: {claimName: v}")
    other = changed(one, ("name: study1", "name: study2"))
    files = [*parse(volume, "pvc.yaml"), *parse(one, "a.yaml"), *parse(other, "b.yaml")]
    findings = [f for f in check_manifests(files, NRP).findings if f.rule.id == "K8S020"]
    assert [str(finding.severity) for finding in findings] == ["note"]
    assert severities("K8S020", volume, one, other) == ["warning"]


def test_a_kustomization_beside_a_file_says_what_is_filled_in(tmp_path: Path):
    text = changed(JOB, ("--model-name=gemma-2-2b-it", "$(SERVER)"))
    (tmp_path / "job.yaml").write_text(text)

    def rules() -> set[str]:
        reading = survey([tmp_path / "job.yaml"])
        report = check_manifests(reading.manifests, NRP, reading.unread, reading.generated)
        return {finding.rule.id for finding in report.findings}

    assert "K8S026" in rules()
    (tmp_path / "kustomization.yaml").write_text("resources: [job.yaml]\nvars: [{name: SERVER}]\n")
    assert "K8S026" not in rules()


# Secrets


def test_a_real_token_in_a_secret_is_to_be_revoked_and_its_line_is_named():
    token = "hf_" + "a1B2c3D4e5F6g7H8i9J0"
    coded = base64.b64encode(token.encode()).decode()
    secret = (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: hub}}\ndata: {{HF_TOKEN: {coded}, WANDB_PROJECT: bGFi}}\n"
    )
    [finding] = found("K8S023", secret)
    assert (finding.severity, "base64" in finding.message, token in finding.message) == ("error", True, False)
    assert not found("K8S024", secret)
    [twice] = found("K8S023", job(("env: []", f"env: [{{name: HF_TOKEN, value: {token}}}]")), secret)
    assert "also in x.yaml, line " in twice.message
    project = changed(secret, (f"HF_TOKEN: {coded}, ", ""))
    assert not found("K8S023", project)
    assert not found("K8S024", project)


# Commands


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("python -m train.py --epochs 3", "python -m train --epochs 3"),
        ("ray start --head --port=6379", "ray start --head --port=6379 --block"),
        ("ray start --address=a:6379", "ray start --address=a:6379; python run.py"),
        (
            f"pip install torch==2.5.1 transformers==4.5 --index-url {WHEELS}",
            f"pip install torch==2.5.1 numpy==2.1 --index-url {WHEELS}",
        ),
    ],
)
def test_commands_that_cannot_work(wrong: str, right: str):
    assert severities("K8S037", script(wrong)) == ["error"]
    assert not found("K8S037", script(right))


def test_a_working_directory_is_absolute():
    assert severities("K8S037", job(("env: []", "workingDir: data/study"))) == ["error"]
    assert not found("K8S037", job(("env: []", "workingDir: /data/study")))


@pytest.mark.parametrize(
    ("image", "line", "lacks"),
    [
        ("pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime", "curl -sf http://a/b", True),
        ("python:3.12.4-slim", "git clone https://a/b", True),
        ("ubuntu:24.04", "python3 run.py", True),
        ("alpine:3.20", "echo", True),  # the Job's own shell is bash
        ("python:3.12.4", "curl -sf http://a/b", False),
        ("python:3.12.4-slim", "apt-get update && apt-get install -y git && git clone https://a/b", False),
        ("ghcr.io/lab/ubuntu:24.04", "python3 run.py", False),
    ],
)
def test_programs_that_an_image_does_not_have(image: str, line: str, lacks: bool):
    assert bool(found("K8S045", script(line, image=image))) == lacks


def test_a_version_that_the_shell_cuts_off():
    cut = found("NRP031", script("pip install -q bits>=0.41.0 more>=0.20.0"))
    assert [str(finding.severity) for finding in cut] == ["note", "warning"]
    assert "bits, more" in cut[0].message
    assert [str(f.severity) for f in found("NRP031", script("pip install 'bits>=0.41.0'"))] == ["note"]
    assert not found("NRP031", script("pip install 'bits==0.41.0' > log.txt"))


@pytest.mark.parametrize(
    ("condition", "endless"),
    [
        ("curl -s http://vllm:8000/health | grep -q ok", True),
        ("curl -s http://vllm:8000/health | grep -q 200", False),
        ("curl -sf http://vllm:8000/health", False),
        ("curl -s http://vllm:8000/v1/models | grep -q gemma", False),
        ("curl -s http://llama-cpp:8000/health | grep -q ok", False),
    ],
)
def test_a_wait_for_a_text_that_never_comes_sleeps_for_ever(condition: str, endless: bool):
    text = script(f"until {condition}; do", "  sleep 5", "done", "python run.py")
    assert severities("NRP010", text) == ["error"] * endless
    assert severities("NRP011", text) == ["note"]


# NRP


def test_a_limit_is_told_in_amounts():
    [finding] = found("NRP002", job(('requests: {cpu: "1", memory: 2Gi}', 'requests: {cpu: "1", memory: 100Mi}')))
    assert "write a limit of at most 120Mi, or a request of at least 1707Mi" in finding.message
    [finding] = found("NRP002", job(('limits: {cpu: "1"', 'limits: {cpu: "8"')))
    assert "a limit of at most 1200m, or a request of at least 6.7" in finding.message


def test_who_makes_what_users_may_not():
    for kind, what in {
        "Namespace": "portal",
        "StorageClass": "name one that exists",
        "DaemonSet": "a Deployment or a Job",
    }.items():
        body = {
            "Namespace": "apiVersion: v1\n",
            "StorageClass": "apiVersion: storage.k8s.io/v1\nprovisioner: a/b\n",
            "DaemonSet": changed(SERVER, ("kind: Deployment\n", ""), ("  name: vllm-gemma\n", "  name: x\n")),
        }[kind]
        text = f"kind: {kind}\n{body}" + ("" if kind == "DaemonSet" else "metadata: {name: x}\n")
        assert what in found("NRP013", text)[0].message


def products(resource: str, *names: str) -> str:
    terms = [{"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": [*names]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    amounts = {"cpu": 1, "memory": "2Gi", resource: 1}
    main = {"name": "main", "image": "a/b:1", "resources": {"requests": amounts, "limits": amounts}}
    return pod(containers=[main], affinity={"nodeAffinity": required})


def test_products_that_a_pod_never_gets():
    wrong = found("NRP015", products("nvidia.com/gpu", "NVIDIA-A40", "Quadro-RTX-8000"))
    assert [str(finding.severity) for finding in wrong] == ["error"]
    assert "one of nvidia.com/a40 (NVIDIA-A40), nvidia.com/rtx8000 (Quadro-RTX-8000)" in wrong[0].message
    assert severities("NRP015", products("nvidia.com/gpu", "NVIDIA-L40", "NVIDIA-A40")) == ["note"]
    spelt = products("nvidia.com/a100", "NVIDIA-A100-SXM4-80GB", "NVIDIA-V100-SXM2-32GB")
    assert (severities("NRP015", spelt), severities("NRP040", spelt)) == (["note"], [])
    assert severities("NRP040", products("nvidia.com/gpu", "NVIDIA-L40", "NVIDIA-V100-SXM2-32GB")) == ["warning"]
    assert not found("NRP015", products("nvidia.com/gpu", "NVIDIA-L40", "Something-New"))


@pytest.mark.parametrize(
    ("resource", "severity"),
    [
        ("nvidia.com/a6000", ["error"]),
        ("google.com/tpu", ["error"]),
        ("vke.volcengine.com/rdma", ["error"]),
        ("nvidia.com/h999", ["warning"]),
        ("nvidia.com/gpu", []),
        ("smarter-devices/fuse", []),
    ],
)
def test_resources_of_other_clusters(resource: str, severity: list[str]):
    amounts = {"cpu": 1, "memory": "2Gi", resource: 1}
    main = {"name": "main", "image": "a/b:1", "resources": {"requests": amounts, "limits": amounts}}
    assert severities("NRP037", pod(containers=[main])) == severity


@pytest.mark.parametrize(
    ("label", "severity"),
    [
        ("cloud.google.com/gke-accelerator", ["error"]),
        ("eks.amazonaws.com/nodegroup", ["error"]),
        ("karpenter.sh/capacity-type", ["error"]),
        ("gpu-type", ["error"]),
        ("topology.kubernetes.io/region", []),
    ],
)
def test_labels_of_other_clusters(label: str, severity: list[str]):
    assert severities("NRP039", pod(nodeSelector={label: "x"})) == severity


def test_a_gpu_that_only_sleeps_is_a_note_in_a_bare_pod():
    amounts = {"cpu": 1, "memory": "2Gi", "nvidia.com/gpu": 1}
    main = {"name": "main", "image": "a/b:1", "resources": {"requests": amounts, "limits": amounts}}
    assert severities("NRP034", pod(containers=[{**main, "command": ["sleep", "infinity"]}])) == ["note"]
    assert severities("NRP034", pod(containers=[{**main, "command": ["nvidia-smi", "--loop=60"]}])) == ["note"]
    assert not found("NRP034", pod(containers=[{**main, "command": ["python", "train.py"]}]))


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ({}, False),
        ({"ingressClassName": "traefik"}, True),
        ({"ingressClassName": "haproxy"}, False),
        ({"annotations": {"kubernetes.io/ingress.class": "nginx"}}, True),
        ({"annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/"}}, True),
        ({"annotations": {"haproxy-ingress.github.io/timeout": "1m"}}, False),
    ],
)
def test_ways_in(change: dict[str, Any], warned: bool):
    annotations = change.pop("annotations", {})
    backend = {"service": {"name": "a", "port": {"number": 80}}}
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "a", "annotations": annotations},
        "spec": {"defaultBackend": backend, **change},
    }
    assert bool(found("NRP046", json.dumps(body))) == warned


def test_a_service_is_no_way_in():
    assert severities("NRP046", changed(SERVICE, ("spec:\n", "spec:\n  type: LoadBalancer\n"))) == ["warning"]
    assert not found("NRP046", SERVICE)


# Serving


def asking(name: str, file: str) -> list[Any]:
    text = changed(JOB, ("--model-name=gemma-2-2b-it", f"--endpoint=http://vllm-gemma:8000, --model-name={name}"))
    return parse(text, file)


def test_the_client_that_asks_for_another_name_is_named_and_both_names_are_advised():
    served = parse(f"{server('google/gemma-2-2b-it')}\n---\n{SERVICE}", "k8s/server.yaml")

    def findings(client: list[Any]) -> list[Finding]:
        report = check_manifests([*served, *client], NRP)
        return [finding for finding in report.findings if finding.rule.id == "VLLM004"]

    [finding] = findings(asking("gemma-2-2b-it", "k8s/job.yaml"))
    assert (finding.severity, finding.file) == ("error", "k8s/server.yaml")
    assert "Job/study1 (k8s/job.yaml, line 18)" in finding.message
    assert "`--served-model-name google/gemma-2-2b-it gemma-2-2b-it` serves both" in finding.message
    assert [finding.severity for finding in findings(asking("gemma-2-2b-it", "other/job.yaml"))] == ["warning"]
    assert not findings(asking("google/gemma-2-2b-it", "k8s/job.yaml"))


@pytest.mark.parametrize(
    ("options", "gpus", "severity", "says"),
    [
        (["--tensor-parallel-size=4"], 2, ["error"], "ask for 4, or set --tensor-parallel-size=2"),
        (["--tensor-parallel-size=8"], 7, ["error"], "wants 8 GPUs, and gets 7: ask for 8"),
        ([], 7, ["warning"], "ask for 1"),
        ([], 4, ["warning"], "ask for 1, or set --tensor-parallel-size=4"),
        (["--tensor-parallel-size=2", "--pipeline-parallel-size=2"], 4, [], ""),
        (["-tp", "$(GPUS)"], 4, [], ""),
    ],
)
def test_gpus_that_vllm_uses(options: list[str], gpus: int, severity: list[str], says: str):
    findings = found("VLLM005", server("org/m", *options, gpus=gpus))
    assert [str(finding.severity) for finding in findings] == severity
    assert all(finding.message.endswith(says) for finding in findings)


def test_gpus_of_a_ray_cluster_count_together():
    amounts = {"cpu": 4, "memory": "16Gi", "nvidia.com/gpu": 8}
    run = "vllm serve org/m --tensor-parallel-size 8 --pipeline-parallel-size 2 --distributed-executor-backend ray"
    head = {"name": "head", "image": ENGINE, "command": ["bash", "-c", run], "resources": {"limits": amounts}}
    worker = {"name": "worker", "image": ENGINE, "command": ["sleep", "1"], "resources": {"limits": amounts}}
    spec = {
        "headGroupSpec": {"template": {"spec": {"containers": [head]}}},
        "workerGroupSpecs": [{"replicas": 1, "template": {"spec": {"containers": [worker]}}}],
    }
    body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "x"}, "spec": spec}
    assert not found("VLLM005", json.dumps(body))
    amounts["nvidia.com/gpu"] = 4
    assert severities("VLLM005", json.dumps(body)) == ["error"]


@pytest.mark.parametrize(("tag", "warned"), [("v0.7.3", False), ("v0.8.0", True), ("latest", True), ("0.6.1", False)])
def test_sampling_of_the_models_file_is_the_default_since_a_version(tag: str, warned: bool):
    assert bool(found("VLLM008", server("org/m", image=f"vllm/vllm-openai:{tag}"))) == warned


# The hub


def python(code: str, env: str = "[]", memory: str = "12Gi", gpu: str = "") -> str:
    indented = "".join(f"\n            {line}" for line in code.splitlines())
    amounts = f"{{cpu: 4, memory: {memory}{gpu}}}"
    return job(
        (
            "args: [--model-name=gemma-2-2b-it]",
            f"command:\n          - python3\n          - -c\n          - |{indented}",
        ),
        ("env: []", f"env: {env}"),
        ('requests: {cpu: "1", memory: 2Gi}', f"requests: {amounts}"),
        ('limits: {cpu: "1", memory: 2Gi}', f"limits: {amounts}"),
    )


LOAD = 'name = "google/gemma-2-27b-it"\nmodel = AutoModelForCausalLM.from_pretrained(\n    name,\n)'


def test_weights_that_are_loaded_into_too_little_memory():
    text = python(LOAD)
    [finding] = found("VLLM021", text)
    assert text.splitlines()[finding.line - 1].strip().startswith("model = ")
    assert not found("VLLM021", python(LOAD, memory="64Gi"))
    assert not found("VLLM021", python(LOAD, gpu=", nvidia.com/gpu: 1"))
    assert not found("VLLM021", python(LOAD.replace("AutoModelForCausalLM", "AutoTokenizer")))
    assert not found("VLLM021", python('snapshot_download("google/gemma-2-27b-it")'))


def test_a_gated_model_needs_a_token_whoever_loads_it():
    assert severities("VLLM016", python(LOAD)) == ["warning"]
    assert not found("VLLM016", python(LOAD, env="[{name: HF_TOKEN, value: x}]"))
    assert not found("VLLM016", python(LOAD.replace("google/gemma", "org/gem")))
    assert severities("VLLM016", script("python run.py --model-path=google/gemma-2-2b-it")) == ["warning"]
    assert not found("VLLM016", script("python run.py --model-path=/data/gemma"))


def test_a_download_to_the_disk_of_a_pod_with_a_gpu_is_a_warning():
    assert severities("NRP045", python(LOAD)) == ["note"]
    assert severities("NRP045", python(LOAD, gpu=", nvidia.com/gpu: 1")) == ["warning"]


def test_a_folder_with_the_same_weights_is_left_out():
    whole = 'snapshot_download(repo_id="meta-llama/Llama-3.1-70B-Instruct", cache_dir="/models")'
    assert severities("VLLM022", python(whole)) == ["warning"]
    assert not found("VLLM022", python(whole.replace(")", ', ignore_patterns=["original/*"])')))
    assert not found("VLLM022", python(whole.replace("meta-llama", "org")))
