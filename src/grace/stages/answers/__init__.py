"""Experiment 1 over a run: ask every trial, keep the raw answers, make the table of them."""
