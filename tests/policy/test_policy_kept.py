"""Kinds of findings of published manifests, each where it holds and where it does not."""

import base64
import json

import pytest
import yaml

pytest.importorskip("kubernetes_validate")

from grace.policy.check import check_manifests
from grace.policy.foreign import kustomization
from grace.policy.images import without_tag
from grace.policy.reading import parse
from grace.policy.rule import changed
from policy_examples import JOB, NRP, SERVER, SERVICE, found, pod, script, severities, with_volume


def config(text: str) -> str:
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a.yaml": text}}
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", True),
        ("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n", False),
        ("apiVersion: config.kueue.x-k8s.io/v1beta1\nkind: Configuration\n", False),
        ("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n", False),
        ("apiVersion: config.kueue.x-k8s.io/v1beta1\nkind: Configuration\n---\napiVersion: v1\nkind: Pod\n", True),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: {{ username }}-notebook}\n", True),
    ],
)
def test_settings_of_programs_in_a_configmap_are_no_manifests(text: str, holds: bool):
    assert bool(found("K8S002", config(text))) == holds


@pytest.mark.parametrize(
    ("auths", "secret"),
    [
        ({"ghcr.io": {"auth": ""}}, False),
        ({"ghcr.io": {"username": "me", "password": "", "auth": base64.b64encode(b"me:").decode()}}, False),
        ({"ghcr.io": {"auth": "<base64 of user:token>"}}, False),
        ({}, False),
        ({"ghcr.io": {"auth": base64.b64encode(b"me:correct-horse").decode()}}, True),
        ({"ghcr.io": {"auth": ""}, "quay.io": {"username": "me", "password": "correct-horse"}}, True),
    ],
)
def test_a_login_to_registries_is_a_secret_only_where_it_holds_one(auths: dict[str, dict[str, str]], secret: bool):
    login = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ntype: kubernetes.io/dockerconfigjson\n"
    assert bool(found("K8S024", f"{head}data: {{.dockerconfigjson: {login}}}\n")) == secret


@pytest.mark.parametrize("amounts", ["nvidia.com/gpu: __NGPU__", "memory: '${MEMORY}'", "memory: <memory>"])
def test_an_amount_to_fill_in_is_said_once(amounts: str):
    text = changed(JOB, ('requests: {cpu: "1", memory: 2Gi}', f"requests: {{{amounts}}}"))
    text = changed(text, ('limits: {cpu: "1", memory: 2Gi}', f"limits: {{{amounts}}}"))
    assert len(found("K8S034", text)) == 1
    assert not found("K8S008", text)


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("for i in 1 2 3; do date; sleep 5; done", "warning"),
        ("for i in {1..20}; do date; sleep 5; done", "warning"),
        ("for i in $(seq 2 20); do echo $i; sleep 1m; done", "error"),  # 19 minutes
        ("for i in $(seq 20); do echo $i; sleep 5; done", "warning"),
        ("for i in $(ls); do echo $i; sleep 5; done", "error"),
        ("for i in 1 2 3; do date; sleep 1h; done", "error"),
        ("for i in 1 2 3; do date; sleep $PAUSE; done", "error"),
        ("while true; do for i in 1 2 3; do sleep 5; done; done", "error"),
        ("python run.py; sleep 5", "error"),
    ],
)
def test_a_loop_of_sleeps_that_soon_ends_is_a_warning(line: str, severity: str):
    assert severities("NRP010", script(line)) == [severity]


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ("accessModes: [ReadWriteMany]\n  storageClassName: disks", True),
        ("accessModes: [ReadOnlyMany]\n  storageClassName: disks", False),  # disks of clouds can be read by many
        ("accessModes: [ReadWriteMany]\n  storageClassName: disks\n  volumeMode: Block", False),
        ("accessModes: [ReadWriteMany]\n  storageClassName: disks\n  volumeName: made-by-hand", False),
        ("accessModes: [ReadWriteMany]\n  storageClassName: rook-ceph-block", True),
        ("accessModes: [ReadOnlyMany]\n  storageClassName: rook-ceph-block", True),
        ("accessModes: [ReadWriteMany]\n  storageClassName: rook-ceph-block\n  volumeMode: Block", False),
    ],
)
def test_modes_that_a_class_does_not_have(spec: str, refused: bool):
    disks = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: disks}\n"
    claim = f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: a}}\nspec:\n  {spec}\n"
    text = f"{claim}  resources: {{requests: {{storage: 1Gi}}}}\n"
    assert bool(found("NRP024", text, f"{disks}provisioner: pd.csi.storage.gke.io\n")) == refused


