"""Kinds of findings that a third judge of published manifests did not sign, or missed: each as it is right."""

import json
from typing import Any

import pytest
import yaml

from grace.policy.check import check_manifests
from grace.policy.foreign import foreign, kustomization
from grace.policy.reading import parse
from grace.policy.rule import changed
from policy_examples import JOB, NRP, claim, found, job, pod, script, server, severities

# Volumes whose size says nothing


def volume(storage_class: str | None, size: object, mode: str = "ReadOnlyMany", **spec: str) -> str:
    """A claim for a volume."""
    named = {} if storage_class is None else {"storageClassName": storage_class}
    spec_ = {"accessModes": [mode], "resources": {"requests": {"storage": size}}, **named, **spec}
    return json.dumps(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec_}
    )


def storage_class(name: str, provisioner: str) -> str:
    return (
        f"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\nprovisioner: {provisioner}\n"
    )


def test_the_size_of_what_others_publish_says_nothing():
    assert not found("K8S008", volume("cvmfs", 1))
    assert not found("K8S008", volume("cvmfs-atlas", 1))
    assert not found("K8S008", storage_class("software", "cvmfs.csi.cern.ch"), volume("software", 1))
    assert not found("K8S008", volume("", 1), volume("shared", 1, volumeName="there"))
    assert severities("K8S008", volume("rook-cephfs", 1)) == ["warning"]
    assert severities("K8S008", volume(None, "10")) == ["warning"]
    assert severities("K8S008", storage_class("software", "nfs.csi.k8s.io"), volume("software", 1)) == ["warning"]
    assert severities("K8S008", volume("cvmfs", "1GB")) == ["error"]
    assert severities("K8S008", volume("rook-cephfs", "-1")) == ["error"]
    assert severities("K8S008", job(("memory: 2Gi}\n          limits", "memory: 2}\n          limits"))) == ["warning"]


def test_the_templates_of_claims_have_sizes_too():
    body = yaml.safe_load(server("google/gemma-2-2b-it"))
    template = {"metadata": {"name": "data"}, "spec": json.loads(volume("rook-ceph-block", "10GB"))["spec"]}
    body |= {"kind": "StatefulSet"}
    body["spec"] |= {"serviceName": "vllm", "volumeClaimTemplates": [template]}
    assert severities("K8S008", json.dumps(body)) == ["error"]
    template["spec"]["resources"]["requests"]["storage"] = "10Gi"
    assert not found("K8S008", json.dumps(body))


def test_cvmfs_is_a_class_that_is_only_read():
    assert not found("NRP022", volume("cvmfs", 1))
    assert not found("NRP024", volume("cvmfs", 1))
    [finding] = found("NRP024", volume("cvmfs", 1, "ReadWriteMany"))
    assert "they can be ReadOnlyMany" in finding.message
    assert found("NRP022", volume("cvmfs2", 1))
    assert "for data of your own" in found("NRP022", volume("fast", "1Gi"))[0].rule.fix


# Sleep


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("echo begin && sleep 10 && echo end", ""),
        ("sleep 10; date", ""),
        ("sleep 10; printf done", ""),
        ("python train.py & sleep 10; wait", ""),
        ("for i in {1..5}; do echo $i; sleep 2; done && echo end", ""),
        ("for i in 1 2 3; do sleep 2; date; done", ""),
        ("for i in {1..5}; do echo $i; sleep 2; done", "warning"),
        ("echo begin && sleep 10", "error"),
        ("sleep 10; exit 0", "error"),
        ("sleep 10; true", "error"),
        ("sleep 3600; echo end", "error"),
        ("sleep 5m 5m; echo end", "error"),
        ("sleep infinity; echo end", "error"),
        ("sleep $PAUSE; echo end", "error"),
        ("for i in {1..500}; do echo $i; sleep 2; done && echo end", "error"),
        ("for i in {a,b}; do echo $i; sleep 2; done && echo end", "error"),
    ],
)
def test_a_pause_before_the_end_of_a_script_is_none_that_it_ends_in(line: str, severity: str):
    assert severities("NRP010", script(line)) == [severity] * bool(severity)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_how_often_a_loop_turns_is_the_shells_business(shell: str):
    body = yaml.safe_load(JOB)
    main = body["spec"]["template"]["spec"]["containers"][0]
    main |= {"command": [shell, "-c", "for i in {1..5}; do sleep 2; done"], "args": []}
    [finding] = found("NRP010", json.dumps(body))
    assert finding.message.endswith("runs `sleep 2`, in a loop that soon ends")


