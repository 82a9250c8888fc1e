"""Manifests that rules make their examples of: those of the folder `examples`, each without fault by most rules."""

from importlib import resources


def example(name: str) -> str:
    """The text of a manifest."""
    return resources.files(__package__).joinpath("examples", f"{name}.yaml").read_text(encoding="utf-8")
