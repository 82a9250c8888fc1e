"""Logs of containers, read with limits: never more than is asked for, never for longer."""

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of

LINES = 2000
BYTES = 1 << 20
SECONDS = 60.0


def read_log(
    api: Api,
    namespace: str,
    pod: str,
    container: str = "",
    *,
    previous: bool = False,
    lines: int = LINES,
    most_bytes: int = BYTES,
    seconds: float = SECONDS,
) -> str:
    """The end of a container's log. It is gone with its pod: read it before anything deletes that.

    Args:
        api: the connection.
        namespace: of the pod.
        pod: its name.
        container: one of its containers; empty when it has only one.
        previous: of the container before its last restart.
        lines: the last so many.
        most_bytes: of them, the last so many bytes.
        seconds: the longest that reading may take; what came until then is given.

    Raises:
        ApiError: there is no such pod (404), or it has not started yet (400), or the node does not answer.
    """
    path = path_of("api", "v1", "namespaces", namespace, "pods", pod, "log")
    query = {"tailLines": str(lines), **({"container": container} if container else {})}
    query |= {"previous": "true"} if previous else {}
    content = bytearray()
    ends = api.clock.now() + seconds
    try:
        with api.pieces(path, seconds, **query) as pieces:
            for piece in pieces:
                content += piece
                del content[:-most_bytes]
                if api.clock.now() > ends:
                    break
    except ApiError as error:
        if error.status or not content:
            raise
    return content.decode(errors="replace")
