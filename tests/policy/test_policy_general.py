"""The general rules about Kubernetes objects at their edges: what they find, and what they leave alone."""

import json

import pytest
import yaml

from grace.policy.reading import parse
from grace.policy.rule import changed
from grace.policy.rules.containers import tag_fault
from grace.policy.rules.secrets import is_placeholder, is_secret_name
from policy_examples import JOB, SERVER, SERVICE, checked, claim, job, messages, with_args, with_volume

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: info}
"""
TOKEN = """\
apiVersion: v1
kind: Secret
metadata: {name: hub}
stringData: {token: ""}
"""
URL = "http://vllm-gemma:8000"


def test_the_examples_to_begin_with_have_no_fault():
    assert not checked(JOB).findings
    ids = {found.rule.id for found in checked(SERVER, SERVICE).findings}
    assert {rule for rule in ids if rule.startswith("K8S")} == {"K8S029"}


# Names and labels


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("study1", True),
        ("1study", True),
        ("study1.exp1", True),
        ("a" * 63, True),
        ("study_1", False),
        ("Study1", False),
        ("-study1", False),
        ("study1-", False),
        ("study..1", False),
        ("google/gemma", False),
        ("studie-eins-für-alle", False),
        ("study1\\n", False),
        ("`id`", False),
        ("x" * 300, False),
    ],
)
def test_names_of_objects_are_dns_names(name: str, fine: bool):
    assert (not messages("K8S004", job(("name: study1", f'name: "{name}"')))) == fine


def test_a_name_that_would_do_is_proposed():
    [message] = messages("K8S004", job(("name: study1", "name: Study1_Exp1/Gemma")))
    assert message.endswith("; study1-exp1-gemma is possible")


def test_a_service_begins_with_a_letter_and_a_role_may_have_colons():
    assert messages("K8S004", changed(SERVICE, ("vllm-gemma", "2b-gemma")))
    assert messages("K8S004", changed(SERVICE, ("vllm-gemma", "vllm.gemma")))
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'system:Thing'}\n"
    assert not messages("K8S004", role)


def test_generated_names_end_with_what_the_cluster_adds():
    assert not messages("K8S004", job(("name: study1", "generateName: study1-")))
    assert messages("K8S004", job(("name: study1", "generateName: study_")))


def test_names_inside_pods_are_looked_at_too():
    assert messages("K8S004", job(("name: main", "name: main_one")))
    assert messages("K8S004", with_volume("emptyDir: {}").replace("name: v,", "name: my_v,"))
    assert messages("K8S004", changed(SERVER, ("name: http,", "name: a-name-that-is-too-long,")))
    assert messages("K8S004", job(("metadata:\n  name: study1", "metadata:\n  namespace: My_Lab\n  name: study1")))


@pytest.mark.parametrize(("length", "fine"), [(63, True), (64, False)])
def test_a_jobs_name_becomes_a_label_of_its_pods(length: int, fine: bool):
    assert (not messages("K8S005", job(("name: study1", f"name: {'x' * length}")))) == fine


@pytest.mark.parametrize(("completions", "fine"), [(10, True), (11, False)])
def test_the_index_of_the_last_pod_needs_room(completions: int, fine: bool):
    indexed = f"spec:\n  completionMode: Indexed\n  completions: {completions}\n  activeDeadline"
    text = job(("name: study1", f"name: {'x' * 61}"), ("spec:\n  activeDeadline", indexed))
    assert (not messages("K8S005", text)) == fine


@pytest.mark.parametrize(
    ("label", "fine"),
    [
        ("app: grace", True),
        ("app: ''", True),
        ("app.kubernetes.io/name: vllm_Server.1", True),
        ("app: google/gemma-2-2b-it", False),
        ("app: 'two words'", False),
        ("app: -x", False),
        (f"app: {'x' * 64}", False),
        (f"{'x' * 64}: a", False),
        ("a/b/c: x", False),
        ("/a: x", False),
        ("My.Domain/a: x", False),
    ],
)
def test_labels(label: str, fine: bool):
    assert (not messages("K8S006", changed(CONFIG, ("name: settings", f"name: settings, labels: {{{label}}}")))) == fine


def test_labels_are_looked_at_wherever_they_stand():
    assert messages("K8S006", changed(SERVICE, ("app: vllm", "app: vllm/gemma")))
    assert messages("K8S006", job(("restartPolicy: Never", "restartPolicy: Never\n      nodeSelector: {a: 'b c'}")))
    assert len(messages("K8S006", SERVER.replace("app: vllm", "app: vllm/gemma"))) == 3


def test_values_of_annotations_are_free():
    text = changed(CONFIG, ("name: settings", "name: settings, annotations: {model: google/gemma}"))
    assert not messages("K8S006", text)


def test_one_name_for_two_kinds_or_namespaces_is_no_double():
    other = changed(CONFIG, ("name: settings", "name: settings, namespace: other"))
    assert not messages("K8S007", CONFIG, TOKEN.replace("hub", "settings"), other)
    changes = changed(other, ("namespace: other", "namespace: other, labels: {a: b}"))
    assert messages("K8S007", other, changes) == [
        "metadata.name: ConfigMap/settings is also in line 3: the one that is applied last replaces the other"
    ]
    assert messages("K8S033", CONFIG, other) == [
        "metadata.name: the same name is in x.yaml, line 3; only this one names a namespace: applied "
        "with `-n other` they are one object, and the last one counts"
    ]


def within(text: str, namespace: str) -> str:
    """An object in a namespace."""
    body = yaml.safe_load(text)
    body["metadata"]["namespace"] = namespace
    return json.dumps(body)


def test_an_object_without_a_namespace_may_be_in_any():
    there = claim("outputs")
    user = with_volume("persistentVolumeClaim: {claimName: outputs}")
    for one, other, missing in (("", "lab", False), ("lab", "", False), ("lab", "lab", False), ("lab", "home", True)):
        both = [within(text, name) if name else text for text, name in ((user, one), (there, other))]
        assert bool(messages("K8S017", *both)) == missing
        served = [within(text, name) if name else text for text, name in ((SERVER, one), (SERVICE, other))]
        assert bool(messages("K8S014", *served)) == missing


# Pods


@pytest.mark.parametrize(
    ("requests", "limits", "says"),
    [
        ("cpu: 500m, memory: 2Gi", "cpu: 1, memory: 2Gi", ""),
        ("cpu: '2'", "cpu: 1500m", "requests 2 cpu and allows 1500m"),
        ("memory: 2G", "memory: 2Gi", ""),
        ("memory: 2Gi", "memory: 2G", "requests 2Gi memory and allows 2G"),
        ("memory: 16GB", "memory: 16GB", "'16GB' is not a quantity (did you mean '16Gi'?)"),
        ("memory: 16gb", "memory: 16Gi", "'16gb' is not a quantity"),
        ("memory: '-1'", "memory: 16Gi", "'-1' is not a quantity"),
        ("memory: 512m", "memory: 1Gi", "512m of memory is 0.512 bytes"),
        ("nvidia.com/gpu: 1", "nvidia.com/gpu: 1", ""),
        ("cpu: 1", "nvidia.com/gpu: 1", ""),
        ("nvidia.com/gpu: 1", "cpu: 1", "without a limit, which devices need"),
        ("nvidia.com/gpu: 1", "nvidia.com/gpu: 2", "of these, both are equal"),
        ("nvidia.com/gpu: 500m", "nvidia.com/gpu: 500m", "devices are whole"),
    ],
)
def test_quantities_of_containers(requests: str, limits: str, says: str):
    text = job(
        (
            '{cpu: "1", memory: 2Gi}\n          limits: {cpu: "1", memory: 2Gi}',
            f"{{{requests}}}\n          limits: {{{limits}}}",
        )
    )
    found = messages("K8S008", text)
    assert bool(found) == bool(says)
    assert all(says in message for message in found[:1])


def test_the_size_of_a_volume_is_a_quantity():
    assert messages("K8S008", claim("outputs").replace("10Gi", "10GB"))
    assert not messages("K8S008", claim("outputs"))


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        (job(("Never", "OnFailure")), True),
        (job(("Never", "Always")), False),
        (job(("      restartPolicy: Never\n", "")), False),
        (SERVER, True),
        (changed(SERVER, ("      enableServiceLinks", "      restartPolicy: Always\n      enableServiceLinks")), True),
        (changed(SERVER, ("      enableServiceLinks", "      restartPolicy: Never\n      enableServiceLinks")), False),
    ],
    ids=["onfailure", "always", "missing", "server", "server always", "server never"],
)
def test_restart_policies(text: str, fine: bool):
    assert (not messages("K8S009", text)) == fine


def test_a_pod_failure_policy_wants_never():
    policy = (
        "podFailurePolicy: {rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: 'True'}]}]}"
    )
    text = job(("spec:\n  active", f"spec:\n  {policy}\n  active"))
    assert not messages("K8S009", text)
    assert messages("K8S009", changed(text, ("restartPolicy: Never", "restartPolicy: OnFailure")))


def test_an_init_container_restarts_as_some_version_takes_it():
    init = "initContainers: [{{name: vllm, image: 'a:1', restartPolicy: {}}}]\n      containers:\n"
    sidecar = job(("containers:\n", init.format("Always")))
    assert not messages("K8S009", sidecar)
    for policy, times in (("OnFailure", 0), ("always", 1)):
        text = changed(sidecar, ("Always", policy))
        assert not messages("K8S009", text)
        assert len(messages("K8S040", text)) == times
    [manifest] = parse(sidecar)
    assert manifest.at(("spec", "template", "spec", "initContainers", 0, "name")) == "vllm"


def test_volumes_of_a_stateful_set_come_from_its_templates():
    text = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  serviceName: s
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec:
      containers:
      - {name: c, image: "a:1", volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
    assert not messages("K8S010", text)
    assert messages("K8S010", changed(text, ("[{name: data, mountPath", "[{name: date, mountPath"))) == [
        "spec.template.spec.containers[0].volumeMounts[0].name: the pod has no volume 'date' (did you mean 'data'?)"
    ]


def test_mounts_and_names_that_stand_twice():
    text = with_volume("emptyDir: {}")
    assert not messages("K8S010", text)
    assert messages(
        "K8S010", changed(text, ("[{name: v, mountPath: /v}]", "[{name: v, mountPath: /v}, {name: v, mountPath: /v}]"))
    )
    assert messages("K8S010", job(("      - name: main\n", "      - {name: main, image: 'a:1'}\n      - name: main\n")))


def test_config_maps_have_a_megabyte_and_keys_without_slashes():
    assert not messages("K8S011", changed(CONFIG, ("info", "x" * 1_000_000)))
    assert messages("K8S011", changed(CONFIG, ("info", "x" * 1_048_577)))
    assert messages("K8S011", changed(CONFIG, ("LOG_LEVEL", "a/b.yaml")))
    binary = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wheel}\nbinaryData: {wheel.whl: " + "A" * 1_300_000 + "}\n"
    )
    assert not messages("K8S011", binary)


# Selectors, Services, addresses


def test_selectors_with_expressions_are_understood():
    def selecting(expression: str) -> list[str]:
        return messages("K8S012", changed(SERVER, ("matchLabels: {app: vllm}", f"matchExpressions: [{expression}]")))

    assert not selecting("{key: app, operator: In, values: [vllm, other]}")
    assert not selecting("{key: app, operator: Exists}, {key: model, operator: DoesNotExist}")
    assert not selecting("{key: model, operator: NotIn, values: [x]}")
    assert selecting("{key: app, operator: In, values: [other]}")
    assert selecting("{key: model, operator: Exists}")
    assert selecting("{key: app, operator: DoesNotExist}")
    assert selecting("{key: app, operator: NotIn, values: [vllm]}")


def test_one_label_in_common_is_enough_to_find_the_object():
    text = changed(SERVER, ("      labels: {app: vllm}", "      labels: {app: vllm, model: gemma}"))
    assert not messages("K8S013", text)
    assert messages("K8S013", changed(text, ("  labels: {app: vllm}\nspec", "  labels: {team: lab}\nspec")))
    assert not messages("K8S013", job(("    metadata:\n      labels: {app: grace}\n", "")))


def test_services_select_by_all_labels_in_their_own_namespace():
    assert not messages("K8S014", SERVER, SERVICE)
    assert messages("K8S014", SERVER, changed(SERVICE, ("{app: vllm}", "{app: vllm, model: gemma}")))
    assert messages("K8S014", within(SERVER, "lab"), within(SERVICE, "other"))
    external = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: ExternalName, externalName: example.com}\n"
    )
    assert not messages("K8S014", external)


def test_what_seems_missing_may_stand_in_an_object_that_could_not_be_understood():
    broken = changed(SERVER, ("selector:\n", "selectors:\n"))
    report = checked(broken, SERVICE)
    assert {found.rule.id for found in report.findings} == {"K8S001"}
    rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: x}\n"
    assert {found.rule.id for found in checked(rollout, SERVICE).findings} == {"K8S002"}
    secret = changed(TOKEN, ("stringData:", "stringdata:"))
    report = checked(secret, with_args("x", env="[{name: T, valueFrom: {secretKeyRef: {name: hub, key: token}}}]"))
    assert {found.rule.id for found in report.findings} == {"K8S001"}


def test_ports_of_services():
    assert not messages(
        "K8S015", changed(SERVER, ("        ports:\n        - {name: http, containerPort: 8000}\n", "")), SERVICE
    )
    assert messages("K8S015", SERVER, changed(SERVICE, ("{port: 8000}", "{port: 80}")))
    assert not messages("K8S015", SERVER, changed(SERVICE, ("{port: 8000}", "{port: 80, targetPort: http}")))
    assert messages("K8S015", SERVER, changed(SERVICE, ("{port: 8000}", "{port: 80, targetPort: web}")))


@pytest.mark.parametrize(
    "address",
    [
        "http://vllm-gemma:8000",
        "http://vllm-gemma:8000/v1",
        "--model-endpoint=http://vllm-gemma:8000",
        "curl -s http://vllm-gemma:8000/health || exit 1",
        "http://vllm-gemma.grace-experiments:8000",
        "http://vllm-gemma.grace-experiments.svc.cluster.local:8000",
    ],
)
def test_an_address_needs_a_service(address: str):
    client = with_args(address)
    assert messages("K8S016", SERVER, client)
    assert not messages("K8S016", SERVER, SERVICE, client)
    assert not messages("K8S021", SERVER, SERVICE, client)


def test_an_address_in_a_variable_needs_a_service_too():
    assert messages("K8S016", SERVER, with_args("x", env=f"[{{name: ENDPOINT, value: '{URL}'}}]")) == [
        "spec.template.spec.containers[0].env[0].value: http://vllm-gemma:8000: these files have no Service "
        "'vllm-gemma', and a Deployment alone has no address"
    ]


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000",
        "http://127.0.0.1:8000",
        "http://example.com:8000",
        "https://llm.nrp-nautilus.io",
        "http://rook-ceph-rgw-nautiluss3.rook",
        "http://another-service:8000",
        "http://$(HOST):8000",
        "not-http://vllm",
    ],
)
def test_addresses_that_are_nobodys_here_are_left_alone(address: str):
    env = "[{name: HOST, value: x}]"
    assert not messages("K8S016", SERVER, SERVICE, with_args(address, env=env))
    assert not messages("K8S021", SERVER, SERVICE, with_args(address, env=env))


def test_a_service_in_another_namespace_is_not_reached_by_its_name_alone():
    other = changed(SERVICE, ("name: vllm-gemma", "name: vllm-gemma\n  namespace: other"))
    [message] = messages("K8S016", SERVER, other, within(with_args(URL), "lab"))
    assert "the Service vllm-gemma is in namespace other" in message


@pytest.mark.parametrize(
    ("ports", "address", "fine"),
    [
        ("[{port: 8000}]", "http://vllm-gemma", False),
        ("[{port: 80, targetPort: 8000}]", "http://vllm-gemma", True),
        ("[{port: 80, targetPort: 8000}]", "http://vllm-gemma/v1", True),
        ("[{port: 80, targetPort: 8000}]", "http://vllm-gemma:8000", False),
        ("[{port: 443, targetPort: 8000}]", "https://vllm-gemma", True),
        ("[{name: a, port: 80}, {name: b, port: 8000}]", "http://vllm-gemma:8000", True),
    ],
)
def test_an_address_has_a_port_of_the_service(ports: str, address: str, fine: bool):
    service = changed(SERVICE, ("ports:\n  - {port: 8000}", f"ports: {ports}"))
    assert (not messages("K8S021", SERVER, service, with_args(address))) == fine


def test_a_headless_service_leads_to_any_port():
    headless = changed(SERVICE, ("spec:\n", "spec:\n  clusterIP: None\n"))
    assert not messages("K8S021", SERVER, headless, with_args("http://vllm-gemma:9000"))


def test_a_service_named_vllm_breaks_vllm_only_where_it_reaches_it():
    service = changed(SERVICE, ("name: vllm-gemma", "name: vllm"))
    server = changed(SERVER, ("      enableServiceLinks: false\n", ""))
    assert messages("K8S022", server, service)
    assert not messages("K8S022", SERVER, service)
    assert not messages("K8S022", server, SERVICE)
    assert not messages("K8S022", server, changed(service, ("name: vllm", "name: vllm\n  namespace: other")))
    assert not messages("K8S022", job(), service)
    own = changed(server, ("        ports:", "        env: [{name: VLLM_PORT, value: '8000'}]\n        ports:"))
    assert not messages("K8S022", own, service)


# What pods refer to


@pytest.mark.parametrize(
    ("volume", "there", "kind"),
    [
        ("persistentVolumeClaim: {claimName: outputs}", claim("outputs"), "PersistentVolumeClaim 'outputs'"),
        ("configMap: {name: settings}", CONFIG, "ConfigMap 'settings'"),
        ("projected: {sources: [{configMap: {name: settings}}]}", CONFIG, "ConfigMap 'settings'"),
    ],
)
def test_what_a_volume_refers_to_is_there(volume: str, there: str, kind: str):
    [message] = messages("K8S017", with_volume(volume))
    assert kind in message
    assert not messages("K8S017", with_volume(volume), there)
    assert messages("K8S017", within(with_volume(volume), "lab"), within(there, "other"))


def test_a_name_like_it_is_proposed():
    [message] = messages("K8S017", with_volume("persistentVolumeClaim: {claimName: outputs}"), claim("output"))
    assert message.endswith(" (did you mean 'output'?)")


def test_what_is_optional_or_always_there_is_not_missed():
    assert not messages("K8S017", with_volume("configMap: {name: settings, optional: true}"))
    assert not messages("K8S017", with_volume("configMap: {name: kube-root-ca.crt}"))
    account = job(("restartPolicy: Never", "restartPolicy: Never\n      serviceAccountName: default"))
    assert not messages("K8S017", account)
    assert messages("K8S017", changed(account, ("serviceAccountName: default", "serviceAccountName: runner")))


def test_a_secret_of_the_registry_is_missed_once():
    text = with_args("x", env="[{name: T, valueFrom: {secretKeyRef: {name: hub, key: token}}}]")
    text = changed(text, ("restartPolicy: Never", "restartPolicy: Never\n      imagePullSecrets: [{name: hub}]"))
    assert len(messages("K8S017", text)) == 1
    assert not messages("K8S017", text, TOKEN)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ("{name: T, valueFrom: {secretKeyRef: {name: hub, key: token}}}", ""),
        (
            "{name: T, valueFrom: {secretKeyRef: {name: hub, key: HF_TOKEN}}}",
            "Secret/hub has no key 'HF_TOKEN' (it has token)",
        ),
        ("{name: T, valueFrom: {secretKeyRef: {name: hub, key: HF_TOKEN, optional: true}}}", ""),
        ("{name: T, valueFrom: {configMapKeyRef: {name: settings, key: LOG}}}", "ConfigMap/settings has no key 'LOG'"),
    ],
)
def test_keys_are_those_that_are_there(env: str, says: str):
    found = messages("K8S019", with_args("x", env=f"[{env}]"), TOKEN, CONFIG)
    assert bool(found) == bool(says)
    assert all(says in message for message in found)


def test_keys_of_files_are_those_that_are_there():
    volume = "configMap: {name: settings, items: [{key: LOG_LEVEL, path: a}, {key: other, path: b}]}"
    assert messages("K8S019", with_volume(volume), CONFIG) == [
        "spec.template.spec.volumes[0].configMap.items[1].key: ConfigMap/settings has no key 'other' (it has LOG_LEVEL)"
    ]


@pytest.mark.parametrize(
    ("mode", "spec", "fine"),
    [
        ("ReadWriteOnce", "parallelism: 1", True),
        ("ReadWriteOnce", "parallelism: 2", False),
        ("ReadWriteOnce", "parallelism: 0", True),
        ("ReadWriteOnce", "parallelism: 8\n  completions: 1", True),
        ("ReadWriteOncePod", "parallelism: 2", False),
        ("ReadWriteMany", "parallelism: 2", True),
    ],
)
def test_a_volume_of_one_node_has_one_pod(mode: str, spec: str, fine: bool):
    text = with_volume("persistentVolumeClaim: {claimName: outputs}")
    text = changed(text, ("spec:\n  activeDeadline", f"spec:\n  {spec}\n  activeDeadline"))
    assert (not messages("K8S020", text, claim("outputs", mode))) == fine


# Secrets


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("HF_TOKEN", True),
        ("HUGGING_FACE_HUB_TOKEN", True),
        ("OPENAI_API_KEY", True),
        ("api-key", True),
        ("apiKey", True),
        ("APIKEY", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("DB_PASSWORD", True),
        ("password", True),
        ("MAX_TOKENS", False),
        ("TOKENIZERS_PARALLELISM", False),
        ("TOKENIZER", False),
        ("max-new-tokens", False),
        ("HF_TOKEN_PATH", False),
        ("API_KEY_ENV", False),
        ("api-key-env", False),
        ("SECRET_NAME", False),
        ("AWS_ACCESS_KEY_ID", False),
        ("KEY", False),
        ("PRIMARY_KEY", False),
        ("MONKEY", False),
        ("", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool):
    assert is_secret_name(name) == secret


@pytest.mark.parametrize(
    "value",
    ["", "EMPTY", "none", "true", "$(TOKEN)", "${TOKEN}", "<your token>", "/run/secrets/token", "not-needed", "1234"],
)
def test_values_that_are_no_secret(value: str):
    assert is_placeholder(value)
    assert not messages(
        "K8S023", with_args("x", env=f"[{{name: TOKEN, value: '1'}}, {{name: HF_TOKEN, value: '{value}'}}]")
    )


FAKES = [
    "hf_" + "a" * 34,
    "sk-" + "a" * 40,
    "sk-proj-" + "a1" * 20,
    "ghp_" + "a" * 36,
    "glpat-" + "a" * 20,
    "AKIA" + "A" * 16,
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "postgres://me:" + "pass@host/db",
]


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("where", ["env", "args", "config", "annotation"])
def test_what_looks_like_a_secret_is_found_anywhere_and_never_shown(fake: str, where: str):
    text = {
        "env": with_args("x", env=f"[{{name: A, value: '{fake}'}}]"),
        "args": with_args("-c", f"curl -H 'Authorization: Bearer {fake}'".replace("'", '"')),
        "config": changed(CONFIG, ("info", f"'login = {fake}'")),
        "annotation": job(
            ("  labels: {app: grace}\nspec", f"  annotations: {{a: '{fake}'}}\n  labels: {{app: grace}}\nspec")
        ),
    }[where]
    [message] = messages("K8S023", text)
    assert fake not in message


@pytest.mark.parametrize(
    ("args", "fine"),
    [
        (("--api-key=correct-horse",), False),
        (("--api-key", "correct-horse"), False),
        (("--hf-token", "$(HF_TOKEN)"), True),
        (("--api-key", "--verbose"), True),
        (("--api-key-env", "DEEPSEEK_API_KEY"), True),
        (("--api-key",), True),
        (("--max-tokens=512", "--tokenizer", "google/gemma-2-2b-it"), True),
    ],
)
def test_options_that_are_secrets(args: tuple[str, ...], fine: bool):
    env = "[{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hub, key: token}}}]"
    assert (not messages("K8S023", with_args(*args, env=env))) == fine


def test_a_secret_in_a_file_is_a_warning_with_the_keys_that_have_values():
    text = changed(TOKEN, ('{token: ""}', "{token: correct-horse, empty: '', todo: <your token>}"))
    assert messages("K8S024", text) == ["stringData.token: the value of token can be read in the file"]
    two = changed(text, ("empty: ''", "other: battery-staple, PROJECT: lab"))
    assert messages("K8S024", two) == ["stringData.token: the values of token, other can be read in the file"]


# Containers


@pytest.mark.parametrize(
    ("image", "fine"),
    [
        ("vllm/vllm-openai:v0.33.0", True),
        ("vllm/vllm-openai:v0.33.0-cu129", True),
        ("python:3.11-slim", True),
        (f"vllm/vllm-openai@sha256:{'0' * 64}", True),
        (f"vllm/vllm-openai:latest@sha256:{'0' * 64}", True),
        ("registry.example:5000/a/b:1", True),
        ("registry.example:5000/a/b", False),
        ("busybox", False),
        ("vllm/vllm-openai:latest", False),
        ("vllm/vllm-openai:cu129-nightly", False),
        ("vllm/vllm-openai:nightly-2026", False),
        ("a:main", False),
        ("a:stable", False),
        ("a:Latest", False),
    ],
)
def test_images_that_can_change(image: str, fine: bool):
    assert (tag_fault(image) == "") == fine


@pytest.mark.parametrize(
    ("args", "env", "fine"),
    [
        (("--model=$(MODEL)",), "[{name: MODEL, value: x}]", True),
        (("--model=$(MODEL)",), "[]", False),
        (("--model=$$(MODEL)",), "[]", True),
        (("--host=$(HOSTNAME)",), "[]", False),
        (("--host=$(VLLM_SERVICE_HOST):$(VLLM_SERVICE_PORT)",), "[]", True),
        (("$(date)",), "[]", False),
        (("x",), "[{name: A, value: 'x'}, {name: B, value: '$(A)'}]", True),
        (("x",), "[{name: B, value: '$(A)'}, {name: A, value: 'x'}]", False),
    ],
)
def test_variables_in_arguments(args: tuple[str, ...], env: str, fine: bool):
    assert (not messages("K8S026", with_args(*args, env=env))) == fine


def test_commands_in_scripts_of_a_shell_are_no_variables():
    script = job(("args: [--model-name=gemma-2-2b-it]", "command: [/bin/bash, -ec, 'echo $(date); run $(hostname)']"))
    assert not messages("K8S026", script)
    assert messages("K8S026", changed(script, ("$(date)", "$(MODEL)")))


def test_variables_from_elsewhere_may_be_any():
    text = with_args("--model=$(MODEL)").replace("env: []", "envFrom: [{configMapRef: {name: settings}}]")
    assert not messages("K8S026", text)


def test_an_index_needs_indexes():
    text = with_args("--shard=$(JOB_COMPLETION_INDEX)")
    assert messages("K8S027", text)
    indexed = changed(text, ("spec:\n  active", "spec:\n  completions: 2\n  completionMode: Indexed\n  active"))
    assert not messages("K8S027", indexed)
    assert not messages("K8S026", indexed)
    script = job(("args: [--model-name=gemma-2-2b-it]", "command: [sh, -c, 'run --shard $JOB_COMPLETION_INDEX']"))
    assert messages("K8S027", script)
    own = with_args("--shard=$(JOB_COMPLETION_INDEX)", env="[{name: JOB_COMPLETION_INDEX, value: '0'}]")
    assert not messages("K8S027", own)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("allowPrivilegeEscalation: false", "privileged: true"),
        ("{drop: [ALL]}", "{drop: [ALL], add: [SYS_ADMIN]}"),
        ("restartPolicy: Never", "restartPolicy: Never\n      hostNetwork: true"),
        ("restartPolicy: Never", "restartPolicy: Never\n      hostIPC: true"),
    ],
)
def test_pods_that_reach_into_their_node(old: str, new: str):
    assert messages("K8S028", job((old, new)))


def test_shared_memory_and_the_like_are_fine():
    assert not messages("K8S028", with_volume("emptyDir: {medium: Memory, sizeLimit: 4Gi}"))
    assert not messages("K8S028", job(("{drop: [ALL]}", "{drop: [ALL], add: [NET_BIND_SERVICE]}")))


def test_a_simple_manifest_gets_one_note_about_its_rights():
    simple = changed(SERVER, ("      containers:\n", "      containers:\n      - {name: other, image: 'a:1'}\n"))
    [message] = messages("K8S029", simple)
    assert message.endswith("(containers: other, vllm)")


def test_rights_of_the_pod_hold_for_its_containers_and_their_own_come_first():
    assert not messages("K8S029", JOB)
    own = job(
        (
            "          allowPrivilegeEscalation: false",
            "          runAsNonRoot: false\n          allowPrivilegeEscalation: false",
        )
    )
    assert messages("K8S029", own)


# Jobs


def test_the_jobs_of_a_cron_job_are_looked_at_where_they_are():
    body = JOB.split("spec:\n", 1)[1].replace("\n", "\n    ")
    text = (
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, labels: {app: grace}}\n"
        f"spec:\n  schedule: '0 3 * * *'\n  jobTemplate:\n    spec:\n      {body.lstrip()}"
    )
    assert not checked(text).findings
    without = changed(text, ("activeDeadlineSeconds: 86400", "backoffLimit: 2"))
    [message] = messages("K8S031", without)
    assert message.startswith("spec.jobTemplate.spec.activeDeadlineSeconds:")
    assert messages("K8S009", changed(text, ("Never", "Always")))


def test_a_deadline_may_stand_in_the_pods_spec():
    text = job(
        ("  activeDeadlineSeconds: 86400\n", ""),
        ("restartPolicy: Never", "restartPolicy: Never\n      activeDeadlineSeconds: 9"),
    )
    assert not messages("K8S031", text)


def test_preemption_is_looked_at_where_the_priority_class_says_so():
    preemptible = job(("restartPolicy: Never", "restartPolicy: Never\n      priorityClassName: opportunistic"))
    assert messages("K8S032", preemptible) == [
        "spec.podFailurePolicy: pods of opportunistic may be preempted at any time; the 7th time fails the Job "
        "(backoffLimit 6, the default)"
    ]
    assert not messages("K8S032", changed(preemptible, ("opportunistic", "owner-no-preempt")))
    assert not messages("K8S032", JOB)
