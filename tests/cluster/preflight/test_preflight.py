"""Preflight: every look passes, fails and stays unknown once, over real HTTP; and nothing is ever changed."""

import json
import os
import shutil
import subprocess
from contextlib import asynccontextmanager

import kmock
import pytest
import yaml

from api_server import ApiServer, cut, status, web_token
from grace.cli.exits import exit_code
from grace.cluster.access import connection as access
from grace.cluster.preflight.report import PreflightReport
from grace.cluster.preflight.sequence import PROBES, preflight
from grace.policy.cluster_file import load_cluster
from grace.policy.reading import parse
from in_thread import InThread

NRP = load_cluster("nrp")
KUBECTL = shutil.which("kubectl")

MANIFESTS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: outputs}
spec:
  storageClassName: rook-cephfs
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 100Gi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: study}
data: {study1.yaml: "a: 1"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: gemma-2b}
spec:
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {nvidia.com/gpu.product: NVIDIA-GeForce-RTX-3090}
      initContainers:
      - name: vllm
        image: vllm/vllm-openai:v0.32.0
        restartPolicy: Always
        env:
        - name: HF_TOKEN
          valueFrom: {secretKeyRef: {name: huggingface-token, key: token}}
        resources:
          requests: {cpu: "4", memory: 16Gi, nvidia.com/gpu: 1}
          limits: {cpu: "4", memory: 16Gi, nvidia.com/gpu: 1}
      containers:
      - name: grace
        image: grace:0.1
        resources: {requests: {cpu: "1", memory: 2Gi}, limits: {cpu: "1", memory: 2Gi}}
        volumeMounts: [{name: outputs, mountPath: /outputs}]
      volumes:
      - {name: outputs, persistentVolumeClaim: {claimName: outputs}}
      - {name: weights, persistentVolumeClaim: {claimName: weights}}
      - {name: study, configMap: {name: study}}
"""

READY = """
{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: rook-cephfs}, provisioner: x.cephfs.csi.ceph.com}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: rook-ceph-block}, provisioner: x.rbd.csi.ceph.com,
 volumeBindingMode: WaitForFirstConsumer}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: rook-cephfs-tide}, provisioner: x}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: strange}, provisioner: example.com/strange}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: opportunistic}, value: 1}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: system-node-critical}, value: 1}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {nvidia.com/gpu.product: NVIDIA-GeForce-RTX-3090, nvidia.com/gpu.memory: "24576"}}
status:
  allocatable: {nvidia.com/gpu: "4", cpu: "64", memory: 512Gi}
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: v1
kind: Node
metadata: {name: a1, labels: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB, nvidia.com/gpu.memory: "81920"}}
spec: {taints: [{key: nautilus.io/reservation, value: suncave, effect: NoSchedule}]}
status:
  allocatable: {nvidia.com/a100: "8", cpu: "64", memory: 512Gi}
  conditions: [{type: Ready, status: "True"}]
---
{apiVersion: v1, kind: Secret, metadata: {name: huggingface-token, namespace: lab}, data: {token: c2VjcmV0LXZhbHVl}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: weights, namespace: lab},
 spec: {storageClassName: rook-cephfs}, status: {phase: Bound, capacity: {storage: 350Gi}}}
