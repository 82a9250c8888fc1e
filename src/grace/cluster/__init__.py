"""Kubernetes: manifests as typed objects, access to a cluster, and what can be asked of it before anything runs."""
