"""Kinds of findings that published manifests showed to be wrong or to be missing: each once found, once not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from grace.policy.check import check_manifests
from grace.policy.foreign import foreign
from grace.policy.reading import parse
from grace.policy.rule import changed
from policy_examples import JOB, NRP, SERVER, SERVICE, found, job, pod, script, severities

AMOUNTS = {"cpu": 1, "memory": "2Gi"}


def container(name: str = "main", **fields: Any) -> dict[str, Any]:
    """A container of which nothing is to be said."""
    return {"name": name, "image": "a/b:1", "resources": {"requests": AMOUNTS, "limits": AMOUNTS}, **fields}


def custom(version: str, kind: str, spec: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})


def with_gpu(line: str) -> str:
    amounts = {**AMOUNTS, "nvidia.com/gpu": 1}
    resources = {"requests": amounts, "limits": amounts}
    body = yaml.safe_load(script(line))
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    return json.dumps(body)


# Sleeps that are pauses


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        ("nvidia-smi && echo ok || (echo failed && sleep 5 && nvidia-smi)", False),
        ("nvidia-smi || sleep 30", False),
        ("nvidia-smi || { nvidia-smi -L || sleep 5; }", False),
        ("nvidia-smi; sleep 5; nvidia-smi", False),
        ("python train.py || sleep 60", False),
        ("nvidia-smi && sleep 3600", True),
        ("nvidia-smi || echo failed; sleep 3600", True),
        ("hf download org/m || sleep 5", True),
        ("while true; do sleep 60; done", True),
    ],
)
def test_a_gpu_of_which_the_pauses_are_not_the_work(line: str, idle: bool):
    assert bool(found("NRP034", with_gpu(line))) == idle


def test_a_job_whose_script_sleeps_only_where_it_failed_does_not_end_in_sleep():
    assert not found("NRP010", script("python run.py || sleep 20"))
    assert not found("NRP010", script("again() { sleep 20; }", "python run.py || again"))
    assert found("NRP010", script("python run.py || true; sleep 20"))
    assert found("NRP010", script("python run.py || sleep infinity"))


# Requests and limits


def test_an_init_container_without_amounts_is_a_warning_that_says_what_is_not_known():
    bare = {"name": "fetch", "image": "a/b:1"}
    [finding] = found("NRP001", pod(initContainers=[bare]))
    assert (finding.severity, "init containers need them is not known" in finding.message) == ("warning", True)
    assert severities("NRP001", pod(containers=[bare])) == ["error"]
    assert not found("NRP001", pod(initContainers=[container("fetch")]))


def test_a_train_job_gives_its_node_resources_and_no_other_container():
    parts = [{"name": name, "image": "a/b:1"} for name in ("node", "dataset")]
    jobs = [
        {"name": each["name"], "template": {"spec": {"template": {"spec": {"containers": [each]}}}}} for each in parts
    ]
    runtime = custom(
        "trainer.kubeflow.org/v1alpha1", "TrainingRuntime", {"template": {"spec": {"replicatedJobs": jobs}}}
    )
    findings = found("NRP001", runtime)
    assert [(finding.severity, "resourcesPerNode" in finding.message) for finding in findings] == [
        ("note", True),
        ("error", False),
    ]
    assert severities("NRP001", custom("example.org/v1", "Farm", {"containers": parts[:1]})) == ["error"]


# Patches


def test_what_says_how_to_patch_is_a_patch():
    alone = parse("apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n$patch: delete\n", "remove.yaml")
    inside = changed(JOB, ("        env: []\n", "        env: [{$patch: delete, name: A}]\n"))
    assert all("is a patch" in foreign(manifest) for manifest in (*alone, *parse(inside)))
    assert not foreign(parse(JOB)[0])
    named = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {text: '$patch: delete'}\n"
    assert not foreign(parse(named)[0])


# What users cannot make


def daemon_set(**spec: Any) -> str:
    body = yaml.safe_load(changed(SERVER, ("kind: Deployment", "kind: DaemonSet")))
    body["spec"]["template"]["spec"] |= spec
    return json.dumps(body)


@pytest.mark.parametrize(
    ("spec", "agent"),
    [
        ({}, False),
        ({"hostPID": True}, True),
        ({"volumes": [{"name": "plugins", "hostPath": {"path": "/var/lib/kubelet"}}]}, True),
        ({"containers": [container(securityContext={"privileged": True})]}, True),
        ({"containers": [container(securityContext={"privileged": False})]}, False),
    ],
)
def test_nobody_makes_a_deployment_of_what_serves_each_node(spec: dict[str, Any], agent: bool):
    [finding] = found("NRP013", daemon_set(**spec))
    assert ("it serves nodes" in finding.message, "Deployment" in finding.message) == (agent, not agent)


def test_custom_objects_of_no_namespace_and_limits_of_a_namespace():
    [issuer] = found("NRP013", custom("cert-manager.io/v1", "ClusterIssuer", {"ca": {}}))
    assert (issuer.severity, "an Issuer is for your namespace" in issuer.message) == ("error", True)
    assert not found("NRP013", custom("cert-manager.io/v1", "Issuer", {"ca": {}}))
    assert not found("NRP013", custom("postgresql.cnpg.io/v1", "Cluster", {"instances": 1}))
    limits = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: x}\nspec: {limits: [{type: Pod, max: {cpu: 2}}]}\n"
    assert severities("NRP013", limits) == ["warning"]
    service = {"group": "a.b", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    api = custom("apiregistration.k8s.io/v1", "APIService", service)
    assert "make an APIService" in found("NRP013", api)[0].message


# Placeholders


def test_a_variable_in_metadata_is_a_placeholder_of_a_tool():
    text = changed(JOB, ("name: study1\n", "name: study-$(REGION)-$(RATE)\n"), ("gemma-2-2b-it", "$(REGION)"))
    [finding] = found("K8S034", text)
    assert (finding.severity, "$(REGION)" in finding.message) == ("error", True)
    assert not found("K8S004", text)
    assert not found("K8S026", text)
    assert severities("K8S034", changed(JOB, ("name: study1\n", "name: $(id)\n"))) == ["error"]
    label = changed(JOB, ("  labels: {app: grace}\nspec", "  labels: {app: $(APP)}\nspec"))
    assert (severities("K8S034", label), found("K8S006", label)) == (["error"], [])


def test_a_variable_that_kubernetes_fills_in_is_no_placeholder():
    text = changed(JOB, ("gemma-2-2b-it", "$(REGION)"))
    assert (found("K8S034", text), severities("K8S026", text)) == ([], ["warning"])
    mount = "        volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(POD_NAME)}]\n"
    assert not found("K8S034", changed(JOB, ("        env: []\n", f"        env: []\n{mount}")))
    claim = parse(
        changed(
            JOB,
            (
                "      containers:",
                "      volumes: [{name: v, persistentVolumeClaim: {claimName: $(DATA)}}]\n      containers:",
            ),
        )
    )
    assert "K8S034" in {finding.rule.id for finding in check_manifests(claim, NRP).findings}
    rendered = check_manifests(claim, NRP, generated=frozenset({("vars", "DATA")}))
    assert not {"K8S004", "K8S034"} & {finding.rule.id for finding in rendered.findings}


@pytest.mark.parametrize(
    ("part", "value", "severity"),
    [
        ("data", "REPLACE_WITH_TOKEN", ["error"]),
        ("data", "Q0hBTkdFX01F", []),
        ("stringData", "REPLACE_WITH_TOKEN", ["warning"]),
    ],
)
def test_a_placeholder_where_the_cluster_takes_none_is_an_error(part: str, value: str, severity: list[str]):
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: hub}}\n{part}: {{token: {value}}}\n"
    assert severities("K8S034", secret) == severity


def test_a_placeholder_of_the_wrong_type_is_an_error():
    [finding] = found("K8S034", changed(SERVER, ("spec:\n  selector", "spec:\n  replicas: <number>\n  selector")))
    assert (finding.severity, finding.path) == ("error", "spec.replicas")


# Names and namespaces


def test_when_two_objects_of_one_name_are_one():
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n"
    files = [*parse(space, "a.yaml"), *parse(changed(space, ("name: x", "name: x, labels: {a: b}")), "b.yaml")]
    [message] = [each.message for each in check_manifests(files, NRP).findings if each.rule.id == "K8S033"]
    assert message.endswith("a Namespace is in no namespace, so they are one object, and the last one counts")
    there = changed(SERVICE, ("name: vllm-gemma\n", "name: vllm-gemma\n  namespace: lab\n"))
    assert "applied with `-n lab` they are one object" in found("K8S033", there, SERVICE)[0].message
    assert not found("K8S033", there, changed(there, ("namespace: lab", "namespace: home")))


def test_a_service_of_another_namespace_may_have_a_sister_in_another_file():
    there = changed(SERVICE, ("name: vllm-gemma\n", "name: vllm-gemma\n  namespace: lab\n"))
    client = job(("--model-name=gemma-2-2b-it", "http://vllm-gemma.home:8000"))
    [finding] = found("K8S016", SERVER, there, client)
    assert (finding.severity, "these files have none in home" in finding.message) == ("warning", True)
    assert not found("K8S016", SERVER, there, changed(client, ("gemma.home", "gemma.lab")))


# Storage


def stateful(claim: dict[str, Any]) -> str:
    body = yaml.safe_load(changed(SERVER, ("kind: Deployment", "kind: StatefulSet")))
    amounts = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
    body["spec"] |= {
        "serviceName": "vllm-gemma",
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {**amounts, **claim}}],
    }
    return json.dumps(body)


def ephemeral(claim: dict[str, Any]) -> str:
    amounts = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
    return pod(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {**amounts, **claim}}}}])


@pytest.mark.parametrize("of", [stateful, ephemeral])
def test_claims_from_templates_are_claims(of: Callable[[dict[str, Any]], str]):
    [finding] = found("NRP022", of({"storageClassName": "rook-ceph-rbd"}))
    assert finding.path.endswith("spec.storageClassName")
    assert severities("NRP021", of({"storageClassName": "ceph-rbd"})) == ["error"]
    assert severities("NRP023", of({"storageClassName": "rook-cephfs-ucsd"})) == ["warning"]
    assert severities("NRP024", of({"storageClassName": "linstor-ha", "accessModes": ["ReadWriteMany"]})) == ["error"]
    assert severities("NRP025", of({"accessModes": ["ReadWriteMany"]})) == ["warning"]
    fine = of({"storageClassName": "rook-ceph-block"})
    assert not [rule for rule in ("NRP021", "NRP022", "NRP023", "NRP024", "NRP025") if found(rule, fine)]


# Nodes


@pytest.mark.parametrize(
    ("labels", "strange"),
    [
        ({"accelerator": "nvidia-gtx-2080ti"}, True),
        ({"example.org/pool": "gpu"}, True),
        ({"nvidia.com/gpu.product": "AGX-Thor"}, True),
        ({"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-3090"}, False),
        ({"nvidia.com/gpu.product": "NVIDIA-GH200-480GB"}, False),
        ({"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX3090"}, False),  # misspelt, which NRP040 says
        ({"nvidia.com/gpu.product": "<product>"}, False),
        ({"kubernetes.io/hostname": "node-1"}, False),
        ({"nautilus.io/network": "100000"}, False),
        ({"feature.node.kubernetes.io/cpu-cpuid.AVX512F": "true"}, False),
        ({"gpu-type": "a100"}, False),  # which NRP039 says
    ],
)
def test_labels_and_products_that_no_node_is_known_to_have(labels: dict[str, str], strange: bool):
    assert severities("NRP020", pod(nodeSelector=labels)) == ["note"] * strange


@pytest.mark.parametrize(("operator", "strange"), [("Exists", True), ("DoesNotExist", False)])
def test_a_label_that_a_node_must_not_have_may_be_any(operator: str, strange: bool):
    terms = [{"matchExpressions": [{"key": "pool", "operator": operator}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert bool(found("NRP020", pod(affinity={"nodeAffinity": required}))) == strange


def test_a_runtime_class_is_the_clusters():
    [finding] = found("K8S017", pod(runtimeClassName="gvisor"))
    assert "RuntimeClass 'gvisor' must exist already: `kubectl get runtimeclass gvisor`" in finding.message
    here = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: gvisor}\nhandler: runsc\n"
    assert not found("K8S017", pod(runtimeClassName="gvisor"), here)
    assert not found("K8S017", pod(runtimeClassName=""))


# Data


def deployed(image: str, volumes: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A Deployment of one container, with all volumes mounted."""
    mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes]
    body: dict[str, Any] = yaml.safe_load(SERVER)
    main = container(image=image, volumeMounts=mounts, **fields)
    body["spec"]["template"]["spec"] = {"containers": [main], "volumes": volumes}
    return body


CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "base"}}
EMPTY = {"name": "data", "emptyDir": {}}
CONFIG = {"name": "settings", "configMap": {"name": "settings"}}


@pytest.mark.parametrize(
    ("image", "volume", "fields", "lost"),
    [
        ("postgres:17.2", EMPTY, {}, True),
        ("docker.io/pgvector/pgvector:pg16", CONFIG, {"args": ["-c", "max_connections=200"]}, True),
        ("mongo:8.0", EMPTY, {"command": ["mongod", "--replSet", "a"]}, True),
        ("redis:7.4", EMPTY, {"args": ["redis-server", "--appendonly", "yes"]}, True),
        ("postgres:17.2", CLAIM, {}, False),
        ("postgres:17.2", EMPTY, {"command": ["sh", "-c", "until pg_isready; do sleep 5; done; psql"]}, False),
        ("redis:7.4", EMPTY, {}, False),
        ("lab/postgres-exporter:1", EMPTY, {}, False),
    ],
)
def test_databases_without_a_volume_that_lasts(image: str, volume: dict[str, Any], fields: dict[str, Any], lost: bool):
    assert severities("K8S046", json.dumps(deployed(image, [volume], **fields))) == ["warning"] * lost


def test_a_database_beside_a_kustomization_may_get_its_volume_there():
    text = json.dumps(deployed("postgres:17.2", [EMPTY]))
    report = check_manifests(parse(text, "base/db.yaml"), NRP, generated=frozenset({("Kustomization", "base")}))
    assert [finding.severity for finding in report.findings if finding.rule.id == "K8S046"] == ["note"]


