"""Kinds of mistakes as they occur in manifests of many people, each in several forms, and what only looks like them."""

import json
from typing import Any

import pytest
import yaml

from grace.policy.cluster_file import load_cluster
from grace.policy.placeholders import placeholder, placeholder_in_field, placeholder_in_name
from grace.policy.rules.containers import tag_fault
from grace.policy.sizes import parameters
from policy_examples import JOB, SERVER, checked

NRP = load_cluster("nrp")


def rules(*bodies: dict[str, Any] | str) -> set[str]:
    """The rules that objects break, on NRP."""
    documents = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {finding.rule.id for finding in checked(*documents, cluster=NRP).findings}


def severity(rule: str, *bodies: dict[str, Any] | str) -> str:
    """The severity of what a rule finds on NRP; empty when it finds nothing."""
    documents = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    found = [one for one in checked(*documents, cluster=NRP).findings if one.rule.id == rule]
    return str(found[0].severity) if found else ""


def job(main: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The Job without a deadline, with other fields of its container and of its pods."""
    body: dict[str, Any] = yaml.safe_load(JOB)
    del body["spec"]["activeDeadlineSeconds"]
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0] = {**pod["containers"][0], **main}
    body["spec"]["template"]["spec"] = {**pod, **spec}
    return body


def serving(image: str, args: list[str], gpus: int = 1, **more: Any) -> dict[str, Any]:
    """The Deployment with a server."""
    body: dict[str, Any] = yaml.safe_load(SERVER)
    pod = body["spec"]["template"]["spec"]
    limits = {"cpu": 4, "memory": "16Gi", "nvidia.com/gpu": gpus}
    pod["containers"] = [{"name": "server", "image": image, "args": args, "resources": {"limits": limits}}]
    pod |= more
    return body


@pytest.mark.parametrize(
    "command",
    [
        ["redis-server"],
        ["redis-server", "/etc/redis.conf"],
        ["jupyter", "lab", "--ip=0.0.0.0"],
        ["jupyter-notebook", "--allow-root"],
        ["/usr/sbin/sshd", "-D"],
        ["python", "-m", "http.server", "8000"],
        ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "x/y"],
        ["tail", "-f", "/var/log/train.log"],
        ["sh", "-c", "python prepare.py && tail -F log.txt"],
        ["bash", "-c", "while true; do nvidia-smi; sleep 5; done"],
        ["bash", "-c", "service ssh start; jupyter lab & wait"],
        ["bash", "-c", "serve() { ollama serve; }\nserve"],
        ["uvicorn", "app:app"],
        ["nginx", "-g", "daemon off;"],
        ["vllm", "serve", "x/y"],
        ["llama-server", "-m", "/models/x.gguf"],
    ],
)
def test_a_server_or_an_endless_loop_keeps_a_job_from_ending(command: list[str]):
    body = job({"command": command, "args": []})
    assert "K8S036" in rules(body)
    body["spec"]["activeDeadlineSeconds"] = 3600
    assert "K8S036" not in rules(body)


@pytest.mark.parametrize(
    "command",
    [
        ["python", "train.py"],
        ["timeout", "3600", "jupyter", "lab"],
        ["bash", "-c", "redis-server --daemonize yes; python run.py"],
        ["bash", "-c", "vllm serve x/y & python ask.py"],
        ["bash", "-c", "while true; do python step.py && break; sleep 5; done"],
        ["bash", "-c", "while read line; do echo $line; done < tasks.txt"],
        ["tail", "-n", "5", "log.txt"],
        ["jupyter", "nbconvert", "--execute", "x.ipynb"],
        ["python", "-m", "pytest"],
        ["nginx", "-t"],
        ["bash", "-c", "(while true; do date; sleep 60; done) & python train.py"],
    ],
)
def test_what_ends_is_no_endless_job(command: list[str]):
    assert not {"K8S036", "NRP010"} & rules(job({"command": command, "args": []}))


def test_an_image_that_serves_by_itself_keeps_a_job_from_ending():
    assert "K8S036" in rules(job({"image": "redis:7.4", "args": []}))
    assert "K8S036" not in rules(job({"image": "ghcr.io/example/train:1", "args": []}))


@pytest.mark.parametrize(
    "script",
    [
        "vllm serve x/y & sleep 10; python pull.py",
        "for f in *.csv; do python step.py $f; sleep 2; done; python join.py",
        "for f in *.csv; do python step.py $f; sleep 2; done",
        "sleep 5 && python run.py",
        "python a.py; sleep 30; python b.py",
        "nap() { sleep 60; }; python run.py",
        "retry() { python run.py || sleep 5; }; retry; python end.py",
        "sleep 5 & python run.py",
        "cat <<'EOF' > wait.sh\nsleep 100\nEOF\npython run.py",
        "ollama serve & sleep 10; ollama pull x; python ask.py",
    ],
)
def test_a_pause_between_steps_is_no_job_that_sleeps(script: str):
    assert not {"NRP010", "NRP011"} & rules(job({"command": ["bash", "-c", script], "args": []}))


@pytest.mark.parametrize(
    ("command", "args"),
    [
        (["vllm serve google/gemma-2-2b-it"], []),
        (["python train.py --epochs 3"], []),
        (["python", "a.py", "&&", "python", "b.py"], []),
        (["python", "a.py", ">>", "log.txt", "2>&1"], []),
        (["sh", "-c"], ["cd /data", "&&", "python a.py"]),
        (["bash", "cd /data && python a.py"], []),
        (["/bin/bash", "-e", "python a.py; python b.py > log"], []),
        (["source", "venv/bin/activate"], []),
        (["export", "A=b"], []),
        (["python a.py"], ["--fast"]),
    ],
)
def test_a_command_that_cannot_start(command: list[str], args: list[str]):
    assert "K8S037" in rules(job({"command": command, "args": args}))


@pytest.mark.parametrize(
    ("command", "args"),
    [
        (["sh", "-c", "cd /data && python a.py"], []),
        (["bash", "-lc"], ["python a.py > log.txt"]),
        (["/bin/bash", "-ecx", "a\nb && c"], []),
        (["bash", "-o", "pipefail", "-c", "a | b"], []),
        (["sh", "-xuce"], ["go mod download\n"]),
        (["bash", "/scripts/run me.sh"], []),
        (["find", ".", "-exec", "rm", "{}", ";"], []),
        (["jq", "-r", ".a | .b"], []),
        (["/opt/my program/run"], []),
        ([], ["vllm serve x"]),
    ],
)
def test_a_command_that_can_start(command: list[str], args: list[str]):
    assert "K8S037" not in rules(job({"command": command, "args": args} if command else {"args": args}))


CLAIM = yaml.safe_dump(
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "rook-cephfs",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
)
DATA = {
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}
VOLUMES = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]


@pytest.mark.parametrize(
    ("script", "shared"),
    [
        ("python -m venv /data/env", True),
        ("cd /data && python3 -m venv env", True),
        ("cd /data/study && uv sync --frozen", True),
        ("cd /data/study && uv venv", True),
        ("cd /data/site; npm install", True),
        ("npm ci --prefix /data/site", True),
        ("cd /data && yarn", True),
        ("export POETRY_VIRTUALENVS_IN_PROJECT=1; cd /data; poetry install", True),
        ("bash miniconda.sh -b -p /data/conda", True),
        ("/data/conda/bin/conda install -y numpy", True),
        ("conda activate /data/env; pip install numpy==2.1.0", True),
        ("source /data/env/bin/activate; pip install numpy==2.1.0", True),
        ("cd /tmp && uv sync", False),
        ("cd /data && pip install numpy==2.1.0", False),
        ("npm install -g yarn", False),
        ("cd /data; npm test", False),
        ("poetry install", False),
    ],
)
def test_packages_on_shared_storage(script: str, shared: bool):
    body = job({"command": ["bash", "-c", script], "args": [], **DATA}, volumes=VOLUMES)
    assert (severity("NRP030", body, CLAIM) == "error") == shared
    assert (severity("NRP030", body) == "note") == shared
    assert "NRP030" not in rules(body, CLAIM.replace("ReadWriteMany", "ReadWriteOnce").replace("fs", "-block"))


@pytest.mark.parametrize(
    ("script", "own"),
    [
        ("huggingface-cli download org/m", True),
        ("hf download org/m --local-dir /models", True),
        ("HF_HOME=/tmp/hf hf download org/m", True),
        ("hf download org/m --local-dir /data/m", False),
        ("HF_HOME=/data/hf hf download org/m", False),
        ("export HF_HOME=/data/hf; huggingface-cli download org/m", False),
        ("cd /data && hf download org/m --local-dir m", False),
        ("hf upload org/m .", False),
    ],
)
def test_downloads_to_the_disk_of_a_container(script: str, own: bool):
    body = job({"command": ["bash", "-c", script], "args": [], **DATA}, volumes=VOLUMES)
    assert ("NRP045" in rules(body)) == own


@pytest.mark.parametrize(
    ("image", "moves"),
    [
        ("pytorch/pytorch:2.5.1-cuda12.4-cudnn9-devel", False),
        ("nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04", False),
        ("a/b:main-3f2a91c", False),
        ("a/b:nightly-2025-11-02", False),
        ("a/b:nightly-20251102", False),
        ("a/b:1.2.0-dev", False),
        ("python:3.12-slim-bookworm", False),
        ("a/b@sha256:" + "a" * 64, False),
        ("a/b", True),
        ("a/b:latest", True),
        ("a/b:latest-gpu", True),
        ("a/b:cuda12-latest", True),
        ("a/b:nightly", True),
        ("a/b:main", True),
        ("a/b:devel", True),
        ("a/b:gpu", True),
        ("localhost:5000/a/b", True),
    ],
)
def test_tags_that_move(image: str, moves: bool):
    assert bool(tag_fault(image)) == moves


@pytest.mark.parametrize(
    "value",
    [
        "<username>",
        "CHANGE_ME",
        "changeme",
        "change-me",
        "REPLACE_ME",
        "your-namespace",
        "YOUR_TOKEN_HERE",
        "<your-name>",
        "PLACEHOLDER",
        "SWEEP_ID_PLACEHOLDER",
        "TODO",
        "xxxx",
        "XXX",
        "path/to/data",
        "yourname",
        "INSERT_KEY",
    ],
)
def test_placeholders(value: str):
    assert placeholder(value)
    assert placeholder_in_name(value)


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        ("job-${USER}", True, False),
        ("{{ name }}", True, False),
        ("job-NAME", True, False),
        ("__NAME__", True, False),
        ("artifact-path-placeholders", False, False),
        ("x" * 60, False, False),
        ("yourself", False, False),
        ("todo-list", False, False),
        ("a < b && c > d", False, False),
        ("def __init__(self): pass", False, False),
    ],
)
def test_what_is_a_placeholder_only_in_a_name(value: str, name: bool, text: bool):
    assert bool(placeholder_in_name(value)) == name
    assert bool(placeholder(value)) == text
    assert not placeholder_in_field("NVIDIA-GeForce-RTX-3090")


def test_placeholders_are_to_be_filled_in_and_nothing_else_is_said_of_them():
    body = job({"image": "<your-image>", "env": [{"name": "HF_TOKEN", "value": "CHANGE_ME"}]})
    body["metadata"] |= {"name": "train-<username>", "namespace": "your-namespace"}
    found = [finding for finding in checked(json.dumps(body), cluster=NRP).findings if finding.rule.id == "K8S034"]
    assert {finding.message: str(finding.severity) for finding in found} == {
        "fill this in: '<your-image>'": "error",
        "fill this in: '<username>'": "error",
        "fill this in: 'CHANGE_ME'": "warning",
        "fill this in: 'your-namespace'": "warning",
    }
    assert not {"K8S004", "K8S023", "K8S025"} & rules(body)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("HF_TOKEN", "CHANGE_ME", False),
        ("HF_TOKEN", "hf_token", False),
        ("DB_PASSWORD", "db-password", False),
        ("DB_PASSWORD", "<password>", False),
        ("WANDB_API_KEY", "YOUR_WANDB_API_KEY", False),
        ("API_KEY", "EMPTY", False),
        ("DB_PASSWORD", "hunter2hunter2", True),
    ],
)
def test_what_stands_for_a_secret_is_none(name: str, value: str, secret: bool):
    body = job({"env": [{"name": name, "value": value}]})
    body["metadata"]["annotations"] = {name: value}
    findings = checked(json.dumps(body), cluster=NRP).findings
    assert len([finding for finding in findings if finding.rule.id == "K8S023"]) == (1 if secret else 0)


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("ca.crt", "LS0tLS1CRUdJTg==", False),
        ("username", "YWRtaW4=", False),
        ("password", "Q0hBTkdFX01F", False),  # CHANGE_ME
        ("password", "cGFzc3dvcmQ=", False),  # password
        ("password", "aHVudGVyMmh1bnRlcjI=", True),
    ],
)
def test_keys_of_a_secret_that_everybody_may_know(key: str, value: str, secret: bool):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {key: value}}
    assert ("K8S024" in rules(body)) == secret


@pytest.mark.parametrize(
    ("selector", "rule"),
    [
        ({"gpu-type": "3090"}, "NRP039"),
        ({"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX3090"}, "NRP040"),
        ({"nvidia.com/gpu.product": "GeForce-RTX-3090"}, "NRP040"),
        ({"nvidia.com/gpu.product": "NVIDIA-RTX-3090"}, "NRP040"),
        ({"nvidia.com/gpu.product": "nvidia-a10"}, "NRP040"),
        ({"nvidia.com/gpu.product": "NVIDIA-H100-NVL"}, "NRP015"),
        ({"nvidia.com/gpu.product": "NVIDIA-H200-NVL"}, "NRP015"),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-PCIE-80GB"}, "NRP015"),
        ({"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-3090"}, ""),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}, ""),
        ({"nvidia.com/gpu.product": "NVIDIA-Something-New"}, ""),
    ],
)
def test_labels_and_products(selector: dict[str, str], rule: str):
    amounts = {"cpu": 1, "memory": "2Gi", "nvidia.com/gpu": 1}
    body = job({"resources": {"requests": amounts, "limits": amounts}}, nodeSelector=selector)
    about = {"NRP015", "NRP039", "NRP040"} & rules(body)
    assert about == ({rule} if rule else set()) or "MIG" in str(selector)


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("nautilus.io/system", "NRP041"),
        ("nautilus.io/issue", "NRP041"),
        ("nautilus.io/gpu-bad", "NRP042"),
        ("nautilus.io/suncave", "NRP042"),
        ("nautilus.io/hardware", ""),
        ("nvidia.com/gpu", ""),
        ("", "NRP041"),
        ("node.kubernetes.io/unreachable", ""),
    ],
)
def test_tolerations(key: str, rule: str):
    body = job({}, tolerations=[{"operator": "Exists", **({"key": key} if key else {})}])
    assert {"NRP041", "NRP042"} & rules(body) == ({rule} if rule else set())


POD = {"containers": [{"name": "main", "image": "a/b", "resources": {"requests": {"cpu": 1}}}]}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": POD}


@pytest.mark.parametrize(
    ("version", "kind", "spec", "path"),
    [
        ("ray.io/v1", "RayCluster", {"headGroupSpec": {"template": TEMPLATE}}, "spec.headGroupSpec.template.spec"),
        (
            "ray.io/v1",
            "RayJob",
            {"rayClusterSpec": {"workerGroupSpecs": [{"replicas": 2, "template": TEMPLATE}]}},
            "spec.rayClusterSpec.workerGroupSpecs[0].template.spec",
        ),
        ("kubeflow.org/v1", "PyTorchJob", {"pytorchReplicaSpecs": {"Worker": {"template": TEMPLATE}}}, "Worker"),
        ("kubeflow.org/v2beta1", "MPIJob", {"mpiReplicaSpecs": {"Launcher": {"template": TEMPLATE}}}, "Launcher"),
        ("kubeflow.org/v1", "Notebook", {"template": {"spec": POD}}, "spec.template.spec"),
        ("serving.kserve.io/v1beta1", "InferenceService", {"predictor": POD}, "spec.predictor"),
        ("agents.x-k8s.io/v1alpha1", "Sandbox", {"podTemplate": TEMPLATE}, "spec.podTemplate.spec"),
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", {"leaderWorkerTemplate": {"workerTemplate": TEMPLATE}}, "w"),
        ("batch.volcano.sh/v1alpha1", "Job", {"tasks": [{"replicas": 2, "template": TEMPLATE}]}, "spec.tasks[0]"),
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            {"templates": [{"name": "a", "container": {"image": "a/b"}}]},
            "container",
        ),
        ("argoproj.io/v1alpha1", "Workflow", {"templates": [{"script": {"image": "a/b", "source": "x"}}]}, "script"),
        (
            "argoproj.io/v1alpha1",
            "CronWorkflow",
            {"workflowSpec": {"templates": [{"container": {"image": "a/b"}}], "nodeSelector": {"gpu-type": "x"}}},
            "spec.workflowSpec.templates[0].container",
        ),
    ],
)
def test_pods_of_custom_resources_are_checked(version: str, kind: str, spec: dict[str, Any], path: str):
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    findings = checked(json.dumps(body), cluster=NRP).findings
    found = {finding.rule.id: finding.path for finding in findings}
    assert {"K8S002", "K8S025"} <= found.keys()
    assert path in found["K8S025"]
    assert ("NRP001" in found) == (kind != "InferenceService")
    assert not {"K8S001", "K8S009", "K8S010", "K8S013", "K8S030", "K8S031", "NRP014"} & found.keys()
    assert ("NRP039" in found) == (kind == "CronWorkflow")


def test_a_custom_resource_with_something_else_of_that_name_is_left_alone():
    for spec in (
        {"containers": 5},
        {"containers": [{"cpu": 1}]},
        {"containers": [{"name": "a", "image": "b", "args": 5}]},
    ):
        body = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}
        assert rules(body) == {"K8S002"}


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct", 70),
        ("Qwen/Qwen2.5-7B-Instruct-1M", 7),
        ("Qwen/Qwen3-30B-A3B", 30),
        ("Qwen/Qwen2.5-0.5B", 0.5),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 44.8),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", 32),
        ("microsoft/phi-2", 0),
        ("google/gemma-3n-E4B-it", 0),
        ("/models/llama-13b", 13),
        ("EleutherAI/pythia-70m", 0),
    ],
)
def test_sizes_by_name(name: str, billions: float):
    assert parameters(name) / 1e9 == pytest.approx(billions)


@pytest.mark.parametrize(
    ("image", "args", "gpus", "fits"),
    [
        ("vllm/vllm-openai:v0.9.0", ["org/Llama-70B"], 1, False),
        ("vllm/vllm-openai:v0.9.0", ["org/Llama-70B-AWQ"], 1, True),
        ("vllm/vllm-openai:v0.9.0", ["org/Llama-70B", "--quantization=bitsandbytes"], 1, True),
        ("vllm/vllm-openai:v0.9.0", ["org/Llama-70B", "--cpu-offload-gb=100"], 1, True),
        ("vllm/vllm-openai:v0.9.0", ["org/Mixtral-8x7B"], 1, False),
        ("vllm/vllm-openai:v0.9.0", ["org/Llama-70B-FP8", "--tensor-parallel-size=2"], 2, True),
        ("vllm/vllm-openai:v0.9.0", ["org/Llama-405B-FP8", "--tensor-parallel-size=4"], 4, False),
        ("vllm/vllm-openai:v0.9.0", ["openai/gpt-oss-120b", "--tensor-parallel-size=2"], 2, True),
        ("ghcr.io/huggingface/text-generation-inference:2.4.0", ["--model-id=org/Llama-70B"], 1, False),
        ("ghcr.io/huggingface/text-generation-inference:2.4.0", ["--model-id=org/Llama-8B"], 1, True),
        ("lmsysorg/sglang:v0.4", ["--model-path", "org/Llama-70B"], 1, True),  # an image without its launcher
    ],
)
def test_models_of_any_name_are_sized(image: str, args: list[str], gpus: int, fits: bool):
    assert ("VLLM018" not in rules(serving(image, args, gpus))) == fits


def test_a_small_gpu_makes_a_model_too_large_and_an_old_one_cannot_run_it():
    small = {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-2080-Ti"}}
    assert "VLLM018" in rules(serving("vllm/vllm-openai:v0.9.0", ["org/Llama-7B"], **small))
    assert "VLLM018" not in rules(serving("vllm/vllm-openai:v0.9.0", ["org/Llama-3B"], **small))
    assert "VLLM019" in rules(serving("vllm/vllm-openai:v0.9.0", ["org/Llama-3B", "--dtype=bfloat16"], **small))
    assert "VLLM019" not in rules(serving("vllm/vllm-openai:v0.9.0", ["org/Llama-3B", "--dtype=half"], **small))
    old = {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-GeForce-GTX-1080-Ti"}}
    assert "VLLM019" in rules(serving("vllm/vllm-openai:v0.9.0", ["org/Llama-3B"], **old))


TGI = "ghcr.io/huggingface/text-generation-inference:2.4.0"


@pytest.mark.parametrize(
    ("image", "args", "port"),
    [
        (TGI, ["--model-id=org/m"], 80),
        (TGI, ["--model-id=org/m", "--port=8080"], 8080),
        ("ollama/ollama:0.5.4", [], 11434),
        ("ghcr.io/ggml-org/llama.cpp:server-b4000", ["-m", "/models/x.gguf"], 8080),
        ("vllm/vllm-openai:v0.9.0", ["org/m"], 8000),
    ],
)
def test_ports_of_servers(image: str, args: list[str], port: int):
    body = serving(image, args)
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["ports"] = [{"containerPort": port}]
    assert "VLLM014" not in rules(body)
    container["ports"] = [{"containerPort": port + 1}]
    assert "VLLM014" in rules(body)


def test_other_servers_have_caches_tokens_and_shared_memory():
    body = serving(TGI, ["--model-id=meta-llama/Llama-3.1-8B-Instruct", "--num-shard=2"], 2)
    assert {"VLLM010", "VLLM011", "VLLM016", "NRP035"} <= rules(body)
    pod = body["spec"]["template"]["spec"]
    pod["volumes"] = [*VOLUMES, {"name": "shm", "emptyDir": {"medium": "Memory"}}]
    pod["containers"][0]["volumeMounts"] = [
        {"name": "data", "mountPath": "/data"},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    pod["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/health", "port": 80}}
    assert not {"VLLM010", "VLLM011", "VLLM016", "NRP035"} & rules(body)
    assert "VLLM010" not in rules(serving("vllm/vllm-openai:v0.9.0", ["org/m"]))


def test_a_user_without_a_home_cannot_write_the_cache():
    user = {"securityContext": {"runAsUser": 1000}}
    body = serving("vllm/vllm-openai:v0.9.0", ["org/m"], **user)
    assert "VLLM020" in rules(body)
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME"):
        body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": name, "value": "/tmp"}]
        assert "VLLM020" not in rules(body)
    assert "VLLM020" not in rules(serving("vllm/vllm-openai:v0.9.0", ["org/m"]))


@pytest.mark.parametrize(
    ("storage", "mode", "refused"),
    [
        ("rook-ceph-block", "ReadWriteMany", True),
        ("rook-ceph-block-new", "ReadWriteMany", True),
        ("linstor-new", "ReadOnlyMany", True),
        ("rook-cephfs-new", "ReadWriteMany", False),
        ("linstor-new", "ReadWriteOnce", False),
        ("standard", "ReadWriteMany", False),
    ],
)
def test_block_storage_is_for_one_node_whatever_its_class(storage: str, mode: str, refused: bool):
    assert ("NRP024" in rules(CLAIM.replace("rook-cephfs", storage).replace("ReadWriteMany", mode))) == refused
    template = yaml.safe_load(CLAIM.replace("rook-cephfs", storage).replace("ReadWriteMany", mode))
    body = yaml.safe_load(SERVER)
    body |= {"kind": "StatefulSet"}
    body["spec"] |= {"serviceName": "x", "volumeClaimTemplates": [template]}
    assert ("NRP024" in rules(body)) == refused


def test_a_provisioner_tells_the_kind_of_a_class():
    described = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}
    claim = CLAIM.replace("rook-cephfs", "fast")
    assert "NRP024" in rules(claim, described | {"provisioner": "rook-ceph.rbd.csi.ceph.com"})
    assert "NRP024" not in rules(claim, described | {"provisioner": "rook-ceph.cephfs.csi.ceph.com"})


def test_a_missing_limit_of_cores_is_a_warning_and_one_of_memory_an_error():
    amounts = {"cpu": 1, "memory": "2Gi"}
    assert severity("NRP001", job({"resources": {"requests": amounts, "limits": {"memory": "2Gi"}}})) == "warning"
    assert severity("NRP001", job({"resources": {"requests": amounts, "limits": {"cpu": 1}}})) == "error"
    assert severity("NRP001", job({"resources": {"limits": {"memory": "2Gi"}}})) == "error"


def test_alternatives_in_several_files_are_not_added_up():
    from grace.policy.check import check_manifests
    from grace.policy.reading import parse

    claim = CLAIM.replace("ReadWriteMany", "ReadWriteOnce").replace("rook-cephfs", "rook-ceph-block")
    one = json.dumps(job(DATA, volumes=VOLUMES))
    in_use = json.dumps(job(DATA | {"image": "a/b:2"}, volumes=VOLUMES))
    files = [*parse(claim, "pvc.yaml"), *parse(one, "dev/job.yaml"), *parse(in_use, "prod/job.yaml")]
    found = {finding.rule.id for finding in check_manifests(files, NRP).findings}
    assert "K8S033" in found
    assert not {"K8S007", "K8S020"} & found
    other = one.replace("study1", "study2")
    assert "K8S020" in {f.rule.id for f in check_manifests([*parse(claim), *parse(one), *parse(other)], NRP).findings}
