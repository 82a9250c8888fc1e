"""The policy checker's engine: reading as kubectl does, strict schemas, suppression, formats, the command line."""

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT, Command
from grace.errors import InputError
from grace.policy.check import check_manifests, find_rule
from grace.policy.cluster_file import load_cluster
from grace.policy.documents import CLUSTER_WIDE, Scene
from grace.policy.fitting import fits
from grace.policy.formats import as_json, as_sarif, as_text
from grace.policy.quantities import quantity
from grace.policy.reading import parse, read, survey
from grace.policy.rule import Rule, Severity, changed
from grace.policy.rules import ALL
from grace.policy.schema import schemas
from grace.policy.values import formats, validator
from limits import cpu_below
from policy_examples import JOB, SERVER, SERVICE, checked, job, plain, with_args
from strategies import manifest_values, yaml_texts

NRP = load_cluster("nrp")
SECRET = "correct-horse-battery"


def body(text: str, **options: Any) -> dict[str, Any]:
    [manifest] = parse(text, "x.yaml", **options)
    return manifest.body


def refused(text: str) -> str:
    with pytest.raises(InputError) as raised:
        parse(text, "x.yaml")
    return str(raised.value)


# The rules themselves


MORE = {
    file.stem: yaml.safe_load(file.read_text().replace("<>", ""))  # so that scanners of repositories see no token
    for file in (Path(__file__).parent / "examples").glob("*.yaml")
}
"""Further examples of rules, by id: lists of manifests, `failing` and `passing`."""


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_each_rule_hits_its_failing_examples_and_no_passing_one(rule: Rule):
    more = MORE.get(rule.id, {})
    failing = [rule.failing, *more.get("failing", [])]
    for example in (*failing, rule.passing, *more.get("passing", [])):
        broken = {finding.rule.id for finding in check_manifests(parse(example), NRP).findings}
        assert (rule.id in broken) == (example in failing), example
        assert rule.id == "K8S001" or "K8S001" not in broken, example


def test_files_of_examples_are_those_of_rules():
    assert {rule.id for rule in ALL} >= MORE.keys()
    assert all(examples.keys() <= {"failing", "passing"} for examples in MORE.values())


def test_rules_have_ids_of_their_own_and_say_all_that_a_person_needs():
    assert [rule.id for rule in ALL] == sorted({rule.id for rule in ALL})
    for rule in ALL:
        texts = (rule.title, rule.why, rule.source, rule.fix)
        assert all(text and text.isascii() and "\n" not in text for text in texts), rule.id
        assert rule.why.endswith("."), rule.id
        assert date(2025, 11, 1) < rule.read <= date.today()
        assert (rule.policy == "nrp") == rule.id.startswith("NRP")


