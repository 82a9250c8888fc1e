"""Words: names of questions and sources in figures; those in tables are for programs."""

QUESTIONS = {
    **{f"state{state}": f"how likely: {state} of 3" for state in range(4)},
    "state": "how many of 3",
    "knowledge": "does the speaker know?",
    "frame": "was or wasn’t",
    "assessment": "terrible to amazing",
}
"""Titles of questions and their factors; others keep their name."""
SOURCES = {
    "answers": "answers (Experiment 1)",
    "bets": "expected bets (Experiment 2)",
    "choice": "probabilities (Experiment 2)",
}
"""The sources of effects."""
