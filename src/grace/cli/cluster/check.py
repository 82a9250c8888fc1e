"""`grace cluster check`."""


def check() -> None:
    """To come."""
