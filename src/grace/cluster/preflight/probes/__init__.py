"""Probes: a module for each group of checks. A probe takes a view of the cluster and a subject, and gives a verdict."""
