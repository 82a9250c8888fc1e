"""Imports have no circles, not even within a room, inside of functions, or for type checkers alone."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import grace

SOURCE = Path(grace.__file__).parent


def name_of(path: Path) -> str:
    """The module in a file, as grace.studies.study."""
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """The modules of Grace that a module imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in modules else str(node.module))
    return (names & modules) - {name_of(path)}


def test_no_module_imports_itself_by_way_of_others() -> None:
    paths = {name_of(path): path for path in SOURCE.rglob("*.py")}
    graph = {name: imports_of(path, set(paths)) for name, path in paths.items()}
    assert len(graph) > 250
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
