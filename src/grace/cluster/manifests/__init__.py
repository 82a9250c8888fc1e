"""Manifests as typed objects of the official client, whose import takes 0.2 s: only `grace.cluster.render` does it."""