def test_the_page_about_the_rules_is_what_the_script_makes():
    spec = importlib.util.spec_from_file_location("make_policy_rules", ROOT / "scripts" / "make_policy_rules.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text() == script.page(), "python scripts/make_policy_rules.py makes it again"


def test_a_cluster_without_the_policy_of_nrp_has_none_of_its_rules():
    rule = next(rule for rule in ALL if rule.policy == "nrp")
    assert rule.id in {finding.rule.id for finding in check_manifests(parse(rule.failing), NRP).findings}
    assert rule.id not in {finding.rule.id for finding in check_manifests(parse(rule.failing), plain()).findings}


# Reading


SCALARS = """
apiVersion: example.com/v1
kind: Thing
metadata: {name: x}
spec:
  words: [yes, No, ON, off, y, N, 'yes', "no", nope]
  numbers: [0644, 0o14, 0x1F, 0b11, 1_000, +5, -7, 1e3, 1.5e3, .5, 5.0, 123456789012345678901234567890]
  texts: [1:30, 2026-11-25, 2026-11-25T10:00:00Z, =, v1.2.3, 1.2.3, "5", !!str 5, 5Gi, 0x, 1_a, -]
  binary: !!binary aGVsbG8=
  1: one
  on: switch
  base: &base {a: 1, b: 2}
  merged: {<<: *base, a: 3}
  several: {<<: [{a: 1}, {a: 2, c: 3}], d: 4}
  block: |
    yes
    1
  folded: >-
    one
    two
"""


def test_scalars_are_what_kubectl_reads():
    spec = body(SCALARS)["spec"]
    assert spec["words"] == [True, False, True, False, True, False, "yes", "no", "nope"]
    assert spec["numbers"] == [420, 12, 31, 3, 1000, 5, -7, 1000, 1500, 0.5, 5, 1.2345678901234568e29]
    assert spec["texts"][:6] == ["1:30", "2026-11-25", "2026-11-25T10:00:00Z", "=", "v1.2.3", "1.2.3"]
    assert spec["texts"][6:] == ["5", "5", "5Gi", "0x", "1_a", "-"]
    assert spec["binary"] == "hello"
    assert spec["1"] == "one"
    assert spec["true"] == "switch"
    assert spec["merged"] == {"a": 3, "b": 2}
    assert spec["several"] == {"a": 1, "c": 3, "d": 4}
    assert (spec["block"], spec["folded"]) == ("yes\n1\n", "one two")


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here to compare with")
def test_scalars_are_what_kubectl_really_reads(tmp_path: Path):
    (tmp_path / "x.yaml").write_text(SCALARS)
    arguments = ["kubectl", "label", "--local", "-f", str(tmp_path / "x.yaml"), "-o", "json", "a=b"]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["spec"] == body(SCALARS)["spec"]


def test_json_with_several_documents_is_read(tmp_path: Path):
    one = '{"apiVersion": "v1", "kind": "ConfigMap",\n "metadata": {"name": "%s"}, "data": {"a": "} {"}}\n'
    (tmp_path / "x.json").write_text(one % "a" + "\n  " + one % "b" + one % "c")
    found = read([tmp_path])
    assert [(manifest.name, manifest.source.line) for manifest in found] == [("a", 1), ("b", 4), ("c", 6)]
    assert found[1].line(("data", "a")) == 5


def test_null_fields_are_absent():
    read_body = body("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: }\ndata:\n  a: ~\n  b: ''\n")
    assert read_body["metadata"] == {"name": "x"}
    assert read_body["data"] == {"b": ""}


def test_documents_and_lists_become_objects_each_with_its_line():
    text = (
        "# nothing before the first object\n---\n---\napiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n"
        "---\napiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: c}\n"
    )
    manifests = parse(text, "x.yaml")
    assert [(found.title, found.source.line) for found in manifests] == [
        ("ConfigMap/a", 7),
        ("ConfigMap/b", 10),
        ("ConfigMap/c", 17),
    ]
    assert manifests[2].api_version == "v1"


def test_every_field_has_a_line_and_a_missing_one_that_of_its_parent():
    [manifest] = parse(JOB, "x.yaml")
    lines = JOB.split("\n")
    container = ("spec", "template", "spec", "containers", 0)
    for path, start in (
        (("metadata", "name"), "  name: study1"),
        (container, "      - name: main"),
        ((*container, "args", 0), "        args:"),
        ((*container, "resources", "limits", "cpu"), "          limits:"),
        ((*container, "livenessProbe", "httpGet"), "      - name: main"),
        (("spec", "suspend"), "spec:"),
        (("nothing",), "apiVersion:"),
    ):
        assert lines[manifest.line(path) - 1].startswith(start), path


def test_lines_lead_into_what_an_alias_or_a_merge_brings():
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: &d\n  a: one\nbinaryData:\n  <<: *d\n  b: two\n"
    [manifest] = parse(text)
    assert manifest.body["binaryData"] == {"a": "one", "b": "two"}
    assert manifest.line(("binaryData", "a")) == 5
    assert manifest.line(("binaryData", "b")) == 8


def test_json_files_are_read_too(tmp_path: Path):
    (tmp_path / "x.json").write_text(
        '{"apiVersion": "v1",\n\t"kind": "ConfigMap",\n\t"metadata": {"name": "x"},\n'
        '\t"data": {"a": "\\ud83d\\ude00", "b": "\\\\ud83d \\/ \\n"}}\n'
    )
    [manifest] = read([tmp_path])
    assert manifest.body["data"] == {"a": "\N{GRINNING FACE}", "b": "\\ud83d / \n"}
    assert manifest.line(("data", "a")) == 4


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\n\tb: 2\n", "the line begins with a tab: indent with spaces"),
        ("a: 1\nb: {{ .Values.b }}\n", "x.yaml:2: looks like a template"),
        ("a: 1\n{{- if .Values.b }}\nb: 1\n", "it looks like a template: render it first"),
        ("a: *nowhere\n", "x.yaml:1: is not YAML: found undefined alias"),
        ("a: [1, 2\nb: 1\n", "x.yaml:2: is not YAML"),
        ("a: \x00\n", "x.yaml:1: has a control character (U+0000)"),
        ("a: 1\nb: \x1b[31m\n", "x.yaml:2: has a control character (U+001B)"),
        ("a: .nan\n", "x.yaml:1: .nan is not a number that JSON can hold"),
        ("a: -.inf\n", "is not a number that JSON can hold"),
        (f"a: {'9' * 5000}\n", "is not a number that JSON can hold"),
        (f"a: 0b{'1' * 5000}\n", "is not a number that JSON can hold"),
        ("a: !!binary '%'\n", "is not base64"),
        ("a: !!python/object/apply:os.system ['true']\n", "means nothing here"),
        ("? [a]\n: b\n", "in place of a key"),
        ("<<: 5\n", "<< takes a mapping"),
        ("just words\n", "x.yaml:1: holds no Kubernetes object"),
        ("- a\n- b\n", "x.yaml:1: holds no Kubernetes object"),
        ("kind: List\nitems:\n- 5\n", "x.yaml:3: holds no Kubernetes object"),
        ("a: &a [*a]\n", "or an alias contains itself"),
        ("{a: " * 200, "x.yaml:2: is not YAML"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, what: str):
    assert what in refused(text)


@pytest.mark.parametrize("text", ["[" * 1_000_000, "- " * 1_000_000 + "a", "? " * 1_000_000, "{a: " * 50_000])
def test_deep_nesting_does_not_reach_the_parser_which_would_die_of_it(text: str):
    assert "is nested more than 100 levels deep" in refused(text)


def test_aliases_that_multiply_are_refused_in_time():
    levels = "\n".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(12))
    with cpu_below(10):
        assert "has more than 200,000 values" in refused(f"a: &a [x]\n{levels}\n")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a: \xff\n", "x.yaml:1: is not UTF-8 (byte 0xff)"),
        ("a: 1\n".encode("utf-16"), "x.yaml:1: is not UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "has a control character"),
        (b"a" * 10_000_001, "x.yaml: has more than 10 MB"),
    ],
    ids=["latin", "utf-16", "binary", "long"],
)
def test_files_that_are_no_text_are_refused(tmp_path: Path, content: bytes, what: str):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(InputError) as raised:
        read([tmp_path / "x.yaml"])
    assert what in str(raised.value)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path):
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbf" + JOB.encode())
    assert read([tmp_path / "x.yaml"])[0].title == "Job/study1"


