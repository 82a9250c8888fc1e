"""Manifests: what `grace cluster render` writes would be taken by the cluster, and would not fail there.

Many tests stand for something that went wrong for somebody who wrote such manifests by hand.
"""

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grace.cli.exits import exit_code
from grace.cluster.manifests.render import render_lineup, write_rendering
from grace.cluster.manifests.request import Request
from grace.declared import read
from grace.errors import GraceError, InputError, LeaderGone, Refused
from grace.models.catalogue import hub_models
from grace.models.plan import plan_model
from grace.policy.check import check_manifests
from grace.policy.cluster_file import load_cluster
from grace.policy.quantities import quantity
from grace.policy.reading import parse
from grace.stages.visit_file import QuerySettings, VisitFile
from limits import HANG

PROFILES = ("rtx3090", "a100")
WAYS = [(profile, mode, code) for profile in PROFILES for mode in ("job", "server") for code in ("image", "wheel")]
TWO_NODES = {"profile": "a100", "model": ("llama-3-70b-instruct",), "gpus": 1, "nodes": 2}
STUDY = Path(__file__).parents[3] / "src" / "grace" / "studies" / "study1.yaml"


@cache
def rendered(profile="rtx3090", mode="job", code="image", **more):
    return render_lineup(Request(profile=profile, mode=mode, code=code, **more))


def objects(rendering, *kinds):
    return [each for file in rendering.files for each in file.objects if not kinds or each["kind"] in kinds]


def named(rendering, kind, end=""):
    (found,) = [each for each in objects(rendering, kind) if each["metadata"]["name"].endswith(end)]
    return found


def pods(rendering):
    """The workloads of a rendering with the specs of their pods."""
    return [(each, each["spec"]["template"]["spec"]) for each in objects(rendering, "Job", "Deployment")]


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def container(pod, name):
    (found,) = [each for each in containers(pod) if each["name"] == name]
    return found


def variables(each):
    return {entry["name"]: entry.get("value") for entry in each.get("env", [])}


def mounts(each):
    return {mount["name"]: mount for mount in each["volumeMounts"]}


def assert_good(rendering):
    """Strictly valid, and nothing that the policy checker finds."""
    for each in objects(rendering):
        kubernetes_validate.validate(each, "1.32", strict=True)
    manifests = [manifest for file in rendering.files for manifest in parse(file.text, file.name)]
    assert [manifest.body for manifest in manifests] == objects(rendering)
    found = check_manifests(manifests, load_cluster("nrp")).findings
    assert not found, "\n".join(f"{each.rule.id} {each.object} {each.path}: {each.message}" for each in found)


# What all renderings have in common.


@pytest.mark.parametrize(("profile", "mode", "code"), WAYS)
def test_all_models_are_valid_and_break_no_rule(profile, mode, code):
    rendering = rendered(profile, mode, code)
    assert_good(rendering)
    served = {each["metadata"]["labels"].get("grace/model") for each in objects(rendering)} - {None}
    assert len(served) == len(hub_models()) == 6


@pytest.mark.parametrize(
    "more",
    [
        TWO_NODES,
        TWO_NODES | {"code": "wheel", "queue": "lab"},
        {"shards": 4, "parallelism": 2, "replications": 10, "queue": "lab"},
        {"shards": 4, "mode": "server"},
        {"storage_class": "rook-cephfs-central", "code": "wheel"},
        {"storage_class": "rook-cephfs-central", "mode": "server"},
        {"profile": "a100", "priority_class": "none"},
        {"profile": "a100", "priority_class": "opportunistic2", "mode": "server"},
        {"study": ("study2", str(STUDY)), "experiment": (2,)},
        {"model": ("Gemma-9B",), "variant": "awq", "namespace": "my-lab", "lineup": "Pilot 2"},
    ],
)
def test_other_options_are_valid_and_break_no_rule(more):
    assert_good(rendered(**more))


@pytest.mark.parametrize(("profile", "mode", "code"), WAYS)
def test_every_container_gives_up_what_it_does_not_need(profile, mode, code):
    for workload, pod in pods(rendered(profile, mode, code)):
        assert workload["metadata"]["labels"].items() >= workload["spec"]["template"]["metadata"]["labels"].items()
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for each in containers(pod):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["resources"]["requests"] == each["resources"]["limits"]
            assert {"cpu", "memory", "ephemeral-storage"} <= each["resources"]["limits"].keys()
            assert ":" in each["image"]
            assert "latest" not in each["image"]


@pytest.mark.parametrize("mode", ["job", "server"])
def test_every_object_is_found_by_its_own_labels(mode):
    """`kubectl delete -l` looks at objects, not at the pods that they make."""
    for each in objects(rendered(mode=mode)):
        own = each["metadata"]["labels"]
        assert own["grace/lineup"] == "grace-rtx3090"
        assert own["grace/profile"] == "rtx3090"
        assert own["app.kubernetes.io/managed-by"] == "grace"
        if each["kind"] in ("Job", "Deployment", "Service"):
            assert own["grace/model"]
        assert each["metadata"]["namespace"] == "grace-experiments"


