"""Websockets to an API server, secured and routed as the connection's other requests."""

import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websocket import WebSocket

if TYPE_CHECKING:
    from kubernetes.client.configuration import Configuration


def opened(
    url: str,
    headers: Mapping[str, str],
    protocols: Sequence[str],
    settings: "Configuration",
    timeout: tuple[float, float],
) -> WebSocket:
    """A websocket that one of the protocols was agreed for.

    Args:
        url: with https or http.
        headers: of the request; the login among them.
        protocols: the best one first.
        settings: certificates and proxy of the connection.
        timeout: seconds to connect, and then to wait for anything.

    Raises:
        WebSocketException, OSError: it is refused, or nobody answers.
    """
    socket = WebSocket(sslopt=_tls(settings), skip_utf8_validation=True, enable_multithread=False)
    options: dict[str, Any] = {"header": dict(headers), "subprotocols": list(protocols), "timeout": timeout[0]}
    if settings.proxy:
        proxy = urlsplit(settings.proxy)
        options |= {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port}
        if proxy.username:
            options["http_proxy_auth"] = (proxy.username, proxy.password or "")
    if settings.no_proxy:
        options["http_no_proxy"] = settings.no_proxy.split(",")
    socket.connect(f"ws{url.removeprefix('http')}", suppress_origin=True, **options)  # type: ignore[no-untyped-call]
    socket.settimeout(timeout[1])
    return socket


def _tls(settings: "Configuration") -> dict[str, Any]:
    """How to know the server, and to be known by it."""
    context = ssl.create_default_context(
        cafile=settings.ssl_ca_cert or None, cadata=getattr(settings, "ca_cert_data", None) or None
    )
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    named = {"server_hostname": settings.tls_server_name} if settings.tls_server_name else {}
    return {"context": context, **named}
