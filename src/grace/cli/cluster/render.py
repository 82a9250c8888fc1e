"""`grace cluster render`."""


def render() -> None:
    """To come."""
