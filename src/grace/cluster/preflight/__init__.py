"""Preflight: whether a cluster is ready for some manifests. Probes ask and try; nothing here changes a cluster."""
