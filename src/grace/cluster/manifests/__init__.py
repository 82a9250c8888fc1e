"""Manifests of a lineup: its layout, and its objects as those of the official client, which only `render` imports."""
