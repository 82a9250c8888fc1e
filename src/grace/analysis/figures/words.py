"""Words: what figures call questions, conditions and effects, whose names in tables are made for programs."""

QUESTIONS = {
    **{f"state{state}": f"how likely: {state} of 3" for state in range(4)},
    "state": "how many of 3",
    "knowledge": "does the speaker know?",
    "frame": "was or wasn’t",
    "assessment": "terrible to amazing",
}
"""Titles of questions and their factors; one that is not here keeps its name."""
SOURCES = {
    "answers": "answers (Experiment 1)",
    "bets": "expected bets (Experiment 2)",
    "choice": "probabilities (Experiment 2)",
}


def question_title(name: str) -> str:
    """A question, or a factor of its answers."""
    return QUESTIONS.get(name, name)


def source_title(name: str) -> str:
    """Where effects come from."""
    return SOURCES.get(name, name)


def hearts_of(state: object) -> str:
    """A state of study 2: 1 heart, 2 hearts."""
    return f"{state} heart{'s' * (str(state) != '1')}"


def comparison_title(condition: str, states: str) -> str:
    """A comparison of bets: a3-two and 2>3 are access 3, “two”: 2 > 3."""
    access, word = condition.removeprefix("a").split("-")
    return f"access {access}, “{word}”: {_above(states)}"


def effect_title(name: str) -> str:
    """An effect, as tables name it: planned:a3-two:2>3, negation:0:both>social and so on; others keep their name."""
    match name.split(":"):
        case ["planned", condition, states]:
            return comparison_title(condition, states)
        case ["interaction", word, states]:
            return f"“{word}”: {_above(states)} rather with access 3"
        case ["interaction", goals]:
            return f"steeper fall of wasn’t: {_above(goals)}"
        case ["negation", ("0" | "1" | "2" | "3") as state, goals]:
            return f"wasn’t, {hearts_of(state)}: {_above(goals)}"
        case ["negation", goal, states]:
            return f"wasn’t, {goal}: {_above(states)} hearts"
        case ["praise" | "blunt" as what, state, goals]:
            said = "was terrible" if what == "blunt" else "praise"
            return f"{said}, {hearts_of(state)}: {_above(goals)}"
    return name


def _above(sides: str) -> str:
    return sides.replace(">", " > ")