# Numbers of pods


def idle(kind: str, **spec: Any) -> str:
    """A server of the kind that only sleeps."""
    body = yaml.safe_load(server(command=["sleep", "infinity"]))
    body["kind"] = kind
    body["spec"] |= spec
    return json.dumps(body)


def test_advice_names_the_field_of_the_kind():
    [finding] = found("NRP036", idle("Deployment", replicas=8))
    assert "`replicas: 4` runs fewer at once" in finding.message
    assert "parallelism" not in finding.message + finding.rule.fix
    [finding] = found("NRP036", idle("StatefulSet", replicas=5, serviceName="x"))
    assert "`replicas: 4`" in finding.message
    client = 'args: ["--model-endpoint=http://vllm:8000", "--model-name=gemma-2-2b-it"]'
    asks = job(
        ("spec:\n  active", "spec:\n  parallelism: 8\n  completions: 8\n  active"),
        ("args: [--model-name=gemma-2-2b-it]", client),
        ('requests: {cpu: "1", memory: 2Gi}', 'requests: {cpu: "4", memory: 16Gi}'),
        ('limits: {cpu: "1", memory: 2Gi}', 'limits: {cpu: "4", memory: 16Gi}'),
    )
    [finding] = found("NRP036", asks)
    assert "`parallelism: 4`" in finding.message


@pytest.mark.parametrize(
    ("replicas", "gpus", "says"),
    [
        (1, 1, "holds 1 GPU also"),
        (1, 2, "holds 2 GPUs"),
        (8, 1, "holds 8 GPUs"),
        (3, 4, "holds 12 GPUs"),
        (0, 2, "is deleted after 2 weeks, unless"),
    ],
)
def test_replicas_hold_a_gpu_each(replicas: int, gpus: int, says: str):
    body = yaml.safe_load(server("google/gemma-2-2b-it", gpus=gpus))
    body["spec"]["replicas"] = replicas
    [finding] = found("NRP014", json.dumps(body))
    assert says in finding.message


# Objects that are not whole


def of_file(rule: str, name: str, text: str) -> list[str]:
    """The severities of what a rule finds in a file of that name."""
    report = check_manifests(parse(text, name), NRP)
    return [str(each.severity) for each in report.findings if each.rule.id == rule]


SLEEPER = """\
apiVersion: batch/v1
kind: Job
metadata: {name: look}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: "debian:13", command: [sleep, infinity]}
"""
NAMELESS = changed(SLEEPER, ("metadata: {name: look}\n", ""))


def test_an_object_without_a_name_is_checked_on():
    for text in (NAMELESS, changed(SLEEPER, ("{name: look}", "{}")), changed(SLEEPER, ("name: look", "name: ''"))):
        assert of_file("NRP010", "x.yaml", text) == ["error"]
        assert of_file("NRP001", "x.yaml", text) == ["error"]
        assert not of_file("K8S004", "x.yaml", text)
        assert len(of_file("K8S001", "x.yaml", text)) == 1
    assert not of_file("K8S007", "x.yaml", f"{NAMELESS}---\n{changed(NAMELESS, ('infinity', '9'))}")


def test_a_name_that_a_program_fills_in_is_no_error():
    assert of_file("K8S001", "x.yaml", changed(SLEEPER, ("{name: look}", "{labels: {a: b}}"))) == ["error"]
    assert of_file("K8S001", "x.yaml", NAMELESS) == ["warning"]
    assert of_file("K8S001", "k8s/job_template.yaml", NAMELESS) == ["note"]
    assert not of_file("K8S001", "x.yaml", changed(SLEEPER, ("name: look", "generateName: look-")))


def test_what_a_template_lacks_a_program_fills_in():
    assert of_file("NRP010", "job.tmpl.yaml", NAMELESS) == ["error"]
    assert not of_file("NRP001", "job.tmpl.yaml", NAMELESS)
    assert of_file("NRP001", "job.tmpl.yaml", SLEEPER) == ["error"]
    variable = changed(NAMELESS, ("[sleep, infinity]", '[python, "$(SCRIPT)"]'))
    assert not of_file("K8S026", "job.tmpl.yaml", variable)
    assert of_file("K8S026", "x.yaml", changed(variable, ("kind: Job\n", "kind: Job\nmetadata: {name: a}\n")))


