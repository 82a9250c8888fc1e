"""The trie of an answer space: what is asked, what each label gets and what the residual promises, worked by hand."""

from collections.abc import Mapping, Sequence
from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.endpoints.dialects import Read
from grace.endpoints.trie import Node, Path, SameSpelling, TrieMass, grow
from strategies import questions
from table_model import Question, brute_force

A, B, C, D, E = range(5)
Told = Mapping[int, float]


def asked(root: Node) -> dict[Path, tuple[int, ...]]:
    """The tokens that are asked for, by place."""
    return {node.path: node.ask.tokens for node in root.inner() if node.ask}


def read(root: Node, told: Mapping[Path, Told]) -> TrieMass:
    """A trie that was told all about these places, in this order, and nothing of others."""
    reading = TrieMass(root)
    places = {node.path: node for node in root.inner()}
    for path, probabilities in told.items():
        reading.tell(places[path], Read(probabilities))
    return reading


def skipped(reading: TrieMass, residual: float) -> set[Path]:
    """The open places that need not be asked about under a bound."""
    return {node.path for node in reading.open_places(0)} - {node.path for node in reading.open_places(residual)}


# What is asked


def test_every_place_where_forms_go_on_is_asked_once_parents_first() -> None:
    root = grow({"x": [(A, B)], "y": [(A, C, D), (B,)]})
    assert asked(root) == {(): (A, B), (A,): (B, C), (A, C): (D,)}
    assert [node.path for node in root.inner()] == [(), (A,), (A, C)]


def test_below_a_form_whose_continuations_are_its_own_labels_nothing_is_asked() -> None:
    assert asked(grow({"x": [(A,), (A, B), (A, B, C)], "y": [(B,)]})) == {(): (A, B)}
    assert asked(grow({"x": [(A, B, C), (A, B), (A,)], "y": [(B,)]})) == {(): (A, B)}  # in any order
    assert asked(grow({"x": [(A, B), (A, B, C)], "y": [(A,)]})) == {(): (A,), (A,): (B,)}  # cut below ab, not below a


def test_below_a_form_that_another_label_goes_on_from_it_is_asked() -> None:
    assert asked(grow({"x": [(A,)], "y": [(A, B, C)]})) == {(): (A,), (A,): (B,), (A, B): (C,)}


def test_a_form_given_twice_or_by_two_spellings_of_one_label_is_one_form() -> None:
    reading = read(grow({"x": [(A,), (A,)], "y": [(B,)]}), {(): {A: 0.5, B: 0.25}})
    assert reading.labels(["x", "y"]) == {"x": 0.5, "y": 0.25}


@pytest.mark.parametrize(
    "forms",
    [
        {"x": [(A,)], "y": [(A,)]},
        {"x": [(A, B)], "y": [(C,), (A, B)]},
        {"x": [(A, B), (A,)], "y": [(A, B, C)], "z": [(A, B, C)]},
    ],
)
def test_the_same_tokens_for_two_labels_are_refused_and_both_are_named(forms: dict[str, list[Path]]) -> None:
    with pytest.raises(SameSpelling, match=r"'[xy]' and '[yz]'"):
        grow(forms)


# What each label gets


def test_a_form_gets_the_product_along_its_path_and_a_label_the_sum_over_its_forms() -> None:
    root = grow({"x": [(A, B)], "y": [(A, C), (B,)]})
    reading = read(root, {(): {A: 0.5, B: 0.25}, (A,): {B: 0.5, C: 0.125}})
    # x: 0.5 * 0.5;  y: 0.5 * 0.125 + 0.25
    assert reading.labels(["x", "y"]) == {"x": 0.25, "y": 0.3125}
    assert reading.residual() == 0
    assert [reading.starts_with(path) for path in ((A, B), (A, C), (B,), (A,))] == [0.25, 0.0625, 0.25, 0.5]


def test_a_prefix_within_a_label_counts_once() -> None:
    # x is a or ab: all of P(a) = 0.5, and what follows a does not matter
    reading = read(grow({"x": [(A,), (A, B)], "y": [(B,)]}), {(): {A: 0.5, B: 0.25}})
    assert reading.labels(["x", "y"]) == {"x": 0.5, "y": 0.25}
    assert reading.residual() == 0
    assert reading.open_places(0) == []
    assert reading.starts_with((A, B)) is None


