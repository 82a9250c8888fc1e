"""Simulations: how often tests find what is there, and what is not; `python -m benchmarks.simulations` runs them."""