def test_only_deployments_are_said_to_be_deleted_after_two_weeks():
    spec = "spec:\n  serviceName: a\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n"
    spec += "    spec:\n      containers:\n      - name: main\n        image: ghcr.io/example/a:1.0.0\n"
    spec += "        resources: {limits: {nvidia.com/gpu: 1}}\n"
    text = f"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: a}}\n{spec}"
    [held] = found("NRP014", text)
    assert held.message == "a StatefulSet holds 1 GPU also while nobody uses it"
    [held] = found("NRP014", changed(text, ("StatefulSet", "Deployment"), ("  serviceName: a\n", "")))
    assert held.message == "a Deployment holds 1 GPU also while nobody uses it, and is deleted after 2 weeks"


def test_a_missing_service_is_a_note_since_another_file_may_bring_it():
    client = script("curl http://vllm-server:8000/health")
    server = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: vllm-server}\nspec:\n"
    server += "  selector: {matchLabels: {app: vllm-server}}\n  template:\n    metadata: {labels: {app: vllm-server}}\n"
    server += "    spec: {containers: [{name: main, image: 'ghcr.io/example/a:1.0.0'}]}\n"
    assert severities("K8S016", client, server) == ["note"]
    service = changed(SERVICE, ("app: vllm", "app: vllm-server"))
    assert severities("K8S016", client, server, service) == ["warning"]  # the pods have a Service of another name
    assert not found("K8S016", client, server, changed(service, ("name: vllm-gemma", "name: vllm-server")))


@pytest.mark.parametrize(
    ("labels", "says"), [("", "has labels only on its pods"), ("  labels: {a: b}\n", "does not have")]
)
def test_labels_of_pods_that_an_object_does_not_have(labels: str, says: str):
    text = changed(JOB, ("  labels: {app: grace}\nspec", f"{labels}spec"))
    assert says in found("K8S013", text)[0].message


def test_a_node_by_name_is_passed_by_the_scheduler():
    named = changed(JOB, ("restartPolicy: Never", "restartPolicy: Never\n      nodeName: node-7.example.org"))
    [hit] = found("K8S050", named)
    assert "kubectl get node node-7.example.org" in hit.message
    assert not found("K8S050", changed(named, ("node-7.example.org", "<your-node>")))


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ("storageClassName: manual", False),
        ("storageClassName: manual\n  volumeName: made-by-hand", True),
        ("storageClassName: rook-cephfs", True),
    ],
)
def test_a_claim_of_a_volume_that_is_named_needs_no_class(spec: str, known: bool):
    claim = f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: a}}\nspec:\n  {spec}\n"
    text = f"{claim}  accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n"
    assert bool(found("NRP022", text)) != known


@pytest.mark.parametrize(
    ("old", "new", "placeholder"),
    [
        ("name: study1\n", "name: run-%ID%\n", "%ID%"),
        ("env: []", "env: [{name: BUCKET, value: $BUCKET}]", "$BUCKET"),
        ("env: []", "env: [{name: BUCKET, value: '${BUCKET}'}]", "${BUCKET}"),
        ("env: []", "env: [{name: BUCKET, value: $(BUCKET)}]", ""),
        ("env: []", "env: [{name: PATH, value: '$PATH:/opt/bin'}]", ""),
        ("env: []", "env: [{name: PRICE, value: $5}]", ""),
        ("ghcr.io/example/query-generator:0.3.0", "example/your_spotify_server:1.13.0", ""),
        ("ghcr.io/example/query-generator:0.3.0", "example/your_server:1.13.0", "your_server"),
    ],
)
def test_what_tools_and_people_are_to_fill_in(old: str, new: str, placeholder: str):
    messages = [hit.message for hit in found("K8S034", changed(JOB, (old, new)))]
    assert messages == ([f"fill this in: '{placeholder}'"] if placeholder else [])


def test_a_value_of_the_wrong_type_where_items_are_compared_is_a_finding():
    assert found("K8S001", changed(SERVICE, ("  ports:\n  - {port: 8000}", "  ports: true")))


