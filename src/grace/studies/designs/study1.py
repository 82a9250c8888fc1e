"""Study 1's trials: six stories about three things that almost always have a property."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from grace.studies.designs.latin import sessions

COLUMNS = (
    "participant_id",
    "story_shortname",
    "story_setup",
    "priorQ",
    "speach",
    "speachQ",
    "knowledgeQ",
    "access",
    "observe",
)
PARTICIPANTS = 50
CELLS = ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3))
"""(access, observe): the number of things that the speaker looked at, and how many of those have the property."""


@dataclass(frozen=True)
class Story:
    """One item: its words, which the sentences of all six cells use."""

    setup: str
    speaker: str
    looked: str
    """Completes "I ___ 2 of the 3 lamps": how the speaker looked."""
    things: str
    one: str
    """The property said of 1, as in "1 of the lamps works"."""
    many: str
    """The property said of 2 or 3, as in "2 of the lamps work"."""


STORIES = {
    "lamps": Story(
        setup="Lamps repaired at the Halden workshop almost always work.<br> Last week Nora picked up 3 lamps there.",
        speaker="Nora",
        looked="plugged in",
        things="lamps",
        one="works",
        many="work",
    ),
    "eggs": Story(
        setup="Eggs of the Orvo hen almost always have a double yolk.<br> This morning Piet was given 3 Orvo eggs.",
        speaker="Piet",
        looked="cracked open",
        things="eggs",
        one="has a double yolk",
        many="have a double yolk",
    ),
    "beetles": Story(
        setup="Copper beetles on the island of Tysna almost always have a red spot under their wings.<br> "
        "Yesterday Ravi caught 3 copper beetles on Tysna for a survey.",
        speaker="Ravi",
        looked="examined",
        things="beetles",
        one="has a red spot",
        many="have a red spot",
    ),
    "parcels": Story(
        setup="Parcels handed to the Quickfoot couriers almost always arrive by the next morning.<br> "
        "Yesterday Tarek handed 3 parcels to Quickfoot.",
        speaker="Tarek",
        looked="traced",
        things="parcels",
        one="has arrived",
        many="have arrived",
    ),
    "pens": Story(
        setup="Fountain pens from the Lindqvist stall almost always leak.<br> Irene has just bought 3 of these pens.",
        speaker="Irene",
        looked="filled",
        things="pens",
        one="leaks",
        many="leak",
    ),
    "loaves": Story(
        setup="Loaves from the old oven at Brandt's almost always have a hole in the middle.<br> "
        "At noon Olga took 3 loaves out of this oven.",
        speaker="Olga",
        looked="cut open",
        things="loaves",
        one="has a hole in the middle",
        many="have a hole in the middle",
    ),
}


def trials(participants: int, rng: random.Random) -> Iterator[tuple[str | int, ...]]:
    """Rows in the order of COLUMNS: each participant gets each of the six cells once, with six different stories."""
    for participant, session in enumerate(sessions(participants, CELLS, tuple(STORIES), rng), start=1):
        for (access, observe), name in session:
            yield participant, name, *sentences(STORIES[name], access, observe), access, observe


def sentences(story: Story, access: int, observe: int) -> tuple[str, str, str, str, str]:
    """A story's setup, prior question, words of the speaker, question after them, and knowledge question."""
    how_many = f"how many of the 3 {story.things}"
    property = story.one if observe == 1 else story.many
    return (
        story.setup,
        f"At this point, {how_many} do you think {story.many}?",
        f"{story.speaker} sends you a message: 'I {story.looked} {access} of the 3 {story.things} just now. "
        f"{observe} of the {story.things} {property}.'",
        f"After this message, {how_many} do you think {story.many}?",
        f"In your opinion, does {story.speaker} know exactly {how_many} {story.many}?",
    )
