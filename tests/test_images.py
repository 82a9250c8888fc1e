"""The container images: really built, run as a cluster runs them, and compared with Grace outside of them.

They need podman or docker, and in the environment what scripts/install_podman.sh prints: GRACE_IMAGES_ARGS is for
`make images`. Only the Dockerfiles' style is looked at without.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from conftest import ROOT, Command, read_rows
from grace import __version__
from limits import HANG
from served import ends, serving

ARGS = os.environ.get("GRACE_IMAGES_ARGS")
ENGINE = shutil.which("podman") or shutil.which("docker") or ""
LINTER = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
TOLD = "what scripts/install_podman.sh prints is not in the environment"
COMMANDS = {"query-generator": "query", "probability-extractor": "score", "structured-extractor": "extract"}
MOST_BYTES = 250_000_000
MODEL = "smollm2-135m"
TIMES = {"response_timestamp", "processing_time_ms"}
"""Columns that say when and how fast, which differ between any two runs. All others are compared."""

Images = Mapping[str, Mapping[str, Any]]
contained = pytest.mark.skipif(ARGS is None or not ENGINE, reason=TOLD)


def engine(*arguments: object) -> str:
    """What podman or docker prints; it must end well."""
    done = subprocess.run([ENGINE, *map(str, arguments)], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tag(image: str) -> str:
    return f"grace/{image}:{__version__}"


def run(image: str, *arguments: object, data: Path | None = None, entrypoint: str = "") -> str:
    """What a container prints that may do what the cluster's may: nothing but ask, and write to its volume and /tmp."""
    name = f"grace-test-{uuid4().hex}"
    options: list[object] = ["--rm", "--name", name, "--network=host"]
    options += ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    options += ["--volume", f"{data}:/data"] if data else []
    options += ["--entrypoint", entrypoint] if entrypoint else []
    try:
        return engine("run", *options, tag(image), *arguments)
    finally:  # a container outlives the command that started it, if that one is killed because time is up
        subprocess.run([ENGINE, "rm", "--force", name], capture_output=True, timeout=HANG)


@pytest.fixture(scope="module")
def images() -> Images:
    """All images, built; what the engine says of each, by its name."""
    make = ["make", "images", f"ENGINE={ENGINE}", f"ARGS={ARGS}"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr
    return {image: json.loads(engine("image", "inspect", tag(image)))[0] for image in ("base", *COMMANDS)}


@pytest.mark.skipif(LINTER is None, reason="hadolint is not installed")
def test_the_dockerfiles_are_in_good_style():
    assert LINTER is not None
    files = sorted(ROOT.glob("docker/*/Dockerfile"))
    assert len(files) == 1 + len(COMMANDS)
    done = subprocess.run([LINTER, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@contained
@pytest.mark.containers
def test_images_are_small_and_say_what_they_are(images):
    for image, said in images.items():
        assert said["Size"] < MOST_BYTES, image
        assert said["Config"]["User"] == "2000:2000"
        assert said["Config"]["Entrypoint"][:2] == ["grace", *([COMMANDS[image]] if image in COMMANDS else [])]
        labels = {
            key.removeprefix("org.opencontainers.image."): value for key, value in said["Config"]["Labels"].items()
        }
        assert labels["version"] == __version__
        assert labels["licenses"] == "Apache-2.0"
        assert labels["revision"]
        assert labels["title"].startswith("Grace")
    assert len({said["Config"]["Labels"]["org.opencontainers.image.title"] for said in images.values()}) == len(images)


LOOK = """
import importlib.util, os
heavy = [name for name in ("torch", "vllm", "xllamacpp", "pandas", "kubernetes") if importlib.util.find_spec(name)]
import huggingface_hub
print(os.getuid(), os.getgid(), os.access("/opt/grace", os.W_OK), heavy)
"""


@contained
@pytest.mark.containers
def test_what_is_inside_is_for_asking_alone(images):
    assert run("base", "-c", LOOK, entrypoint="python").split() == ["2000", "2000", "False", "[]"]
    assert run("query-generator", "-m", "grace", "--version", entrypoint="python").split()[-1] == __version__
    for image, command in COMMANDS.items():
        assert f"grace {command} [OPTIONS]" in run(image, "--help")


@contained
@pytest.mark.containers
@pytest.mark.slow
def test_tables_from_containers_are_those_from_outside(images: Images, grace: Command, tmp_path: Path):
    inside = tmp_path / "inside"
    inside.mkdir()
    inside.chmod(0o777)  # to be written by a user whom this machine does not know
    shutil.copy(ROOT / "data" / "test_sample_study1.csv", inside / "trials.csv")
    outside = shutil.copytree(inside, tmp_path / "outside")
    with serving(MODEL, "--port", "0", "--context", "1024", "--parallel", "1") as (server, lines):
        address = lines[0].split()[2]
        asked = ["--input=trials.csv", f"--model-endpoint={address}", f"--model-name={MODEL}"]
        options = {
            "query-generator": [*asked, "--output=answers.csv", "--limit=2", "--temperature=0", "--max-tokens=24"],
            "probability-extractor": [*asked, "--output=scores.csv", "--limit=1", "--policy=canonical"],
            "structured-extractor": ["--input=answers.csv", "--output=values.csv"],
        }
        for image, given in options.items():
            run(image, *given, data=inside)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(outside)
                assert grace(COMMANDS[image], *given).code == 0
        ends(server, signal.SIGTERM)
    for table, rows in {"answers.csv": 2, "scores.csv": 1, "values.csv": 2}.items():
        found, wanted = ([without_times(row) for row in read_rows(folder / table)] for folder in (inside, outside))
        assert found == wanted
        assert len(found) == rows
        assert (inside / table).stat().st_uid == 2000


def without_times(row: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name not in TIMES}
