"""Kinds of findings that a judge of published manifests did not sign: each as it was, and as it is right."""

import json
from typing import Any

import pytest
import yaml

from grace.policy.check import check_manifests
from grace.policy.foreign import foreign
from grace.policy.reading import parse
from grace.policy.rule import changed
from policy_examples import JOB, NRP, SERVER, found, pod, severities

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {token: ''}\n"


def of_files(*texts: str) -> list[tuple[str, str, str]]:
    """Findings of manifests of several files: rule, severity and message."""
    manifests = [manifest for number, text in enumerate(texts) for manifest in parse(text, f"{number}.yaml")]
    return [(each.rule.id, each.severity, each.message) for each in check_manifests(manifests, NRP).findings]


# What is gone


def test_a_kind_that_was_removed_is_said_to_be():
    [finding] = found("K8S001", "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: x}\n")
    assert "removed in 1.25" in finding.message


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("nvidia.com/gpu", ""),  # nodes with GPUs have it, and pods that ask for one are given the toleration
        ("nautilus.io/science-dmz", ""),
        ("nautilus.io/hardware", ""),
        ("nautilus.io/large-gpu", "it is nautilus.io/hardware=large-gpu now"),
        ("nautilus.io/prp", "we know of no node"),
    ],
)
def test_tolerations_of_taints_that_there_are(key: str, says: str):
    messages = [finding.message for finding in found("NRP042", pod(tolerations=[{"key": key, "operator": "Exists"}]))]
    assert all(says in message for message in messages)
    assert bool(messages) == bool(says)


# Copies


def test_an_object_that_two_files_say_alike_is_no_finding():
    other = changed(SECRET, ("name: keys", "name: keys, labels: {a: b}"))
    assert not [each for each in of_files(SECRET, SECRET) if each[0] in ("K8S007", "K8S033")]
    assert [each[1] for each in of_files(SECRET, other) if each[0] == "K8S033"] == ["note"]
    assert severities("K8S007", SECRET, SECRET) == ["note"]
    assert severities("K8S007", SECRET, other) == ["error"]


def test_a_field_that_is_written_twice_with_one_value_is_a_note():
    same = changed(JOB, ("labels: {app: grace}\nspec", "labels: {app: grace, app: grace}\nspec"))
    assert severities("K8S043", same) == ["note"]
    assert severities("K8S043", changed(same, ("app: grace, app: grace", "app: grace, app: other"))) == ["error"]


# Secrets


def needing(key: str, namespace: str) -> str:
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": key}}}]
    body = yaml.safe_load(changed(JOB, ("env: []", f"env: {json.dumps(env)}")))
    body["metadata"] |= {"namespace": namespace} if namespace else {}
    return json.dumps(body)


@pytest.mark.parametrize(
    ("own", "of_secret", "severity"),
    [("", "", "error"), ("lab", "lab", "error"), ("", "lab", "note"), ("lab", "", "note")],
)
def test_a_missing_key_is_certain_where_both_objects_are_in_one_namespace(own: str, of_secret: str, severity: str):
    secret = changed(SECRET, ("name: keys", f"name: keys, namespace: {of_secret}")) if of_secret else SECRET
    assert [each[1] for each in of_files(needing("key", own), secret) if each[0] == "K8S019"] == [severity]
    assert not [each for each in of_files(needing("token", own), secret) if each[0] == "K8S019"]
    assert severities("K8S019", needing("key", own), secret) == ["error"]


@pytest.mark.parametrize(
    ("key", "value", "is_secret"),
    [
        ("nginx.ingress.kubernetes.io/auth-secret", "lab/basic-auth", False),
        ("nginx.ingress.kubernetes.io/auth-secret", "Correct Horse 7", True),
        ("example.org/password", "correct-horse", True),
        ("example.org/api-key", "correct-horse", True),
        ("vault.hashicorp.com/agent-inject-secret-config", "kv/data/study", False),
        ("secret.reloader.stakater.com/reload", "hub-token", False),
        ("example.org/note", "hf_abcdefghijklmnopqrstuvwxyz", True),
    ],
)
def test_an_annotation_that_names_a_secret_holds_none(key: str, value: str, is_secret: bool):
    ingress = f"apiVersion: v1\nkind: Service\nmetadata: {{name: x, annotations: {{{key}: {value}}}}}\nspec: {{}}\n"
    assert bool(found("K8S023", ingress)) == is_secret


