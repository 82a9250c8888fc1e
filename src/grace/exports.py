"""Exports: the public names of a room, each imported from its module when it is first used."""

from collections.abc import Callable
from importlib import import_module


def exported(room: str, **modules: str) -> Callable[[str], object]:
    """Make the `__getattr__` of a room, by which its public names are found; other modules are not imported.

    Args:
        room: the package, as grace.studies.
        modules: for each public name the module below the room that defines it; "" for a name that is such a module.
    """

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        if not modules[name]:
            return import_module(f"{room}.{name}")
        return getattr(import_module(f"{room}.{modules[name]}"), name)

    return find
