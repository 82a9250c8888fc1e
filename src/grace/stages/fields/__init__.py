"""Extraction over a run: read the values in raw answers, keep what model and people say about them, make the table."""