def test_the_name_of_a_database_is_no_secret():
    data = "dbname: emFiYml4\n  app.database: emFiYml4\n  password: Y29ycmVjdC1ob3JzZQ=="
    [finding] = found("K8S024", changed(SECRET, ("data: {token: ''}", f"data:\n  {data}")))
    assert "the value of password" in finding.message


# Pods


def test_the_default_of_privileges_is_no_way_into_the_node():
    assert not found("K8S028", changed(JOB, ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")))


def test_what_only_installs_others_needs_no_fixed_version():
    def installs(packages: str) -> str:
        return changed(JOB, ("args: [--model-name=gemma-2-2b-it]", f"command: [pip, install, {packages}]"))

    assert not found("NRP031", installs("--upgrade, pip, setuptools"))
    assert found("NRP031", installs("pip, httpx"))


def test_a_registry_at_a_private_address_is_reached_by_no_node():
    assert found("NRP047", changed(JOB, ("ghcr.io/example", "10.0.3.7:5000/example")))
    assert not found("NRP047", changed(JOB, ("ghcr.io/example", "10.example.org/example")))


def test_a_class_of_priority_is_guessed_only_where_it_is_alike():
    def message(name: str) -> str:
        return found("NRP017", pod(priorityClassName=name))[0].message

    assert "did you mean 'opportunistic'" in message("oportunistic")
    assert "or none" in message("low-priority-preempting")


def test_objects_of_queues_that_belong_to_no_namespace():
    for kind in ("AdmissionCheck", "ProvisioningRequestConfig"):
        body = {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": kind, "metadata": {"name": "x"}}
        assert severities("NRP013", json.dumps(body)) == ["error"]


def test_a_volume_in_memory_has_a_size():
    def volumes(folder: dict[str, Any]) -> str:
        return pod(volumes=[{"name": "shm", "emptyDir": folder}])

    assert severities("K8S049", volumes({"medium": "Memory"})) == ["note"]
    assert not found("K8S049", volumes({"medium": "Memory", "sizeLimit": "1Gi"}))
    assert not found("K8S049", volumes({}))


def test_a_redis_whose_settings_keep_data_is_a_database():
    def redis(settings: str) -> tuple[str, str]:
        volume = "      volumes: [{name: conf, configMap: {name: conf}}]\n      containers:"
        server = changed(
            SERVER,
            ("vllm/vllm-openai:v0.33.0", "redis:7.4"),
            ("        args: [google/gemma-2-2b-it]\n", ""),
            ("      containers:", volume),
        )
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "conf"},
            "data": {"redis.conf": settings},
        }
        return server, json.dumps(config)

    assert found("K8S046", *redis("maxmemory 1gb\nappendonly yes\n"))
    assert not found("K8S046", *redis("# appendonly yes\nappendonly no\n"))


# What a second round found


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("--time-to-first-token", "400ms", False),
        ("--inter-token-latency-std-dev", "eightms", False),
        ("--prefill-time-per-token", "twoms", False),
        ("--eos-token", "endoftext", False),
        ("--token", "400ms", False),
        ("--token", "correct-horse", True),
        ("--hub-token", "correct-horse", True),
        ("--first-token-secret", "correct-horse", True),
    ],
)
def test_tokens_of_a_model_are_no_secrets(name: str, value: str, is_secret: bool):
    line = changed(JOB, ("args: [--model-name=gemma-2-2b-it]", f"args: [{name}, {value}]"))
    assert bool(found("K8S023", line)) == is_secret