def idle(kind: str, command: str, replicas: int = 1, gpus: int = 0) -> str:
    """A workload of 16 cores that runs a command."""
    amounts = {"cpu": 16, "memory": "16G"} | ({"nvidia.com/gpu": gpus} if gpus else {})
    main = {"name": "main", "image": "a/b:1", "command": ["sh", "-c", command]}
    spec = {"containers": [main | {"resources": {"requests": amounts, "limits": amounts}}]}
    if kind == "Pod":
        return pod(**spec)
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    whole = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return json.dumps({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": whole})


def test_servers_that_only_sleep_use_nothing_of_what_they_ask_for():
    [cores] = found("NRP033", idle("Deployment", "echo ready; sleep infinity"))
    assert "a container that only sleeps uses 0 of 16 cores (0%)" in cores.message
    assert found("NRP032", idle("Deployment", "sleep infinity"))
    assert found("NRP036", idle("Deployment", "sleep infinity", replicas=8))
    assert not found("NRP036", idle("Deployment", "sleep infinity", replicas=4))
    assert not found("NRP033", idle("Deployment", "python serve.py"))
    assert not found("NRP033", idle("Pod", "sleep infinity"))  # somebody works there by hand


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("python train.py; sleep infinity", "keeps its GPU, asleep, when its programs have ended"),
        ("python train.py && tail -f /dev/null", "keeps its GPU, asleep"),
        ("sleep infinity", "runs only sleep"),
        ("python train.py", ""),
        ("python train.py & sleep 60; python watch.py", ""),
        ("python train.py || sleep infinity", ""),
    ],
)
def test_a_gpu_that_sleeps_after_the_work(command: str, says: str):
    messages = [(hit.severity, hit.message) for hit in found("NRP034", idle("Pod", command, gpus=1))]
    assert [severity for severity, _ in messages] == (["note"] if says else [])
    assert all(says in message for _, message in messages)


@pytest.mark.parametrize(
    ("volume", "path", "slow"),
    [
        ("emptyDir: {}", "/dev/shm", True),
        ("emptyDir: {sizeLimit: 8Gi}", "/dev/shm/", True),
        ("emptyDir: {medium: Memory}", "/dev/shm", False),
        ("emptyDir: {}", "/dev/shm/own", False),
        ("persistentVolumeClaim: {claimName: a}", "/dev/shm", False),
    ],
)
def test_shared_memory_is_in_memory(volume: str, path: str, slow: bool):
    assert bool(found("K8S051", changed(with_volume(volume), ("mountPath: /v", f"mountPath: {path}")))) == slow


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("parallelism: 2", True),
        ("parallelism: 2\n  completions: 2", False),
        ("parallelism: 2\n  completions: 2\n  completionMode: Indexed", False),
        ("parallelism: 1", False),
        ("completions: 3", False),
    ],
)
def test_pods_of_a_job_that_do_the_same(spec: str, same: bool):
    text = changed(JOB, ("spec:\n  active", f"spec:\n  {spec}\n  active"))
    assert severities("K8S052", text) == ["note"] * same
    assert not found("K8S052", changed(SERVER, ("spec:\n  selector", "spec:\n  replicas: 2\n  selector")))


def test_pods_of_a_job_that_take_work_from_a_queue():
    text = changed(JOB, ("spec:\n  active", "spec:\n  parallelism: 9\n  active"))
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: work-redis}\nspec: {ports: [{port: 6379}]}\n"
    assert found("K8S052", text)
    assert not found("K8S052", text, service)
    assert found("K8S052", text, service.replace("work-redis", "web"))
    for line in ("[celery, -A, work, worker]", "[python, work.py, --broker=amqp://mq]", "[wandb, agent, lab/sweep]"):
        body = yaml.safe_load(text)
        body["spec"]["template"]["spec"]["containers"][0]["command"] = yaml.safe_load(line)
        assert not found("K8S052", json.dumps(body)), line


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("a/b:1", "a/b"),
        ("a/b", "a/b"),
        ("localhost:5000/a/b", "localhost:5000/a/b"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b"),
        ("a/b@sha256:0", "a/b"),
        ("a/b:1@sha256:0", "a/b"),
    ],
)
def test_the_name_of_an_image(image: str, name: str):
    assert without_tag(image) == name


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ("{name: runner, newName: ghcr.io/lab/runner, newTag: 1.2.0}", {"K8S025", "NRP047"}),
        ("{name: runner, newTag: 1.2.0}", {"K8S025"}),
        ("{name: runner, newName: ghcr.io/lab/runner}", {"NRP047"}),
        ("{name: other, newName: ghcr.io/lab/runner, newTag: 1.2.0}", set()),
    ],
)
def test_an_image_that_a_kustomization_replaces(entry: str, gone: set[str]):
    [overlay] = parse(f"kind: Kustomization\nimages: [{entry}]\n", "kustomization.yaml")
    manifests = parse(changed(JOB, ("ghcr.io/example/query-generator:0.3.0", "runner")))
    report = check_manifests(manifests, NRP, generated=kustomization(overlay).generated)
    assert {"K8S025", "NRP047"} - {finding.rule.id for finding in report.findings} == gone