@pytest.mark.parametrize("code", ["image", "wheel"])
def test_rendering_is_the_same_in_every_process_and_takes_few_seconds(tmp_path, code):
    texts, took = [], []
    for seed in ("1", "2"):
        out = tmp_path / seed
        command = [sys.executable, "-m", "grace", "cluster", "render", "--profile", "a100", "--code", code]
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, env=environment, timeout=HANG)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)  # others may keep the machine busy
        took.append(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
        texts.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert texts[0] == texts[1]
    assert min(took) < 4  # of CPU time, which a busy machine doubles; alone it is about 1.7


def test_kubectl_reads_the_files_as_they_are_meant(tmp_path):
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not here")
    rendering = rendered("a100", "server", "wheel")
    write_rendering(rendering, tmp_path)
    command = ["kubectl", "label", "--local", "-f", str(tmp_path), "read=yes", "-o", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG)
    found, rest = [], done.stdout.lstrip()
    while rest:
        each, end = json.JSONDecoder().raw_decode(rest)
        found += each["items"] if each["kind"] == "List" else [each]
        rest = rest[end:].lstrip()
    for each in found:
        assert each["metadata"]["labels"].pop("read") == "yes"
    assert {json.dumps(each, sort_keys=True) for each in found} == {
        json.dumps(each, sort_keys=True) for each in objects(rendering)
    }


# One visit: the server beside the client.


@pytest.mark.parametrize(("profile", "code"), [(profile, code) for profile in PROFILES for code in ("image", "wheel")])
def test_a_visit_loads_once_asks_everything_and_ends(profile, code):
    rendering = rendered(profile, "job", code)
    visits = [
        pod for job, pod in pods(rendering) if job["metadata"]["labels"]["app.kubernetes.io/component"] == "visit"
    ]
    assert len(visits) == 6
    for pod in visits:
        server, client = container(pod, "vllm"), container(pod, "grace")
        assert server in pod["initContainers"]
        assert server["restartPolicy"] == "Always"
        assert server["startupProbe"]["exec"]["command"][-1] == "http://127.0.0.1:8000/health"
        assert pod["containers"] == [client]
        assert pod["restartPolicy"] == "Never"
        assert "sleep" not in json.dumps(pod)
    visit = yaml.safe_load(named(rendering, "ConfigMap", "-lineup")["data"]["visit.yaml"])
    assert [each["study"] for each in visit["studies"]] == ["study1", "study2"]
    assert visit["experiments"] == [1, 2]


@pytest.mark.parametrize(("profile", "mode", "code"), WAYS)
def test_clients_ask_for_the_name_that_the_server_has(profile, mode, code):
    for name in hub_models():
        planned = plan_model(name, profile=profile)
        served = planned.variant.served_name
        own = [
            pod
            for each, pod in pods(rendered(profile, mode, code))
            if each["metadata"]["labels"]["grace/model"] == served
        ]
        servers = [each for pod in own for each in containers(pod) if each["name"] == "vllm"]
        clients = [each for pod in own for each in containers(pod) if each["name"] == "grace"]
        assert len(servers) == len(clients) == 1
        assert f"--served-model-name={served}" in servers[0]["args"]
        assert f"--model-name={served}" in clients[0]["args"]
        identity = f"{planned.variant.repo}@{planned.variant.revision}".removesuffix("@None")
        assert f"--model-revision={identity}" in clients[0]["args"]


def test_gemma_is_never_served_in_float16():
    for profile in PROFILES:
        for _, pod in pods(rendered(profile)):
            for each in containers(pod):
                if each["name"] == "vllm" and "gemma" in each["args"][0].lower():
                    assert "--dtype=bfloat16" in each["args"]


@pytest.mark.parametrize("profile", PROFILES)
def test_vllm_uses_all_gpus_that_the_pod_holds_on_nodes_that_have_them(profile):
    resource = {"rtx3090": "nvidia.com/gpu", "a100": "nvidia.com/a100"}[profile]
    for name in hub_models():
        planned = plan_model(name, profile=profile)
        rendering = rendered(profile)
        ((_, pod),) = [
            (job, pod)
            for job, pod in pods(rendering)
            if job["metadata"]["name"] == f"grace-{profile}-{planned.variant.served_name}"
        ]
        server = container(pod, "vllm")
        assert server["resources"]["limits"][resource] == str(planned.gpus)
        assert (f"--tensor-parallel-size={planned.gpus}" in server["args"]) == (planned.gpus > 1)
        (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        wanted = {each["key"]: (each["operator"], each["values"]) for each in term["matchExpressions"]}
        operator, products = wanted["nvidia.com/gpu.product"]
        assert operator == "In"
        assert all({"rtx3090": "3090", "a100": "A100"}[profile] in product for product in products)
        assert wanted.get("nvidia.com/gpu.memory") == (("Gt", ["80000"]) if profile == "a100" else None)
        assert wanted["nvidia.com/cuda.driver.major"] == ("Gt", ["569"])
        assert pod.get("priorityClassName") == ("opportunistic" if profile == "a100" else None)


def test_another_image_wants_another_driver():
    rendering = rendered(model=("gemma-2-2b-it",), vllm_image="vllm/vllm-openai:v0.33.0")
    assert '"579"' in json.dumps(objects(rendering, "Job"))


def test_memory_disk_and_time_come_from_the_plan():
    for profile in PROFILES:
        for name in hub_models():
            planned = plan_model(name, profile=profile)
            job = named(rendered(profile), "Job", f"{profile}-{planned.variant.served_name}")
            pod = job["spec"]["template"]["spec"]
            server = container(pod, "vllm")
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            shared = volumes["shared-memory"]["emptyDir"]
            assert shared["medium"] == "Memory"
            assert 2 <= int(shared["sizeLimit"].removesuffix("Gi")) <= 10
            assert mounts(server)["shared-memory"]["mountPath"] == "/dev/shm"
            memory = quantity(server["resources"]["limits"]["memory"])
            assert memory == (planned.host_gib << 30) + quantity(shared["sizeLimit"])
            probe = server["startupProbe"]
            seconds = planned.startup_minutes * 60
            assert probe["failureThreshold"] * probe["periodSeconds"] == seconds + 60
            assert variables(server)["VLLM_ENGINE_READY_TIMEOUT_S"] == probe["exec"]["command"][-2] == str(seconds)
            assert pod["activeDeadlineSeconds"] > seconds + 3600
            if planned.model.parameters > 40e9:
                assert 180 <= probe["failureThreshold"] <= 366


def test_jobs_survive_preemption_and_give_up_when_trying_again_is_no_use():
    for job in objects(rendered("a100"), "Job"):
        spec = job["spec"]
        ignore, *ends = spec["podFailurePolicy"]["rules"]
        assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        names = {each["name"] for each in containers(spec["template"]["spec"])}
        assert all(end["action"] == "FailJob" and end["onExitCodes"]["containerName"] in names for end in ends)
        assert spec["ttlSecondsAfterFinished"] >= 3 * 24 * 3600  # time to collect
        assert spec["podReplacementPolicy"] == "Failed"  # the API demands it beside a failure policy
    visit = named(rendered("a100"), "Job", "a100-gemma-2-2b-it")
    codes = {
        rule["onExitCodes"]["containerName"]: rule["onExitCodes"]["values"]
        for rule in visit["spec"]["podFailurePolicy"]["rules"][1:]
    }
    assert {2, 4} <= set(codes["grace"])
    assert not {1, 3} & set(codes["grace"])  # failed requests and lost servers are tried again
    assert 3 in codes["weights"]  # a GPU does not wait until somebody brings them
    asking = container(visit["spec"]["template"]["spec"], "grace")
    assert "--break-lock" not in asking["args"]  # the lock itself tells whether its pod is gone
    own_name = {"name": "GRACE_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert own_name in asking["env"]


# Weights.


@pytest.mark.parametrize("mode", ["job", "server"])
def test_weights_come_to_the_place_that_the_server_reads_before_a_gpu_waits(mode):
    rendering = rendered("a100", mode)
    for name in hub_models():
        planned = plan_model(name, profile="a100")
        warm = named(rendering, "Job", f"weights-{planned.variant.served_name}")["spec"]["template"]["spec"]
        pull = container(warm, "pull")
        assert pull["args"] == ["models", "pull", name, f"--variant={planned.variant.name}", "--to=/weights"]
        assert "nvidia.com" not in json.dumps(warm)
        server_pod = next(
            pod
            for each, pod in pods(rendering)
            if each["metadata"]["labels"]["grace/model"] == planned.variant.served_name and "affinity" in pod
        )
        server = container(server_pod, "vllm")
        claims = [
            next(volume for volume in pod["volumes"] if volume["name"] == "weights")["persistentVolumeClaim"][
                "claimName"
            ]
            for pod in (warm, server_pod)
        ]
        assert claims[0] == claims[1]
        assert mounts(server)["weights"] == {"name": "weights", "mountPath": "/weights", "readOnly": True}
        assert "readOnly" not in mounts(pull)["weights"]
        assert variables(pull)["HF_HUB_DISABLE_XET"] == "1"  # which takes more memory than the pod has
        settings = variables(server)
        assert settings["HF_HOME"] == "/weights"
        assert settings["HF_HUB_OFFLINE"] == settings["TRANSFORMERS_OFFLINE"] == settings["VLLM_NO_USAGE_STATS"] == "1"
        written = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
        assert all(settings[each].startswith("/tmp") for each in (*written, "HF_MODULES_CACHE"))
        assert mounts(server)["server-tmp"]["mountPath"] == "/tmp"
        look = container(server_pod, "weights")
        assert look["args"] == ["models", "path", *pull["args"][2:]]
        order = [each["name"] for each in containers(server_pod)]
        assert order.index("weights") < order.index("vllm")


def test_the_token_goes_to_the_jobs_that_bring_weights_and_nowhere_else():
    for mode in ("job", "server"):
        rendering = rendered(mode=mode, code="wheel", secret="hub", secret_key="hf")
        holders = {
            each["metadata"]["name"]
            for each, pod in pods(rendering)
            for one in containers(pod)
            if "HF_TOKEN" in variables(one)
        }
        assert holders == {
            each["metadata"]["name"] for each in objects(rendering, "Job") if "-weights-" in each["metadata"]["name"]
        }
        for each in objects(rendering, "Job"):
            for entry in each["spec"]["template"]["spec"]["containers"][0]["env"]:
                if entry["name"] == "HF_TOKEN":
                    reference = entry["valueFrom"]["secretKeyRef"]
                    assert (reference["name"], reference["key"]) == ("hub", "hf")
        assert not objects(rendering, "Secret")


def test_volumes_are_large_enough_shared_and_of_the_class_that_was_asked_for():
    rendering = rendered("a100", storage_class="cephfs-west")
    sizes = {}
    for claim in objects(rendering, "PersistentVolumeClaim"):
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
        assert claim["spec"]["storageClassName"] == "cephfs-west"
        sizes[claim["metadata"]["name"]] = quantity(claim["spec"]["resources"]["requests"]["storage"])
    weights = sum(plan_model(name, profile="a100").variant.weights_bytes for name in hub_models())
    assert weights * 1.1 < sizes["grace-a100-weights"] < weights * 1.4
    assert sizes["grace-a100-input"] == 5 << 30
    assert sizes["grace-a100-outputs"] == 100 << 30
    one = named(rendered("a100", model=("gemma-2-2b-it",)), "PersistentVolumeClaim", "-weights")
    assert one["spec"]["resources"]["requests"]["storage"] == "10Gi"


def test_volumes_whose_root_is_roots_are_opened_by_one_job():
    rendering = rendered(storage_class="rook-cephfs-central")
    job = named(rendering, "Job", "-open")
    (only,) = job["spec"]["template"]["spec"]["containers"]
    assert only["command"] == ["chmod", "0777", "/input", "/outputs", "/weights"]
    assert only["securityContext"]["runAsUser"] == 0
    assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not [each for each in objects(rendered(), "Job") if each["metadata"]["name"].endswith("-open")]


@pytest.mark.parametrize(
    ("name", "says"), [("rook-cephfs-tide", "keeps it for its own groups"), ("rook-ceph-block", "for one node")]
)
def test_storage_classes_that_cannot_serve_are_refused(name, says):
    with pytest.raises(Refused, match=says):
        render_lineup(Request(profile="a100", storage_class=name))


# A server that stays.


def test_a_server_has_an_address_and_its_client_asks_there():
    rendering = rendered("rtx3090", "server", model=("gemma-2-9b-it",))
    deployment, service = named(rendering, "Deployment"), named(rendering, "Service")
    client = named(rendering, "Job", "-client")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= service["spec"]["selector"].items()
    assert labels.items() >= deployment["spec"]["selector"]["matchLabels"].items()
    assert not client["spec"]["template"]["metadata"]["labels"].items() >= service["spec"]["selector"].items()
    server = container(deployment["spec"]["template"]["spec"], "vllm")
    port = service["spec"]["ports"][0]
    assert port["targetPort"] == server["ports"][0]["name"]
    name = service["metadata"]["name"]
    assert name != "vllm"  # sets VLLM_PORT in pods, which vLLM reads
    only = container(client["spec"]["template"]["spec"], "grace")
    assert f"--model-endpoint=http://{name}:{port['port']}" in only["args"]
    assert any(argument.startswith("--wait=") for argument in only["args"])
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["spec"]["replicas"] == 1
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= server.keys()
    assert [each["kind"] for each in rendering.files[-1].objects] == ["Deployment", "Service", "Job"]


def test_clients_are_small_enough_to_be_exempt_from_rules_about_use():
    for _, pod in pods(rendered(mode="server", code="wheel")):
        if "affinity" in pod:
            continue
        for each in containers(pod):
            assert quantity(each["resources"]["requests"]["cpu"]) <= 1
            assert quantity(each["resources"]["requests"]["memory"]) <= 2e9


# Several pods.


def test_shards_have_indexes_and_ask_each_its_own_part():
    rendering = rendered(model=("gemma-2-2b-it",), shards=4, parallelism=2, replications=3)
    job = named(rendering, "Job", "rtx3090-gemma-2-2b-it")
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 2)
    assert "backoffLimit" not in spec  # one shard that fails does not end the others
    assert spec["backoffLimitPerIndex"] == 3
    assert "--shard=auto/4" in container(spec["template"]["spec"], "grace")["args"]
    assert yaml.safe_load(named(rendering, "ConfigMap")["data"]["visit.yaml"])["query"]["replications"] == 3
    whole = named(rendered(model=("gemma-2-2b-it",)), "Job", "rtx3090-gemma-2-2b-it")
    assert whole["spec"]["completionMode"] == "NonIndexed"
    assert "--shard" not in json.dumps(whole)


def test_more_pods_with_gpus_than_may_idle_are_told():
    assert any("--parallelism 4" in note for note in rendered(model=("gemma-2-2b-it",), shards=8).notes)
    assert not any("--parallelism" in note for note in rendered(model=("gemma-2-2b-it",), shards=4).notes)


def ranks(script, tmp_path):
    """What a start script runs in each pod, with a stand-in for vLLM that prints its arguments."""
    fake = tmp_path / "vllm"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    for rank in ("0", "1"):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": rank}
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)
        yield done.stdout.splitlines()


def test_several_nodes_are_one_server_with_ranks(tmp_path):
    rendering = rendered(**TWO_NODES)
    service, job = rendering.files[-1].objects
    pod = job["spec"]["template"]["spec"]
    assert (job["spec"]["completionMode"], job["spec"]["completions"], job["spec"]["parallelism"]) == ("Indexed", 2, 2)
    assert job["spec"]["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True  # ranks must find each other before they are ready
    assert pod["subdomain"] == service["metadata"]["name"]
    assert job["spec"]["template"]["metadata"]["labels"].items() >= service["spec"]["selector"].items()
    leader = f"{job['metadata']['name']}-0.{service['metadata']['name']}"

    server = container(pod, "vllm")
    assert server["command"] == ["bash", "-c"]
    first, second = ranks(server["args"][0], tmp_path)
    assert "--node-rank=0" in first
    assert "--headless" not in first
    assert "--node-rank=1" in second
    assert "--headless" in second
    assert {"--nnodes=2", "--pipeline-parallel-size=2", f"--master-addr={leader}"} <= set(first) & set(second)
    assert first[0] == "serve"

    probe = server["startupProbe"]["exec"]["command"]
    assert probe[-1] == f"http://{leader}:8000/health"  # only the first rank has an address
    assert f"--leader=http://{leader}:8000" in container(pod, "grace")["args"]
    _, followed, *_ = job["spec"]["podFailurePolicy"]["rules"]  # a follower's end costs no try
    assert followed["action"] == "Ignore"
    assert followed["onExitCodes"] == {"containerName": "grace", "operator": "In", "values": [exit_code(LeaderGone)]}
    apart = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    near = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    assert (apart["topologyKey"], near["topologyKey"]) == ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


def test_the_probe_tells_up_from_down_and_gives_up_before_a_gpu_idles_for_hours(canned, unused_port, tmp_path):
    """A sidecar that never comes up is started for ever: the container that asks must start, to fail the pod."""
    probe = container(named(rendered(), "Job", "rtx3090-gpt-oss-20b")["spec"]["template"]["spec"], "vllm")
    _, flag, script, first, seconds, _ = probe["startupProbe"]["exec"]["command"]
    assert first.startswith("/tmp/")
    assert seconds == "900"
    mark = tmp_path / "first-look"

    def look(url):
        command = [sys.executable, flag, script, str(mark), seconds, f"{url}/health"]
        return subprocess.run(command, capture_output=True, timeout=HANG).returncode

    down = f"http://127.0.0.1:{unused_port}"
    assert look(canned.url) == 0
    assert not mark.exists()
    assert look(down) == look(down) == 1
    assert mark.exists()
    os.utime(mark, (0, os.path.getmtime(mark) - 1000))
    assert look(down) == 0


@pytest.mark.parametrize(("more", "says"), [({"mode": "server"}, "--mode job"), ({"shards": 2}, "--shards 2")])
def test_several_nodes_are_refused_where_there_are_no_ranks(more, says):
    with pytest.raises(InputError, match=says):
        render_lineup(Request(**TWO_NODES | more))


def test_kueue_is_asked_only_where_there_is_a_queue():
    assert "kueue" not in json.dumps(objects(rendered()))
    job = named(rendered(queue="lab", model=("gemma-2-2b-it",)), "Job", "rtx3090-gemma-2-2b-it")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "lab"
    assert job["spec"]["suspend"] is True
    weights = named(rendered(queue="lab", model=("gemma-2-2b-it",)), "Job", "weights-gemma-2-2b-it")
    assert "suspend" not in weights["spec"]  # nobody would start it


# What is asked.


def test_the_visit_file_is_one_that_grace_visit_reads(tmp_path):
    rendering = rendered(
        study=("study2", str(STUDY)), experiment=(2,), replications=5, temperature=0, max_tokens=2048, seed=7
    )
    for name, text in named(rendering, "ConfigMap")["data"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    visit = read(tmp_path / "visit.yaml", VisitFile)
    assert [(each.study, each.input) for each in visit.studies] == [
        ("study2", "/input/study2.csv"),
        ("study1.yaml", "/input/study1.csv"),
    ]
    assert visit.experiments == (2,)
    assert dict(visit.query) == {"temperature": 0, "max_tokens": 2048, "replications": 5, "seed": 7}
    assert (tmp_path / "study1.yaml").read_bytes() == STUDY.read_bytes()


def test_a_study_that_kubectl_could_not_apply_is_refused(tmp_path):
    (tmp_path / "big.yaml").write_text(STUDY.read_text() + "# " + "x" * 200_000)
    with pytest.raises(InputError, match="--study: the study files have more than"):
        render_lineup(Request(profile="a100", study=(str(tmp_path / "big.yaml"),)))


def test_a_catalogue_of_the_users_own_goes_along(tmp_path, monkeypatch):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("gpus:\n  - {name: a40, title: our A40, memory_gib: 40, capability: 8.6}\n")
    monkeypatch.setenv("GRACE_CATALOGUE", str(overlay))
    rendering = render_lineup(Request(profile="rtx3090", mode="server"))
    assert named(rendering, "ConfigMap")["data"]["catalogue.yaml"] == overlay.read_text()
    for _, pod in pods(rendering):
        for each in containers(pod):
            if each["name"] in ("pull", "weights"):
                assert variables(each)["GRACE_CATALOGUE"] == "/grace/lineup/catalogue.yaml"
                assert mounts(each)["lineup"]["mountPath"] == "/grace/lineup"
    assert_good(rendering)


def here(arguments, folder):
    """Arguments of a container with its volumes' places in a folder of this machine."""
    places = {"/grace/lineup": "lineup", "/input": "input", "/outputs": "outputs", "/weights": "weights"}
    for place, name in places.items():
        arguments = [argument.replace(place, f"{folder}/{name}", 1) for argument in arguments]
    return arguments


def test_grace_does_what_its_container_is_told(grace, canned, trials, tmp_path, monkeypatch):
    rendering = rendered(model=("gemma-2-2b-it",), study=("study1",), experiment=(1,), shards=2)
    pod = named(rendering, "Job", "rtx3090-gemma-2-2b-it")["spec"]["template"]["spec"]
    for folder in ("lineup", "input"):
        (tmp_path / folder).mkdir()
    (visit,) = here([named(rendering, "ConfigMap")["data"]["visit.yaml"]], tmp_path)
    (tmp_path / "lineup" / "visit.yaml").write_text(visit)
    shutil.copy(trials, tmp_path / "input" / "study1.csv")
    arguments = here(container(pod, "grace")["args"], tmp_path)
    server = {"http://127.0.0.1:8000": canned.url, "--model-name=gemma-2-2b-it": "--model-name=canned"}
    for old, new in server.items():
        arguments = [argument.replace(old, new) for argument in arguments]
    for index in ("0", "1"):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
        done = grace(*arguments)
        assert done.code == 0, done.err
    made = {path.name for path in (tmp_path / "outputs" / "grace-rtx3090" / "gemma-2-2b-it").iterdir()}
    assert made == {"study1.shard-0-of-2.run", "study1.shard-1-of-2.run"}


def test_a_gpu_does_not_wait_for_weights_that_are_not_there(grace, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    job = named(rendered(), "Job", "rtx3090-gemma-2-2b-it")
    look = container(job["spec"]["template"]["spec"], "weights")
    done = grace(*here(look["args"], tmp_path))
    codes = [
        rule["onExitCodes"]["values"]
        for rule in job["spec"]["podFailurePolicy"]["rules"]
        if rule.get("onExitCodes", {}).get("containerName") == "weights"
    ]
    assert done.code in codes[0]
    assert "grace models pull gemma-2-2b-it" in done.err


# Hostile names.

HOSTILE = [
    "google/gemma-2-2b-it",
    "$(JOB_COMPLETION_INDEX)",
    "`id`; '\"",
    "two\nlines: true\n---\nkind: Secret",
    "x" * 300,
    "Übergröße 日本語",
    "../../etc",
    "--leading",
    "a,b{c}#d",
    "\x00\x1b[31m",
]


@settings(max_examples=25)
@given(st.text(max_size=80) | st.sampled_from(HOSTILE), st.sampled_from(["job", "server"]))
@example("\ud800", "job")
@example("\u2028 # x", "server")
def test_any_name_of_a_lineup_gives_valid_objects(lineup, mode):
    rendering = render_lineup(Request(profile="rtx3090", model=("llama-3-70b-instruct",), lineup=lineup, mode=mode))
    assert_good(rendering)
    for file in rendering.files:
        assert file.text.isprintable() or file.text.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "field", ["model", "study", "namespace", "secret", "secret_key", "image", "vllm_image", "queue", "variant"]
)
def test_hostile_names_of_other_things_are_refused_in_one_line(field, name):
    if (field, name) in (("model", "google/gemma-2-2b-it"), ("secret_key", "--leading")):
        return  # what the model is called on the hub, and what a key may be called
    if (field, name) == ("image", "google/gemma-2-2b-it"):
        name += ":latest"
    value = (name,) if field in ("model", "study") else name
    with pytest.raises(GraceError) as refused:
        render_lineup(Request(**{"profile": "rtx3090", field: value}))
    assert isinstance(refused.value, InputError | Refused)
    assert field in ("model", "study", "variant") or str(refused.value).isprintable()


@pytest.mark.parametrize("field", ["namespace", "image", "vllm_image", "storage_class", "priority_class", "queue"])
def test_an_empty_option_is_not_taken_for_none(field):
    """`--namespace "$NAMESPACE"`, where the variable was not set."""
    with pytest.raises(GraceError, match=f"--{field.replace('_', '-')} ''"):
        render_lineup(Request(**{"profile": "rtx3090", field: ""}))


@pytest.mark.parametrize("name", ["lineup", "visit", "catalogue"])
def test_a_study_never_takes_the_place_of_the_lineups_own_files(tmp_path, name):
    study = tmp_path / "mine.yaml"
    study.write_text(STUDY.read_text().replace("name: study1", f"name: {name}", 1))
    with pytest.raises(InputError, match=f"calls itself {name}"):
        render_lineup(Request(profile="rtx3090", study=(str(study),)))


def test_hostile_arguments_of_a_catalogue_arrive_as_they_are(tmp_path, monkeypatch):
    text = (Path(__file__).parents[3] / "src/grace/models/catalogue.yaml").read_text()
    entry = next(one for one in yaml.safe_load(text)["lineup"] if one["name"] == "llama-3-70b-instruct")
    entry["profiles"] = {"a100": entry["profiles"]["a100"] | {"arguments": ["--x=$(A) $$ 'b' \"c\" `d`"]}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"lineup": [entry]}))
    monkeypatch.setenv("GRACE_CATALOGUE", str(tmp_path / "mine.yaml"))
    one = render_lineup(Request(profile="a100", model=(entry["name"],)))
    server = container(named(one, "Job", "a100-llama-3-70b-instruct")["spec"]["template"]["spec"], "vllm")
    assert server["args"][-1] == "--x=$$(A) $$$$ 'b' \"c\" `d`"
    several = render_lineup(Request(**TWO_NODES))
    script = container(several.files[-1].objects[1]["spec"]["template"]["spec"], "vllm")["args"][0]
    for words in ranks(script.replace("$$", "$"), tmp_path):  # as Kubernetes passes it on
        assert "--x=$(A) $$ 'b' \"c\" `d`" in words


# Files.


def test_every_file_says_what_it_is_and_how_it_was_made(tmp_path):
    request = Request(profile="a100", model=("gemma-2-27b-it",), lineup="a b", study=(str(STUDY),), shards=2)
    rendering = render_lineup(request)
    assert [file.name for file in rendering.files] == [
        "00-storage.yaml",
        "01-lineup.yaml",
        "02-weights-gemma-2-27b-it.yaml",
        "10-gemma-2-27b-it.yaml",
    ]
    for file in rendering.files:
        head = [line for line in file.text.splitlines() if line.startswith("#")]
        assert head[0].startswith(f"# Grace, lineup {rendering.lineup}: ")
        assert any(
            "--lineup 'a b'" in line and "--shards 2" in line and shlex.quote(str(STUDY)) in line for line in head
        )
        assert "00-storage.yaml, 01-lineup.yaml, and put study1.csv onto" in " ".join(head)
        assert all(len(line) <= 120 for line in head if "Made by" not in line)
    assert "priority class opportunistic because a namespace has 0 nvidia.com/a100" in rendering.files[-1].text
    assert "--priority-class none" in rendering.files[-1].text
    assert "grace cluster secret" in rendering.files[2].text


def test_files_of_an_earlier_rendering_go_and_others_stay(tmp_path):
    first = write_rendering(render_lineup(Request(profile="rtx3090", model=("gemma-2-2b-it", "gpt-oss-20b"))), tmp_path)
    (tmp_path / "mine.yaml").write_text("apiVersion: v1\n")
    second = write_rendering(render_lineup(Request(profile="rtx3090", model=("gpt-oss-20b",))), tmp_path)
    gone = {path.name for path in second.removed}
    assert gone == {"02-weights-gemma-2-2b-it.yaml", "10-gemma-2-2b-it.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml"} | {path.name for path in first.written} - gone


def test_files_that_grace_did_not_make_are_never_written_over(tmp_path):
    mine = tmp_path / "10-gpt-oss-20b.yaml"
    mine.write_text("apiVersion: v1 # mine\n")
    rendering = render_lineup(Request(profile="rtx3090", model=("gpt-oss-20b",)))
    with pytest.raises(InputError, match="was not made by"):
        write_rendering(rendering, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]  # nothing else was begun
    mine.unlink()
    elsewhere = tmp_path.parent / "elsewhere"
    elsewhere.write_text(rendering.files[0].text)
    (tmp_path / "00-storage.yaml").symlink_to(elsewhere)
    with pytest.raises(InputError, match="was not made by"):
        write_rendering(rendering, tmp_path)


def test_one_folder_holds_one_lineup(tmp_path):
    write_rendering(render_lineup(Request(profile="rtx3090", model=("gpt-oss-20b",), lineup="one")), tmp_path)
    with pytest.raises(InputError, match="belongs to lineup one"):
        write_rendering(render_lineup(Request(profile="rtx3090", model=("gpt-oss-20b",), lineup="two")), tmp_path)


def test_files_of_an_earlier_grace_are_those_of_the_lineup_that_it_called_a_run(tmp_path):
    rendering = render_lineup(Request(profile="rtx3090", model=("gpt-oss-20b",)))
    earlier = [*(file.name for file in rendering.files), "10-gemma-2-2b-it.yaml"]
    for name in earlier:
        (tmp_path / name).write_text("# Grace, run grace-rtx3090: what it is about\n")
    done = write_rendering(rendering, tmp_path)
    assert [path.name for path in done.removed] == ["10-gemma-2-2b-it.yaml"]
    assert all((tmp_path / file.name).read_text() == file.text for file in rendering.files)


# The command line.


def test_the_command_writes_files_and_says_what_comes_next(grace, tmp_path):
    out = tmp_path / "kubernetes"
    done = grace("cluster", "render", "--profile", "a100", "--model", "Llama-70B", "--out", out, "--shards", 8)
    assert done.code == 0
    assert str(out / "10-llama-3-70b-instruct.yaml") in done.out
    assert f"grace cluster check {out}" in done.out
    assert "--parallelism 4" in done.err
    assert grace("cluster", "check", out).code == 0
    again = grace("cluster", "render", "--profile", "a100", "--model", "gpt-oss-20b", "--out", out)
    assert "removed" in again.out


def test_run_is_the_earlier_name_of_lineup(grace, tmp_path):
    command = ["cluster", "render", "--profile", "a100", "--model", "gpt-oss-20b"]
    new = grace(*command, "--lineup", "pilot", "--out", tmp_path / "new")
    old = grace(*command, "--run", "pilot", "--out", tmp_path / "old")
    assert (new.code, old.code) == (0, 0)
    assert "--run" not in new.err
    assert "--run is now called --lineup" in old.err
    texts = [{path.name: path.read_text() for path in (tmp_path / name).iterdir()} for name in ("new", "old")]
    assert texts[0] == texts[1]
    assert "--run" not in grace("cluster", "render", "--help").out
    both = grace(*command, "--lineup", "pilot", "--run", "pilot", "--out", tmp_path / "both")
    assert both.code == 2
    assert "give only --lineup" in both.err


def test_options_of_experiment_1_have_the_defaults_of_a_visit_file():
    request = Request(profile="rtx3090")
    assert {name: getattr(request, name) for name in QuerySettings.model_fields} == dict(QuerySettings())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--profile", "local"], 2, "needs no manifests: `grace models pull smollm2-135m`"),
        (["--profile", "a10"], 2, "did you mean 'a100'?"),
        (["--profile", "a100", "--model", "gema-2-2b-it"], 2, "did you mean 'gemma-2-2b-it'?"),
        (["--profile", "rtx3090", "--model", "gpt-oss-20b", "--variant", "awq"], 4, "[gpt-oss-mxfp4]"),
        (["--profile", "rtx3090", "--model", "llama-3-70b-instruct", "--gpus", "16"], 4, "a pod never spans two"),
        (["--profile", "a100", "--priority-class", "oportunistic"], 4, "did you mean 'opportunistic'?"),
        (["--profile", "a100", "--study", "study1", "--study", "study1"], 2, "twice"),
        (["--profile", "a100", "--study", "stuy1"], 2, "study1"),
        (["--profile", "a100", "--experiment", "3"], 2, "--experiment 3"),
        (["--profile", "a100", "--cluster", "nrpp"], 2, "did you mean 'nrp'?"),
        (["--profile", "a100", "--image", "grace:latest"], 2, "another image tomorrow"),
        (["--profile", "a100", "--namespace", "My Lab"], 2, "--namespace 'My Lab'"),
    ],
)
def test_the_command_says_no(grace, tmp_path, arguments, code, says):
    done = grace("cluster", "render", *arguments, "--out", tmp_path / "out")
    assert done.code == code
    assert says in done.err
    assert not (tmp_path / "out").exists()


