"""Data brought home: listed with digests made beside it, sent in pieces, and final only when its digest matches."""