def test_folders_are_read_by_name_without_hidden_files_and_endless_links(tmp_path: Path):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("z.yaml", "b/one.yml", "b/deep/two.JSON", ".git/no.yaml", ".hidden.yaml", "notes.txt"):
        (tmp_path / name).write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}')
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "b" / "broken.yaml").symlink_to(tmp_path / "nowhere")
    files = [Path(manifest.source.file).relative_to(tmp_path).as_posix() for manifest in read([tmp_path])]
    assert files == ["b/deep/two.JSON", "b/one.yml", "z.yaml"]


def test_a_folder_without_manifests_a_missing_file_and_a_closed_one_are_told(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no file named \*\.yaml"):
        read([tmp_path])
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read([tmp_path / "no.yaml"])
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n")
    with pytest.raises(InputError, match=r"empty\.yaml: no object to check"):
        read([tmp_path / "empty.yaml"])


BESIDE = {
    "kustomization.yaml": "patches: [{path: more.yaml}]\nconfigMapGenerator: [{name: settings}]\nvars: [{name: V}]\n",
    "more.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: study1}\nspec: {parallelism: 5}\n",
    "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    "chart/values.yaml": "replicas: 1\n",
    "chart/templates/job.yaml": "metadata: {name: '{{ .Release.Name }}'}\n",
    "environment.yml": "name: study\nchannels: [defaults]\ndependencies: [python]\n",
    "compose.yaml": "services: {web: {image: nginx}}\n",
    "kind.yaml": "apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\n",
    "kubeadm.yaml": "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n",
    "kubelet.yaml": "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
    "notes.yaml": "topic: sleep\n",
    "list.yaml": "- one\n- two\n",
    "template.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ name }}\n",
}
"""Files beside manifests that are none."""


def test_what_is_no_manifest_is_named_and_counted_and_the_rest_is_checked(tmp_path: Path, grace: Command):
    for name, text in {**BESIDE, "job.yaml": job((":0.3.0", ":latest"))}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    result = grace("cluster", "check", tmp_path, "--format", "json")
    content = json.loads(result.out)
    unread = {Path(one["file"]).relative_to(tmp_path).as_posix(): one["reason"] for one in content["unread"]}
    assert (result.code, content["files"], unread.keys()) == (0, 1, BESIDE.keys())
    assert [found["rule"] for found in content["findings"]] == ["K8S025"]
    for name, what in {
        "kustomization.yaml": "a Kustomization",
        "more.yaml": "a patch of a Kustomization",
        "chart/Chart.yaml": "the description of a Helm chart",
        "chart/values.yaml": "values for a Helm chart",
        "chart/templates/job.yaml": "`helm template",
        "environment.yml": "an environment of conda",
        "compose.yaml": "a file of Docker Compose",
        "kind.yaml": "a configuration of kind",
        "kubeadm.yaml": "Kubernetes' own programs",
        "kubelet.yaml": "Kubernetes' own programs",
        "notes.yaml": "neither apiVersion nor kind",
        "list.yaml": "holds no Kubernetes object",
        "template.yaml": "looks like a template",
    }.items():
        assert what in unread[name]
    assert f"{len(BESIDE)} files not checked" in grace("cluster", "check", tmp_path).out
    reading = survey([tmp_path])
    assert reading.generated == {("ConfigMap", "settings"), ("vars", "V"), ("Kustomization", str(tmp_path))}
    user = with_args(
        "x", env="[{name: A, value: $(V)}, {name: B, valueFrom: {configMapKeyRef: {name: settings, key: a}}}]"
    )
    assert {"K8S017", "K8S026"} <= {found.rule.id for found in check_manifests(parse(user), NRP).findings}
    rendered = check_manifests(parse(user), NRP, (), reading.generated)
    assert not {"K8S017", "K8S026"} & {found.rule.id for found in rendered.findings}
    sarif = json.loads(as_sarif(check_manifests(reading.manifests, NRP, reading.unread), ALL))
    assert len(sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"]) == len(BESIDE)
    (tmp_path / "job.yaml").unlink()
    assert grace("cluster", "check", tmp_path).code == 2


def test_what_stands_before_a_fault_of_a_file_is_checked(tmp_path: Path):
    (tmp_path / "x.yaml").write_text(f"{JOB}---\nname: {{{{ x }}}}\n")
    reading = survey([tmp_path])
    assert ([one.title for one in reading.manifests], len(reading.unread)) == (["Job/study1"], 1)
    with pytest.raises(InputError, match="looks like a template"):
        read([tmp_path])


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(JOB.encode())))
    [manifest] = read(["-"])
    assert (manifest.source.file, manifest.title) == ("-", "Job/study1")