@pytest.mark.parametrize("volume", [EMPTY, CLAIM])
def test_ollama_pulls_to_its_own_disk(volume: dict[str, Any]):
    pull = {"lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "ollama pull llama3.1:70b"]}}}}
    body = deployed("ollama/ollama:0.5.4", [volume], **pull)
    mounts = body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    mounts[0]["mountPath"] = "/root/.ollama"
    assert severities("NRP045", json.dumps(body)) == ["note"] * (volume is EMPTY)
    assert not found("NRP045", json.dumps(deployed("ollama/ollama:0.5.4", [volume])))


# Images


@pytest.mark.parametrize(
    ("image", "policy", "severity"),
    [
        ("192.168.9.50:5000/app:1", "Always", ["warning"]),
        ("localhost:32000/app:1", "IfNotPresent", ["warning"]),
        ("host.docker.internal:5000/app:1", "IfNotPresent", ["warning"]),
        ("app:1", "Never", ["warning"]),
        ("app:1", "IfNotPresent", ["warning"]),
        ("lab/app:1", "IfNotPresent", []),
        ("ghcr.io/lab/192.168.9.50:1", "Always", []),
        ("172.64.0.1/lab/app:1", "Always", []),
    ],
)
def test_images_that_nodes_do_not_get(image: str, policy: str, severity: list[str]):
    assert severities("NRP047", pod(containers=[container(image=image, imagePullPolicy=policy)])) == severity


# Waiting


def waiting(line: str, **spec: Any) -> str:
    body = yaml.safe_load(JOB)
    body["spec"] = {"template": body["spec"]["template"], **spec}
    body["spec"]["template"]["spec"]["initContainers"] = [container("wait", command=["sh", "-c", line])]
    return json.dumps(body)


def test_an_init_container_of_a_job_waits_too_and_its_end_is_named():
    line = "until pg_isready -h base; do sleep 5; done"
    assert severities("NRP011", waiting(line)) == ["note"]
    assert (
        "activeDeadlineSeconds ends it after 60 s"
        in found("NRP011", waiting(line, activeDeadlineSeconds=60))[0].message
    )
    counted = "n=0; until pg_isready; do n=$((n+1)); [ $n -ge 60 ] && exit 1; sleep 5; done"
    assert not found("NRP011", waiting(counted))


# Servers


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({}, ["warning"]),
        ({"resources": {"limits": {**AMOUNTS, "nvidia.com/gpu": 1}}}, []),
        ({"resources": {"limits": {**AMOUNTS, "amd.com/gpu": 1}}}, []),
        ({"image": "vllm/vllm-openai-cpu:v0.33.0"}, []),
        ({"env": [{"name": "VLLM_TARGET_DEVICE", "value": "cpu"}]}, []),
        ({"image": "lab/vllm-client:1"}, []),
    ],
)
def test_vllm_without_a_gpu(change: dict[str, Any], severity: list[str]):
    main = container("vllm", **{"image": "vllm/vllm-openai:v0.33.0", "args": ["org/m"], **change})
    assert severities("VLLM005", pod(containers=[main])) == severity


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("git clone https://$(GIT_USER):$(GIT_TOKEN)@git.example.org/lab/a.git && cd a", True),
        ("git clone https://${GIT_TOKEN}@git.example.org/lab/a.git", True),
        ("git clone https://git.example.org/lab/a.git", False),
        ("git clone https://${GIT_USER}@git.example.org/lab/a.git", False),
        ("curl https://user:${API_TOKEN}@example.org/", False),
    ],
)
def test_tokens_that_git_keeps(line: str, kept: bool):
    assert severities("K8S047", script(line)) == ["note"] * kept


