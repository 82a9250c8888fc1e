"""Endpoints: how model servers are reached, paced, recognised and asked."""
