"""Manifests: a request becomes a layout, and the layout becomes objects and files. No module here asks a cluster."""