def test_a_name_that_a_program_fills_in_is_said_to_be_empty():
    [finding] = found("K8S001", changed(JOB, ("  name: study1\n", '  name: ""\n')))
    assert "is empty; if a program fills it in" in finding.message
    assert "is missing" in found("K8S001", changed(JOB, ("  name: study1\n", "")))[0].message


def test_a_server_that_has_an_address_of_its_own_is_no_client():
    def usage(options: str) -> list[str]:
        line = changed(JOB, ("args: [--model-name=gemma-2-2b-it]", f"args: [--base-url, 'http://x:80', {options}]"))
        return severities("NRP033", line.replace('cpu: "1"', 'cpu: "2"'))

    assert usage("--epochs=2") == ["warning"]
    assert not usage("--port=8081")


def test_a_loop_that_counts_its_tries_has_an_end():
    def sleeps(line: str) -> list[str]:
        return severities(
            "NRP011", changed(JOB, ("args: [--model-name=gemma-2-2b-it]", f'command: [sh, -c, "{line}"]'))
        )

    assert not sleeps("for i in $(seq 60); do curl -sf http://x && break || sleep 5; done; python run.py")
    assert not sleeps("for i in 1 2 3; do python run.py && break; sleep 5; done")
    assert sleeps("while true; do curl -sf http://x && break || sleep 5; done; python run.py") == ["note"]


@pytest.mark.parametrize(
    ("image", "reached"),
    [
        ("gateway:local", False),
        ("my-study", False),
        ("postgres:17.2", True),
        ("python", True),
        ("lab/study:1", True),
        ("ghcr.io/lab/study:1", True),
        ("study.example.org:5000/study:1", True),
    ],
)
def test_an_image_without_an_owner_is_official_or_on_one_machine_only(image: str, reached: bool):
    assert bool(found("NRP047", changed(JOB, ("ghcr.io/example/query-generator:0.3.0", image)))) != reached


# What a third round found


def test_the_status_of_an_object_that_was_exported_is_not_looked_at():
    status = "status: {phase: Running, containerStatuses: [{name: main, ready: true}, null]}\n"
    assert not found("K8S001", changed(JOB, ("spec:\n  active", f"{status}spec:\n  active")))
    assert found("K8S001", changed(JOB, ("spec:\n  active", "state: {}\nspec:\n  active")))


def test_configurations_of_talos_are_none_of_kubernetes():
    for text in ("apiVersion: v1alpha1\nkind: TrustedRootsConfig\nname: ca\n", "version: v1alpha1\nmachine: {}\n"):
        assert "Talos" in foreign(parse(text)[0])
    assert not foreign(parse("apiVersion: example.org/v1alpha1\nkind: TrustedRootsConfig\n")[0])


@pytest.mark.parametrize(
    ("password", "is_secret"),
    [("__PG_PASSWORD__", False), ("CHANGE_ME", False), ("password", False), ("airflow", True)],
)
def test_an_address_whose_password_is_filled_in_later_has_none(password: str, is_secret: bool):
    env = changed(JOB, ("env: []", f"env: [{{name: DATABASE_URL, value: 'postgresql://me:{password}@base:5432/x'}}]"))
    assert bool(found("K8S023", env)) == is_secret


def test_a_key_of_fernet_is_a_secret():
    assert found(
        "K8S023", changed(JOB, ("env: []", "env: [{name: AIRFLOW__CORE__FERNET_KEY, value: 81HqDtbqAywKSOum}]"))
    )


@pytest.mark.parametrize(
    ("image", "moves"),
    [
        ("debian:bookworm-slim", False),
        ("ubuntu:noble", False),
        ("debian:stable", True),
        ("nginx:bookworm", True),
        ("debian", True),
    ],
)
def test_releases_of_debian_and_ubuntu_have_names(image: str, moves: bool):
    assert bool(found("K8S025", changed(JOB, ("ghcr.io/example/query-generator:0.3.0", image)))) == moves