@pytest.mark.parametrize(
    ("fault", "goes_on"),
    [
        (("name: main,", "name: main, env: [{name: WORKERS, value: 4}],"), True),
        (("name: main,", "name: main, env: [{name: FAST, value: true}],"), True),
        (("{name: look}", "{name: look, labels: {fast: true}}"), True),
        (("name: main,", "name: main, imagepullPolicy: Always,"), True),
        (("command: [sleep, infinity]", "command: sleep infinity"), False),
        (("restartPolicy: Never", "restartPolicy: [Never]"), False),
        (("name: main, ", ""), False),
    ],
)
def test_a_fault_whose_meaning_is_clear_hides_nothing_else(fault: tuple[str, str], goes_on: bool):
    text = changed(SLEEPER, fault)
    assert len(found("K8S001", text)) == 1
    assert bool(found("NRP010", text)) is goes_on


def test_a_number_in_place_of_a_secret_is_one():
    text = changed(SLEEPER, ("name: main,", "name: main, env: [{name: PASSWORD, value: 19283746}],"))
    assert found("K8S023", text)


def test_what_a_fault_may_have_hidden_is_not_called_missing():
    misspelt = changed(SLEEPER, ("name: main,", "name: main, resource: {limits: {cpu: 1, memory: 2Gi}},"))
    assert found("K8S001", misspelt)
    assert found("NRP010", misspelt)
    assert not found("NRP001", misspelt)
    assert found("NRP001", SLEEPER)


def test_an_object_of_an_old_version_is_checked_as_one_of_the_new():
    old = changed(server("google/gemma-2-2b-it"), ('"apps/v1"', '"extensions/v1beta1"'))
    [finding] = found("K8S001", old)
    assert "in apps/v1" in finding.message
    assert found("NRP014", old)


# Workflows, overlays and kinds whose right is not known

FLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: study-}
spec:
  entrypoint: all
  volumes: [{name: kept, persistentVolumeClaim: {claimName: kept}}]
  templates:
  - name: prepare
    container: {image: "a/b:1", command: [python, prepare.py]}
  - name: train
    container:
      image: "a/b:1"
      command: [python, train.py]
      volumeMounts: [{name: kept, mountPath: /kept}]
  - name: judge
    script: {image: "a/b:1", command: [python], source: "print(1)"}