@pytest.mark.parametrize(
    ("resource", "severity", "says"),
    [
        ("habana.ai/gaudi", "warning", "we know of no node"),
        ("huawei.com/Ascend910", "warning", "we know of no node"),
        ("google.com/tpu", "error", "no node of NRP Nautilus has"),
        ("aws.amazon.com/neuron", "error", "no node of NRP Nautilus has"),
    ],
)
def test_resources_of_other_makers(resource: str, severity: str, says: str):
    text = changed(JOB, ('limits: {cpu: "1", memory: 2Gi}', f'limits: {{cpu: "1", memory: 2Gi, {resource}: 1}}'))
    [hit] = found("NRP037", text)
    assert (hit.severity, says in hit.message) == (severity, True)


def test_a_claim_of_a_class_that_a_volume_of_the_files_has():
    head = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec:\n  storageClassName: manual\n"
    volume = f"{head}  capacity: {{storage: 1Gi}}\n  accessModes: [ReadWriteOnce]\n  nfs: {{server: a.b, path: /c}}\n"
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec:\n  storageClassName: manual\n"
    claim += "  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n"
    assert found("NRP022", claim)
    assert not found("NRP022", claim, volume)
    assert found("NRP013", claim, volume)  # users cannot make the volume


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/sys/fs/bpf", "it serves nodes"),
        ("/var/lib/kubelet/device-plugins", "it serves nodes"),
        ("/dev", "it serves nodes"),
        ("/", "it serves nodes"),
        ("/var/data/notebooks", "write a Deployment or a Job"),
        ("/home/me", "write a Deployment or a Job"),
    ],
)
def test_what_a_daemonset_is_for(path: str, says: str):
    text = changed(
        SERVER,
        ("kind: Deployment", "kind: DaemonSet"),
        ("      containers:", "      volumes:\n      - {name: v, hostPath: {path: P}}\n      containers:"),
    )
    [hit] = found("NRP013", changed(text, ("path: P", f"path: {path}")))
    assert says in hit.message


@pytest.mark.parametrize(("value", "secret"), [("a", False), ("xy", False), ("s3c", True), ("postgres", True)])
def test_a_letter_is_no_password(value: str, secret: bool):
    assert bool(found("K8S023", changed(JOB, ("env: []", f"env: [{{name: X_API_KEY, value: {value}}}]")))) == secret


def test_addresses_in_secrets_are_public_however_their_key_is_written():
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: "
    [hit] = found("K8S024", head + "{apiUrl: 'http://a:1', userName: me, secretKey: correct-horse}\n")
    assert hit.message == "the value of secretKey can be read in the file"
    assert not found("K8S024", head + "{apiUrl: 'http://a:1', dbHost: a.b}\n")


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("gpu.nvidia.com/class", "nvidia.com/gpu.product"),
        ("gpu.nvidia.com/model", "nvidia.com/gpu.product"),
        ("gpu.nvidia.com/memory", "nvidia.com/gpu.memory"),
        ("gpu.nvidia.com/count", "nvidia.com/gpu.count"),
    ],
)
def test_labels_of_other_clusters_and_what_they_mean_here(label: str, meant: str):
    [hit] = found("NRP020", pod(nodeSelector={label: "A"}))
    assert hit.message.endswith(f"(did you mean '{meant}'?)")


def test_two_objects_without_a_mark_between_them_are_said_once():
    [hit] = found("K8S043", SERVICE + SERVER)
    assert (hit.line, hit.severity) == (9, "error")
    assert "without a line ---" in hit.message
    assert len(found("K8S043", changed(JOB, ("kind: Job", "kind: Job\nkind: Job")))) == 1


def test_a_volume_of_two_files_is_named_once():
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: v}\nspec:\n  accessModes: [ReadWriteOnce]\n"
    claim += "  storageClassName: rook-ceph-block\n  resources: {requests: {storage: 1Gi}}\n"
    volume = "      volumes: [{name: v, persistentVolumeClaim: {claimName: v}}]\n      containers:\n"
    [hit] = found("K8S039", claim, claim, changed(SERVER, ("      containers:\n", volume)))
    assert hit.message.endswith("one node: v")


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        ("python run.py", True),
        ("source /opt/venv/bin/activate; python run.py", False),
        (". venv/bin/activate && python run.py", False),
        ("conda activate study; python run.py", False),
        ("source settings.sh; python run.py", True),
        ("source venv/bin/activate; curl http://a/b", True),
    ],
)
def test_an_environment_that_is_activated_has_its_own_python(line: str, lacks: bool):
    assert bool(found("K8S045", script(line, image="ubuntu:22.04"))) == lacks


def test_pods_of_a_custom_resource_whose_probes_have_no_port():
    head = "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: a}\nspec:\n  predictor:\n"
    text = (
        f"{head}    containers:\n    - {{name: main, image: 'a/b:latest', readinessProbe: {{httpGet: {{path: /}}}}}}\n"
    )
    assert "only its pods are checked" in found("K8S002", text)[0].message
    assert found("K8S025", text)
