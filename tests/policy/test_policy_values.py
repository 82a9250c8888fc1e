"""Values that the API refuses although its schema allows them: each rule with examples that fail and that pass."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grace.policy.check import check_manifests
from grace.policy.cluster_file import load_cluster
from grace.policy.reading import parse
from grace.policy.values import value_rules
from policy_examples import checked

TABLE = yaml.safe_load((Path(__file__).parent / "values.yaml").read_text())
OBJECTS = TABLE.pop("objects")
CASES = [(definition, *case) for definition, cases in TABLE.items() for case in cases]
RULES = ("K8S001", "K8S040")


def found(kind: str, path: str, value: Any) -> list[tuple[str, str]]:
    """Places and messages of an object that has a value somewhere."""
    whole = copy.deepcopy(OBJECTS[kind])
    steps = [int(step) if step.isdecimal() else step for step in re.split(r"\.|\[|\]\.?", path) if step]
    part = whole
    for step in steps[:-1]:
        part = part[step]
    part[steps[-1]] = value
    report = check_manifests(parse(json.dumps(whole), json=True), load_cluster("nrp"))
    return [(finding.path, finding.message) for finding in report.findings if finding.rule.id in RULES]


@pytest.mark.parametrize(
    ("definition", "kind", "path", "wrong", "says", "right"),
    CASES,
    ids=[f"{definition}-{number}" for number, (definition, *_) in enumerate(CASES)],
)
def test_a_value_is_refused_at_its_place_and_another_is_not(
    definition: str, kind: str, path: str, wrong: Any, says: str, right: Any
):
    assert found(kind, path, right) == []
    [(place, message)] = found(kind, path, wrong)
    whole = f"{place}: {message}"
    assert whole.startswith(says[1:] if says.startswith("^") else path)
    assert says.removeprefix("^") in whole


def test_every_rule_has_examples():
    assert {name for name in TABLE if not name.startswith("format ")} == set(value_rules())


def test_one_place_is_reported_once_and_no_value_is_shown():
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {token: 'correct-horse!'}\n"
    [finding] = [each for each in checked(text).findings if each.rule.id == "K8S040"]
    assert finding.line == 4
    assert "horse" not in finding.message


def test_other_rules_still_look_at_an_object_with_a_refused_value():
    text = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x_y}\nspec:\n  backoffLimit: -1\n  template:\n"
        "    spec: {restartPolicy: Never, containers: [{name: a, image: a}]}\n"
    )
    assert {"K8S040", "K8S004"} <= {finding.rule.id for finding in checked(text).findings}


def test_pods_of_custom_resources_are_looked_at_too():
    text = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: x}
spec:
  headGroupSpec:
    template:
      spec:
        containers: [{name: head, image: "a:1", imagePullPolicy: always, somethingOfTheirs: 1}]
"""
    [finding] = [each for each in checked(text).findings if each.rule.id in RULES]
    assert finding.path == "spec.headGroupSpec.template.spec.containers[0].imagePullPolicy"


@pytest.mark.parametrize(
    "text",
    [
        "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]",
        "restartPolicy: OnFailure",
        "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]",
    ],
)
def test_what_newer_versions_have_is_accepted(text: str):
    pod = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec:\n  containers: [{{name: a, image: 'a:1', {text}}}]"
    assert not [finding.message for finding in checked(pod).findings if finding.rule.id in RULES]
