"""Extraction over a run: read the values in raw answers, keep what a model and people say of them, make the table."""
