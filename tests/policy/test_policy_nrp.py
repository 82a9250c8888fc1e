"""The rules of NRP at their edges: ratios, bare Pods, GPUs, sleep in all its disguises, Jobs, volumes, packages."""

import json

import pytest

pytest.importorskip("kubernetes_validate")

from grace.policy.cluster_file import load_cluster
from limits import cpu_below
from policy_examples import JOB, SERVER, SERVICE, checked, claim, job

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: look}
spec:
  activeDeadlineSeconds: 21600
  containers:
  - name: main
    image: ghcr.io/example/query-generator:0.3.0
    command: [sleep, infinity]
    resources:
      requests: {cpu: 16, memory: 32Gi, nvidia.com/gpu: 2}
      limits: {cpu: 16, memory: 32Gi, nvidia.com/gpu: 2}
"""
"""A Pod that takes exactly what one without a controller may."""

REQUESTS = '          requests: {cpu: "1", memory: 2Gi}\n'
LIMITS = '          limits: {cpu: "1", memory: 2Gi}\n'
A100 = "nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB"


def found(*documents: str) -> set[str]:
    """The rules of NRP that documents break; K8S001 too, which no example may."""
    report = checked(*documents, cluster=load_cluster("nrp"))
    return {finding.rule.id for finding in report.findings if finding.rule.id.startswith(("NRP", "K8S001"))}


def asking(requests: str, limits: str, *changes: tuple[str, str]) -> str:
    """The Job with other requests and limits."""
    return job(
        (REQUESTS, f"          requests: {{{requests}}}\n"), (LIMITS, f"          limits: {{{limits}}}\n"), *changes
    )


def running(script: str) -> str:
    """The Job with a script for bash."""
    return job(("args: [--model-name=gemma-2-2b-it]", f"command: {json.dumps(['bash', '-c', script])}"))


def mounting() -> str:
    """The Job with the claim `data` on /data."""
    return job(
        ("env: []", "volumeMounts: [{name: data, mountPath: /data}]"),
        (
            "      containers:\n",
            "      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n      containers:\n",
        ),
    )


def test_the_job_to_begin_with_breaks_no_rule():
    assert found(JOB) == set()


@pytest.mark.parametrize(
    ("requests", "limits", "broken"),
    [
        ("cpu: 4, memory: 16Gi", "cpu: 5, memory: 19Gi", {"NRP002"}),  # 125%
        ("cpu: 4, memory: 16Gi", "cpu: 4, memory: 19Gi", set()),  # 118.75%
        ("cpu: 4, memory: 16Gi", "cpu: 4800m, memory: 16Gi", set()),  # 120%
        ("cpu: 4, memory: 16Gi", "cpu: 4801m, memory: 16Gi", {"NRP002"}),
        ("cpu: 4, memory: 16G", "cpu: 4, memory: 19Gi", {"NRP002"}),  # 127.5%: G is not Gi
        ("cpu: 1, memory: 2Gi, ephemeral-storage: 10Gi", "cpu: 1, memory: 2Gi, ephemeral-storage: 13Gi", {"NRP002"}),
        ("cpu: 1, memory: 2Gi, ephemeral-storage: 10Gi", "cpu: 1, memory: 2Gi, ephemeral-storage: 12Gi", set()),
        ("", "cpu: 4, memory: 16Gi", set()),  # a limit is a request, too
        ("cpu: 1, memory: 2Gi", "cpu: 1", {"NRP001"}),
        ("cpu: 1", "cpu: 1", {"NRP001"}),
    ],
)
def test_limits_are_within_a_fifth_of_requests(requests: str, limits: str, broken: set[str]):
    # a client's use is another rule's matter
    assert found(asking(requests, limits)) - {"NRP032", "NRP033"} == broken


@pytest.mark.parametrize(("pods", "broken"), [(100, set()), (101, {"NRP003"})])
def test_among_many_pods_limits_equal_requests(pods: int, broken: set[str]):
    apart = asking(
        "cpu: 1, memory: 1Gi", "cpu: 1200m, memory: 1Gi", ("spec:\n  active", f"spec:\n  parallelism: {pods}\n  active")
    )
    assert found(apart) == broken
    assert found(apart.replace("1200m", "1")) == set()


def test_more_completions_than_pods_at_once_are_not_many_pods():
    assert (
        found(
            asking(
                "cpu: 1, memory: 1Gi",
                "cpu: 1200m, memory: 1Gi",
                ("spec:\n  active", "spec:\n  completions: 1000\n  active"),
            )
        )
        == set()
    )


@pytest.mark.parametrize(
    ("old", "new"), [("gpu: 2", "gpu: 3"), ("memory: 32Gi", "memory: 33Gi"), ("cpu: 16", "cpu: 17")]
)
def test_caps_of_bare_pods_hold_for_them_alone(old: str, new: str):
    assert "NRP004" not in found(POD)
    assert "NRP004" in found(POD.replace(old, new))
    amount = "cpu: 17, memory: 33Gi, nvidia.com/gpu: 8"
    assert not {"NRP004", "NRP007"} & found(asking(amount, amount))
    assert "NRP007" in found(asking(amount.replace("8", "9"), amount.replace("8", "9")))


def test_a_bare_pod_lives_six_hours_and_may_sleep():
    assert not {"NRP005", "NRP006", "NRP010"} & found(POD)
    assert "NRP005" in found(POD.replace("21600", "21601"))
    assert "NRP006" in found(POD.replace("  activeDeadlineSeconds: 21600\n", ""))


@pytest.mark.parametrize(
    ("resource", "selector", "priority", "broken"),
    [
        ("nvidia.com/gpu", "", "", set()),
        ("nvidia.com/gpu", A100, "", {"NRP015"}),
        ("nvidia.com/a100", A100, "", {"NRP016"}),
        ("nvidia.com/a100", A100, "opportunistic", set()),
        ("nvidia.com/a100", A100, "opportunistic2", set()),
        ("nvidia.com/a100", A100, "owner-no-preempt", {"NRP016"}),
        ("nvidia.com/a100", "", "high", {"NRP016", "NRP017"}),
        ("nvidia.com/h100", "", "", {"NRP016"}),
        ("nvidia.com/a40", "", "armada-default", set()),
        ("nvidia.com/A100", "", "", {"NRP037"}),
        ("nvidia.com/rtx3090", "", "", {"NRP037"}),
        ("nvidia.com/mig-1g.5gb", "", "", set()),
        ("nvidia.com/gpu", "nvidia.com/gpu-product: NVIDIA-A10", "", {"NRP020"}),
        ("nvidia.com/gpu", "kubernetes.io/hostname: suncave-4", "", {"NRP018"}),
        ("nvidia.com/gpu", "kubernetes.io/hostname: suncave-4+suncave-6", "", {"NRP008", "NRP018"}),
    ],
)
def test_gpus_quotas_priorities_and_nodes(resource: str, selector: str, priority: str, broken: set[str]):
    amount = f"cpu: 1, memory: 2Gi, {resource}: 1"
    spec = f"      nodeSelector: {{{selector}}}\n" + (f"      priorityClassName: {priority}\n" if priority else "")
    work = ("args: [--model-name=gemma-2-2b-it]", "command: [python, train.py]")
    assert found(asking(amount, amount, work, ("      containers:\n", f"{spec}      containers:\n"))) == broken


SLEEPS = [
    "sleep 5",
    "exec sleep infinity",
    "timeout 5 sleep 5",
    "timeout -k 5 60 /bin/sleep 5",
    "python run.py && sleep 5",
    "python run.py || { echo failed; sleep 600; }",
    "python run.py &\nsleep infinity & wait",
    "bash -c 'bash -c \"sleep 5\"'",
    "nap() { sleep 60; }; nap",
    "function nap { sleep 60; }\nnap",
    "S=sleep; $S 5",
    "trap 'sleep 5' EXIT; python run.py",
    "su app -c 'sleep 5'",
    "gosu app sleep 5",
    "flock /tmp/lock sleep 5",
    "taskset -c 0 ionice -c 3 nice -n 5 sleep 5",
    "bash <<EOF\nsleep 5\nEOF",
    "bash <<< 'sleep 5'",
    "cat <<'EOF' > /tmp/run.sh\npython run.py\nsleep 5\nEOF\nbash /tmp/run.sh",
    "python - <<EOF\nimport time\ntime.sleep(99)\nEOF",
    "python <<'EOF'\nfrom time import sleep\nwhile True: sleep(9)\nEOF",
    "python -c 'import time\ndef main():\n    print(1); time.sleep(5)\nif __name__ == \"__main__\":\n    main()'",
    "tail -f /dev/null",
    "while true; do python run.py; sleep 60; done",
    "for i in 1 2 3; do date; sleep 5; done",
    "case $X in a) sleep 5;; esac",
]


@pytest.mark.parametrize("script", SLEEPS)
def test_a_job_that_sleeps_is_found_in_its_disguise(script: str):
    assert "NRP010" in found(running(script))


@pytest.mark.parametrize(
    "script",
    [
        "until curl -sf http://other.example.org/health; do sleep 5; done; python run.py",
    ],
)
def test_a_job_that_waits_in_a_loop_is_a_warning_only(script: str):
    assert found(running(script)) == {"NRP011"}


@pytest.mark.parametrize(
    "script",
    [
        "echo sleep 5",
        "# sleep 5\npython sleep.py --sleep 5",
        "cat <<EOF\nsleep 5\nEOF",
        "cat <<EOF > notes.txt\nsleep 5\nEOF",
        "echo x > a.sh\ncat <<EOF\nsleep 5\nEOF",
        "grep -c sleep log.txt; ls > sleep",
        "python -c 'import time\ndef main(): time.sleep(5)'",
        "python -c 'import time\nfor i in range(3):\n    time.sleep(1)\nprint(i)'",
        "python -c 'def a(): b()\ndef b(): a()\na()  # sleep'",
        "timeout 3600 python run.py; tail -n 5 log.txt",
    ],
)
def test_the_word_alone_is_no_sleep(script: str):
    assert found(running(script)) == set()


def test_a_script_of_a_config_map_is_followed():
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: scripts}\n"
    scripts = f"{head}data:\n  run.sh: |\n    python run.py\n    sleep 5\n"
    runs = job(
        ("args: [--model-name=gemma-2-2b-it]", "command: [bash, /scripts/run.sh]"),
        ("env: []", "volumeMounts: [{name: scripts, mountPath: /scripts}]"),
        ("      containers:\n", "      volumes: [{name: scripts, configMap: {name: scripts}}]\n      containers:\n"),
    )
    assert "NRP010" in found(runs, scripts)
    assert "NRP010" not in found(runs, scripts.replace("    sleep 5\n", ""))


CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}}}}
"""