def test_a_pipe_is_read_as_a_shell_gives_it(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"printf '%s' \"$TEXT\" > {pipe}"], env={"TEXT": JOB}):
        assert read([pipe])[0].title == "Job/study1"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", 0.5),
        ("2", 2),
        (3, 3),
        (0.5, 0.5),
        ("16Gi", 16 * 2**30),
        ("16G", 16e9),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 1e18),
        (".5", 0.5),
        ("5.", 5),
        ("-1", -1),
        ("16GB", None),
        ("", None),
        ("1 Gi", None),
        ("1ki", None),
        (True, None),
        (None, None),
        ("1e999", None),
    ],
)
def test_quantities(text: object, number: float | None):
    assert quantity(text) == (pytest.approx(number) if number is not None else None)


# Schemas


def faults(text: str) -> list[tuple[int, str, str]]:
    report = checked(text)
    return [(found.line, found.path, found.message) for found in report.findings if found.rule.id == "K8S001"]


def test_all_faults_of_an_object_are_told_with_their_lines():
    found = faults(
        "apiVersion: batch/v1\n"
        "kind: Job\n"
        "metadata: {name: x}\n"
        "spec:\n"
        "  backofLimit: 3\n"
        "  parallelism: '4'\n"
        "  template:\n"
        "    spec:\n"
        "      restartPolicy: Never\n"
        "      containers:\n"
        "      - image: a:1\n"
        "        args: [5, ~]\n"
        "        env:\n"
        "        - {name: A, value: 1}\n"
        "        - {name: B, value: true}\n"
        "        imagePullPolicies: Always\n"
    )
    container = "spec.template.spec.containers[0]"
    assert found == [
        (5, "spec.backofLimit", "unknown field 'backofLimit' (did you mean 'backoffLimit'?)"),
        (6, "spec.parallelism", "must be a whole number, and is a text"),
        (11, f"{container}.name", "the field 'name' is missing"),
        (12, f"{container}.args[0]", "must be a text, and is a number (in quotes, it is a text)"),
        (12, f"{container}.args[1]", "an item of the list is empty"),
        (14, f"{container}.env[0].value", "must be a text, and is a number (in quotes, it is a text)"),
        (15, f"{container}.env[1].value", "must be a text, and is true or false (in quotes, it is a text)"),
        (16, f"{container}.imagePullPolicies", "unknown field 'imagePullPolicies' (did you mean 'imagePullPolicy'?)"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Job\nmetadata: {name: x}\n", "apiVersion is missing"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "kind is missing"),
        ("apiVersion: 1\nkind: Pod\n", "apiVersion is missing, or is not a text"),
        ("apiVersion: v1\nkind: ConfigMap\ndata: {}\n", "metadata.name is missing"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: x\n", "metadata.name is missing"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: no}\n", "is true or false (in quotes, it is a text)"),
        ("apiVersion: v1\nkind: Job\nmetadata: {name: x}\n", "Kubernetes 1.32 has Job in batch/v1, not in v1"),
        ("apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: x}\n", "has CronJob in batch/v1, not in"),
        ("apiVersion: v1\nkind: Pods\nmetadata: {name: x}\n", "has no kind 'Pods' in v1 (did you mean 'Pod'?)"),
        (
            "apiVersion: networking.k8s.io/v2\nkind: Ingress\nmetadata: {name: x}\n",
            "has Ingress in networking.k8s.io/v1, not in networking.k8s.io/v2",
        ),
        ("apiVersion: ../../v1\nkind: ../pod\nmetadata: {name: x}\n", ""),
    ],
)
def test_what_is_no_object_of_kubernetes_is_told(text: str, message: str):
    found = faults(text)
    assert bool(message) == bool(found)
    assert all(message in fault[2] for fault in found)