"""


def ending(report: PreflightReport) -> int:
    """The exit code that a report gives to the command."""
    return exit_code(report.failure) if report.failure else 0


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    """No kubeconfig or proxy of the machine that the tests run on; no waiting."""
    for name in os.environ:
        if name.upper().endswith("_PROXY") or name.startswith("KUBE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(access.Clock, "sleep", lambda clock, seconds: None)


@pytest.fixture
def server():
    """A cluster where all is well. Whatever a test does, nothing on it is changed."""
    with ApiServer() as running:
        running.add(READY)
        yield running
    assert [asked for asked in running.asked if asked.changes] == []


@pytest.fixture
def config(server, tmp_path):
    return server.kubeconfig(tmp_path / "config")


def changed(*pairs, text=MANIFESTS):
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def look(config):
    def run(text=MANIFESTS, **options):
        return preflight(parse(text), NRP, **{"namespace": "lab", "kubeconfig": config, **options})

    return run


def lines(report, check, about=""):
    return [line for line in report.lines if line.check == check and about in line.about]


def only(report, check, about=""):
    (line,) = lines(report, check, about)
    return line


def failures(report):
    return [(line.check, line.message) for line in report.lines if line.status == "fail"]


# All is well


def test_all_passes_where_all_is_well(look):
    report = look()
    assert failures(report) == []
    assert report.counts["unknown"] == 0
    assert ending(report) == 0
    seldom = {"priority", "queue", "writer", "gpu quota"}
    assert {line.check for line in report.lines} >= {probe.check for probe in PROBES} - seldom


def test_without_manifests_the_cluster_itself_is_looked_at(look):
    report = look("")
    assert ending(report) == 0
    assert "4 NVIDIA-GeForce-RTX-3090 for rtx3090" in only(report, "nodes").message
    assert "rook-cephfs" in only(report, "storage").message
    assert {line.about for line in lines(report, "permission")} >= {"Job in lab", "pods/log in lab", "nodes"}


def test_the_command(server, config, tmp_path, grace):
    (tmp_path / "job.yaml").write_text(MANIFESTS)
    command = ("cluster", "preflight", tmp_path / "job.yaml", "--kubeconfig", config, "--namespace", "lab")
    result = grace(*command)
    assert result.code == 0
    assert result.out.splitlines()[-1].endswith("0 fail, 0 unknown; nothing was changed")
    assert "secret-value" not in result.out
    assert "c2VjcmV0" not in result.out
    told = json.loads(grace(*command, "--format", "json").out)
    assert (told["exit_code"], told["namespace"], told["server"]) == (0, "lab", server.url)
    del server.objects["secrets", "lab", "huggingface-token"]
    result = grace(*command)
    assert result.code == 4
    options = f"--namespace lab --kubeconfig {config}"
    assert f"-> `grace cluster secret --name huggingface-token --key token {options}` makes it" in result.out


def test_the_command_without_manifests(server, config, grace):
    result = grace("cluster", "preflight", "--kubeconfig", config, "--namespace", "lab")
    assert result.code == 0
    assert "nodes" in result.out
    assert grace("cluster", "preflight", "--kubeconfig", config, "--namespace", "").code == 2


def test_the_namespace_is_that_given_else_the_contexts_else_the_clusters(look, server, tmp_path):
    context = {"cluster": "here", "user": "ada", "namespace": "lab"}
    config = server.kubeconfig(tmp_path / "config", context=context)
    assert look("", namespace=None, kubeconfig=config).namespace == "lab"
    assert look("", namespace="other", kubeconfig=config).namespace == "other"
    config = server.kubeconfig(tmp_path / "config")
    assert look("", namespace=None, kubeconfig=config).namespace == "grace-experiments"


# The way in


def test_without_a_kubeconfig_all_is_unknown_with_the_reason(look, server, tmp_path):
    report = look(kubeconfig=tmp_path / "gone")
    assert only(report, "kubeconfig").status == "fail"
    assert "there is no login for asking the cluster" in only(report, "dry run", "Job/gemma-2b").message
    assert ending(report) == 2
    assert server.asked == []


def test_every_line_of_a_good_run_is_there_when_nothing_can_be_asked(look, tmp_path):
    def what(report):
        return {(line.check, line.about) for line in report.lines if line.check not in ("context", "login")}

    assert what(look()) == what(look(kubeconfig=tmp_path / "gone"))


def test_an_unknown_context(look):
    report = look(context="nowhere")
    assert only(report, "kubeconfig").status == "pass"
    assert "it has test" in only(report, "context").message
    assert ending(report) == 2


def test_an_expired_login(look, server, tmp_path):
    config = server.kubeconfig(tmp_path / "config", user={"token": web_token(exp=1_700_000_000)})
    report = look(kubeconfig=config)
    assert "log in again" in only(report, "login").message
    assert ending(report) == 5


def test_a_login_that_the_cluster_does_not_take(look, server, tmp_path):
    config = server.kubeconfig(tmp_path / "config", user={"token": "other"})
    report = look(kubeconfig=config)
    assert only(report, "server").status == "pass"
    assert "does not take the login" in only(report, "identity").message
    assert only(report, "secret").status == "unknown"
    assert ending(report) == 5
    assert len(server.asked) == 2


def test_a_login_that_ends_on_the_way_and_cannot_be_renewed(look, server, tmp_path):
    token = tmp_path / "token"
    token.write_text(server.token)
    config = server.kubeconfig(tmp_path / "config", user={"tokenFile": str(token)})

    async def fault(number, request):
        if number > 5:
            token.unlink(missing_ok=True)
        return status(401, "Unauthorized", "Unauthorized") if number > 5 else None

    server.fault = fault
    report = look(kubeconfig=config)
    ((_, message),) = failures(report)
    assert "tokenFile names" in message
    assert ending(report) == 5


def test_a_cluster_that_cannot_be_reached(look, server, tmp_path, unused_port):
    config = server.kubeconfig(tmp_path / "config", cluster={"server": f"http://127.0.0.1:{unused_port}"})
    report = look(kubeconfig=config)
    assert "nobody answers" in only(report, "server").message
    assert len(failures(report)) == 1
    assert ending(report) == 5


def test_a_cluster_that_is_lost_in_the_middle(look, server):
    async def fault(number, request):
        return cut() if number > 10 else None

    server.fault = fault
    report = look()
    assert len(failures(report)) == 1
    assert "the cluster cannot be reached" in only(report, "dry run", "Job").message
    assert ending(report) == 5


def test_one_fault_does_not_hide_what_follows(look, server):
    async def fault(number, request):
        return status(500, "InternalError", "oops") if "storageclasses" in request.path else None

    server.fault = fault
    report = look()
    assert [check for check, _ in failures(report)] == ["storage"]
    assert only(report, "dry run", "Job").status == "pass"
    assert ending(report) == 5


@pytest.mark.parametrize("version", ["v1.34.1", "v1.29.0+k3s1"])
def test_another_version_is_noted(look, server, version):
    server.version = version
    assert "schemas of 1.32" in only(look(), "server").notes[0]


def test_a_cluster_that_does_not_tell_who_one_is(look, server):
    server.user = None
    assert only(look(), "identity").status == "unknown"
    server.user = "system:anonymous"
    report = look()
    assert only(report, "identity").status == "fail"
    assert ending(report) == 5


def test_permissions_that_are_missing(look, server):
    server.denied = {"create jobs", "get pods/log", "list events"}
    report = look()
    assert only(report, "permission", "Job").message == "you may not create"
    assert only(report, "permission", "pods/log").status == "fail"
    assert only(report, "permission", "events").status == "unknown"
    assert ending(report) == 4


def test_a_namespace_that_is_not_there(look, server):
    del server.objects["namespaces", "", "lab"]
    report = look()
    assert "portal" in only(report, "namespace").todo
    assert only(report, "permission", "Job").status == "pass"
    assert only(report, "secret").message == "the namespace lab cannot be used"
    assert ending(report) == 4


def test_a_namespace_that_is_being_deleted(look, server):
    server.objects["namespaces", "", "lab"]["status"]["phase"] = "Terminating"
    assert "being deleted" in only(look(), "namespace").message


def test_a_namespace_that_may_not_be_looked_at_is_unknown(look, server):
    server.denied = {"get namespaces"}
    report = look()
    assert only(report, "namespace").status == "unknown"
    assert ending(report) == 0


def test_objects_of_another_namespace_than_asked_for(look):
    report = look(changed(("{name: study}\ndata", "{name: study, namespace: other}\ndata")))
    assert "it names other, not lab" in only(report, "namespace", "ConfigMap/study").message


def test_a_namespace_among_the_manifests(look, server):
    server.denied = {"create namespaces"}
    report = look(MANIFESTS + "\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: mine}}")
    assert "made on the cluster's portal" in only(report, "permission", "Namespace").todo
    assert only(report, "dry run", "Namespace/mine").status == "fail"


# What manifests need


@pytest.mark.parametrize(
    ("old", "new", "state", "words"),
    [
        ("rook-cephfs\n", "rook-cephs\n", "fail", "no class rook-cephs"),
        ("rook-cephfs\n", "rook-cephfs-tide\n", "fail", "may not take the class rook-cephfs-tide"),
        ("rook-cephfs\n", "rook-ceph-block\n", "fail", "cannot be ReadWriteMany"),
        ("rook-cephfs\n", "strange\n", "unknown", "is not known"),
        ("  storageClassName: rook-cephfs\n", "", "fail", "no default one"),
        ("rook-cephfs\n", '""\n', "unknown", "no class on purpose"),
    ],
)
def test_storage_classes(look, old, new, state, words):
    line = only(look(changed((old, new))), "storage")
    assert (line.status, words in line.message) == (state, True)


def test_the_default_class_is_taken_where_none_is_named(look, server):
    metadata = server.objects["storageclasses", "", "rook-cephfs"]["metadata"]
    metadata["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert only(look(changed(("  storageClassName: rook-cephfs\n", ""))), "storage").status == "pass"


def test_a_near_name_is_suggested(look):
    assert "did you mean 'rook-cephfs'?" in only(look(changed(("rook-cephfs\n", "rook-cephs\n"))), "storage").todo


@pytest.mark.parametrize(
    ("pairs", "words", "todo"),
    [
        (
            [("RTX-3090", "RTX-3009")],
            "no node has the GPU NVIDIA-GeForce-RTX-3009",
            "did you mean 'NVIDIA-GeForce-RTX-3090'?",
        ),
        (
            [("{nvidia.com/gpu.product: NVIDIA-GeForce-RTX-3090}", "{zone: moon}")],
            "select none of 2 nodes",
            "show-labels",
        ),
        ([("nvidia.com/gpu: 1", "nvidia.com/gpu: 8")], "1 has 4 of nvidia.com/gpu", "ask for less"),
        ([("NVIDIA-GeForce-RTX-3090", "NVIDIA-A100-SXM4-80GB")], "taint nautilus.io/reservation=suncave", "permission"),
        ([("memory: 16Gi", "memory: 900Gi")], "1 has 512Gi of memory", "ask for less"),
        ([("spec:\n  template", "spec:\n  parallelism: 9\n  completions: 9\n  template")], "have GPUs for 4", "lower"),
    ],
)
def test_nodes_that_do_not_fit(look, pairs, words, todo):
    line = only(look(changed(*pairs)), "nodes")
    assert line.status == "fail"
    assert words in line.message
    assert todo in line.todo


def test_free_gpus_are_said_to_be_unknowable(look):
    line = only(look(), "nodes")
    assert "1 of 2 nodes fit, with 4 nvidia.com/gpu in all" in line.message
    assert "cannot be known" in line.message


def test_nodes_that_may_not_be_listed_are_unknown(look, server):
    server.denied = {"list nodes"}
    report = look()
    assert only(report, "nodes").status == "unknown"
    assert ending(report) == 0


def with_priority(name):
    return changed(("restartPolicy: Never", f"restartPolicy: Never\n      priorityClassName: {name}"))


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("opportunistic", "pass", "is there"),
        ("opportunistik", "fail", "no such priority class"),
        ("system-node-critical", "fail", "users may not set"),
    ],
)
def test_priority_classes(look, name, state, words):
    line = only(look(with_priority(name)), "priority")
    assert (line.status, words in line.message) == (state, True)


def test_priority_classes_that_may_not_be_read(look, server):
    server.denied = {"get priorityclasses"}
    assert only(look(with_priority("opportunistic")), "priority").status == "unknown"


A100 = changed(
    ("NVIDIA-GeForce-RTX-3090", "NVIDIA-A100-SXM4-80GB"),
    ("nvidia.com/gpu: 1", "nvidia.com/a100: 2"),
)


def quota(hard, used=None, scopes=None):
    selector = {"scopeSelector": {"matchExpressions": scopes}} if scopes else {}
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "lab"},
        "spec": {"hard": hard, **selector},
        "status": {"hard": hard, "used": used or {}},
    }
    return yaml.safe_dump(body)


def test_a_gpu_that_needs_asking_for(look):
    line = only(look(A100), "gpu quota")
    assert line.status == "fail"
    assert "https://nrp.ai/reservations" in line.todo
    assert "opportunistic" in line.todo


def test_a_gpu_that_was_asked_for(look, server):
    server.add(quota({"requests.nvidia.com/a100": "4"}))
    report = look(A100)
    assert only(report, "gpu quota").message == "the namespace has a quota of 4"
    assert "0 used + 2 asked of 4" in only(report, "quota").message


def test_a_gpu_quota_of_nothing(look, server):
    server.add(quota({"requests.nvidia.com/a100": "0"}))
    report = look(A100)
    assert only(report, "gpu quota").status == "fail"
    assert "0 used + 2 asked of 0" in only(report, "quota").message
    assert "https://nrp.ai/reservations" in only(report, "quota").todo


def test_no_quota_is_needed_with_an_opportunistic_class(look, server):
    not_these = [{"scopeName": "PriorityClass", "operator": "NotIn", "values": ["opportunistic"]}]
    server.add(quota({"requests.nvidia.com/a100": "0"}, scopes=not_these))
    text = changed(("restartPolicy: Never", "restartPolicy: Never\n      priorityClassName: opportunistic"), text=A100)
    report = look(text)
    assert lines(report, "gpu quota") == []
    assert only(report, "quota").status == "pass"


def test_a_quota_that_may_not_be_seen(look, server):
    server.denied = {"list resourcequotas"}
    report = look(A100)
    assert only(report, "gpu quota").status == "unknown"
    assert only(report, "quota").status == "unknown"


@pytest.mark.parametrize(
    ("hard", "used", "full"),
    [
        ({"pods": "10"}, {"pods": "9"}, False),
        ({"pods": "10"}, {"pods": "10"}, True),
        ({"requests.cpu": "5"}, {}, False),
        ({"cpu": "4500m"}, {}, True),
        ({"limits.memory": "18Gi"}, {}, False),
        ({"limits.memory": "17Gi"}, {}, True),
        ({"requests.nvidia.com/gpu": "2"}, {"requests.nvidia.com/gpu": "2"}, True),
        ({"requests.storage": "120Gi"}, {"requests.storage": "30Gi"}, True),
        ({"rook-cephfs.storageclass.storage.k8s.io/requests.storage": "50Gi"}, {}, True),
        ({"count/jobs.batch": "1"}, {"count/jobs.batch": "1"}, True),
        ({"persistentvolumeclaims": "0"}, {}, True),
        ({"services": "0"}, {}, False),
    ],
    ids=str,
)
def test_quotas(look, server, hard, used, full):
    """One pod asks for 5 cores and 18Gi, with its sidecar."""
    server.add(quota(hard, used))
    assert only(look(), "quota").status == ("fail" if full else "pass")


def test_what_is_there_already_is_not_counted_twice(look, server):
    server.add(quota({"requests.storage": "100Gi"}, {"requests.storage": "100Gi"}))
    assert only(look(), "quota").status == "fail"
    server.add(yaml.safe_dump(yaml.safe_load(MANIFESTS.split("---")[0])), "lab")
    server.objects["persistentvolumeclaims", "lab", "outputs"]["status"] = {"phase": "Bound"}
    assert only(look(), "quota").status == "pass"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "Container", "max": {"memory": "8Gi"}}, "container vllm: memory 16Gi is above the maximum, 8Gi"),
        ({"type": "Container", "min": {"cpu": "2"}}, "container grace: cpu 1 is below the minimum, 2"),
        ({"type": "Pod", "max": {"memory": "17Gi"}}, "a pod of Job/gemma-2b: memory 18Gi"),
        (
            {"type": "PersistentVolumeClaim", "max": {"storage": "50Gi"}},
            "PersistentVolumeClaim/outputs asks: storage 100Gi",
        ),
        (
            {"type": "Container", "default": {"ephemeral-storage": "50Gi"}, "max": {"ephemeral-storage": "10Gi"}},
            "50Gi is",
        ),
        ({"type": "Container", "default": {"ephemeral-storage": "50Gi"}}, ""),
    ],
    ids=lambda value: value["type"] + str(len(str(value))) if isinstance(value, dict) else None,
)
def test_limit_ranges(look, server, item, words):
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": "lab"}}
    server.add(yaml.safe_dump({**body, "spec": {"limits": [item]}}))
    found = lines(look(), "limits")
    if words:
        assert any(words in line.message and line.status == "fail" for line in found)
    else:
        assert found[0].notes == ("a container that names no limit gets ephemeral-storage 50Gi",)


def test_a_secret_with_another_key(look, server):
    server.objects["secrets", "lab", "huggingface-token"]["data"] = {"Token": "c2VjcmV0LXZhbHVl"}
    line = only(look(), "secret")
    assert "has no key 'token', only Token (did you mean 'Token'?)" in line.message
    assert "`grace cluster secret --name huggingface-token --key token --namespace lab --kubeconfig" in line.todo
    assert line.todo.endswith("` adds it")
    assert "c2VjcmV0" not in str(line)


def test_a_secret_that_may_not_be_read_is_unknown(look, server):
    server.denied = {"get secrets"}
    report = look()
    assert only(report, "secret").status == "unknown"
    assert failures(report) == [("permission", "you may not get")]


def test_a_config_map_that_is_nowhere(look):
    assert (
        "neither in lab nor among the manifests"
        in only(look(changed(("configMap: {name: study}", "configMap: {name: other}"))), "config").message
    )


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({"status": {"phase": "Pending"}}, "fail", "Pending"),
        (
            {"status": {"phase": "Pending"}, "spec": {"storageClassName": "rook-ceph-block"}},
            "pass",
            "waits for its first",
        ),
        ({"status": {"phase": "Lost"}}, "fail", "is Lost"),
        ({"metadata": {"name": "weights", "deletionTimestamp": "2026-11-25T00:00:00Z"}}, "fail", "being deleted"),
        (None, "fail", "neither in lab nor among"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_volumes(look, server, change, state, words):
    claim = server.objects["persistentvolumeclaims", "lab", "weights"]
    if change is None:
        del server.objects["persistentvolumeclaims", "lab", "weights"]
    else:
        claim.update(change)
    line = only(look(), "volume", "weights")
    assert (line.status, words in line.message) == (state, True)


# Objects


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"active": 1}, "it is running"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "it is finished"),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "it failed"),
        ({}, "it waits"),
    ],
    ids=str,
)
def test_a_job_of_that_name(look, server, job, words):
    server.add("{apiVersion: batch/v1, kind: Job, metadata: {name: gemma-2b}}", "lab")
    server.objects["jobs", "lab", "gemma-2b"]["status"] = job
    report = look()
    line = only(report, "existing", "Job")
    assert words in line.message
    assert "`kubectl delete job gemma-2b --namespace lab --kubeconfig " in line.todo
    assert only(report, "dry run", "Job").status == "unknown"
    assert ending(report) == 4


@pytest.mark.parametrize(
    ("job", "state", "words", "todo"),
    [
        ({"active": 1}, "pass", "it is running; applied again, it goes on", ""),
        (
            {"conditions": [{"type": "Complete", "status": "True"}]},
            "pass",
            "it does not run",
            "to run it again, `kubectl",
        ),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "fail", "a Job does not run twice", "see its log"),
    ],
    ids=["running", "finished", "failed"],
)
def test_a_job_that_is_there_unchanged(look, server, job, state, words, todo):
    server.add(MANIFESTS.split("---")[2], "lab")
    server.objects["jobs", "lab", "gemma-2b"]["status"] = job
    report = look()
    line = only(report, "existing", "Job")
    assert line.status == state
    assert words in line.message
    assert line.todo.startswith(todo)
    assert only(report, "dry run", "Job").status == "pass"
    assert ending(report) == (4 if state == "fail" else 0)


def test_pods_are_tried_as_well_since_many_rules_look_at_nothing_else(look, server):
    server.admit = lambda body: ([], "no such service account" * (body["kind"] == "Pod"))
    report = look()
    assert only(report, "dry run", "Job").status == "pass"
    assert "the cluster would refuse it: no such service account" in only(report, "pod", "Job/gemma-2b").message
    assert ending(report) == 4
    (tried,) = [asked for asked in server.asked if asked.path == "/api/v1/namespaces/lab/pods" and asked.body]
    assert tried.query["dryRun"] == "All"
    (owner,) = tried.body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Job", "gemma-2b", True)
    assert tried.body["spec"]["restartPolicy"] == "Never"


def test_a_refusal_that_is_known_says_what_to_do(look, server):
    denied = (
        'admission webhook "job.example" denied the request: Your pods resources utilization is too low for account'
    )
    server.admit = lambda body: ([], denied * (body["kind"] == "Job"))
    assert "open the Violations page of the portal" in only(look(), "dry run", "Job").todo


def test_pods_of_a_stateful_set_have_the_volumes_of_its_templates(look, server):
    text = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: a:1}]}
"""
    assert only(look(text), "pod", "Deployment/web").status == "pass"
    (tried,) = [asked.body for asked in server.asked if asked.path.endswith("/pods") and asked.body]
    assert tried["metadata"]["labels"] == {"app": "web"}
    assert tried["metadata"]["generateName"] == "web-"


