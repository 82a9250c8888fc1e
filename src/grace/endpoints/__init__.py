"""Endpoints: how model servers are started, reached, paced, recognised and asked, for answers and for probabilities."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.endpoints.embedded import EmbeddedServer
    from grace.endpoints.serving import Address, ModelServer
    from grace.endpoints.vllm import VllmServer

__all__ = ["Address", "EmbeddedServer", "ModelServer", "VllmServer"]

__getattr__ = exported(__name__, Address="serving", ModelServer="serving", EmbeddedServer="embedded", VllmServer="vllm")
