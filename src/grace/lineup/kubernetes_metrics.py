"""What the model server in a pod reports: asked from inside of the pod, since nothing else can reach it."""

from grace.cluster.access.answers import ApiError
from grace.cluster.access.commands import execute
from grace.cluster.access.connection import Api
from grace.cluster.manifests.grace_container import MAIN
from grace.cluster.manifests.vllm_container import PORT
from grace.endpoints.metrics import MOST_BYTES, ServerMetrics, read_metrics
from grace.lineup.kubernetes_views import PodView

ADDRESS = f"http://127.0.0.1:{PORT}/metrics"
"""A pod's containers share one loopback."""
ASK_SECONDS = 3
LIMIT_SECONDS = 6.0
"""For the command as a whole: people wait for it."""
_ASK = (
    "import sys, urllib.request as u; "
    "sys.stdout.buffer.write(u.urlopen(sys.argv[1], timeout=int(sys.argv[2])).read(int(sys.argv[3])))"
)


def server_report(api: Api, namespace: str, pod: PodView) -> ServerMetrics | None:
    """What the server beside a running visit reports now; None where none answers, or one may not look."""
    main = pod.container(MAIN)
    if pod.deleting or main is None or main.phase != "running":
        return None
    pieces: list[bytes] = []
    command = ["python3", "-c", _ASK, ADDRESS, str(ASK_SECONDS), str(MOST_BYTES)]
    try:
        end = execute(
            api,
            namespace,
            pod.name,
            command,
            container=MAIN,
            stdout=pieces.append,
            idle_seconds=LIMIT_SECONDS,
            seconds=LIMIT_SECONDS,
        )
    except ApiError:
        return None
    metrics = read_metrics(b"".join(pieces).decode(errors="replace")) if end.code == 0 else ServerMetrics()
    return metrics if metrics != ServerMetrics() else None
