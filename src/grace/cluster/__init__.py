"""Kubernetes: access to a cluster, the manifests of a lineup, and the preflight of both."""