def test_a_custom_resource_is_a_note_and_does_not_refuse():
    report = checked("apiVersion: kueue.x-k8s.io/v1beta1\nkind: LocalQueue\nmetadata: {name: q}\nspec: {a: [1]}\n")
    assert [(found.rule.id, found.severity) for found in report.findings] == [("K8S002", Severity.NOTE)]
    assert not report.refuses(strict=True)


def test_a_job_of_somebody_else_is_a_custom_resource():
    report = checked("apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: q}\nspec: {tasks: []}\n")
    assert [found.rule.id for found in report.findings] == ["K8S002"]


EXAMPLES = [text for rule in ALL for text in (rule.failing, rule.passing)]


@pytest.mark.parametrize("number", range(0, len(EXAMPLES), 5))
def test_schemas_are_as_strict_as_those_of_kubernetes_validate(number: int):
    known = schemas("1.32")
    for manifest in parse(EXAMPLES[number])[:3]:
        broken = json.loads(json.dumps(manifest.body))
        for whole in (manifest.body, broken | {"surplus": 1}, broken | {"metadata": {"name": "x", "labels": {"a": 1}}}):
            try:
                kubernetes_validate.validate(whole, "1.32", strict=True)
                fine = True
            except kubernetes_validate.ValidationError:
                fine = False
            except kubernetes_validate.SchemaNotFoundError:
                continue
            [again] = parse(json.dumps(whole))
            assert (not known.faults(again)) == fine


def test_a_version_without_schemas_is_told():
    with pytest.raises(InputError, match=r"schemas of Kubernetes 1\.25 to 1\.\d+, not of 1\.99"):
        schemas("1.99")


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    schemas.cache_clear()
    monkeypatch.setitem(sys.modules, "kubernetes_validate", None)
    with pytest.raises(InputError, match=r"pip install 'grace-experiments\[cluster\]'"):
        schemas("1.32")


def test_kinds_without_a_namespace_are_known_as_such():
    kinds = {kind for _, kind in schemas("1.32").names}
    assert kinds >= CLUSTER_WIDE


# Suppression


def ignoring(annotation: str) -> str:
    return job(
        (
            "  labels: {app: grace}\nspec",
            f"  labels: {{app: grace}}\n  annotations:\n    grace/ignore: {annotation}\nspec",
        ),
        (":0.3.0", ":latest"),
    )


def ids(report: Any) -> list[str]:
    return [found.rule.id for found in report.findings]


def test_a_reason_suppresses_a_rule_on_its_object_only():
    other = job(("name: study1", "name: study2"), (":0.3.0", ":latest"))
    report = checked(ignoring('"K8S025: the registry has no versions"'), other)
    assert [(found.object, found.rule.id) for found in report.findings] == [("Job/study2", "K8S025")]
    assert [(found.object, found.reason) for found in report.suppressed] == [
        ("Job/study1", "the registry has no versions")
    ]
    assert "1 warning, 0 notes; 1 suppressed" in as_text(report)
    assert "the registry has no versions" not in as_text(report)
    assert "Why: the registry has no versions" in as_text(report, show_suppressed=True)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("K8S025", "K8S025 is suppressed without a reason, and so is not"),
        ("'K8S025:  '", "K8S025 is suppressed without a reason, and so is not"),
        ("'K8S25: typed badly'", "there is no rule 'K8S25' (did you mean 'K8S025'?)"),
        ("'all of them'", "there is no rule 'all of them'"),
        ("': why not'", "there is no rule ''"),
        ("'K8S003: hush'", "K8S003 cannot be suppressed"),
    ],
)
def test_an_entry_that_does_not_count_is_a_finding_and_suppresses_nothing(annotation: str, message: str):
    report = checked(ignoring(annotation))
    assert ids(report) == ["K8S003", "K8S025"]
    assert report.findings[0].message == message
    assert not report.suppressed


def test_several_entries_stand_between_semicolons_or_on_lines():
    text = changed(ignoring('"K8S025: one; K8S031: two"'), ("  activeDeadlineSeconds: 86400\n", ""))
    assert ids(checked(text)) == []
    text = changed(ignoring("|\n      K8S025: one\n      K8S031: two"), ("  activeDeadlineSeconds: 86400\n", ""))
    assert ids(checked(text)) == []


def test_what_the_schema_refuses_cannot_be_suppressed():
    report = checked(changed(ignoring('"K8S001: I know better"'), ("restartPolicy", "restartpolicy")))
    assert set(ids(report)) == {"K8S001", "K8S003", "K8S025"}
    assert report.refuses()


# Order, formats


def mixed() -> list[Any]:
    first = with_args("$(NOWHERE)").replace(":0.3.0", "")
    second = ignoring('"K8S025: why not"').replace("study1", "study_2")
    return [*parse(first, "b.yaml"), *parse(second, "a.yaml")]


