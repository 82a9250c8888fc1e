"""Names of tests: fields whose text is the name in tables, such as planned:a3-two:2>3."""

from dataclasses import dataclass

ANOVA, PLANNED, EXPECTED, MIXED, BINOMIAL = "anova", "planned", "expected", "mixed", "binomial"
REPEATED, LIKELIHOOD, AUTHORS = "repeated", "mixed:likelihood", "mixed:authors"
LINEAR, LOGISTIC, COMPARE = "linear", "logistic", "compare"
CLUSTERED = "clustered"


@dataclass(frozen=True)
class TestName:
    """What a test is.

    Attributes:
        kind: anova, repeated, planned, expected, mixed, mixed:likelihood, mixed:authors, binomial, linear or logistic.
        of: what it tests, which writes itself as the rest of the name: factors, a comparison, a share.
        by_stimulus: whether each stimulus counts once, which is written in place of the kind, as clustered:a3-two:2>3.
    """

    __test__ = False  # otherwise pytest would take it for a test

    kind: str
    of: object
    by_stimulus: bool = False

    def __str__(self) -> str:
        return f"{CLUSTERED if self.by_stimulus else self.kind}:{self.of}"


@dataclass(frozen=True)
class Factors:
    """The effect of a factor or of the interaction of several: access, access:word; access|word is that after word."""

    names: tuple[str, ...]
    after: str = ""

    def __str__(self) -> str:
        return ":".join(self.names) + (f"|{self.after}" if self.after else "")


def kind_in(name: object) -> str:
    """The kind in a name as tables have it; that of all tests by stimulus is clustered."""
    return str(name).partition(":")[0]
