"""Kinds of findings that a second judge of published manifests did not sign: each as it was, and as it is right."""

import json

import pytest
import yaml

from grace.policy.check import check_manifests
from grace.policy.reading import Unread, parse
from grace.policy.rule import changed
from policy_examples import JOB, NRP, SERVER, claim, found, job, pod, script, server, severities, with_args

GPU_LIMIT = ('limits: {cpu: "1", memory: 2Gi}', 'limits: {cpu: "1", memory: 2Gi, nvidia.com/gpu: 1}')


def of_files(rule: str, **texts: str) -> list[str]:
    """The severities of a rule's findings in several files; __ stands for / and _ for - in their names."""
    names = {name: name.replace("__", "/").replace("_", "-") + ".yaml" for name in texts}
    manifests = [manifest for name, text in texts.items() for manifest in parse(text, names[name])]
    return [str(each.severity) for each in check_manifests(manifests, NRP).findings if each.rule.id == rule]


# Services and their pods

LONELY = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
OLD = """\
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {metadata: {labels: {app: APP}}, spec: {restartPolicy: Never}}}}
"""
CUSTOM = "apiVersion: GROUP/v1\nkind: KIND\nmetadata: {name: NAME}\nspec: {size: 3}\n"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (changed(OLD, ("APP", "nightly")), True),
        (changed(OLD, ("APP", "web")), False),
        (changed(OLD, ("{metadata: {labels: {app: APP}}, spec:", "{spec:")), True),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\nspec: {replicas: many}\n", False),
        (
            changed(LONELY, ("name: web", "name: other"), ("port: 80", "port: x")),
            True,
        ),
        (changed(CUSTOM, ("GROUP", "example.com"), ("KIND", "Database"), ("NAME", "books")), True),
        (changed(CUSTOM, ("GROUP", "example.com"), ("KIND", "Site"), ("NAME", "web")), False),
        (changed(CUSTOM, ("GROUP", "monitoring.example.com"), ("KIND", "ServiceMonitor"), ("NAME", "web")), True),
        (changed(CUSTOM, ("GROUP", "argoproj.io"), ("KIND", "Application"), ("NAME", "all")), False),
    ],
)
def test_only_an_object_that_could_be_the_pods_silences_a_service_without_any(other: str, said: bool):
    assert bool(found("K8S014", LONELY, other)) is said


def test_a_file_that_cannot_be_read_silences_its_own_folder_and_those_around_it():
    def said(file: str) -> bool:
        report = check_manifests(parse(LONELY, "a/b/web.yaml"), NRP, [Unread(file, 0, "is no YAML")])
        return any(finding.rule.id == "K8S014" for finding in report.findings)

    assert said("a/other/values.yaml")
    assert said("c/values.yaml")
    assert not said("a/b/values.yaml")
    assert not said("a/values.yaml")
    assert not said("a/b/chart/values.yaml")
    assert not said("values.yaml")


def test_an_operator_labels_its_pods_with_its_own_domain():
    service = changed(LONELY, ("{app: web}", "{example.com/role: head}"))
    custom = changed(CUSTOM, ("GROUP", "db.example.com"), ("KIND", "Database"), ("NAME", "books"))
    assert not found("K8S014", service, custom)
    assert found("K8S014", service, changed(custom, ("db.example.com", "db.example.org")))


@pytest.mark.parametrize(
    ("image", "command", "reads"),
    [
        ("vllm/vllm-openai:v0.33.0", None, True),
        ("registry.example.org/lab/vllm-gemma:2", None, True),
        ("registry.example.org/lab/mock-vllm:2", None, False),
        ("registry.example.org/lab/vllm-mock:2", None, False),
        ("registry.example.org/lab/not-vllm:2", None, False),
        ("python:3.12", ["python", "-m", "vllm.entrypoints.openai.api_server"], True),
        ("python:3.12", ["sh", "-c", "vllm serve google/gemma-2-2b-it"], True),
        ("python:3.12", ["python", "ask.py", "--backend=vllm"], False),
        ("vllm/vllm-openai:v0.33.0", ["sleep", "60"], False),
    ],
)
def test_only_vllm_itself_reads_its_port(image: str, command: list[str] | None, reads: bool):
    body = yaml.safe_load(SERVER)
    del body["spec"]["template"]["spec"]["enableServiceLinks"]
    main = body["spec"]["template"]["spec"]["containers"][0] | {"image": image}
    if command:
        main |= {"command": command, "args": []}
    body["spec"]["template"]["spec"]["containers"] = [main]
    service = changed(LONELY, ("name: web", "name: vllm"), ("app: web", "app: vllm"))
    assert bool(found("K8S022", json.dumps(body), service)) is reads


INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: door}
spec: {ingressClassName: haproxy, defaultBackend: {service: {name: web, port: {number: 80}}}}
"""
ELSEWHERE = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ExternalName, externalName: www.example.org}\n"
)


def test_a_name_for_another_host_needs_no_ports():
    assert not found("K8S038", INGRESS, ELSEWHERE)
    assert severities("K8S038", INGRESS, changed(LONELY, ("port: 80", "port: 8080"))) == ["warning"]


@pytest.mark.parametrize(
    ("ports", "says"), [("{port: 22}", "SSH"), ("{port: 2222, targetPort: 22}", "SSH"), ("{port: 80}", "an Ingress is")]
)
def test_an_ingress_is_no_way_to_ssh(ports: str, says: str):
    service = changed(LONELY, ("selector:", "type: LoadBalancer, selector:"), ("{port: 80}", ports))
    [finding] = found("NRP046", service)
    assert says in finding.message
    assert ("port-forward" in finding.message) is (says == "SSH")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--redis=cache:6379", True),
        ("cache:6379", True),
        ("ray start --address=cache:6379 --block", True),
        ("chown app:1000 /data", False),
        ("--image=cache:2404", False),
        ("cache.example.org:6379", False),
        ("localhost:6379", False),
        ("--redis=vllm-gemma:8000", False),
    ],
)
def test_an_address_without_http_that_no_service_has_is_a_note(word: str, said: bool):
    service = changed(LONELY, ("name: web", "name: vllm-gemma"))
    assert severities("K8S016", with_args(word), service) == ["note"] * said
    assert not found("K8S016", with_args(word))  # it may belong to whatever is not in these files


# Lines


def test_of_a_key_that_is_written_twice_the_line_is_that_of_the_last():
    twice = changed(JOB, ("spec:\n  activeDeadlineSeconds: 86400\n", "spec:\nspec:\n  activeDeadlineSeconds: 86400\n"))
    latest = (":0.3.0", ":latest")
    line = JOB.count("\n", 0, JOB.index("image:")) + 1
    assert [each.line for each in found("K8S025", changed(JOB, latest))] == [line]
    assert [each.line for each in found("K8S025", changed(twice, latest))] == [line + 1]


# Shells behind what starts them


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nsenter", "--target", "1", "--mount", "--", "sh", "-c"], False),
        (["env", "A=b", "bash", "-ec"], False),
        (["tini", "--", "/bin/sh", "-c"], False),
        (["dumb-init", "bash", "-c"], False),
        (["timeout", "60", "sh", "-c"], False),
        (["tini", "--", "python", "-c"], True),
        (["echo"], True),
    ],
)
def test_a_shell_behind_another_program_has_substitutions_of_its_own(words: list[str], said: bool):
    assert bool(found("K8S026", with_args(*words, "echo $(hostname)"))) is said


# Secrets


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MINIO_ACCESS_KEY", False),
        ("S3_ACCESS_KEY", False),
        ("MINIO_ROOT_USER", False),
        ("MINIO_SECRET_KEY", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("STORAGE_ACCESS_KEY", True),
        ("MINIO_ROOT_PASSWORD", True),
    ],
)
def test_the_name_of_a_pair_is_no_secret(name: str, said: bool):
    assert bool(found("K8S023", with_args(env=f"[{{name: {name}, value: correct-horse}}]"))) is said


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("NODE_1_PUBKEY_HEX", "04aabbccdd", False),
        ("login_public.pem", "abcdefg", False),
        ("login", "ssh-ed25519 AAAAC3Nza lab", False),
        ("login_private.pem", "abcdefg", True),
        ("PUBLIC_API_PASSWORD", "correct-horse", True),
    ],
)
def test_public_keys_are_no_secrets(key: str, value: str, said: bool):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {key: value}}
    assert bool(found("K8S024", json.dumps(secret))) is said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("start-notebook.sh --NotebookApp.token=''", True),
        ("start-notebook.sh --ServerApp.token= --ip=127.0.0.1", False),
        ("start-notebook.sh", False),
        ("jupyter lab --ServerApp.token=", False),
    ],
)
def test_the_script_of_jupyters_images_listens_everywhere(line: str, said: bool):
    assert bool(found("K8S048", script(line))) is said


REFERRING = with_args(env="[{name: A, valueFrom: {secretKeyRef: {name: keys, key: a}}}]")
KEYS = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {b: ''}\n"


def test_a_secret_of_an_earlier_day_in_another_folder_proves_nothing():
    assert of_files("K8S019", blue__job=REFERRING, green__backups__keys=KEYS) == ["note"]
    assert of_files("K8S019", blue__job=REFERRING, green__keys_20260102=KEYS) == ["note"]
    assert of_files("K8S019", blue__job=REFERRING, green__keys=KEYS) == ["error"]
    assert of_files("K8S019", backups__job=REFERRING, backups__keys=KEYS) == ["error"]


# What is to be filled in


@pytest.mark.parametrize("image", ["$image", "$IMAGE", "$(image)", "registry.example.org/$name:1"])
def test_a_variable_in_an_image_is_to_be_filled_in(image: str):
    text = job(("ghcr.io/example/query-generator:0.3.0", image))
    assert severities("K8S034", text) == ["error"]
    assert not found("K8S025", text)
    assert found("K8S025", job(("query-generator:0.3.0", "query-generator")))


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("Change this value if you want another name", False),
        ("change this when needed", False),
        ("Change this to match the name above", False),
        ("CHANGE THIS", True),
        ("change this to your own", True),
    ],
)
def test_a_comment_with_a_condition_asks_for_nothing(comment: str, said: bool):
    assert bool(found("K8S035", job(("name: study1", f"name: study1  # {comment}")))) is said


# Storage


def test_a_copy_of_a_volume_needs_the_class_of_its_source():
    source = claim("first")
    copy = changed(
        claim("second", "ReadOnlyMany"),
        ("  storageClassName: shared", "  dataSource: {kind: PersistentVolumeClaim, name: first}"),
    )
    [finding] = found("NRP025", source, copy)
    assert "the class of that: shared" in finding.message
    assert not found("NRP025", changed(source, ("  storageClassName: shared\n", ""), ("Many", "Once")), copy)
    assert found("NRP025", changed(claim("third"), ("  storageClassName: shared\n", "")))


@pytest.mark.parametrize(
    ("requests", "limits", "said"),
    [("100Gi", "", True), ("100Gi", "100Gi", False), ("50Gi", "", False)],
)
def test_a_request_of_local_storage_above_the_usual_limit_needs_its_own(requests: str, limits: str, said: bool):
    amounts = {"cpu": 1, "memory": "2Gi"}
    resources = {
        "requests": amounts | {"ephemeral-storage": requests},
        "limits": amounts | ({"ephemeral-storage": limits} if limits else {}),
    }
    main = {"name": "main", "image": "a/b:1", "resources": resources}
    assert severities("NRP027", pod(containers=[main])) == (["warning"] if said else [])


# Servers of models, and their GPUs


def test_downloads_of_ollama_are_where_its_own_variables_say():
    pull = ["sh", "-c", "ollama serve & ollama pull gemma2; wait"]
    volumes = {"volumeMounts": [{"name": "kept", "mountPath": "/kept"}]}

    def ollama(**env: str) -> list[str]:
        entries = [{"name": name, "value": value} for name, value in env.items()]
        body = json.loads(server(image="ollama/ollama:0.9.0", command=pull, env=entries, **volumes))
        spec = body["spec"]["template"]["spec"]
        spec["volumes"] = [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}]
        return [finding.message for finding in found("NRP045", json.dumps(body))]

    [message] = ollama(HF_HOME="/kept")
    assert "OLLAMA_MODELS" in message
    assert not ollama(OLLAMA_MODELS="/kept/models")
    assert not ollama(HOME="/kept")


def test_text_generation_inference_keeps_downloads_in_its_own_folder():
    image = "ghcr.io/huggingface/text-generation-inference:2.1.1"
    [finding] = found("NRP035", server("--model-id=google/gemma-2-2b-it", image=image))
    assert finding.message.endswith("it keeps downloads in /data")
    [finding] = found("NRP035", server("google/gemma-2-2b-it"))
    assert finding.message.endswith("while its GPU waits")


def test_a_privileged_server_takes_gpus_that_it_did_not_ask_for():
    def of(privileged: bool, devices: str = "none", **spec: str) -> str:
        body = json.loads(server("google/gemma-2-2b-it", securityContext={"privileged": privileged}))
        body["spec"]["template"]["spec"] |= spec
        main = body["spec"]["template"]["spec"]["containers"][0]
        main["resources"] = {"limits": {"cpu": 4, "memory": "16Gi"}}
        main["env"] = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": devices}]
        [finding] = found("VLLM005", json.dumps(body))
        return finding.message

    assert "takes all GPUs" in of(True, runtimeClassName="nvidia")
    assert "takes all GPUs" in of(True, "all")
    assert "sees none" in of(True)
    assert "sees none" in of(False, "all")
    assert "sees none" in of(False, runtimeClassName="nvidia")


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        ("/usr/sbin/sshd -D", True),
        ("start-notebook.sh", True),
        ("jupyter lab --ip=0.0.0.0", True),
        ("python train.py", False),
        ("jupyter lab & python train.py", False),
    ],
)
def test_a_gpu_of_a_job_that_only_lets_somebody_in_is_idle(line: str, idle: bool):
    assert severities("NRP034", changed(script(line), GPU_LIMIT)) == ["warning"] * idle


@pytest.mark.parametrize("amount", ["30", "$interval", "${interval}"])
def test_a_sleep_whose_length_a_variable_says_is_one_as_well(amount: str):
    wait = ["interval=30", "until kubectl get job first; do", f"sleep {amount}", "done", "python run.py"]
    assert severities("NRP011", script(*wait)) == ["note"]
    assert severities("NRP010", script("interval=30", "while true; do", f"sleep {amount}", "done")) == ["error"]
    assert not found("NRP011", script("interval=30", "python run.py --pause=$interval"))
