"""The phases of the road as data: what has to be proven in each, from phases.yaml and a project's own changes."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from grace.declared import Strict, checked, loaded
from grace.errors import InputError
from grace.project_file import RoadmapChanges
from grace.text import did_you_mean

RoadName = Literal["cluster", "api", "local"]
ItemId = Annotated[str, Field(pattern=r"^\d\.([DSMN]\d+|\d+\.\d+)$")]
_FILE = "phases.yaml"


class Item(Strict):
    """One thing to prove.

    Attributes:
        id: as 0.7.2 (an item of task 0.7), 0.D1 (a deliverable), 0.S1 (a criterion); 0.M1 and 0.N1 repeat others at the
            plan's end.
        text: what is proven.
        check: a function of `grace.roadmap.checks`, with its arguments.
        attest: a person may say so.
        follows: items that prove this one.
        needed: whether a gate waits for it.
        run, do: the command that does it, or what to do.
        about: "data" where a person's word holds only for the studies and tables that there were.
        roads: the roads that it belongs to; all where empty.
        boxes: the plan's checkboxes of the same section that it stands for; by default the item's own last number.
        box: the plan's checkbox in another section, as "Phase 0 Success 1".
        plan: where the plan rests on a wrong fact, and what holds.
    """

    id: ItemId
    text: Annotated[str, Field(min_length=1)]
    check: Mapping[str, Mapping[str, Any]] = {}
    attest: bool = False
    follows: tuple[ItemId, ...] = ()
    needed: bool = True
    run: str = ""
    do: str = ""
    about: Literal["", "data"] = ""
    roads: tuple[RoadName, ...] = ()
    boxes: tuple[int, ...] | None = None
    box: str = ""
    plan: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if not (self.check or self.attest or self.follows):
            raise ValueError(f"{self.id}: nothing proves it: give check, attest or follows")
        if len(self.check) > 1:
            raise ValueError(f"{self.id}: has more than one check")
        return self

    @property
    def section(self) -> str:
        """The part of the plan that it belongs to, as 0.7, or 0.D for deliverables."""
        head, _, last = self.id.rpartition(".")
        return f"{head}.{last[0]}" if last[0].isalpha() else head

    @property
    def plan_boxes(self) -> tuple[int, ...]:
        """The numbers of the plan's checkboxes in its section."""
        return (int(self.id.rpartition(".")[2].lstrip("DSMN")),) if self.boxes is None else self.boxes


class PhaseTask(Strict):
    """Items that belong together, as a task of the plan lists them; `roads` holds for all of them."""

    id: Annotated[str, Field(pattern=r"^\d\.\d+$")]
    title: str
    roads: tuple[RoadName, ...] = ()
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


class Phase(Strict):
    """One phase.

    Attributes:
        number: from 0.
        title, aim: what it is and what it is for.
        cost, look, stop: what it costs, what to look at, when to stop.
        question: what its gate asks; empty where no gate follows.
        tasks: what is to be done.
        deliverables, success: what comes out, and by what it is judged.
    """

    number: Annotated[int, Field(ge=0, le=9)]
    title: str
    aim: str
    cost: str
    look: str
    stop: str
    question: str = ""
    tasks: tuple[PhaseTask, ...]
    deliverables: tuple[Item, ...] = ()
    success: tuple[Item, ...] = ()

    @property
    def items(self) -> Iterator[Item]:
        """All items, in order."""
        for task in self.tasks:
            yield from task.items
        yield from self.deliverables
        yield from self.success


class Road(Strict):
    """A way through the phases: those that it skips, and the profiles that it uses instead of others."""

    title: str
    skips: tuple[int, ...] = ()
    instead: Mapping[str, str] = {}


class Phases(Strict):
    """All phases, and the roads through them."""

    roads: Mapping[RoadName, Road]
    phases: tuple[Phase, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        ids = [item.id for item in self.items]
        twice = next((each for each in ids if ids.count(each) > 1), None)
        if twice:
            raise ValueError(f"{twice} is there twice")
        for item in self.items:
            if unknown := set(item.follows) - set(ids):
                raise ValueError(f"{item.id}: follows {', '.join(sorted(unknown))}, which is not there")
        return self

    @property
    def items(self) -> Iterator[Item]:
        """The items of all phases."""
        for phase in self.phases:
            yield from phase.items

    def roads_of(self, item: Item) -> tuple[RoadName, ...]:
        """The roads on which an item is asked for; empty: all."""
        return item.roads or next(
            (task.roads for phase in self.phases for task in phase.tasks if item in task.items), ()
        )

    def item(self, name: str) -> Item:
        """An item by its id. Raises InputError."""
        ids = {item.id: item for item in self.items}
        if name in ids:
            return ids[name]
        tasks = {task.id: task for phase in self.phases for task in phase.tasks}
        if name in tasks:
            inside = ", ".join(item.id for item in tasks[name].items)
            raise InputError(f"{name} ({tasks[name].title}) is a task; its items are {inside}")
        raise InputError(
            f"{name}: there is no such item{did_you_mean(name, [*ids, *tasks])}; see `grace roadmap check`"
        )

    def items_of(self, name: str) -> tuple[Item, ...]:
        """The item of an id, or all items of a task. Raises InputError."""
        for phase in self.phases:
            for task in phase.tasks:
                if task.id == name:
                    return task.items
        return (self.item(name),)

    def phase(self, number: int) -> Phase:
        """A phase by its number. Raises InputError."""
        for phase in self.phases:
            if phase.number == number:
                return phase
        raise InputError(
            f"there is no phase {number}; phases are {', '.join(str(each.number) for each in self.phases)}"
        )


def plan_of(changes: RoadmapChanges) -> Phases:
    """The phases with a project's changes: items that it replaces or adds. Raises InputError, which names the place."""
    built_in = _built_in()
    if not changes.items:
        return checked(built_in, _FILE, Phases)
    phases = [dict(phase) for phase in built_in["phases"]]
    left = dict(changes.items)
    for phase in phases:
        phase["tasks"] = [
            {**task, "items": [{**item, **left.pop(str(item["id"]), {})} for item in task["items"]]}
            for task in phase["tasks"]
        ]
        for part in ("deliverables", "success"):
            phase[part] = [{**item, **left.pop(str(item["id"]), {})} for item in phase[part]]
    for name, content in left.items():
        number = name.partition(".")[0]
        for phase in phases:
            if str(phase["number"]) == number:
                item = {"boxes": [], **content, "id": name}
                phase["tasks"] = [*phase["tasks"], {"id": f"{number}.99", "title": "Your own", "items": [item]}]
                break
        else:
            raise InputError(f"grace.yaml: roadmap.items.{name}: there is no phase {number}")
    return checked({**built_in, "phases": phases}, "grace.yaml: roadmap", Phases)


@cache
def _built_in() -> dict[str, Any]:
    content = resources.files("grace.roadmap").joinpath(_FILE).read_bytes()
    value: dict[str, Any] = loaded(content, _FILE)
    return value