def test_a_prefix_across_labels_is_subtracted() -> None:
    # 10% and 100%, as it were: P(a) = 0.5, P(ab) = 0.5 * 0.75 = 0.375; x gets 0.5 - 0.375
    reading = read(grow({"x": [(A,)], "y": [(A, B)]}), {(): {A: 0.5}, (A,): {B: 0.75}})
    assert reading.labels(["x", "y"]) == {"x": 0.125, "y": 0.375}
    assert reading.starts_with((A,)) == 0.5


def test_three_levels_of_three_labels() -> None:
    # P(a) = 0.8, P(ab) = 0.8 * 0.5 = 0.4, P(abc) = 0.4 * 0.25 = 0.1
    root = grow({"x": [(A,)], "y": [(A, B)], "z": [(A, B, C)]})
    reading = read(root, {(): {A: 0.8}, (A,): {B: 0.5}, (A, B): {C: 0.25}})
    assert reading.labels(["x", "y", "z"]) == pytest.approx({"x": 0.4, "y": 0.3, "z": 0.1}, abs=1e-15)


def test_three_levels_that_come_back_to_the_first_label() -> None:
    # x is a or abc, y is ab: x gets 0.8 - 0.4 and 0.1; y gets 0.4 - 0.1
    root = grow({"x": [(A,), (A, B, C)], "y": [(A, B)]})
    reading = read(root, {(): {A: 0.8}, (A,): {B: 0.5}, (A, B): {C: 0.25}})
    assert reading.labels(["x", "y"]) == pytest.approx({"x": 0.5, "y": 0.3}, abs=1e-15)


def test_a_level_without_a_form_leaves_its_probability_to_the_form_above() -> None:
    # x is a, y is abc; ab is no form: x keeps what goes from ab elsewhere than to c: 0.8 - 0.1
    root = grow({"x": [(A,)], "y": [(A, B, C)]})
    reading = read(root, {(): {A: 0.8}, (A,): {B: 0.5}, (A, B): {C: 0.25}})
    assert reading.labels(["x", "y"]) == pytest.approx({"x": 0.7, "y": 0.1}, abs=1e-15)


def test_labels_come_in_the_order_asked_for() -> None:
    reading = read(grow({"x": [(A,)], "y": [(B,)]}), {(): {B: 0.25, A: 0.5}})
    assert list(reading.labels(["y", "x"])) == ["y", "x"]


# What is left unasked


def test_before_anything_is_told_all_is_open() -> None:
    reading = TrieMass(grow({"x": [(A, B)], "y": [(B,)]}))
    assert reading.residual() == 1
    assert [node.path for node in reading.open_places(0)] == [()]
    assert reading.open_places(1) == []
    assert reading.labels(["x", "y"]) == {"x": 0, "y": 0}


def test_a_subtree_may_be_skipped_with_its_prefix_mass_in_the_residual() -> None:
    root = grow({"x": [(A, B)], "y": [(B, C)], "z": [(C,)]})
    reading = read(root, {(): {A: 0.5, B: 0.125, C: 0.25}})
    assert reading.residual() == 0.625
    assert [node.path for node in reading.open_places(0.124)] == [(A,), (B,)]  # the most probable first
    assert [node.path for node in reading.open_places(0.125)] == [(A,)]
    reading.tell(root.children[A], Read({B: 0.5}))
    # x: 0.5 * 0.5; y: between 0 and P(b) = 0.125
    assert reading.open_places(0.125) == []
    assert reading.residual() == 0.125
    assert reading.labels(["x", "y", "z"]) == {"x": 0.25, "y": 0, "z": 0.25}


def test_several_small_subtrees_may_be_skipped_only_together_under_the_bound() -> None:
    root = grow({"w": [(A, E)], "x": [(B, E)], "y": [(C, E)], "z": [(D,)]})
    reading = read(root, {(): {A: 0.25, B: 0.03125, C: 0.0625, D: 0.5}})
    assert skipped(reading, 0.03) == set()
    assert skipped(reading, 0.0625) == {(B,)}  # b and c together are 0.09375
    assert skipped(reading, 0.09375) == {(B,), (C,)}
    assert skipped(reading, 0.34375) == {(A,), (B,), (C,)}


