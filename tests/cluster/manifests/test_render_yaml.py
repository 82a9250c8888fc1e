"""YAML of manifests: every reader takes it for the same, and people can read it."""

import json
import shutil
import subprocess

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from grace.cluster.manifests.yaml_text import dumped, to_yaml
from limits import HANG
from strategies import yaml_values

LOOKS_LIKE_SOMETHING_ELSE = [
    "yes", "No", "on", "OFF", "y", "N", "true", "null", "~", "None", "1.0", "0123", "0o14", "0x1f", "1e3", "1_000",
    "12:30:45", ".inf", "-.inf", ".nan", "", " x", "x ", "- a", "a: b", "a #b", "*a", "&a", "!a", "%a", "@a", "`a",
    "2026-11-25", "=", "<<", "{a}", "[a]", "a\tb", "\x85", "\u2028", "\ufeff", "1Gi x", "-1", "+1", "007m",
]  # fmt: skip


@pytest.mark.parametrize("text", LOOKS_LIKE_SOMETHING_ELSE)
def test_texts_that_look_like_something_else_stay_texts(text):
    assert yaml.safe_load(dumped({"a": text})) == {"a": text}
    if text != "007m":
        assert dumped({"a": text}).startswith('a: "')


@given(st.dictionaries(st.text(), yaml_values, max_size=4))
@example({"a": "x\n  y \n\n"})
@example({"\n\x85": "x\u2028\ny\u2029"})
def test_what_is_written_is_read(value):
    assert yaml.safe_load(dumped(value)) == value


def test_equal_parts_are_written_twice_and_lines_stay_lines():
    part = {"b": ["x"]}
    text = dumped({"one": part, "two": part, "script": "first line\nsecond: line\n"})
    assert "&" not in text
    assert "*" not in text
    assert "script: |\n  first line\n  second: line\n" in text
    assert dumped({"a": "word " * 100}).count("\n") == 1


def test_keys_stand_in_the_order_of_reading():
    text = to_yaml([{"spec": {"z": 1, "containers": [{"env": [], "name": "a"}]}, "kind": "A", "apiVersion": "v1"}])
    assert text == "apiVersion: v1\nkind: A\nspec:\n  z: 1\n  containers:\n    - name: a\n      env: []\n"


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")
def test_kubectl_reads_the_same(tmp_path):
    data = {f"k{number}": text for number, text in enumerate(LOOKS_LIKE_SOMETHING_ELSE)}
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    (tmp_path / "a.yaml").write_text(to_yaml([written]), encoding="utf-8")
    command = ["kubectl", "label", "--local", "-f", str(tmp_path / "a.yaml"), "x=y", "-o", "json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=HANG)
    assert json.loads(done.stdout)["data"] == data