def test_findings_come_by_file_as_given_then_by_line_and_always_so():
    report = check_manifests(mixed(), plain())
    assert [(found.file, found.line, found.rule.id) for found in report.findings] == [
        ("b.yaml", 19, "K8S025"),
        ("b.yaml", 20, "K8S026"),
        ("a.yaml", 4, "K8S004"),
    ]
    again = check_manifests(mixed(), plain())
    assert as_json(report) == as_json(again)
    assert as_sarif(report, ALL) == as_sarif(again, ALL)


def test_the_text_has_what_where_and_how_to_fix_it():
    text = as_text(checked(with_args("$(NOWHERE)")))
    assert text == (
        "x.yaml\n"
        "  warning K8S026: variable that is not defined (line 20, Job/study1)\n"
        "      spec.template.spec.containers[0].args[0]: "
        "$(NOWHERE) stays as it is: no variable NOWHERE is defined before it in this container's env\n"
        f"      Fix: {find_rule('K8S026').fix}\n"
        "\n"
        "1 file, 1 object: 0 errors, 1 warning, 0 notes\n"
    )


def test_the_json_has_the_documented_shape():
    content = json.loads(as_json(check_manifests(mixed(), plain())))
    assert list(content) == [
        "version",
        "files",
        "objects",
        "errors",
        "warnings",
        "notes",
        "findings",
        "suppressed",
        "unread",
    ]
    assert (content["files"], content["objects"], content["errors"], content["warnings"]) == (2, 2, 1, 2)
    keys = {"rule", "severity", "title", "file", "line", "object", "path", "message", "mend"}
    assert all(set(found) == keys for found in content["findings"])
    assert all(set(found) == keys | {"reason"} for found in content["suppressed"])
    documented = as_json.__doc__ or ""
    assert all(f"`{key}`" in documented for key in (*content, *keys, "reason"))


SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "uniqueItems": True,
                                        "items": {
                                            "additionalProperties": False,
                                            "required": ["id"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": {"$ref": "#/$defs/message"},
                                                "fullDescription": {"$ref": "#/$defs/message"},
                                                "help": {"$ref": "#/$defs/message"},
                                                "helpUri": {"type": "string", "pattern": "^https?://[^ ]+$"},
                                                "defaultConfiguration": {
                                                    "properties": {"level": {"$ref": "#/$defs/level"}}
                                                },
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "additionalProperties": False,
                            "required": ["message"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"$ref": "#/$defs/level"},
                                "message": {"$ref": "#/$defs/message"},
                                "locations": {
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {"uri": {"type": "string", "pattern": "^[!-~]+$"}}
                                                    },
                                                    "region": {
                                                        "properties": {"startLine": {"type": "integer", "minimum": 1}}
                                                    },
                                                }
                                            }
                                        }
                                    }
                                },
                                "suppressions": {
                                    "items": {
                                        "required": ["kind"],
                                        "properties": {
                                            "kind": {"enum": ["inSource", "external"]},
                                            "justification": {"type": "string"},
                                        },
                                    }
                                },
                            },
                        }
                    },
                },
            },
        },
    },
    "$defs": {
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
    },
}
"""What SARIF 2.1.0 asks of the parts that are written here, from its schema."""


def test_the_sarif_is_valid_and_complete():
    report = check_manifests(mixed(), plain())
    content = json.loads(as_sarif(report, ALL))
    jsonschema.validate(content, SARIF)
    [run] = content["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) == len(ALL)
    assert len(run["results"]) == len(report.findings) + len(report.suppressed)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    suppressed = [result for result in run["results"] if "suppressions" in result]
    assert [result["suppressions"][0]["justification"] for result in suppressed] == ["why not"]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a b/ü.yaml", "a%20b/%C3%BC.yaml"),
        ("/a b.yaml", "file:///a%20b.yaml"),
        ("-", "stdin"),
        ("a#?.yaml", "a%23%3F.yaml"),
    ],
)
def test_sarif_has_addresses_of_files(file: str, uri: str):
    report = check_manifests(parse(job((":0.3.0", "")), file), plain())
    [result] = json.loads(as_sarif(report, ALL))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


HOSTILE = "\\e[31mred\\a\\u202e\\n::error::x \\u0007 \\\\ ' <b> {{x}} $(id)"