def test_a_skipped_place_below_a_label_is_taken_from_that_label_too() -> None:
    # x is a, y is abc, told P(a) = 0.8, P(b | a) = 0.25; ab may go to y or stay x's: 0.2 are open
    root = grow({"x": [(A,)], "y": [(A, B, C)]})
    reading = read(root, {(): {A: 0.8}, (A,): {B: 0.25}})
    assert reading.labels(["x", "y"]) == pytest.approx({"x": 0.6, "y": 0.0}, abs=1e-15)
    assert reading.residual() == pytest.approx(0.2, abs=1e-15)


def test_a_label_whose_own_continuations_were_not_asked_gets_nothing_yet() -> None:
    reading = read(grow({"x": [(A,)], "y": [(A, B)]}), {(): {A: 0.75}})
    assert reading.labels(["x", "y"]) == {"x": 0, "y": 0}
    assert reading.residual() == 0.75


# What a server tells in part


def test_tokens_that_were_not_told_are_in_the_residual_until_they_are() -> None:
    root = grow({"x": [(A,)], "y": [(B, C)]})
    reading = TrieMass(root)
    reading.tell(root, Read({A: 0.5}, unknown=0.25))
    assert reading.labels(["x", "y"]) == {"x": 0.5, "y": 0}
    assert reading.residual() == 0.25
    [again] = reading.open_places(0.2)
    assert (again.path, reading.ask(again).tries) == ((), 1)
    assert reading.open_places(0.25) == []
    reading.tell(root, Read({A: 0.5, B: 0.125}))
    assert reading.residual() == 0.125  # b goes on
    [then] = reading.open_places(0)
    assert (then.path, reading.ask(then).tries) == ((B,), 0)
    reading.tell(then, Read({C: 0.5}))
    assert reading.labels(["x", "y"]) == {"x": 0.5, "y": 0.0625}
    assert reading.residual() == 0
    assert reading.open_places(0) == []


def test_unknown_mass_below_a_label_is_taken_from_it_and_promised_to_nobody() -> None:
    # x is a, y is ab, z is ac, P(a) = 0.5; told P(b | a) = 0.25, and of c only that it has at most 0.125
    root = grow({"x": [(A,)], "y": [(A, B)], "z": [(A, C)]})
    reading = TrieMass(root)
    reading.tell(root, Read({A: 0.5}))
    reading.tell(root.children[A], Read({B: 0.25}, unknown=0.125))
    # y: 0.5 * 0.25; z: 0 to 0.5 * 0.125; x: 0.5 - 0.125 - 0.0625 to 0.5 - 0.125
    assert reading.labels(["x", "y", "z"]) == {"x": 0.3125, "y": 0.125, "z": 0}
    assert reading.residual() == 0.0625


def test_an_upper_bound_above_all_there_is_takes_no_more_than_that() -> None:
    # 200 tokens with at most 1/64 each are bounded by 3.125, but a has 0.5 and no more
    root = grow({"x": [(A,)], "y": [(A, B)], "z": [(C,)]})
    reading = TrieMass(root)
    reading.tell(root, Read({A: 0.5, C: 0.25}))
    reading.tell(root.children[A], Read({}, unknown=3.125))
    assert reading.labels(["x", "y", "z"]) == {"x": 0, "y": 0, "z": 0.25}
    assert reading.residual() >= 0.5


def test_what_an_upper_bound_leaves_to_the_label_above_is_not_less_than_it_must_be() -> None:
    # x is a, y is abc, z is abd: whatever is said of c and d behind ab, x has what goes from a elsewhere than to b
    root = grow({"x": [(A,)], "y": [(A, B, C)], "z": [(A, B, D)]})
    reading = TrieMass(root)
    reading.tell(root, Read({A: 0.5}))
    reading.tell(root.children[A], Read({B: 0.25}))
    reading.tell(root.children[A].children[B], Read({}, unknown=3.125))
    assert reading.labels(["x", "y", "z"]) == {"x": 0.375, "y": 0, "z": 0}


