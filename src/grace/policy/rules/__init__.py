"""All rules, by id: those of every module here. A rule is a check below `@error`, `@warning` or `@note`."""

from importlib import import_module
from pkgutil import iter_modules

from grace.policy.rule import Rule

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]

ALL = tuple(
    sorted(
        (rule for module in _MODULES for rule in vars(module).values() if isinstance(rule, Rule)),
        key=lambda rule: rule.id,
    )
)
