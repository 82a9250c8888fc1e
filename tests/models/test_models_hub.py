"""Models of a hub: brought where vLLM looks for them, without duplicates, and what is said when the hub says no."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects

from conftest import Result
from fake_hub import COMMIT, FakeHub, Repo
from grace.models.catalogue import hub_models

WEIGHTS = random.Random(2).randbytes(14_000_000)  # huggingface_hub keeps pieces of 10 MiB
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": WEIGHTS,
    "original/model.safetensors": WEIGHTS,
    "original/params.json": b"{}",
    "gemma-2-2b-it.gguf": b"GGUF",
    "README.md": b"# A model",
}
SNAPSHOT = f"models--google--gemma-2-2b-it/snapshots/{COMMIT}"
SMALL = """
lineup:
  - name: gemma-2-2b-it
    title: Gemma-2B
    family: gemma2
    licence: {name: Gemma Terms of Use, page: "https://hub.example/google/gemma-2-2b-it"}
    parameters: 10
    layers: 1
    heads: 1
    kv_heads: 1
    head_size: 1
    hidden_size: 1
    intermediate_size: 1
    vocabulary: 1
    context: 8192
    dtypes: [bfloat16]
    chat: {system_role: false}
    variants:
      - {name: bf16, served_name: gemma-2-2b-it, repo: google/gemma-2-2b-it, gated: true, weights_bytes: 3000000,
         revision: 299a8560bedf22ed1c72a8a11e7dce4a7f9f51f8}
      - {name: awq, served_name: gemma-2-2b-it-awq, repo: somebody/gemma-2-2b-it-awq, weights_bytes: 3000000}
      - {name: huge, served_name: gemma-2-2b-it-huge, repo: somebody/huge, weights_bytes: 9000000000000000}
"""
"""The lineup's model with other sizes, so that the check for room has something small to think about."""


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(tokens={"hf_new", "hf_accepted"}, accepted={"hf_accepted"}) as hub:
        hub.repos["google/gemma-2-2b-it"] = Repo(FILES, gated=True)
        hub.repos["somebody/gemma-2-2b-it-awq"] = Repo(FILES)
        yield hub


Models = Callable[..., Result]


