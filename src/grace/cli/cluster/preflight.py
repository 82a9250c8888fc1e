"""`grace cluster preflight`."""


def preflight() -> None:
    """To come."""