def test_a_pod_that_may_not_be_made_by_hand_is_not_tried(look, server):
    server.denied = {"create pods"}
    report = look()
    assert only(report, "pod").status == "unknown"
    assert only(report, "permission", "pods in").message == "you may not create"


@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_what_would_violate_the_pod_security_level_fails(look, server, kind):
    warning = 'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    server.admit = lambda body: ([warning, "careful"] if body["kind"] == kind else [], "")
    line = only(look(), {"Job": "dry run", "Pod": "pod"}[kind], "Job")
    assert (line.status, line.notes) == ("fail", ("careful",))
    assert "allowPrivilegeEscalation" in line.message


LINEUP = changed(
    (
        "metadata: {name: gemma-2b}\nspec:\n  template:\n",
        "metadata: {name: gemma-2b}\nspec:\n  template:\n    metadata:\n"
        "      labels: {grace/lineup: l, grace/model: gemma-2b, app.kubernetes.io/component: visit}\n",
    ),
)


def living(phase="Running", model="gemma-2b", component="visit", uid="gone", **metadata):
    labels = {"grace/lineup": "l", "grace/model": model, "app.kubernetes.io/component": component}
    owner = [{"kind": "Job", "name": "gemma-2b", "uid": uid, "controller": True}]
    body = {"name": "old", "namespace": "lab", "labels": labels, "ownerReferences": owner, **metadata}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": body, "spec": {"nodeName": "n1"}, "status": {"phase": phase}}
    return yaml.safe_dump(pod)


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (living(), "old (Running on n1)"),
        (living("Pending"), "old (Pending on n1)"),
        (living("Unknown"), "old (Unknown on n1)"),
        (living(deletionTimestamp="2026-11-25T00:00:00Z"), "old (Terminating on n1)"),
        (living("Succeeded"), ""),
        (living("Failed"), ""),
        (living(model="llama-8b"), ""),
        (living(component="server"), ""),
    ],
    ids=["running", "waiting", "lost", "leaving", "done", "failed", "of another model", "a server"],
)
def test_a_pod_that_still_writes_the_run_is_found_without_its_job(look, server, pod, words):
    server.add(pod)
    line = only(look(LINEUP), "writer")
    assert line.status == ("fail" if words else "pass")
    assert words in line.message
    force = " --force" if "Unknown" in words or "Terminating" in words else ""  # deleting alone waits for the lost node
    assert (f"`kubectl delete pod old{force} --namespace lab" in line.todo) == bool(words)