@pytest.mark.parametrize(
    ("line", "open_to_all"),
    [
        ("jupyter lab --ip=0.0.0.0 --ServerApp.token= --ServerApp.password=", True),
        ("python -m jupyter notebook --ip='*' --NotebookApp.token='' --NotebookApp.password=''", True),
        ("start-notebook.sh --ip 0.0.0.0 --IdentityProvider.token=''", True),
        ("jupyter lab --ip=0.0.0.0", False),
        ("jupyter lab --ServerApp.token=", False),  # listens at 127.0.0.1
        ("jupyter lab --ip=0.0.0.0 --ServerApp.token=$(TOKEN)", False),
        ("jupyter lab --ip=0.0.0.0 --ServerApp.token= --ServerApp.password=argon2:x", False),
    ],
)
def test_jupyter_that_lets_everybody_in(line: str, open_to_all: bool):
    assert severities("K8S048", script(line)) == ["warning"] * open_to_all


def test_the_name_of_a_database_is_no_secret():
    values = "stringData: {POSTGRES_DB: results, POSTGRES_PASSWORD: correct-horse}\n"
    [finding] = found("K8S024", f"apiVersion: v1\nkind: Secret\nmetadata: {{name: base}}\n{values}")
    assert "the value of POSTGRES_PASSWORD can be read" in finding.message


@pytest.mark.parametrize(
    ("line", "loose"),
    [
        ("uvx --from uvicorn --with fastapi==0.115.6 uvicorn app:app", ["uvicorn"]),
        ("uv run --with httpx run.py", ["httpx"]),
        ("uvx --from uvicorn==0.34.0 --with fastapi==0.115.6 uvicorn app:app", []),
        ("run --with httpx", []),
    ],
)
def test_packages_that_uv_brings_for_one_program(line: str, loose: list[str]):
    messages = [finding.message for finding in found("NRP031", script(line))]
    assert messages == [f"container main installs {name} without a fixed version" for name in loose]
