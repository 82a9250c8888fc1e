"""The phases as data: every checkbox of the plan has an entry, and a project may change them."""

import re
from pathlib import Path

import pytest

from grace.errors import InputError
from grace.project_file import RoadmapChanges
from grace.roadmap.checks import CHECKS
from grace.roadmap.phases import Phases, plan_of

HEADING = re.compile(r"#{2,4} (?:(?P<id>\d\.\d+): )?(?P<title>.*)")
BOX = re.compile(r"\s*(?:\d+\. |- )\[ \] (.*)")


@pytest.fixture(scope="module")
def plan() -> Phases:
    return plan_of(RoadmapChanges())


def boxes(text: str) -> list[tuple[str, str]]:
    """Every checkbox of a plan: its place, as "0.7 2" or "Phase 0 Success 1", and its text."""
    found, section, number = [], "", 0
    for line in text.splitlines():
        if heading := HEADING.match(line):
            section, number = heading["id"] or heading["title"], 0
        elif box := BOX.match(line):
            number += 1
            found.append((f"{section} {number}", box[1]))
    return found


def test_every_checkbox_of_the_plan_has_an_entry(plan: Phases, shared: Path) -> None:
    entries = {f"{item.section} {number}" for item in plan.items for number in item.plan_boxes}
    entries |= {item.box for item in plan.items if item.box}
    found = boxes((shared / "roadmap.md").read_text())
    assert len(found) > 150
    assert [f"{place}: {text}" for place, text in found if place not in entries] == []


def test_no_entry_stands_for_a_checkbox_that_the_plan_has_not(plan: Phases, shared: Path) -> None:
    there = {place for place, _ in boxes((shared / "roadmap.md").read_text())}
    tasks = {f"{i.section} {number}" for i in plan.items for number in i.plan_boxes if i.section[-1].isdigit()}
    assert tasks <= there
    assert {item.box for item in plan.items if item.box} <= there


def test_every_deliverable_criterion_and_decision_has_an_entry(plan: Phases, shared: Path) -> None:
    parts = re.split(r"^## Phase (\d)", (shared / "roadmap.md").read_text(), flags=re.MULTILINE)
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        text = text.split("\n## ")[0]
        phase = plan.phase(int(number))
        deliverables = text.split("### Deliverables")[1].split("###")[0]
        assert len(re.findall(r"^- ", deliverables, re.MULTILINE)) == len(phase.deliverables), number
        criteria = re.findall(
            r"^- ", text.split("### Success Criteria")[1].split("##")[0].split("---")[0], re.MULTILINE
        )
        assert len(criteria) == sum(".S" in item.id for item in phase.success), number
    asked = re.findall(r"^### After Phase (\d)$", (shared / "roadmap.md").read_text(), re.MULTILINE)
    assert asked == [str(phase.number) for phase in plan.phases if phase.question]


def test_each_item_can_be_proven(plan: Phases) -> None:
    for item in plan.items:
        assert set(item.check) <= set(CHECKS), item.id
        assert item.run or item.do or item.attest or item.follows, item.id
        if item.attest and not item.check:
            assert item.do, item.id


def test_every_check_is_used_and_says_what_it_looks_at(plan: Phases) -> None:
    assert set(CHECKS) == {name for item in plan.items for name in item.check}
    assert all(function.__doc__ for function in CHECKS.values())


def test_a_project_changes_and_adds_items() -> None:
    changed = plan_of(
        RoadmapChanges(
            items={
                "0.1.5": {"needed": True},
                "2.7.1": {"text": "the ethics board agreed", "attest": True, "do": "Ask the board."},
            }
        )
    )
    assert changed.item("0.1.5").needed
    assert changed.item("2.7.1") in list(changed.phase(2).items)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"7.1.1": {"text": "x", "attest": True}}, "there is no phase 7"),
        ({"0.9.1": {"text": "x"}}, "nothing proves it"),
        ({"0.9.1": {"text": "x", "attest": True, "wanted": 1}}, "no field 'wanted'"),
        ({"0.9.1": {"text": "x", "follows": ["0.9.2"]}}, "follows 0.9.2"),
    ],
)
def test_a_change_that_does_not_hold_together_is_named(items: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        plan_of(RoadmapChanges(items=items))


def test_an_unknown_item_suggests_the_nearest(plan: Phases) -> None:
    with pytest.raises(InputError, match=r"0\.77\.2: there is no such item"):
        plan.item("0.77.2")
    with pytest.raises(InputError, match=r"0\.7 .* is a task; its items are 0\.7\.1"):
        plan.item("0.7")
