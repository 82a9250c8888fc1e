"""Hypothesis's strategies that have a name, in the order of the rooms whose tests draw from them.

What one test draws in passing (`st.integers(1, 9)`) stands at that test. The profile that all run under is set in
`conftest.py`.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from table_model import (
    LETTERS,
    ROLES,
    SPECIAL,
    Question,
    TableModel,
    ascii_model,
    plain_template,
)


def json_values(
    texts: SearchStrategy[str], scalars: SearchStrategy[Any], most: int = 4, max_leaves: int = 12
) -> SearchStrategy[Any]:
    """Anything that JSON can carry: scalars and texts, and lists and mappings of up to `most` of them."""
    return st.recursive(
        st.none() | st.booleans() | scalars | texts,
        lambda inner: st.lists(inner, max_size=most) | st.dictionaries(texts, inner, max_size=most),
        max_leaves=max_leaves,
    )


finite = st.floats(allow_nan=False, allow_infinity=False)

# The ledger: answers of models, any text that JSON can carry, line ends and lookalikes of them among it

ledger_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", "\n", "\r\n", "\u2028", '"}\n{"', "\0", "🂡" * 9, "x" * 70_000]
)
ledger_values = json_values(ledger_texts, st.integers(-(2**53), 2**53) | finite, most=3, max_leaves=6)
ledger_records = st.lists(st.dictionaries(ledger_texts, ledger_values, max_size=4), max_size=6)

# Tables: rows of 1 to 4 cells

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
awkward_cells = st.text(st.sampled_from("a,\";'\r\n\t \ufeff\x0b\x85\u2028é😀"), max_size=6)
table_rows = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells | awkward_cells, min_size=width, max_size=width))
)

# Studies

masses = st.lists(st.floats(0, 1) | st.floats(0, 1e-12) | st.floats(0, 1e-320), min_size=4, max_size=4)
"""What a model gives to four labels, often next to nothing."""
answers_in_prose = st.text(max_size=300) | st.text(alphabet="0123 $%.,:-\nonthe restall wasn'tbad*|{}\"", max_size=200)

label_texts = st.sampled_from(
    [
        *("yes", "no", "I", "a", "so-so", "X not", "half", "-2", "+1", "3.5", "1.", "don't", "❤️"),
        *("सहमत", "కాదు", "ไม่", "同意"),
    ]
) | st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn"]), min_size=1, max_size=8)
label_sets = st.lists(label_texts, min_size=2, max_size=5, unique=True)
"""Labels of a choice, in any script."""
thoughts = ("Read the sentence closely", "Think of who speaks", "The verb is odd", "Look at the end again")


@st.composite
def list_markers(draw: st.DrawFn) -> str:
    """A list of steps that gives no value."""
    steps = draw(st.lists(st.sampled_from(thoughts), min_size=2, max_size=5))
    marker = draw(st.sampled_from(["{n}. ", "{n}) ", "({n}) ", "Step {n}: ", "{a}) ", "{a}. "]))
    return "\n".join(f"{marker.format(n=n, a='xabcde'[n])}{step}." for n, step in enumerate(steps, 1))


guesses = ("Perhaps a 2", "1. It may be a 5", "Answer: 6?", "So 3", "4/7", "\n", "Rating: 1", "Wait")
reasoning = st.lists(st.sampled_from(thoughts + guesses), max_size=6).map(". ".join)
"""What a model writes before its answer, values among it."""

# Policy and manifests

manifest_values = json_values(st.text(max_size=8), st.integers() | finite)
yaml_texts = st.text(max_size=60) | st.text(alphabet="abk:-?[]{}&*!|>'\"#%@` \n\t0.<=~,\\", max_size=60)
yaml_values = json_values(st.text(), st.integers())

# Scoring: models that are tables, and what they are asked


@st.composite
def vocabularies(draw: st.DrawFn, blanks: bool = True) -> tuple[tuple[str, ...], frozenset[int]]:
    """The texts of 10 to 50 tokens, and which ids are special.

    Each has the special tokens, the roles, the newline (in no other token, so that nothing crosses it), a few letters,
    and pieces of several of them. `blanks` allows the space among the letters.
    """
    letters = draw(st.lists(st.sampled_from(LETTERS + " " * blanks), min_size=2, max_size=5, unique=True))
    longer = st.text(st.sampled_from(letters), min_size=2, max_size=4)
    pieces = draw(st.lists(longer, min_size=1, max_size=38, unique=True))
    tokens = draw(st.permutations([*SPECIAL, "\n", *ROLES, *letters, *pieces]))
    return tuple(tokens), frozenset(tokens.index(text) for text in SPECIAL)


@st.composite
def table_models(draw: st.DrawFn, blanks: bool = True, spreads: Sequence[float] = (0.0, 0.5, 3.0, 8.0)) -> TableModel:
    """Models with any such vocabulary; a spread of several hundred makes some probabilities zero."""
    tokens, special = draw(vocabularies(blanks))
    return TableModel(tokens, special, draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from(spreads)))


@st.composite
def merging_models(draw: st.DrawFn) -> TableModel:
    """Models with tokens across every boundary, with and without special tokens in the template."""
    letters = draw(st.lists(st.sampled_from("abQ:7. \n"), min_size=3, unique=True))
    pieces = draw(st.lists(st.text(st.sampled_from(letters), min_size=2, max_size=2), max_size=25, unique=True))
    template = draw(st.sampled_from([plain_template, None]))
    options: dict[str, Any] = {} if template is None else {"template": template}
    return ascii_model(*pieces, **options)


def _pieces_of(model: TableModel) -> list[str]:
    """The texts that forms and messages are made of: the ordinary tokens but the roles and the newline."""
    ordinary = [text for id, text in enumerate(model.tokens) if id not in model.special]
    return [text for text in ordinary if text not in (*ROLES, "\n")]


@st.composite
def answer_spaces(draw: st.DrawFn, model: TableModel, max_labels: int = 8, max_forms: int = 3) -> dict[str, list[str]]:
    """2 to `max_labels` labels of 1 to `max_forms` forms, no form twice and none blank.

    Many forms begin as others do, and many are the beginning of others, of the same label or another's.
    """
    pieces = _pieces_of(model)
    inked = [piece for piece in pieces if piece.strip()]
    tails = st.lists(st.sampled_from(pieces), min_size=1, max_size=3).map("".join)
    counts = draw(st.lists(st.integers(1, max_forms), min_size=2, max_size=max_labels))
    forms: list[str] = []
    for _ in range(sum(counts)):
        stems = ["", *(form for form in forms if len(form) < 12)]
        form = draw(st.sampled_from(stems)) + draw(tails)
        while form in forms or not form.strip():
            form += draw(st.sampled_from(inked))
        forms.append(form)
    mixed = iter(draw(st.permutations(forms)))
    return {f"label {number}": [next(mixed) for _ in range(count)] for number, count in enumerate(counts)}


@st.composite
def questions(draw: st.DrawFn, blanks: bool = True, spreads: Sequence[float] = (0.0, 0.5, 3.0, 8.0)) -> Question:
    """A model, a message that it can read, and an answer space over its vocabulary."""
    model = draw(table_models(blanks, spreads))
    message = draw(st.lists(st.sampled_from([*_pieces_of(model), "\n"]), max_size=6).map("".join))
    return Question(model, message, draw(answer_spaces(model)))


# Analysis


def distributions(labels: int = 5) -> SearchStrategy[Any]:
    """Probabilities of labels, many of them zero, as a numpy array."""
    from hypothesis.extra.numpy import arrays

    from grace.analysis.distances import normalised

    weights = arrays(float, labels, elements=st.floats(0, 1).map(lambda value: value if value > 1e-9 else 0.0))
    return weights.filter(lambda value: value.sum() > 0.01).map(normalised)
