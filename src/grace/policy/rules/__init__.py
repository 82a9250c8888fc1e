"""All rules, by id: those of every module here, in its `RULES`."""

from importlib import import_module
from pkgutil import iter_modules

from grace.policy.rule import Rule
from grace.policy.suppress import suppression_rule


def _collected() -> tuple[Rule, ...]:
    names = sorted(module.name for module in iter_modules(__path__))
    found: list[Rule] = [rule for name in names for rule in getattr(import_module(f"{__name__}.{name}"), "RULES", ())]
    found.append(suppression_rule({rule.id for rule in found}))
    return tuple(sorted(found, key=lambda rule: rule.id))


ALL: tuple[Rule, ...] = _collected()