@pytest.fixture
def models(hub: FakeHub, tmp_path: Path) -> Models:
    """`grace models ...` in a process of its own, as huggingface_hub reads its environment once, with an empty home."""
    (tmp_path / "catalogue.yaml").write_text(SMALL)

    def run(*arguments: object, **environment: str) -> Result:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        clean |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        clean |= {"GRACE_CATALOGUE": str(tmp_path / "catalogue.yaml"), "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, "-m", "grace", "models", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=clean | environment, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def test_a_snapshot_comes_to_where_vllm_looks_and_without_duplicates(models, hub, tmp_path):
    done = models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted")
    assert done.code == 0, done.err
    folder = tmp_path / "hf" / "hub" / SNAPSHOT
    assert done.out == f"{folder}\n"
    assert {file.name for file in folder.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert models("path", "Gemma-2B").out == f"{folder}\n"


def test_a_volume_of_weights_becomes_a_home_for_the_server(models, hub, tmp_path):
    done = models("pull", "gemma-2-2b-it", "--variant", "awq", "--to", tmp_path / "weights")
    assert done.code == 0, done.err
    folder = Path(done.out.strip())
    assert folder.is_relative_to(tmp_path / "weights" / "hub")
    assert not (tmp_path / "hf" / "hub").exists()
    # What a server with that HF_HOME, no network and no token finds:
    seen = models("path", "gemma-2-2b-it", "--variant", "awq", HF_HOME=str(tmp_path / "weights"), HF_HUB_OFFLINE="1")
    assert seen.out == done.out


def test_a_cut_connection_is_resumed_where_it_broke(models, hub, tmp_path):
    hub.cuts = [12_000_000]
    assert models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted").code == 0
    assert [start > 0 for path, start in hub.asked if path == "model.safetensors"] == [False, True]
    assert (tmp_path / "hf" / "hub" / SNAPSHOT / "model.safetensors").read_bytes() == WEIGHTS


def test_a_broken_download_goes_on_with_the_file_that_broke(models, hub, tmp_path):
    hub.cuts = [12_000_000] + [0] * 20
    broken = models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted")
    assert broken.code == 3
    assert "503" in broken.err
    assert models("path", "gemma-2-2b-it").code == 3  # not all of it is here
    hub.cuts = []
    hub.asked.clear()
    assert models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted").code == 0
    assert hub.asked == [("model.safetensors", 0)]
    blobs = tmp_path / "hf" / "hub" / "models--google--gemma-2-2b-it" / "blobs"
    assert sum(file.stat().st_size for file in blobs.iterdir()) == len(WEIGHTS) + 2 + 18  # no leftovers


def test_what_is_here_is_not_brought_again(models, hub):
    assert models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted").code == 0
    hub.asked.clear()
    assert models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted").code == 0
    assert hub.asked == []


@pytest.mark.parametrize("token", [None, "hf_new"], ids=["no token", "licence not accepted"])
def test_a_gated_model_gives_the_page_to_accept(models, token):
    done = models("pull", "gemma-2-2b-it", **({"HF_TOKEN": token} if token else {}))
    assert done.code == 3
    assert "gated: accept its licence on https://hub.example/google/gemma-2-2b-it" in done.err


def test_a_token_that_the_hub_does_not_know_is_not_shown(models):
    done = models("pull", "gemma-2-2b-it", HF_TOKEN="hf_secret")
    assert done.code == 3
    assert "does not know this token" in done.err
    assert "hf_secret" not in done.err + done.out


def test_a_token_may_stand_in_a_file(models, tmp_path):
    (tmp_path / "token").write_text("hf_accepted\n")
    assert models("pull", "gemma-2-2b-it", HF_TOKEN_PATH=str(tmp_path / "token")).code == 0


def test_a_repository_that_is_gone_is_told_with_the_other_variants(models, hub):
    del hub.repos["somebody/gemma-2-2b-it-awq"]
    done = models("pull", "gemma-2-2b-it", "--variant", "awq")
    assert done.code == 3
    assert "somebody/gemma-2-2b-it-awq: the hub has no such repository" in done.err
    assert "other variants (bf16" in done.err


def test_a_commit_that_is_gone_is_told(models, hub):
    hub.repos["google/gemma-2-2b-it"].commit = "0" * 40
    done = models("pull", "gemma-2-2b-it", HF_TOKEN="hf_accepted")
    assert done.code == 3
    assert f"google/gemma-2-2b-it at {COMMIT}: the repository has no such commit" in done.err


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_offline_is_said_so(models, environment):
    for command in ("pull", "licence"):
        done = models(command, "gemma-2-2b-it", HF_TOKEN="hf_accepted", **environment)
        assert done.code == 3
        assert "the hub cannot be reached" in done.err


def test_a_disk_that_is_too_small_is_told_before_the_download(models, hub):
    done = models("pull", "gemma-2-2b-it", "--variant", "huge")
    assert done.code == 3
    assert "needs 9000000.0 GB more" in done.err
    assert hub.asked == []


def test_the_licence_and_whether_it_was_accepted(models):
    granted = models("licence", "gemma-2-2b-it", HF_TOKEN="hf_accepted")
    assert granted.code == 0
    assert "Gemma Terms of Use" in granted.out
    assert "accept it on https://hub.example/google/gemma-2-2b-it" in granted.out
    assert "this machine may have it" in granted.out
    refused = models("licence", "gemma-2-2b-it", HF_TOKEN="hf_new")
    assert refused.code == 3
    assert "accept its licence on https://hub.example" in refused.err
    without = models("licence", "gemma-2-2b-it")
    assert without.code == 3
    assert "no token here" in without.err
    assert models("licence", "gemma-2-2b-it", "--variant", "awq").code == 0


def test_options_for_the_lineup_are_refused_for_a_file(models):
    done = models("pull", "smollm2-135m", "--variant", "awq")
    assert done.code == 2
    assert "--variant and --to are for models of the lineup" in done.err
    assert models("pull", "gemma-2-2b-it", "--from", "x.gguf").code == 2


# What such repositories hold, by their pages on the hub; the duplicates are as big as the weights.
LLAMA = [
    "LICENSE",
    "README.md",
    "USE_POLICY.md",
    "config.json",
    "generation_config.json",
    "model-00001-of-00004.safetensors",
    "model.safetensors.index.json",
    "original/consolidated.00.pth",
    "original/params.json",
    "original/tokenizer.model",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
]
GPT_OSS = [
    "chat_template.jinja",
    "config.json",
    "model-00000-of-00002.safetensors",
    "tokenizer.json",
    "metal/model.bin",
    "original/config.json",
    "original/model.safetensors",
    "original/dtypes.json",
]


@pytest.mark.parametrize("files", [LLAMA, GPT_OSS], ids=["llama", "gpt-oss"])
def test_patterns_leave_duplicates_out(files):
    for model in hub_models().values():
        for variant in model.variants:
            patterns = {"allow_patterns": list(variant.files), "ignore_patterns": list(variant.but_not)}
            kept = set(filter_repo_objects(files, **patterns))
            assert kept == {file for file in files if "/" not in file} - {"LICENSE", "README.md", "USE_POLICY.md"}