def test_pods_of_the_job_itself_are_no_other_writers(look, server):
    server.add(LINEUP.split("---")[2], "lab")
    server.objects["jobs", "lab", "gemma-2b"]["metadata"]["uid"] = "own"
    server.add(living(uid="own"))
    assert only(look(LINEUP), "writer").status == "pass"


def test_a_queue_needs_kueue_and_is_there(look, server):
    text = changed(("metadata: {name: gemma-2b}", "metadata: {name: gemma-2b, labels: {kueue.x-k8s.io/queue-name: q}}"))
    line = only(look(text), "queue", "q")
    assert (line.status, "it stays suspended" in line.message) == ("fail", True)

    async def kueue(number, request):
        if request.path == "/apis/kueue.x-k8s.io":
            return status(200, "", "", body={"preferredVersion": {"version": "v1beta1"}})
        there = request.path == "/apis/kueue.x-k8s.io/v1beta1/namespaces/lab/localqueues/q"
        return status(200, "", "", body={"metadata": {"name": "q"}}) if there else None

    server.fault = kueue
    assert only(look(text), "queue", "q").status == "pass"
    assert "no such queue" in only(look(text.replace("queue-name: q", "queue-name: r")), "queue", "r").message


def models(*names):
    parts = MANIFESTS.split("---")
    jobs = []
    for name in names:
        labels = f"      labels: {{grace/lineup: l, grace/model: {name}, app.kubernetes.io/component: visit}}\n"
        jobs.append(parts[2].replace("gemma-2b", name).replace("template:\n", f"template:\n    metadata:\n{labels}", 1))
    return "---".join([*parts[:2], *jobs])


