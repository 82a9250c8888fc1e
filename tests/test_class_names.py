"""A class's name says what it is wherever it is read: no two public classes share one."""

import ast
from collections import Counter
from pathlib import Path

import grace

SOURCE = Path(grace.__file__).parent


def test_no_two_public_classes_share_a_name() -> None:
    classes = Counter(
        node.name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert len(classes) > 200
    assert [name for name, count in classes.items() if count > 1] == []
