"""Kinds of findings that published manifests showed to be wrong or to be missing: each once found, once not."""

import json
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
    assert (finding.severity, "--dry-run=server" in finding.message) == ("warning", True)
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
    files = [*parse(space, "a.yaml"), *parse(space, "b.yaml")]
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