def test_a_quota_counts_the_models_of_a_lineup_one_after_the_other(look, server):
    server.add(quota({"requests.nvidia.com/gpu": "1", "count/jobs.batch": "2"}))
    assert only(look(models("a", "b")), "quota").status == "pass"
    assert "3 asked of 2" in only(look(models("a", "b", "c")), "quota").message
    server.add(quota({"requests.nvidia.com/gpu": "1"}))
    two = MANIFESTS + "---" + MANIFESTS.split("---")[2].replace("gemma-2b", "other")
    assert "2 asked of 1" in only(look(two), "quota").message


APART = changed(
    (
        "metadata: {name: gemma-2b}\nspec:\n  template:\n",
        "metadata: {name: gemma-2b}\nspec:\n  parallelism: 2\n"
        "  completions: 2\n  template:\n    metadata: {labels: {app: x}}\n",
    ),
    (
        "      nodeSelector:",
        "      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
        "[{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: x}}}]}}\n      nodeSelector:",
    ),
)


def test_pods_that_keep_apart_need_a_node_each(look, server):
    line = only(look(APART), "nodes")
    assert (line.status, "on a node each" in line.message) == ("fail", True)
    node = yaml.safe_load(READY.split("\n---\n")[7])
    server.add(yaml.safe_dump({**node, "metadata": {**node["metadata"], "name": "n2"}}))
    assert only(look(APART), "nodes").status == "pass"
    assert only(look(APART.replace("app: x}}}]", "app: y}}}]")), "nodes").status == "pass"


