"""Preflight: whether a cluster is ready for some manifests. It asks and tries, and changes nothing."""