def test_at_most_400_jobs_and_each_cron_job_makes_one():
    jobs = [job(("name: study1", f"name: study1-{number}")) for number in range(400)]
    assert "NRP012" not in found(*jobs)
    assert "NRP012" in found(*jobs, CRON)
    assert "NRP012" not in found(*jobs, CRON.replace("spec:\n  sch", "spec:\n  suspend: true\n  sch"))
    assert "NRP012" not in found(
        job(("spec:\n  active", "spec:\n  completionMode: Indexed\n  completions: 5000\n  active"))
    )


@pytest.mark.parametrize(("pods", "broken"), [(4, False), (5, True)])
def test_at_most_four_pods_outside_the_bounds(pods: int, broken: bool):
    idle = asking(
        "cpu: 1, memory: 64Gi",
        "cpu: 1, memory: 64Gi",
        ("spec:\n  active", f"spec:\n  parallelism: {pods}\n  active"),
        ("[--model-name=gemma-2-2b-it]", "[--model-endpoint=http://vllm-gemma:8000]"),
    )
    assert ("NRP036" in found(idle, SERVER, SERVICE)) == broken


@pytest.mark.parametrize(
    ("script", "broken"),
    [
        ("pip install --target /data/lib numpy==2.1.0", True),
        ("python -m venv /data/venv && /data/venv/bin/pip install numpy==2.1.0", True),
        (". /data/venv/bin/activate; pip install numpy==2.1.0", True),
        ("conda create -y -p /data/env numpy=2.1.0", True),
        ("pip install --target /tmp/lib numpy==2.1.0", False),
        ("pip install numpy==2.1.0; cp a.csv /data", False),
    ],
)
def test_no_packages_on_shared_storage(script: str, broken: bool):
    runs = mounting().replace("args: [--model-name=gemma-2-2b-it]", f"command: {json.dumps(['sh', '-c', script])}")
    shared = claim("data").replace("shared", "rook-cephfs")
    assert ("NRP030" in found(runs, shared)) == broken
    block = claim("data", "ReadWriteOnce").replace("shared", "rook-ceph-block")
    assert "NRP030" not in found(runs, block)


