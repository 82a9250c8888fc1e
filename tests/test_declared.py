"""Declared files: one wording of errors, which name the file, the place and what belongs there."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, StringConstraints

from grace.declared import NAME, Strict, bytes_of, checked, loaded, parsed, read
from grace.errors import InputError


class Gpu(Strict):
    name: Annotated[str, StringConstraints(pattern=NAME)]
    memory: Annotated[int, Field(gt=0)]


class Lab(Strict):
    title: str
    kind: Literal["cluster", "laptop"] = "laptop"
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    gpus: tuple[Gpu, ...] = ()


def refusal(text: str) -> str:
    with pytest.raises(InputError) as refused:
        parsed(text.encode(), "lab.yaml", Lab)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel: x", "lab.yaml: title: is missing; the file: no field 'titel' (did you mean 'title'?)"),
        ("title: 1", "lab.yaml: title: must be text"),
        ("title: x\nkind: phone", "lab.yaml: kind: must be 'cluster' or 'laptop'"),
        ("title: x\nshare: 2", "lab.yaml: share: must be 1 or less"),
        ("title: x\nshare: much", "lab.yaml: share: must be a number"),
        ("title: x\ngpus: a40", "lab.yaml: gpus: must be a list, as [a, b]"),
        ("title: x\ngpus: [{name: a40, memory: 0}]", "lab.yaml: gpus.a40.memory: must be more than 0"),
        ("title: x\ngpus: [{memory: 1}]", "lab.yaml: gpus.0.name: is missing"),
        (
            "title: x\ngpus: [{name: a40, memory: 1, memry: 2}]",
            "lab.yaml: gpus.a40: no field 'memry' (did you mean 'memory'?)",
        ),
        ("title: x\ngpus: [{name: A 40, memory: 1}]", "lab.yaml: gpus.A 40.name: must be a name of small letters"),
        ("", "lab.yaml: the file: must hold fields"),
        ("[", "lab.yaml: is not YAML: "),
        ("a: b: c", "lab.yaml: is not YAML: mapping values are not allowed here (line 1)"),
        ("\0", "lab.yaml: is not YAML"),
        ("[" * 10_000, "lab.yaml: is not YAML"),
    ],
)
def test_each_mistake_has_its_place_and_what_belongs_there(text: str, message: str) -> None:
    assert refusal(text).startswith(message)
    assert refusal(text).isprintable()


def test_many_mistakes_are_counted() -> None:
    text = (
        "title: x\ngpus:\n" + "  - {name: a40}\n" * 1 + "".join(f"  - {{name: g{n}, memory: -1}}\n" for n in range(9))
    )
    assert refusal(text).endswith("; and 5 more")


def test_what_is_right_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("{title: Lab, gpus: [{name: a40, memory: 48}]}")
    assert read(path, Lab) == Lab(title="Lab", gpus=(Gpu(name="a40", memory=48),))


def test_a_file_that_cannot_be_read_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read: No such file or directory; make one$"):
        bytes_of(tmp_path / "none.yaml", "; make one")
    with pytest.raises(InputError, match="no file can have this name"):
        bytes_of(Path("a\0b"))


def test_secrets_are_never_quoted() -> None:
    with pytest.raises(InputError) as refused:
        loaded(b"token: *hunter2", "config", secret=True)
    assert "hunter2" not in str(refused.value)
    assert "(line 1)" in str(refused.value)
    with pytest.raises(InputError) as refused:
        checked({"title": ["hunter2"]}, "config", Lab, "; get it anew")
    assert str(refused.value) == "config: title: must be text; get it anew"
