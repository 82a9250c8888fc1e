"""Probes: what preflight looks at, each a function from an view to lines of the report."""