def test_somebody_elses_namespace_is_no_missing_right(look, server, tmp_path):
    server.own = {"lab"}
    context = {"cluster": "here", "user": "ada", "namespace": "lab"}
    config = server.kubeconfig(tmp_path / "config", context=context)
    report = look(namespace="labs", kubeconfig=config)
    line = only(report, "namespace")
    assert line.status == "fail"
    assert "perhaps not your namespace (the context names lab)" in line.message
    assert only(report, "secret").message == "the namespace labs cannot be used"
    assert ending(report) == 4


def test_no_login_at_all_is_told_as_such(look, server, tmp_path):
    server.anonymous = True
    config = server.kubeconfig(tmp_path / "config", user={})
    report = look(kubeconfig=config)
    assert (
        "you are not logged in" in only(report, "server").message or "you are not" in only(report, "identity").message
    )
    assert ending(report) == 5


def test_commands_carry_the_options_that_were_given(look, server, config):
    del server.objects["secrets", "lab", "huggingface-token"]
    todo = only(look(context="test"), "secret").todo
    assert f"--namespace lab --kubeconfig {config} --context test`" in todo


def test_values_that_the_cluster_refuses_are_found_before_it_is_asked(look):
    report = look(changed(("restartPolicy: Never", "restartPolicy: Never\n      terminationGracePeriodSeconds: -1")))
    line = only(report, "schema")
    assert "must be 0 or more" in line.message
    assert "is not checked" not in line.todo


