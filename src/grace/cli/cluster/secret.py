"""`grace cluster secret`."""


def secret() -> None:
    """To come."""
