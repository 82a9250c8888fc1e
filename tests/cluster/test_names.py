"""Names of objects: whatever people call their runs and models, Kubernetes takes it, or is never asked."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grace.cluster import names
from grace.errors import InputError

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
HOSTILE = [
    "google/gemma-2-2b-it",
    "$(rm -rf /)",
    "`id`; 'quoted' \"twice\"",
    "two\nlines",
    "a" * 300,
    "Übergröße",
    "日本語",
    "..",
    "-leading",
    "trailing-",
    "under_score",
    "",
    "\x00\ud800",
]


@pytest.mark.parametrize("text", [*HOSTILE, "9lives"])
def test_hostile_texts_become_names(text):
    name = names.sanitized(text)
    assert LABEL.fullmatch(name)
    assert len(name) <= 63


@given(st.text(alphabet=st.characters(exclude_categories=())), st.integers(16, 63))
@example("$(JOB_COMPLETION_INDEX)", 16)
def test_any_text_becomes_a_name(text, most):
    name = names.sanitized(text, most)
    assert LABEL.fullmatch(name)
    assert len(name) <= most
    assert names.sanitized(name, most) == name  # made once, it stays


@given(st.lists(st.text(max_size=70), min_size=1, max_size=3))
def test_names_of_several_parts_fit_too(parts):
    name = names.object_name(*parts, most=names.INDEXED)
    assert LABEL.fullmatch(name)
    assert len(name) <= names.INDEXED


def test_good_names_are_kept_and_others_told_apart():
    assert names.sanitized("gemma-2-2b-it") == "gemma-2-2b-it"
    alike = ["a-b", "a/b", "a_b", "A-B", "a.b", "a b", "-a-b"]
    assert len({names.sanitized(text) for text in alike}) == len(alike)
    long = ["x" * 80, "x" * 81]
    assert names.sanitized(long[0]) != names.sanitized(long[1])


@pytest.mark.parametrize("name", [*HOSTILE, "a.b", "Upper", "a" * 64])
def test_namespaces_are_refused_and_never_changed(name):
    with pytest.raises(InputError, match="--namespace"):
        names.check_namespace(name)


def test_refusals_are_one_short_line_of_ascii():
    for text in HOSTILE:
        with pytest.raises(InputError) as refused:
            names.check_namespace(text)
        said = str(refused.value)
        assert said.isascii()
        assert said.isprintable()
        assert len(said) < 300


@pytest.mark.parametrize(
    "reference",
    [
        "grace/query-generator:0.1.0",
        "vllm/vllm-openai:v0.33.0-cu129",
        "registry.example.org:5000/lab/grace:1",
        f"grace@sha256:{'0' * 64}",
        f"python:3.12-slim@sha256:{'0' * 64}",
    ],
)
def test_images_with_a_version_are_taken(reference):
    assert names.check_image("--image", reference) == reference


@pytest.mark.parametrize("reference", ["grace", "grace:latest", "host:5000/grace", "grace:", *HOSTILE])
def test_images_that_move_or_are_none_are_refused(reference):
    with pytest.raises(InputError, match="--image"):
        names.check_image("--image", reference)


def kubernetes_reads(text, variables):
    """How Kubernetes reads `args` (third_party/forked/golang/expansion of its source)."""
    return re.sub(
        r"\$(?:\$|\(([^)]*)\))",
        lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[0]),
        text,
    )


@given(st.text(alphabet="$()Aa \n", max_size=30))
@example("$(A)")
@example("$$(A)")
@example("$$$(A)")
def test_literal_texts_arrive_as_they_are(text):
    assert kubernetes_reads(names.literal(text), {"A": "replaced", "": "replaced"}) == text
