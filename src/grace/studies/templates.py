"""Templates: texts of a study file compiled by Jinja in its sandbox, and rendered for a row."""

import re
from collections.abc import Collection, Mapping

import jinja2
import jinja2.meta
import jinja2.sandbox

from grace.errors import StudyError
from grace.studies.format import StudyFile

Message = dict[str, str]
"""One chat message: {"role": "system" | "user" | "assistant", "content": text}."""

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


class Compiler:
    """Compiles the texts of a study file; every name in them must be one that a row has."""

    def __init__(self, spec: StudyFile, origin: str) -> None:
        self.spec, self.origin = spec, origin
        self._environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        self._environment.filters["lines"] = lines_from_html
        # A row gives the same prompt every time.
        del self._environment.filters["random"], self._environment.globals["lipsum"]

    def template(self, source: str, where: str, names: Collection[str] | None = None) -> jinja2.Template:
        """Compile a text that may use `names`, by default all columns. Raises StudyError."""
        try:
            for name in self._names(source) - {"row"}:
                self.spec.see(name, where, self.origin, names)
            return self._environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise StudyError(f"{self.origin}: {where}, line {error.lineno}: {error.message}") from None

    def expression(self, source: str, where: str) -> jinja2.environment.TemplateExpression:
        """Compile an expression. Raises StudyError."""
        self.template("{{ (" + source + ") }}", where)
        return self._environment.compile_expression(source, undefined_to_none=False)

    def columns_used(self, *sources: str) -> frozenset[str] | None:
        """The columns of the table that some texts depend on, directly or through derived ones; None: any column."""
        used: set[str] = set()
        names = set().union(*map(self._names, sources))
        while names:
            name = names.pop()
            if name == "row":
                return None
            if name in self.spec.derived:
                names |= self._names(self.spec.derived[name])
            elif name in self.spec.columns:
                used.add(name)
        return frozenset(used)

    def _names(self, source: str) -> set[str]:
        return jinja2.meta.find_undeclared_variables(self._environment.parse(source))


def lines_from_html(text: str) -> str:
    """Turn `<br>` into line breaks, without the spaces around them."""
    return "\n".join(part.strip() for part in _BREAK.split(text))


def render(template: jinja2.Template, row: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
    """The text of a template for a completed row and more names, without space at its ends. Raises StudyError."""
    try:
        return template.render({**row, **(more or {}), "row": row}).strip()
    except Exception as error:  # a template is the user's code and may fail in any way
        raise StudyError(f"a template of the study cannot be rendered: {error}") from None