def test_other_objects_of_that_name_are_tried_as_a_change(look, server):
    server.add("{apiVersion: v1, kind: ConfigMap, metadata: {name: study}, data: {}}", "lab")
    report = look()
    assert ending(report) == 0
    assert "applying it changes it" in only(report, "existing", "ConfigMap").message
    (patch,) = [asked for asked in server.asked if asked.method == "PATCH"]
    assert patch.query == {"fieldManager": "grace", "fieldValidation": "Strict", "dryRun": "All"}


def test_rules_of_the_cluster_are_shown(look, server):
    server.admit = lambda body: (['limits of "cpu" are not within 20%'], "") if body["kind"] == "Job" else ([], "")
    line = only(look(), "dry run", "Job")
    assert (line.status, line.notes) == ("pass", ('limits of "cpu" are not within 20%',))
    server.admit = lambda body: (
        ["careful"],
        "admission webhook denied the request: no limits" * (body["kind"] == "Job"),
    )
    report = look()
    line = only(report, "dry run", "Job")
    assert (line.status, line.notes) == ("fail", ("careful",))
    assert "denied the request: no limits" in line.message
    assert only(report, "dry run", "ConfigMap").status == "pass"
    assert ending(report) == 4


@pytest.mark.parametrize(
    ("code", "reason", "message", "state", "exit_code"),
    [
        (422, "Invalid", "spec.template: Invalid value", "fail", 4),
        (400, "BadRequest", 'strict decoding error: unknown field "spec.x"', "fail", 4),
        (400, "BadRequest", 'admission webhook "x" does not support dry run', "unknown", 0),
        (409, "AlreadyExists", "already exists", "fail", 4),
        (500, "InternalError", 'failed calling webhook "x"', "fail", 5),
        (429, "TooManyRequests", "later", "fail", 5),
    ],
)
def test_trials_that_fail(look, server, code, reason, message, state, exit_code):
    async def fault(number, request):
        trial = request.method == "POST" and request.path.endswith("/jobs")
        return status(code, reason, message) if trial else None

    server.fault = fault
    report = look()
    line = only(report, "dry run", "Job")
    assert line.status == state
    assert message in line.message
    assert ending(report) == exit_code


