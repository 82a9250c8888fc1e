"""Manifests: a request becomes a layout, the layout becomes objects and files. No module here asks a cluster."""