"""


def test_a_step_uses_the_volumes_that_it_mounts():
    kept = claim("kept", "ReadWriteOnce")
    assert not found("K8S020", FLOW, kept)
    mounting = '{image: "a/b:1", volumeMounts: [{name: kept, mountPath: /k}], command: [python, prepare.py]}'
    both = changed(FLOW, ('{image: "a/b:1", command: [python, prepare.py]}', mounting))
    assert not found("K8S020", both, kept)  # they may depend on each other
    body = yaml.safe_load(server("google/gemma-2-2b-it"))
    body["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "kept"}}]
    [finding] = found("K8S020", FLOW, kept, json.dumps(body))
    assert "2 pods" in finding.message
    assert "Deployment/vllm-gemma" in finding.message


def test_overlays_say_themselves_how_their_objects_are_called():
    def said(*overlays: str) -> bool:
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {place: HERE}\n"
        manifests = [each for file in ("dev", "prod") for each in parse(text.replace("HERE", file), f"{file}/a.yaml")]
        head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        kustomizations = [kustomization(parse(head, f"{folder}/kustomization.yaml")[0]) for folder in overlays]
        generated = frozenset(name for each in kustomizations for name in each.generated)
        report = check_manifests(manifests, NRP, generated=generated)
        return any(finding.rule.id == "K8S033" for finding in report.findings)

    assert said()
    assert said("dev")
    assert not said("dev", "prod")


def test_who_may_make_a_daemonset_is_not_known():
    body = yaml.safe_load(server("google/gemma-2-2b-it")) | {"kind": "DaemonSet"}
    [finding] = found("NRP013", json.dumps(body))
    assert str(finding.severity) == "warning"
    assert "is not known" in finding.message
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\nrules: []\n"
    assert severities("NRP013", role) == ["error"]
    assert not found("NRP013", pod())


# GPUs that are not asked for as meant


def resources(**limits: object) -> str:
    """A server with other limits; __ stands for / and _ for a dot."""
    body = yaml.safe_load(server("google/gemma-2-2b-it"))
    named = {name.replace("__", "/").replace("_", "."): amount for name, amount in limits.items()}
    main = body["spec"]["template"]["spec"]["containers"][0]
    main["resources"] = {"limits": {"cpu": 4, "memory": "16Gi"} | named}
    return json.dumps(body)


@pytest.mark.parametrize(
    ("resource", "right"),
    [
        ("nvidia__gpu", "nvidia.com/gpu"),
        ("nvidia_io__gpu", "nvidia.com/gpu"),
        ("nvdia_com__gpu", "nvidia.com/gpu"),
        ("nvidia__a100", "nvidia.com/a100"),
        ("nvidia__memory", ""),
        ("amd_com__gpu", ""),
        ("intel_com__gpu", ""),
        ("smarter-devices__fuse", ""),
        ("rdma__hca", ""),
        ("xilinx_com__fpga", ""),
        ("nvidia_com__gpu", ""),
    ],
)
def test_the_makers_name_in_a_resource_may_be_misspelt(resource: str, right: str):
    found_ = [each for each in found("NRP037", resources(**{resource: 1})) if "spelt" in each.message]
    assert [each.message.rpartition(" ")[2] for each in found_] == [right] * bool(right)
    assert all(str(each.severity) == "error" for each in found_)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("nautilus.io/fast-disk", True),
        ("nautilus.io/linstor", True),
        ("nautilus.io/network", False),
        ("nautilus.io/group", False),
        ("nautilus.io/reservation", False),
        ("nautilus.io/vfio", False),
        ("topology.kubernetes.io/zone", False),
        ("netbox.io/site", False),
    ],
)
def test_labels_of_the_clusters_own_domain_are_known(label: str, said: bool):
    assert severities("NRP020", pod(nodeSelector={label: "x"})) == ["note"] * said


A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}


def with_main(kind: str = "Pod", **fields: Any) -> str:
    """A pod on nodes with an A100, with other fields of its container."""
    body = json.loads(pod(nodeSelector=A100))
    body["spec"]["containers"][0] |= fields
    return json.dumps(body)


def test_a_pod_on_nodes_with_gpus_asks_for_one():
    assert severities("NRP048", pod(nodeSelector=A100)) == ["warning"]
    assert not found("NRP048", with_main(resources={"limits": {"cpu": 1, "memory": "2Gi", "nvidia.com/a100": 1}}))
    assert not found("NRP048", with_main(resources={"limits": {"cpu": 1, "memory": "2Gi", "nvidia/gpu": 1}}))
    assert not found("NRP048", with_main(securityContext={"privileged": True}))
    assert not found("NRP048", pod(nodeSelector=A100, runtimeClassName="nvidia"))
    assert not found("NRP048", pod(nodeSelector=A100, resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}]))
    assert not found("NRP048", pod(nodeSelector={"nvidia.com/gpu.product": "$PRODUCT"}))
    assert not found("NRP048", pod(nodeSelector={"topology.kubernetes.io/zone": "x"}))


@pytest.mark.parametrize(
    ("operator", "terms", "said"), [("In", 1, True), ("In", 2, True), ("NotIn", 1, False), ("Exists", 1, False)]
)
def test_who_avoids_products_or_has_other_nodes_too_asks_for_none(operator: str, terms: int, said: bool):
    values = {} if operator == "Exists" else {"values": ["NVIDIA-A100-SXM4-80GB"]}
    term = {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": operator, **values}]}
    other = {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "Exists"}]}

    def affinity(*some: object) -> dict[str, Any]:
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [*some]}}}

    assert bool(found("NRP048", pod(affinity=affinity(*[term] * terms)))) is said
    assert not found("NRP048", pod(affinity=affinity(term, other)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("apt update; apt install -y vim; pip3 install -U httpx; wget https://example.org/a; sleep 3600", True),
        ("conda install -y numpy && sleep 2h", True),
        ("pip install httpx; python run.py; sleep 3600", False),
        ("pip install httpx; python run.py; sleep infinity", True),
        ("pip install httpx; sleep 60; python run.py", False),
    ],
)
def test_a_gpu_that_only_sees_installations_and_sleep(line: str, said: bool):
    amounts = {"cpu": 1, "memory": "2Gi", "nvidia.com/gpu": 1}
    main = {"name": "main", "image": "a/b:1", "command": ["bash", "-c", line], "resources": {"limits": amounts}}
    assert severities("NRP034", pod(containers=[main])) == ["note"] * said


# Pods that begin again


def looking(line: str, policy: str = "", **fields: Any) -> bool:
    """Whether a bare Pod's program is said to begin again."""
    amounts = {"cpu": 1, "memory": "2Gi"}
    main = {"name": "main", "image": "a/b:1", "command": ["bash", "-c", line], "resources": {"limits": amounts}}
    again = found("K8S053", pod(containers=[main | fields], **({"restartPolicy": policy} if policy else {})))
    assert all(str(each.severity) == "warning" for each in again)
    return bool(again)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cd /data; wget https://example.org/a; nvidia-smi; python3 train.py --epochs 9", True),
        ("timeout 1h text-generation-launcher --model-id x/y", True),
        ("torchrun --nproc-per-node 2 finetune_lora.py", True),
        ("hf download org/model", True),
        ("rclone copy /a remote:b; echo done", True),
        ("python3 main.py", False),  # it may be a server
        ("python serve.py --trained train.py", False),
        ("rclone serve s3 /data", False),
        ("ollama serve & ollama pull x; wget https://example.org/a; wait", False),
        ("python app.py || curl https://example.org/failed", False),
        ("while true; do wget https://example.org/a; sleep 60; done", False),
        ("python train.py; sleep infinity", False),
        ("sleep infinity", False),
    ],
)
def test_a_bare_pod_begins_again_when_its_program_has_ended(line: str, said: bool):
    assert looking(line) is said
    assert not looking(line, "Never")
    assert not looking(line, "OnFailure")
    assert looking(line, "Always") is said


