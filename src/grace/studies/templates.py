"""Templates: texts of a study file compiled by Jinja in its sandbox, and rendered for a row."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jinja2
import jinja2.meta
import jinja2.sandbox
from jinja2 import nodes

from grace.errors import StudyError
from grace.studies.format import CONSTANTS, TEMPLATE, TEMPLATE_NAMES, StudyFile
from grace.text import did_you_mean

Message = dict[str, str]
"""One chat message: {"role": "system" | "user" | "assistant", "content": text}."""

RAW = "text"
"""The role of a text that is no message: the model gets it as it is, without its chat template."""


def spoken(messages: Sequence[Message]) -> list[Message]:
    """The messages without a system message that says nothing, as at the level of a factor that has no text."""
    return [message for message in messages if message["content"] or message["role"] != "system"]


def raw_text(messages: Sequence[Message]) -> str | None:
    """The text that a model gets as it is; None for a conversation."""
    return messages[0]["content"] if [message["role"] for message in messages] == [RAW] else None


_INNER: Mapping[type[nodes.Node], frozenset[str]] = {
    nodes.For: frozenset(("loop",)),
    nodes.Block: frozenset(("super",)),
    nodes.Macro: frozenset(("caller", "varargs", "kwargs")),
    nodes.CallBlock: frozenset(("caller", "varargs", "kwargs")),
}
"""The names that statements give to what stands in them."""
_WORDS = TEMPLATE_NAMES | {"and", "else", "if", "in", "is", "not", "or"}
"""Names that stand for no column where they stand alone."""
_PARTS = re.compile(r"^\d+\w|\w[^\w]+\w")
"""In a column's name: what Jinja takes for several parts, as Mean-RT, Mean RT and 1st."""
_TEXTS = (str, int, float, list, tuple, dict, jinja2.Undefined)
"""What a template may print; a name that is not defined tells so by itself."""
_SINGLE = re.compile(r"(?<!\{)\{ *(\w+) *\}(?!\})")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


class _Unknown(jinja2.StrictUndefined):
    """A name that a row does not have; using it is an error that names the nearest column."""

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, Mapping) and isinstance(self._undefined_name, str):
            return f"no column {self._undefined_name!r}{did_you_mean(self._undefined_name, self._undefined_obj)}"
        return super()._undefined_message


class Compiler:
    """Compiles the texts of a study file; every name in them must be one that a row has."""

    def __init__(self, spec: StudyFile, origin: str) -> None:
        self.spec, self.origin = spec, origin
        self.doubt = ""
        """The first place that shows a column's name in single braces, which is no placeholder; empty for none."""
        self._environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            undefined=_Unknown, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=_shown
        )
        self._environment.filters["lines"] = lines_from_html
        # A row gives the same prompt every time.
        del self._environment.filters["random"], self._environment.globals["lipsum"]

    def template(self, source: str, where: str, names: Collection[str] | None = None) -> jinja2.Template:
        """Compile a text that may use `names`, by default all columns. Raises StudyError."""
        try:
            self._check_names(source, where)
            for name in self._names(source) - {"row"}:
                self.spec.see(name, where, self.origin, names)
            self._look_for_single_braces(source, where, self.spec.visible if names is None else names)
            template = self._environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            odd = [name for name in self.spec.columns if name and not is_plain(name) and name in source]
            way_out = f"; the column {odd[0]!r} is written row[{odd[0]!r}]" if odd else ""
            raise StudyError(f"{self.origin}: {where}, line {error.lineno}: {error.message}{way_out}") from None
        except (RecursionError, MemoryError, SyntaxError):  # of Jinja's parser, or of Python's
            raise StudyError(f"{self.origin}: {where}: nests brackets, blocks or operators too deep") from None
        template.name = f"{self.origin}: {where}"  # `render` says it
        return template

    def _look_for_single_braces(self, source: str, where: str, names: Collection[str]) -> None:
        shown = "".join(value for _, kind, value in self._environment.lex(source) if kind == "data")
        name = next((match[1] for match in _SINGLE.finditer(shown) if match[1] in names), None)
        if name and not self.doubt:
            self.doubt = (
                f"{self.origin}: {where}: {{{name}}} has one brace on each side, so that the model sees this word and "
                f"not the cell; write {{{{ {name} }}}}, or {{{{ '{{{name}}}' }}}} for the braces themselves"
            )

    def expression(self, source: str, where: str) -> jinja2.environment.TemplateExpression:
        """Compile an expression. Raises StudyError."""
        self.template("{{ (" + source + ") }}", where)
        try:
            return self._environment.compile_expression(source, undefined_to_none=False)
        except jinja2.TemplateSyntaxError as error:  # where it is empty
            raise StudyError(f"{self.origin}: {where}: {error.message}") from None

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
            elif name in self.spec.shuffled:  # the order depends on all that a model may see
                used |= set(self.spec.columns).difference(self.spec.hidden)
            elif name in self.spec.varied:
                factor = self.spec.varied[name]
                used.add(factor)
                names |= set().union(*map(self._names, self.spec.vary[factor].values()))
            elif name in self.spec.columns:
                used.add(name)
        return frozenset(used)

    def _names(self, source: str) -> set[str]:
        return jinja2.meta.find_undeclared_variables(self._environment.parse(source))

    def _check_names(self, source: str, where: str) -> None:
        """Raise StudyError where a text says the name of a column and would show something else."""
        tree, tokens = self._environment.parse(source), list(self._environment.lex(source))
        words = {value for _, kind, value in tokens if kind == "name"}
        code = "".join(value for _, kind, value in tokens if kind not in ("data", "string"))
        columns = self.spec.visible
        parts = {
            name for name in columns if _PARTS.search(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code)
        }
        said = {*(words & CONSTANTS), *_owned(tree), *_methods(tree), *_numbers(tree), *parts}
        for name in sorted(said.intersection(columns)):
            raise StudyError(
                f"{self.origin}: {where}: the column {name!r} has a name that means something else in templates; "
                f"write row[{name!r}]"
            )
        for name in sorted(set(_of_row(tree)).intersection(self.spec.hidden)):
            self.spec.see(name, where, self.origin)
        alike = Counter(unicodedata.normalize("NFKC", name) for name in self._names(source))
        for name in (name for name, count in alike.items() if count > 1):
            raise StudyError(
                f"{self.origin}: {where}: two names are {name!r} to Python, which takes look-alike letters for one; "
                "rename one of the columns"
            )


