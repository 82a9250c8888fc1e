"""Study 2's trials: twelve things that somebody made or performed, and somebody else who is asked for an opinion."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from grace.studies.designs.latin import sessions

COLUMNS = (
    "Participant_ID",
    "Domain",
    "Precontext",
    "Scenario",
    "Utterance",
    "Goal",
    "State",
    "SP_Name",
    "LS_Name",
)
PARTICIPANTS = 202
STATES = ("0 hearts", "1 heart", "2 hearts", "3 hearts")
GOALS = {
    "informational": "If what mattered to {speaker} was that the answer should be accurate",
    "social": "If what mattered to {speaker} was that {listener} should feel good",
    "both": "If what mattered to {speaker} was both that {listener} should feel good "
    "and that the answer should be accurate",
}
UTTERANCES = tuple(f"It {be} {word}" for be in ("was", "wasn't") for word in ("terrible", "bad", "good", "amazing"))


@dataclass(frozen=True)
class Domain:
    """One item."""

    work: str
    """Completes "Nadia ___.": what the listener did."""
    met: str
    """Completes "Tom ___.": how the speaker learned of it."""


DOMAINS = {
    "soup": Domain("cooked a pot of soup for the street party", "had a bowl of {listener}'s soup"),
    "story": Domain("wrote a short story for a magazine", "read {listener}'s story"),
    "toast": Domain("gave a toast at a wedding", "was at the wedding and heard {listener}'s toast"),
    "vase": Domain("made a clay vase in a pottery class", "saw {listener}'s vase on the shelf"),
    "garden": Domain("planted a small garden behind the house", "took a walk through {listener}'s garden"),
    "trick": Domain("performed a magic trick at a birthday party", "watched {listener}'s trick from the front row"),
    "sketch": Domain("put on a comedy sketch in the town hall", "sat in the audience of {listener}'s sketch"),
    "scarf": Domain("knitted a woollen scarf", "wore {listener}'s scarf for a day"),
    "photo": Domain("entered a photo in a competition", "looked at {listener}'s photo in the exhibition"),
    "game": Domain("invented a board game", "played {listener}'s game with friends"),
    "tour": Domain("led a guided tour through the old town", "joined {listener}'s tour"),
    "podcast": Domain("recorded the first episode of a podcast", "listened to {listener}'s podcast on the train"),
}
# fmt: off
NAMES = (
    "Adaeze", "Agneta", "Amir", "Anouk", "Arturo", "Beatriz", "Bogdan", "Camille", "Chidi", "Dalia",
    "Dmitri", "Edda", "Eitan", "Farah", "Fergal", "Gesine", "Giulia", "Hamid", "Hiroko", "Ilan", "Imke",
    "Jalila", "Jorge", "Kaia", "Katarina", "Lamin", "Leonie", "Linnea", "Mateo", "Meike", "Nadia", "Noam",
    "Odalie", "Osman", "Paloma", "Quirin", "Rania", "Rosalind", "Samira", "Soren", "Tamsin", "Tomasz",
    "Ulla", "Valentin", "Wanjiru", "Xenia", "Yannick", "Zdenka",
)
# fmt: on


def trials(participants: int, rng: random.Random) -> Iterator[tuple[str | int, ...]]:
    """Rows in the order of COLUMNS: each participant gets every goal and state once, with twelve different domains.

    No name occurs twice in a session, neither as speaker nor as listener.
    """
    cells = tuple(product(GOALS, STATES))
    for participant, session in enumerate(sessions(participants, cells, tuple(DOMAINS), rng), start=1):
        names = rng.sample(NAMES, 2 * len(cells))
        for ((goal, state), domain), speaker, listener in zip(session, names[::2], names[1::2], strict=True):
            yield (
                participant,
                domain,
                f"{listener} {DOMAINS[domain].work}.",
                scenario(domain, speaker, listener),
                rng.choice(UTTERANCES),
                GOALS[goal].format(speaker=speaker, listener=listener),
                state,
                speaker,
                listener,
            )


def scenario(domain: str, speaker: str, listener: str) -> str:
    """How the speaker learned of the thing, and the listener's question."""
    met = DOMAINS[domain].met.format(listener=listener)
    return f"{speaker} {met}. Afterwards {listener} said to {speaker}: 'Tell me, what did you think of my {domain}?'"
