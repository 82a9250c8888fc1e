"""GPU use as the cluster's policy counts it: asked of Prometheus, which needs no rights on the cluster."""

import re
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import orjson

from grace.errors import InputError

SECONDS = 10.0
"""The longest that one question may take."""
MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""A name of Kubernetes; nothing else becomes part of a query."""


def check_address(url: str) -> str:
    """An address of Prometheus, without a slash at its end. Raises InputError where it cannot be one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise InputError(f"prometheus {url!r}: give an address such as https://prometheus.example, without a password")
    return url.rstrip("/")


def gpu_use(url: str, pod: str, seconds: float) -> float | None:
    """The mean use of a pod's GPUs over so many seconds, 0 to 1; None where Prometheus does not say, or not in time."""
    if not _NAME.fullmatch(pod) or seconds < 1:
        return None
    over = f"[{max(60, int(seconds))}s]"
    query = f'avg(avg_over_time(DCGM_FI_DEV_GPU_UTIL{{pod="{pod}"}}{over}))'
    query += f' or avg(avg_over_time(DCGM_FI_DEV_GPU_UTIL{{exported_pod="{pod}"}}{over}))'
    address = f"{url}/api/v1/query?{urlencode({'query': query})}"
    request = Request(address, headers={"Accept": "application/json"})  # noqa: S310 - check_address saw that it is http
    try:
        with urlopen(request, timeout=SECONDS) as reply:  # noqa: S310
            return _value(orjson.loads(reply.read(MOST_BYTES)))
    except (URLError, HTTPException, OSError, ValueError):
        return None


def _value(reply: Any) -> float | None:
    """The one number of a reply, in percent."""
    try:
        value = float(reply["data"]["result"][0]["value"][1]) / 100
    except (LookupError, TypeError, ValueError):
        return None
    return value if 0 <= value <= 1 else None