def test_only_bare_pods_without_a_policy_begin_again():
    assert not found("K8S053", script("python train.py"))
    body = json.loads(pod()) | {
        "metadata": {"name": "look", "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "b"}]}
    }
    body["spec"]["containers"][0]["command"] = ["python", "train.py"]
    assert not found("K8S053", json.dumps(body))


# Secrets in command lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jupyter lab --ip=0.0.0.0 --IdentityProvider.token=correct-horse", True),
        ("vllm serve a/b --api-key correct-horse", True),
        ("vllm serve a/b --api-key=correct-horse | tee log.txt", True),
        ("java -Dstore.password=correct-horse -jar a.jar", True),
        ("vllm serve a/b --api-key $KEY --hf-token ${HF_TOKEN}", False),
        ("vllm serve a/b --api-key=$(cat /keys/key)", False),
        ("docker login --password-stdin registry.example.org", False),
        ("docker build --secret id=token,src=token.txt .", False),
        ("hf download a/b --token", False),
        ("jupyter lab --ServerApp.token='' --ServerApp.password=''", False),
        ("jupyter lab --PasswordIdentityProvider.hashed_password=argon2:abcdefgh", False),
        ("serve --ssl-private-key server.key --max-token 512000 --eos-token end", False),
        ("vllm serve a/b --api-key EMPTY", False),
    ],
)
def test_a_secret_in_a_script_is_one(line: str, said: bool):
    assert severities("K8S023", script(line)) == ["error"] * said


def test_a_secret_among_the_words_is_said_once_at_its_line():
    body = yaml.safe_load(JOB)
    main = body["spec"]["template"]["spec"]["containers"][0]
    main |= {"command": ["jupyter"], "args": ["lab", "--IdentityProvider.token=correct-horse"]}
    [finding] = found("K8S023", yaml.safe_dump(body))
    assert "also in" not in finding.message
    lines = script("echo", "jupyter lab --ServerApp.token=correct-horse").splitlines()
    [finding] = found("K8S023", "\n".join(lines))
    assert "correct-horse" in lines[finding.line - 1]
    assert "correct-horse" not in finding.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ACCESS_KEY", False),
        ("accessKey", False),
        ("SECRET_KEY", True),
        ("SECRET_ACCESS_KEY", True),
        ("APP_ACCESS_KEY", True),
    ],
)
def test_an_access_key_alone_is_the_name_of_a_pair(name: str, said: bool):
    body = yaml.safe_load(JOB)
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": name, "value": "correct-horse"}]
    assert bool(found("K8S023", json.dumps(body))) is said


