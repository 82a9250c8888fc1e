"""Grace's own code in ConfigMaps: the same bytes each time, small enough for kubectl, and installable by pip."""

import configparser
import hashlib
import io
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from base64 import b64decode
from pathlib import Path

import pytest
import yaml

import grace
from grace.cluster.manifests.render import render_lineup
from grace.cluster.manifests.request import Request
from grace.cluster.manifests.wheel import DISTRIBUTION, install_script, make_wheel
from grace.errors import InputError
from limits import HANG

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel():
    return make_wheel()


@pytest.fixture(scope="module")
def rendering():
    return render_lineup(Request(profile="rtx3090", model=("gemma-2-2b-it",), code="wheel"))


@pytest.fixture
def mounted(rendering, tmp_path):
    """The folder that the pod sees: all keys of all ConfigMaps, as the projected volume gives them."""
    job = rendering.files[-1].objects[0]
    (volume,) = [one for one in job["spec"]["template"]["spec"]["volumes"] if one["name"] == "code"]
    maps = {each["metadata"]["name"]: each for each in yaml.safe_load_all(rendering.files[2].text)}
    folder = tmp_path / "code"
    folder.mkdir()
    for source in volume["projected"]["sources"]:
        found = maps.pop(source["configMap"]["name"])
        for key, text in found.get("data", {}).items():
            (folder / key).write_text(text, encoding="utf-8")
        for key, text in found["binaryData"].items():
            assert not (folder / key).exists()
            (folder / key).write_bytes(b64decode(text))
    assert not maps
    return folder


def install_arguments(rendering, folder):
    job = rendering.files[-1].objects[0]
    (install,) = [one for one in job["spec"]["template"]["spec"]["initContainers"] if one["name"] == "install"]
    sha256, name, target, *rest = install["args"]
    assert target == "/grace/site"
    return [sha256, name, str(folder), *rest]


def test_the_wheel_holds_all_of_grace_and_no_more(wheel):
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    here = Path(grace.__file__).parent
    files = {f"grace/{path.relative_to(here).as_posix()}" for path in here.rglob("*") if path.is_file()}
    assert {name for name in names if name.startswith("grace/")} == {
        name for name in files if "__pycache__" not in name
    }
    assert not [name for name in names if ".." in name or name.startswith("/")]


def test_the_wheel_brings_the_commands_of_the_project(wheel):
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        told = configparser.ConfigParser()
        told.read_string(archive.read(name).decode())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert dict(told["console_scripts"]) == project["scripts"]


def test_equal_code_gives_equal_bytes(wheel):
    code = "import sys; from grace.cluster.manifests.wheel import make_wheel; print(make_wheel().sha256)"
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == wheel.sha256


def test_every_part_fits_into_the_annotation_that_kubectl_makes(rendering):
    assert len(rendering.files[2].objects) > 1
    for each in rendering.files[2].objects:
        assert len(json.dumps(each)) < 250_000  # of 262,144


def test_parts_are_put_together_and_installed_by_pip(rendering, mounted, tmp_path):
    """The pod's own program, with the pip of this machine; without the network, so without what Grace requires."""
    site = tmp_path / "site"
    arguments = install_arguments(rendering, site)[:3]
    environment = os.environ | {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    command = [sys.executable, str(mounted / "install.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG)
    assert done.returncode == 0, done.stderr
    asked = subprocess.run(
        [sys.executable, "-c", "import grace; print(grace.__file__, grace.__version__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert asked.stdout.split() == [str(site / "grace" / "__init__.py"), grace.__version__]


def test_a_part_of_another_render_is_noticed(rendering, mounted, tmp_path):
    part = sorted(mounted.glob("part-*"))[-1]
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    command = [sys.executable, str(mounted / "install.py"), *install_arguments(rendering, tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 2
    assert "apply all manifests of one render" in done.stderr
    assert not (tmp_path / "site").exists()


def test_versions_are_pinned_and_nothing_is_compiled_or_put_on_shared_storage(rendering, mounted):
    assert (mounted / "constraints.txt").read_text() == (ROOT / "constraints.txt").read_text()
    assert "--only-binary=:all:" in install_script()
    pod = rendering.files[-1].objects[0]["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "site"]
    assert "emptyDir" in volume
    (client,) = pod["containers"]
    assert {"name": "PYTHONPATH", "value": "/grace/site"} in client["env"]


def test_hash_in_the_manifest_is_that_of_the_wheel(rendering, wheel, mounted):
    content = b"".join(path.read_bytes() for path in sorted(mounted.glob("part-*")))
    assert hashlib.sha256(content).hexdigest() == wheel.sha256 == install_arguments(rendering, mounted)[0]


def test_a_grace_without_metadata_says_what_to_do(monkeypatch):
    monkeypatch.setattr("grace.cluster.manifests.wheel.DISTRIBUTION", f"{DISTRIBUTION}-is-not-here")
    with pytest.raises(InputError, match="use --code image"):
        make_wheel()


def test_code_of_another_version_than_pip_installed_says_what_to_do(monkeypatch):
    monkeypatch.setattr("grace.cluster.manifests.wheel.__version__", "99.0")
    with pytest.raises(InputError, match="run `pip install` again"):
        make_wheel()