def test_another_cluster_is_another_file(tmp_path):
    (tmp_path / "lab.yaml").write_text(
        "name: lab\ntitle: our lab\nkubernetes: '1.32'\nnamespace: exp\n"
        "gpus:\n  - {gpu: rtx3090, resource: amd.com/gpu, products: [X]}\n"
    )
    rendering = render_lineup(Request(profile="rtx3090", model=("gpt-oss-20b",), cluster=str(tmp_path / "lab.yaml")))
    job = named(rendering, "Job", "rtx3090-gpt-oss-20b")
    assert container(job["spec"]["template"]["spec"], "vllm")["resources"]["limits"]["amd.com/gpu"] == "1"
    assert job["metadata"]["namespace"] == "exp"
    assert all("storageClassName" not in claim["spec"] for claim in objects(rendering, "PersistentVolumeClaim"))
    with pytest.raises(InputError, match="names no GPU 'a100-80'"):
        render_lineup(Request(profile="a100", cluster=str(tmp_path / "lab.yaml")))


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("grace.cluster.manifests", sys.modules["grace.cluster.manifests"])  # as it is, also afterwards
    for name in [name for name in sys.modules if name.startswith("grace.cluster.manifests")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(InputError, match=r"pip install 'grace-experiments\[cluster\]'"):
        render_lineup(Request(profile="a100"))


def test_batch_invariance_where_vllm_documents_it():
    """The server has it, the run notes it, and what is served without it is named."""
    rendering = rendered(batch_invariant=True)
    with_it, without = set(), set()
    for _, pod in pods(rendering):
        every = containers(pod)
        asking = next((each for each in every if "visit" in (each.get("args") or ())), None)
        if asking:
            name = next(word for word in asking["args"] if word.startswith("--model-name=")).split("=")[1]
            invariant = any(variables(each).get("VLLM_BATCH_INVARIANT") == "1" for each in every)
            assert invariant == ("--batch-invariant" in asking["args"])
            (with_it if invariant else without).add(name)
    assert with_it == {"llama-3-8b-instruct", "llama-3-70b-instruct-awq", "gpt-oss-20b"}
    assert {note.split(":")[0] for note in rendering.notes if "without batch invariance" in note} == without
    assert len(without) == 3
    assert_good(rendering)
