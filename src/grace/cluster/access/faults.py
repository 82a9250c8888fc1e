"""Faults of requests in plain words: what a refusal means, what keeps a server from answering, and what to do."""

from dataclasses import dataclass

from grace.cluster.access.kubeconfig import Target
from grace.cluster.access.login import log_in_again


@dataclass(frozen=True)
class Unreached:
    """Why there was no answer.

    Attributes:
        message: for people.
        untouched: certainly nothing was done.
        slow: it took long to find out, so that another try costs as much.
        final: another try ends in the same way.
    """

    message: str
    untouched: bool = False
    slow: bool = False
    final: bool = False


def refusal(target: Target, method: str, path: str, status: int, detail: str, *, shown: bool) -> str:
    """What a status means.

    Args:
        target: who was asked.
        method: of the request.
        path: of the request.
        status: of the answer.
        detail: what the cluster said.
        shown: whether the request had a login.
    """
    server, again = target.server, log_in_again(target)
    said = f": {detail}" if detail else ""
    if status == 401 and not shown:
        return f"{server}: you are not logged in: {target.title} has no login for it; {again}"
    if status == 401:
        return f"{server}: does not take the login of user {target.user_name} of {target.title} (401); {again}"
    if status == 403:
        return f"{server}: refuses {method} {path} (403){said}{_rights(target, path, detail)}"
    if status == 404:
        return f"{server}: has no {path} (404){said}"
    if status == 409:
        return f"{server}: {method} {path} conflicts with what is there (409){said}"
    if status == 410:
        return f"{server}: no longer knows the place from which {path} was asked (410){said}"
    if status == 422:
        return f"{server}: cannot have {path} like this (422){said}"
    if status == 429:
        return f"{server}: is too busy for {method} {path} (429){said}; wait a few minutes and try again"
    if status >= 500:
        return f"{server}: failed at {method} {path} ({status}){said}; try again, or ask the cluster's support"
    return f"{server}: does not support {method} {path} ({status}){said}"


def _rights(target: Target, path: str, detail: str) -> str:
    """What to do about a right that is missing. A namespace that is not there is refused like somebody else's."""
    if " cannot " not in detail:
        return ""
    parts = path.split("/namespaces/")
    namespace = parts[1].split("/")[0] if len(parts) > 1 else ""
    if namespace in ("", target.namespace):
        return f"; ask the administrators{' of the namespace' if namespace else ''} for this right"
    return f"; {namespace} is {not_yours(target)}: choose with --namespace, or ask its administrators for this right"


def not_yours(target: Target) -> str:
    """Whose a namespace may be that refuses everything."""
    own = target.namespace
    return f"perhaps not your namespace ({f'the context names {own}' if own else 'the context names none'})"


def unreached(target: Target, kind: str, text: str, timeout: tuple[float, float]) -> Unreached:
    """Why a server did not answer.

    Args:
        target: who was asked.
        kind: the name of the error's class: of urllib3, websocket-client or Python.
        text: what the error says, without secrets.
        timeout: seconds to connect, and to wait for an answer.
    """
    server, title = target.server, target.title
    if any(sign in f"{kind} {text}" for sign in ("SSL", "CERTIFICATE", "certificate")):
        return Unreached(f"{server}: no secure connection: {_tls(text)}; see {title}", final=True)
    nobody = "nobody answers there; check the network, and that the cluster is up"
    unknown = "there is no server of that name; check the network (a VPN?) and the address"
    unconnected = f"no connection within {timeout[0]:g} s; check the network, VPN or firewall"
    proxy = "the proxy does not connect; check proxy-url and HTTPS_PROXY"
    cut = "the connection was cut in the middle of an answer; try again"
    message = {
        "LocationParseError": "this is not the address of a server",
        "NameResolutionError": unknown,
        "WebSocketAddressException": unknown,
        "NewConnectionError": nobody,
        "ConnectionRefusedError": nobody,
        "ConnectTimeoutError": unconnected,
        "WebSocketTimeoutException": unconnected,
        "ReadTimeoutError": f"no answer within {timeout[1]:g} s; the cluster is overloaded, try again later",
        "ProtocolError": cut,
        "ConnectionResetError": cut,
        "WebSocketConnectionClosedException": cut,
        "ProxyError": proxy,
        "WebSocketProxyException": proxy,
    }.get(kind, f"no answer: {text or kind}")
    return Unreached(
        f"{server}: {message}; see {title}",
        untouched=message in (nobody, unconnected, unknown, proxy),
        slow=message == unconnected or kind == "ReadTimeoutError",
    )


def _tls(text: str) -> str:
    """What is wrong with a secure connection."""
    for sign, meaning in (
        ("self-signed", "the server shows a certificate that this kubeconfig's certificate-authority did not sign"),
        ("unable to get local issuer", "the kubeconfig's certificate-authority is not that of the server"),
        ("certificate has expired", "the server's certificate has expired, or this machine's clock is wrong"),
        ("match", "the server's certificate is for another name than the address in the kubeconfig"),
        ("WRONG_VERSION_NUMBER", "the server does not speak TLS there; should its address begin with http://?"),
        ("encrypted", "the client's key has a password, which Kubernetes clients cannot use"),
        ("KEY_VALUES_MISMATCH", "the client's key and certificate do not belong together"),
    ):
        if sign in text.replace("self signed", "self-signed"):
            return meaning
    return text
