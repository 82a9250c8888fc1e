"""Numbers as text, after the manual of the American Psychological Association; what is not defined is a dash."""

from collections.abc import Mapping

from grace.quality.layout import number_in

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
SMALLEST = 0.001
"""A p below this is written as "below" it."""


def whole(value: object) -> str:
    """A count, as 2,424."""
    number = number_in(value)
    return NOTHING if number is None else f"{number:,.0f}"


def counted(value: object, what: str) -> str:
    """A count of things, as "1 row" and "2,424 rows"."""
    return f"{whole(value)} {what}{'' if number_in(value) == 1 else 's'}"


def decimal(value: object, digits: int = 2) -> str:
    """A number that may be above 1, such as 6.57."""
    number = number_in(value)
    if number is None:
        return NOTHING
    text = f"{number:,.{digits}f}"
    return MINUS + text[1:] if text.startswith("-") and float(text.replace(",", "")) else text.lstrip("-")


def share(value: object, digits: int = 2) -> str:
    """A number that is never above 1, such as .57: a share, a correlation, a partial eta squared."""
    text = decimal(value, digits)
    return text.replace("0.", ".", 1) if text.lstrip(MINUS).startswith("0.") else text


def percent(value: object, digits: int = 0) -> str:
    """A share in percent, as 57%."""
    number = number_in(value)
    return NOTHING if number is None else f"{decimal(100 * number, digits)}%"


def freedom(value: object) -> str:
    """Degrees of freedom, whole ones without a fraction."""
    number = number_in(value)
    return NOTHING if number is None else whole(number) if number.is_integer() else decimal(number, 1)


def f_of(row: Mapping[str, object]) -> str:
    """F with its degrees of freedom, of a row of tests.csv."""
    return _statistic(row, f"F({freedom(row.get('df1'))}, {freedom(row.get('df2'))})")


def t_of(row: Mapping[str, object]) -> str:
    """t with its degrees of freedom."""
    return _statistic(row, f"t({freedom(row.get('df1'))})")


def chi_of(row: Mapping[str, object]) -> str:
    """Chi-squared with its degrees of freedom."""
    return _statistic(row, f"χ²({freedom(row.get('df1'))})")


def _statistic(row: Mapping[str, object], symbol: str) -> str:
    value = row.get("statistic")
    return f"{symbol} = {decimal(value)}" if is_known(value) else NOTHING


def p_value(value: object) -> str:
    """The p of a test for a table, as .002 or <.001."""
    number = number_in(value)
    if number is None:
        return NOTHING
    if number < SMALLEST:
        return f"<{share(SMALLEST, 3)}"
    return ">.999" if number > 1 - SMALLEST / 2 else share(number, 3)


def p_in_words(value: object) -> str:
    """The p of a test for a sentence, as "= .002" or "< .001"."""
    text = p_value(value)
    return f"{text[0]} {text[1:]}" if text[0] in "<>" else f"= {text}"


def interval(low: object, high: object, digits: int = 2) -> str:
    """An interval of shares, as [.21, .38]; "" where it is not known."""
    return f"[{share(low, digits)}, {share(high, digits)}]" if is_known(low) and is_known(high) else ""


def with_error(mean: object, error: object, digits: int = 1) -> str:
    """A mean with its standard error, as 45.0 (2.1)."""
    text = decimal(mean, digits)
    return text if number_in(error) is None or text == NOTHING else f"{text} ({decimal(error, digits)})"


def is_known(value: object) -> bool:
    """Whether a cell holds a number."""
    return number_in(value) is not None