@pytest.mark.parametrize(
    ("storage", "mode", "broken"),
    [
        ("rook-cephfs", "ReadWriteMany", set()),
        ("rook-cephfs", "ReadWriteOncePod", set()),
        ("rook-cephfs-ucsd", "ReadWriteMany", {"NRP023"}),
        ("rook-cephfs-tide", "ReadWriteMany", {"NRP021"}),
        ("ceph-rbd", "ReadWriteOnce", {"NRP021"}),
        ("rook-ceph-block", "ReadWriteMany", {"NRP024"}),
        ("linstor-unl", "ReadWriteMany", {"NRP024"}),
        ("rook-ceph-block", "ReadWriteOnce", set()),
        ("gp2", "ReadWriteOnce", {"NRP022"}),
    ],
)
def test_storage_classes(storage: str, mode: str, broken: set[str]):
    assert found(claim("data", mode).replace("shared", storage)) == broken


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_gpus_of_servers_that_stay_are_a_note(kind: str):
    body = SERVER.replace("kind: Deployment", f"kind: {kind}")
    if kind == "StatefulSet":
        body = body.replace("spec:\n  selector", "spec:\n  serviceName: vllm-gemma\n  selector", 1)
    amount = "{cpu: 4, memory: 16Gi, nvidia.com/gpu: 1}"
    assert "NRP014" in found(body + f"        resources: {{limits: {amount}}}\n")
    assert ("NRP014" in found(body)) == (kind == "Deployment")


@pytest.mark.parametrize("kind", ["Namespace", "PersistentVolume", "ClusterRole", "PriorityClass", "StorageClass"])
def test_only_administrators_make_these(kind: str):
    heads = {
        "Namespace": "apiVersion: v1\n",
        "PersistentVolume": "apiVersion: v1\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]}\n",
        "ClusterRole": "apiVersion: rbac.authorization.k8s.io/v1\nrules: []\n",
        "PriorityClass": "apiVersion: scheduling.k8s.io/v1\nvalue: 1\n",
        "StorageClass": "apiVersion: storage.k8s.io/v1\nprovisioner: ceph\n",
    }
    assert found(f"{heads[kind]}kind: {kind}\nmetadata: {{name: x}}\n") == {"NRP013"}


def test_a_long_script_is_read_once_for_all_rules():
    with cpu_below(5):
        assert "NRP010" in found(running("python run.py\n" * 5000 + "sleep 5\n"))
