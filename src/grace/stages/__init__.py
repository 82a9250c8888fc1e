"""Stages: what is done with a run, each a function from a study and a table to records in the ledger."""