def test_objects_that_their_schema_does_not_accept(look):
    report = look(changed(("restartPolicy: Never", "restartPolicie: Never")))
    line = only(report, "schema")
    assert "did you mean 'restartPolicy'?" in line.message
    assert only(report, "storage").status == "pass"
    assert only(report, "dry run", "Job").status == "pass"


def test_kinds_that_the_cluster_does_not_have(look):
    report = look("{apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: x}}")
    assert lines(report, "schema") == []
    assert "the cluster has no kind PyTorchJob in kubeflow.org/v1" in only(report, "dry run").message
    assert ending(report) == 4


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?dryRun=None#", "%2e%2e", "x" * 300, "ünï"])
def test_names_lead_nowhere_else(look, server, name):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    look(yaml.safe_dump(body, allow_unicode=True))
    prefixes = ("/api/v1", "/apis/", "/version")
    assert all(asked.path.startswith(prefixes) and "dryRun=None" not in str(asked.query) for asked in server.asked)


def test_one_question_is_asked_once(look, server):
    look()
    reads = [asked.path for asked in server.asked if asked.method == "GET"]
    repeated = {path for path in reads if reads.count(path) > 1} - {
        "/api/v1/namespaces/lab/persistentvolumeclaims/outputs"
    }
    assert repeated == set()


def test_a_distant_cluster_is_asked_several_things_at_once(look, server):
    server.latency = 0.2
    assert ending(look()) == 0
    assert server.rounds < 0.6 * len(server.asked)


# Other servers, other clients


class Reviewing(kmock.KubernetesEmulator):
    """One that keeps no reviews: kmock takes the second for an object that is there already."""

    async def _handle(self, request):
        if request.resource is not None and str(request.resource.plural).startswith("selfsubject"):
            return await kmock.RawHandler._handle(self, request)
        return await super()._handle(request)


class Emulator(InThread):
    """kmock's emulator of a cluster, in a thread: somebody else's idea of how Kubernetes answers."""

    @asynccontextmanager
    async def served(self):
        async with Reviewing() as self.handler, kmock.Server(self.handler) as server:
            yield str(server.url).rstrip("/")


def test_another_emulator_of_a_cluster(tmp_path):
    allowed = {"status": {"allowed": True}}
    with Emulator() as emulator:
        known = {
            "v1/namespaces": ("Namespace", False),
            "v1/configmaps": ("ConfigMap", True),
            "v1/resourcequotas": ("ResourceQuota", True),
            "v1/limitranges": ("LimitRange", True),
            "v1/nodes": ("Node", False),
            "storage.k8s.io/v1/storageclasses": ("StorageClass", False),
        }
        for name, (kind, namespaced) in known.items():
            emulator.handler.resources[name] = kmock.ResourceInfo(kind=kind, namespaced=namespaced)
        emulator.handler["get /api/v1/namespaces/lab"] << {"metadata": {"name": "lab"}}
        for group, plural in (("authorization", "selfsubjectaccessreviews"), ("authentication", "selfsubjectreviews")):
            answer = allowed if group == "authorization" else {"status": {"userInfo": {"username": "ada"}}}
            emulator.handler[f"post /apis/{group}.k8s.io/v1/{plural}"] << answer
        server = ApiServer()
        server.url = emulator.url
        config = server.kubeconfig(tmp_path / "config")
        text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: study}, data: {a: b}}"
        report = preflight(parse(text), NRP, namespace="lab", kubeconfig=config)
    assert [line for line in report.lines if line.status != "pass"] == []
    assert only(report, "identity").message == "the cluster knows you as ada"
    assert only(report, "dry run").status == "pass"


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kubectl_agrees(server, config, look, tmp_path):
    """The same kubeconfig and manifests: kubectl's own trial has the same warning and the same refusal."""
    (tmp_path / "manifests.yaml").write_text(MANIFESTS)
    server.open = True
    server.admit = lambda body: (["a ratio of 1.25"], "no such image" * (body["kind"] == "Job"))
    command = [KUBECTL, "--kubeconfig", config, "-n", "lab", "create", "--dry-run=server", "--validate=false"]
    ended = subprocess.run([*command, "-f", tmp_path / "manifests.yaml"], capture_output=True, text=True)
    trials = {line.about: line for line in lines(look(), "dry run")}
    assert "configmap/study created (server dry run)" in ended.stdout
    assert trials["ConfigMap/study"].status == "pass"
    assert "Warning: a ratio of 1.25" in ended.stderr
    assert trials["ConfigMap/study"].notes == ("a ratio of 1.25",)
    assert "no such image" in ended.stderr
    assert "no such image" in trials["Job/gemma-2b"].message
