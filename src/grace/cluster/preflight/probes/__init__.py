"""Probes: what preflight looks at, each a function from an inspection to lines of the report."""
