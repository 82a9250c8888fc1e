"""Kubernetes: what talks to a cluster (access/), describes a lineup (manifests/), and tries the two (preflight/)."""
