"""Rules about manifests, on anybody's files: what a cluster forbids, and what cannot work."""
