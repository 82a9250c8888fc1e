"""Experiment 2 over a run: score every possible answer, keep the probabilities, make the table of them."""