@pytest.mark.parametrize(
    "text",
    [
        f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: "{HOSTILE}"}}\n',
        f'apiVersion: v1\nkind: "{HOSTILE}"\nmetadata: {{name: x}}\n',
        f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n"{HOSTILE}": 1\n',
        f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, labels: {{"{HOSTILE}": "{HOSTILE}"}}}}\n',
        f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, annotations: {{grace/ignore: "{HOSTILE}"}}}}\n',
        job(("ghcr.io/example/query-generator:0.3.0", f'"{HOSTILE}"')),
        job(("args: [--model-name=gemma-2-2b-it]", f'args: ["$(A.B) http://study1:80/{HOSTILE}"]')),
    ],
)
def test_nothing_in_a_file_reaches_the_terminal_as_a_command(text: str):
    report = checked(text, cluster=NRP)
    assert report.findings
    for shown in (as_text(report), as_json(report), as_sarif(report, ALL)):
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert "\n::error::" not in shown


def test_nothing_in_a_files_name_reaches_the_terminal_as_a_command(tmp_path: Path, grace: Command):
    path = tmp_path / "\x1b[31m\n.yaml"
    path.write_text(job((":0.3.0", "")))
    shown = grace("cluster", "check", path, "--cluster", "nrp").out
    assert "\x1b" not in shown
    assert "\\x1b[31m\\n.yaml" in shown
    path.write_text("a: [")
    said = grace("cluster", "check", path)
    assert said.code == 2
    assert "\x1b" not in said.err


def test_no_message_shows_a_value_that_the_schema_refuses():
    text = with_args("x", env=f"[{{name: HF_TOKEN, valueFrom: {SECRET}}}, {{name: A, value: [{SECRET}]}}]")
    report = checked(text)
    assert len(report.findings) == 2
    assert SECRET not in as_text(report) + as_json(report) + as_sarif(report, ALL)