@pytest.mark.parametrize(("path", "severity"), [("/data/out.csv", "error"), ("/data/dataset", "warning")])
def test_pods_that_write_into_one_folder_may_write_one_file(path: str, severity: str):
    body = yaml.safe_load(changed(JOB, ("args: [--model-name=gemma-2-2b-it]", f"args: [--output={path}]")))
    body["spec"] |= {"parallelism": 2}
    spec = body["spec"]["template"]["spec"]
    spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    assert severities("NRP029", json.dumps(body)) == [severity]


# What a fourth round found


def test_a_claim_of_another_namespace_is_named():
    def of(namespace: str, body: dict[str, Any]) -> str:
        return json.dumps(body | {"metadata": {"name": body["metadata"]["name"], "namespace": namespace}})

    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {}}
    user = yaml.safe_load(pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]))
    [finding] = found("K8S017", of("lab", user), of("home", claim), of("work", claim))
    assert finding.message.endswith("; these files have one in home and work only")
    assert not found("K8S017", of("lab", user), of("lab", claim))


# What shares a GPU, and what stands beside it


def test_parts_of_gpus_are_no_gpus():
    limits = {"nvidia.com/gpu": 1, "nvidia.com/gpumem": "64k"}
    shared = pod(containers=[{"name": "main", "image": "ghcr.io/example/app:1", "resources": {"limits": limits}}])
    assert not found("NRP007", shared)
    [finding] = found("NRP037", shared)
    assert "nvidia.com/gpumem, which no node" in finding.message
    assert "did you mean" not in finding.message


def test_a_label_is_meant_by_its_value():
    [finding] = found("NRP020", pod(nodeSelector={"nvidia.com/gpu": "true"}))
    assert "did you mean 'nvidia.com/gpu.present'?" in finding.message


def test_a_tiny_request_under_a_proper_limit_is_a_warning():
    for limit, severity in (("1Gi", "warning"), ("100m", "error")):
        resources = {"requests": {"memory": "100m"}, "limits": {"memory": limit}}
        body = pod(containers=[{"name": "main", "image": "ghcr.io/example/app:1", "resources": resources}])
        assert severity in severities("K8S008", body)
        assert ("error" in severities("K8S008", body)) == (severity == "error")


def test_a_service_of_the_same_folder_comes_first():
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {a: b}, ports: [{port: PORT}]}\n"
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec:\n  ingressClassName: haproxy\n"
        "  defaultBackend: {service: {name: web, port: {number: 80}}}\n"
    )
    files = {
        "1/web.yaml": service.replace("PORT", "80"),
        "1/way.yaml": ingress,
        "2/web.yaml": service.replace("PORT", "8080"),
    }
    manifests = [manifest for name, text in files.items() for manifest in parse(text, name)]
    assert "K8S038" not in [each.rule.id for each in check_manifests(manifests, NRP).findings]


def test_addresses_of_queues_are_no_secrets():
    plain = SECRET.replace("data: {token: ''}", "stringData: {KAFKA_BROKER: 'kafka:9092', KAFKA_TOPIC: answers}")
    assert not found("K8S024", plain)
    assert found("K8S024", plain.replace("KAFKA_TOPIC: answers", "PASSWORD: correct-horse"))


def test_a_database_needs_no_ingress():
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: NodePort, ports: [{port: N}]}\n"
    assert "port-forward" in found("NRP046", text.replace("N}", "6379}"))[0].message
    assert "an Ingress is" in found("NRP046", text.replace("N}", "80}"))[0].message


def test_a_server_that_no_service_selects_may_start_without_a_probe():
    template = yaml.safe_load(SERVER)["spec"]["template"]
    [container] = template["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        container.pop(probe, None)
    alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}, "spec": template["spec"]}
    assert not found("VLLM011", json.dumps(alone))
    assert found("VLLM011", json.dumps({**alone, "metadata": {"name": "try", "labels": {"app": "llm"}}}))


def test_of_two_jobs_of_one_name_the_second_is_refused():
    other = changed(JOB, ("app: grace", "app: other"))
    assert "the second is refused" in " ".join(each[2] for each in of_files(JOB, other) if each[0] == "K8S033")
