"""A stand-in for vLLM's server, for tests: a package of that name which tells what it was given and serves /health.

The environment says how it behaves: with GRACE_STAND_IN=silent it never answers, with =stubborn it ignores SIGTERM.
--max-model-len=99 has it end with code 7. It has a worker that ignores SIGTERM, as vLLM's engine may when it computes.
"""

import os
from pathlib import Path

_SOURCE = """
import json, os, signal, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

options = dict(argument.lstrip("-").split("=", 1) for argument in sys.argv[1:])
mode = os.environ.get("GRACE_STAND_IN", "")


class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (print("ended", flush=True), os._exit(0)))
if "99" == options.get("max-model-len"):
    print("out of luck", flush=True)
    sys.exit(7)
worker = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE)
child.stdout.readline()
print(json.dumps([sys.argv[1:], os.environ.get("VLLM_API_KEY")]), flush=True)
if mode != "silent":
    server = HTTPServer(("127.0.0.1", int(options["port"])), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    signal.pause()
"""


def install(folder: Path) -> str:
    """Write the package into a folder; gives a PYTHONPATH with it."""
    package = folder / "packages" / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    (package / "api_server.py").write_text(_SOURCE)
    return os.pathsep.join([str(folder / "packages"), os.environ.get("PYTHONPATH", "")])