def test_a_token_that_is_told_again_is_not_asked_below_again() -> None:
    root = grow({"x": [(A, B)], "y": [(C,)]})
    reading = TrieMass(root)
    reading.tell(root, Read({A: 0.5}, unknown=0.25))
    reading.tell(root.children[A], Read({B: 0.5}))
    reading.tell(root, Read({A: 0.5, C: 0.125}))
    assert reading.open_places(0) == []
    assert reading.labels(["x", "y"]) == {"x": 0.25, "y": 0.125}


def test_rounding_makes_no_label_negative_nor_takes_from_its_other_forms() -> None:
    # in 16 bits, what goes on from a can come out as more than a
    root = grow({"x": [(A,), (D,)], "y": [(A, B)], "z": [(A, C)]})
    assert read(root, {(): {A: 0.5, D: 0}, (A,): {B: 0.75, C: 0.2505}}).labels(["x", "y", "z"])["x"] == 0
    assert read(root, {(): {A: 0.5, D: 0.25}, (A,): {B: 0.75, C: 0.2505}}).labels(["x", "y", "z"])["x"] == 0.25


def test_one_trie_serves_many_readings() -> None:
    root = grow({"x": [(A,)], "y": [(B,)]})
    one, other = read(root, {(): {A: 0.5, B: 0.25}}), TrieMass(root)
    other.tell(root, Read({A: 0.125}, unknown=0.25))
    assert one.labels(["x", "y"]) == {"x": 0.5, "y": 0.25}
    assert other.labels(["x", "y"]) == {"x": 0.125, "y": 0}
    assert one.ask(root).tries == other.ask(root).tries == 1
    assert TrieMass(root).ask(root).tries == 0


# What holds for any trie, at every step of asking


def top(shares: Sequence[float], tokens: Sequence[int], most: int) -> Read:
    """What a server tells of some tokens when it lists only the `most` likely ones."""
    listed = sorted(range(len(shares)), key=lambda token: -shares[token])[:most]
    found = {token: shares[token] for token in tokens if token in listed}
    return Read(found, (len(tokens) - len(found)) * shares[listed[-1]])


@given(questions(spreads=(0.0, 0.5, 3.0, 8.0, 300.0)), st.data())
@settings(max_examples=150)
def test_the_bounds_hold_after_every_single_answer_whatever_is_asked_first(
    question: Question, data: st.DataObject
) -> None:
    truth = brute_force(question.model, question.prompt_ids, question.forms)
    mass = fsum(truth.values())
    reading = TrieMass(grow({label: [tuple(form) for form in forms] for label, forms in question.forms.items()}))
    most = data.draw(st.integers(1, 60))
    while places := reading.open_places(0):
        node = data.draw(st.sampled_from(places))
        ask = reading.ask(node)
        shares = question.model.probabilities([*question.prompt_ids, *node.path])
        reading.tell(node, top(shares, ask.tokens, most * 3**ask.tries))
        found, residual = reading.labels(list(truth)), reading.residual()
        for label, true in truth.items():
            assert found[label] - 1e-12 <= true <= found[label] + residual + 1e-12
        assert fsum(found.values()) - 1e-12 <= mass <= fsum(found.values()) + residual + 1e-12
    assert reading.residual() == 0
    assert reading.labels(list(truth)) == pytest.approx(truth, rel=0, abs=1e-12)


@given(questions(), st.floats(0, 1))
@settings(max_examples=100)
def test_asking_only_what_is_wanted_ends_within_the_bound_and_stops_as_soon_as_it_is(
    question: Question, allowed: float
) -> None:
    reading = TrieMass(grow({label: [tuple(form) for form in forms] for label, forms in question.forms.items()}))
    while places := reading.open_places(allowed):
        assert reading.residual() > allowed - 1e-12
        node = places[0]
        assert node.ask is not None
        reading.tell(node, top(question.model.probabilities([*question.prompt_ids, *node.path]), node.ask.tokens, 99))
    assert reading.residual() <= allowed + 1e-15


def test_a_label_without_a_name_is_a_label() -> None:
    root = grow({"x": [(1,), (1, 2, 3)], "": [(1, 2)]})
    reading = TrieMass(root)
    for node in root.inner():
        reading.tell(node, Read(dict.fromkeys(node.children, 0.5)))
    # P(1) = 1/2, of which 1/4 goes on to 1 2, of which 1/8 goes on to 1 2 3
    assert reading.labels(["x", ""]) == {"x": 0.25 + 0.125, "": 0.125}