@pytest.mark.parametrize(
    ("tag", "name", "mount", "said"),
    [
        ("1.4", "HF_HOME", "/kept", True),
        ("0.9.4", "HF_HOME", "/kept", True),
        ("1.4", "HUGGINGFACE_HUB_CACHE", "/kept", False),
        ("1.4", "HF_HOME", "/data", False),
        ("3.3.4", "HF_HOME", "/kept", False),
        ("latest", "HF_HOME", "/kept", False),
    ],
)
def test_early_images_of_text_generation_inference_heed_their_own_variable(tag: str, name: str, mount: str, said: bool):
    image = f"ghcr.io/huggingface/text-generation-inference:{tag}"
    mounts = [{"name": "kept", "mountPath": mount}]
    env = [{"name": name, "value": "/kept"}]
    body = yaml.safe_load(server("--model-id=google/gemma-2-2b-it", image=image, env=env, volumeMounts=mounts))
    claimed = {"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}
    body["spec"]["template"]["spec"]["volumes"] = [claimed]
    assert bool(found("NRP035", json.dumps(body))) is said


# Templates of Python's str.format


@pytest.mark.parametrize(
    ("name", "field"),
    [("run-{flower}-{task}", "{flower}"), ("{user}", "{user}"), ("a{x}b", "{x}"), ("run-${TASK}", "${TASK}")],
)
def test_a_name_with_a_field_of_a_template_is_to_be_filled_in(name: str, field: str):
    text = changed(JOB, ("name: study1\n", f'name: "{name}"\n'))
    assert not found("K8S004", text)
    assert [(one.severity.value, one.message) for one in found("K8S034", text)] == [
        ("error", f"fill this in: '{field}'")
    ]


def test_names_of_containers_and_images_with_fields_of_templates():
    body = yaml.safe_load(JOB)
    main = body["spec"]["template"]["spec"]["containers"][0]
    main |= {"name": "train-{fold}", "image": "registry.example.org/lab/train:{tag}"}
    text = json.dumps(body)
    assert not found("K8S004", text)
    assert {one.message for one in found("K8S034", text)} == {"fill this in: '{fold}'", "fill this in: '{tag}'"}
    main |= {"name": "train", "image": "registry.example.org/lab/train:1", "args": ["--format", "{name}-{fold}"]}
    assert not found("K8S034", json.dumps(body))


@pytest.mark.parametrize(
    ("value", "template"), [("{name}", True), ("{a: 1}", False), ("{name: }", True), ("[name]", False)]
)
def test_a_mapping_that_is_a_field_of_a_template(value: str, template: bool):
    text = changed(JOB, ("name: study1\n", f"name: {value}\n"))
    told = [one.message for one in found("K8S001", text)]
    assert any("render it first" in one for one in told) == template, told


def test_a_configuration_of_kustomize_is_no_object():
    text = "apiVersion: builtin\nkind: PrefixSuffixTransformer\nmetadata: {name: a}\nprefix: b-\n"
    assert "Kustomize" in foreign(parse(text)[0])
    assert not foreign(parse(text.replace("builtin", "example.org/v1"))[0])


# What looks like a secret and is none


def secret(**values: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kept"}, "stringData": values})


def test_the_example_key_of_a_documentation_is_no_secret():
    key, other = "AKIA" + "IOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"
    assert not found("K8S023", secret(access=key, AWS_SECRET_ACCESS_KEY=other))
    assert not found("K8S024", secret(access=key, AWS_SECRET_ACCESS_KEY=other))
    assert found("K8S023", secret(access="AKIA" + "IOSFODNN7EXAMQLE"))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("http://127.0.0.1:5500", False),
        ("http://backend:8080/api/", False),
        ("redis://work.lab.svc:6379", False),
        ("http://user:word@backend:8080", True),
        ("https://hooks.example.com/services/T0/B0/xyz", True),
    ],
)
def test_the_address_of_a_service_is_no_secret(value: str, told: bool):
    assert bool(found("K8S024", secret(backend=value)) or found("K8S023", secret(backend=value))) == told


def test_a_storage_class_is_chosen_and_not_named():
    text = changed(
        volume("fast", "10Gi"), ('"storageClassName": "fast"', '"storageClassName":\n "fast"  # replace with yours\n')
    )
    assert not found("K8S035", text)
    assert found("K8S035", changed(JOB, ("name: study1\n", "name: study1  # replace with yours\n")))