# The command line


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A cluster with the general rules only."""
    path = tmp_path / "lab.cluster"
    path.write_text('name: lab\ntitle: Our lab\nkubernetes: "1.32"\nnamespace: default\npolicies: [general]\n')
    return path


def test_a_clean_folder_ends_with_0(grace: Command, files: Path, cluster: Path):
    result = grace("cluster", "check", files, "--cluster", cluster)
    assert (result.code, result.out) == (0, "1 file, 1 object: 0 errors, 0 warnings, 0 notes\n")


def test_an_error_refuses_and_a_warning_only_when_strict(grace: Command, files: Path, cluster: Path):
    (files / "job.yaml").write_text(job((":0.3.0", ":latest")))
    assert grace("cluster", "check", files, "--cluster", cluster).code == 0
    assert grace("cluster", "check", files, "--cluster", cluster, "--strict").code == 4
    (files / "job.yaml").write_text(job(("study1", "study_1")))
    result = grace("cluster", "check", files, "--cluster", cluster)
    assert result.code == 4
    assert "study-1 is possible" in result.out


def test_wrong_input_ends_with_2_and_says_what_to_do(grace: Command, files: Path):
    for arguments, message in (
        ((), "give files or a folder"),
        ((files / "no.yaml",), "cannot be read"),
        ((files, "--cluster", "nrpp"), "did you mean 'nrp'?"),
        (("--explain", "NPR001"), "did you mean 'NRP001'?"),
    ):
        result = grace("cluster", "check", *arguments)
        assert result.code == 2
        assert message in result.err
    assert grace("cluster", "check", files, "--format", "xml").code == 2


def test_other_formats_are_printed_whole(grace: Command, files: Path):
    (files / "job.yaml").write_text(job(("study1", "study_1")))
    for kind, key in (("json", "findings"), ("sarif", "runs")):
        result = grace("cluster", "check", files, "--format", kind)
        assert result.code == 4
        assert json.loads(result.out)[key]


def test_a_rule_is_explained_with_its_source_and_an_example(grace: Command):
    rule = find_rule("K8S016")
    shown = grace("cluster", "check", "--explain", "k8s016").out
    assert all(part in shown for part in (rule.title, rule.why, rule.fix, rule.source, str(rule.read)))
    assert "kind: Job" in shown


# Speed, and anything at all


def many(folder: Path, number: int) -> None:
    for count in range(number // 4):
        service = changed(SERVICE, ("name: vllm-gemma", f"name: vllm-{count}"))
        server = changed(SERVER, ("name: vllm-gemma", f"name: vllm-{count}"))
        client = with_args(f"--model-endpoint=http://vllm-{count}:8000").replace("study1", f"study1-{count}")
        settings_map = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c-{count}}}\ndata: {{a: b}}\n"
        for name, text in (("service", service), ("server", server), ("client", client), ("config", settings_map)):
            (folder / f"{name}-{count}.yaml").write_text(text)


def test_500_manifests_take_less_than_5_seconds_of_cpu_with_the_start_of_the_interpreter(tmp_path: Path):
    many(tmp_path, 500)
    command = [sys.executable, "-m", "grace", "cluster", "check", str(tmp_path)]
    with cpu_below(5):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1].startswith("500 files, 500 objects"), result.stderr


@settings(max_examples=150)
@given(kind=st.sampled_from(["Pod", "Job", "CronJob", "Deployment", "Service", "Secret", "List"]), spec=manifest_values)
def test_anything_at_all_is_checked_without_a_traceback(kind: str, spec: Any):
    versions = {"Job": "batch/v1", "CronJob": "batch/v1", "Deployment": "apps/v1"}
    whole = {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    report = check_manifests(parse(json.dumps(whole), json=True), NRP)
    as_text(report)
    as_sarif(report, ALL)


PIECES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**40,
        1.5,
        "",
        "x",
        "$(A)",
        "http://vllm-gemma:99999",
        "1Gi",
        [],
        [None],
        {},
        {"a": None},
        "é\n\x1b",
    ]
)
BODIES = [manifest.body for text in EXAMPLES for manifest in parse(text)[:2]] + [yaml.safe_load(JOB)]


def _replace(value: Any, choice: Any, piece: Any) -> Any:
    """One part of a value replaced by a piece, chosen on the way down."""
    if isinstance(value, dict) and value and choice(st.integers(0, 5)) != 0:
        key = choice(st.sampled_from(sorted(value)))
        return value | {key: _replace(value[key], choice, piece)}
    if isinstance(value, list) and value and choice(st.integers(0, 5)) != 0:
        index = choice(st.integers(0, len(value) - 1))
        return [*value[:index], _replace(value[index], choice, piece), *value[index + 1 :]]
    return piece


@settings(max_examples=300)
@given(data=st.data())
def test_an_example_with_a_part_replaced_is_checked_without_a_traceback(data: st.DataObject):
    whole = data.draw(st.sampled_from(BODIES))
    for _ in range(data.draw(st.integers(1, 3))):
        whole = _replace(whole, data.draw, data.draw(PIECES))
        if not isinstance(whole, dict):
            return
    as_text(check_manifests(parse(json.dumps({**whole, "kind": whole.get("kind")}), json=True), NRP))


@settings(max_examples=200)
@given(data=st.data())
def test_what_fits_its_schema_has_no_fault_by_it(data: st.DataObject):
    whole = data.draw(st.sampled_from(BODIES))
    for _ in range(data.draw(st.integers(0, 2))):
        whole = _replace(whole, data.draw, data.draw(PIECES))
    known = schemas(NRP.kubernetes)
    kind = (whole.get("apiVersion"), whole.get("kind")) if isinstance(whole, dict) else ()
    definition = next((name for key, name in known.names.items() if key == kind), "")
    if definition and fits(known.definitions[definition], whole):
        assert not [*validator()(known.definitions[definition], format_checker=formats()).iter_errors(whole)]


def test_objects_without_fault_fit_their_schemas():
    known = schemas(NRP.kubernetes)
    for text in (JOB, SERVER, SERVICE):
        [manifest] = parse(text)
        assert fits(known.definitions[known.names[manifest.api_version, manifest.kind]], manifest.body)


@settings(max_examples=300)
@given(text=yaml_texts)
def test_any_text_is_read_or_refused_with_the_files_name(text: str):
    try:
        parse(text, "x.yaml")
        message = ""
    except InputError as error:
        message = str(error)
    assert not message or message.startswith("x.yaml:")


def test_objects_of_no_namespace_and_of_the_clusters_are_found():
    scene = Scene(tuple(parse(f"{JOB}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: lab}}\n")), plain())
    assert scene.find("Job", plain().namespace, "study1") is scene.manifests[0]
    assert scene.find("Namespace", "", "lab") is scene.manifests[1]


def test_facts_have_sources_and_old_ones_are_named_once(grace: Command, tmp_path: Path):
    facts = [*NRP.storage.classes, *NRP.gpus, *NRP.reserved, NRP.priority_classes]
    assert all(fact.source for fact in facts)
    assert NRP.limits.sources.keys() == NRP.limits.model_dump(exclude={"sources"}, exclude_none=True).keys()
    assert NRP.outdated(date(2026, 11, 28)) == ""
    assert NRP.outdated(date(2027, 12, 1)).count("Cluster policies") == 1
    old = "sources: {a: {page: A page, read: 2020-01-01}}"
    own = f"{{name: own, title: Our cluster, kubernetes: '1.32', namespace: lab, {old}}}"
    (tmp_path / "own.yaml").write_text(own)
    (tmp_path / "job.yaml").write_text(JOB)
    done = grace("cluster", "check", tmp_path / "job.yaml", "--cluster", tmp_path / "own.yaml", "--format", "json")
    assert "grace: note: facts about Our cluster were read more than a year ago" in done.err
    assert done.err.count("A page (2020-01-01)") == 1
    assert json.loads(done.out)["objects"] == 1


@pytest.mark.parametrize("name", ["./a\0b.yaml", "./\ud800.yaml", "./" + "x" * 300, "./a\nb.yaml", ""])
def test_a_cluster_file_that_cannot_be_is_refused_in_one_line(name):
    with pytest.raises(InputError, match="cannot be read: ") as caught:
        load_cluster(name)
    assert str(caught.value).isprintable()
