"""Manifests from which rules make their examples: those of the folder `examples`, correct by most rules."""

from importlib import resources


def example(name: str) -> str:
    """The text of a manifest."""
    return resources.files(__package__).joinpath("examples", f"{name}.yaml").read_text(encoding="utf-8")
