"""`grace cluster gpus`."""


def gpus() -> None:
    """To come."""
