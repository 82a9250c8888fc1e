"""Benchmarks: what Grace costs in time and memory, measured beside something else in the same run."""
