"""What a user may import from Python: each room's names are there, lazily, and are found by type checkers too."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import grace

ROOMS = sorted(
    path.parent.name for path in Path(grace.__file__).parent.glob("*/__init__.py") if path.parent.name != "cli"
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_what_it_exports(room: str) -> None:
    package = import_module(f"grace.{room}")
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name).__module__.startswith(f"grace.{room}"), name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("room", ROOMS)
def test_type_checkers_see_the_same_names(room: str) -> None:
    package = import_module(f"grace.{room}")
    tree = ast.parse(Path(str(package.__file__)).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = [alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == sorted(package.__all__)


def test_rooms_load_nothing_before_it_is_asked_for() -> None:
    rooms = ", ".join(f"grace.{room}" for room in ROOMS if room != "analysis")
    heavy = "{'aiohttp', 'jinja2', 'kubernetes', 'matplotlib', 'numpy', 'pandas', 'pydantic', 'yaml'}"
    code = f"import sys, {rooms}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