def is_plain(name: str) -> bool:
    """Whether a template can say a column by its name alone."""
    return name.isidentifier() and name not in _WORDS


def _owned(node: nodes.Node, owned: frozenset[str] = frozenset(("self",))) -> Iterator[str]:
    """The names in a text that Jinja gives another meaning at their place, and `row` where it is the whole row."""
    owned |= _INNER.get(type(node), frozenset())
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Name) and child.ctx == "load":
            whole = child.name == "row" and not isinstance(node, nodes.Getitem | nodes.Getattr)
            if whole or child.name in owned:
                yield child.name
        yield from _owned(child, owned)


def _of_row(tree: nodes.Node) -> Iterator[str]:
    """The names that a text takes from `row`, as in `row['True state']` and `row.state`."""
    for named in tree.find_all(nodes.Getattr):
        if isinstance(named.node, nodes.Name) and named.node.name == "row":
            yield named.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "row" and isinstance(item.arg, nodes.Const):
            yield str(item.arg.value)


def _methods(tree: nodes.Node) -> Iterator[str]:
    """The names behind `row.` that are methods of a mapping before they are columns, as `row.items`."""
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and node.node.name == "row" and hasattr(dict, node.attr):
            yield node.attr


def _numbers(tree: nodes.Node) -> Iterator[str]:
    """The numbers that a text prints: a column may have one as its name."""
    filtered = (node.node for node in tree.find_all(nodes.Filter))
    shown = (part for node in tree.find_all(nodes.Output) for part in node.nodes)
    yield from (str(part.value) for part in (*shown, *filtered) if isinstance(part, nodes.Const))


def _shown(value: Any) -> Any:
    """A value that a template prints. Raises TypeError for what is no text: it would be shown by its address."""
    if isinstance(value, _TEXTS) or value is None:
        return value
    raise TypeError(f"a {type(value).__name__} is no text; is a column meant, as in row['name']?")


def lines_from_html(text: str) -> str:
    """Turn `<br>` into line breaks, without the spaces around them."""
    return "\n".join(part.strip() for part in _BREAK.split(text))


class RowText:
    """A text that may differ by row; a template keeps the space around it, and not that around the row's cells."""

    def __init__(self, source: str, compiler: Compiler, where: str, names: Collection[str]) -> None:
        """Compile a text that may use `names`. Raises StudyError."""
        self.source = source
        bare = source.strip()
        begin = source.index(bare)
        self._before, self._after = source[:begin], source[begin + len(bare) :]
        self._template = compiler.template(bare, where, names) if TEMPLATE.search(source) else None

    def of(self, row: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
        """The text for a completed row; empty where nothing is between the space. Raises StudyError."""
        if self._template is None:
            return self.source
        own = render(self._template, row, more)
        return f"{self._before}{own}{self._after}" if own else ""


def render(template: jinja2.Template, row: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
    """The text of a template for a completed row and more names, without space at its ends. Raises StudyError."""
    try:
        return template.render({**row, **(more or {}), "row": row}).strip()
    except Exception as error:  # a template is the user's code and may fail in any way
        raise StudyError(f"{template.name}: cannot be rendered: {error}") from None
