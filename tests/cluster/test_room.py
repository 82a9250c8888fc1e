"""What importing the room `cluster` loads: it describes what is asked, and needs no engine that asks."""

import subprocess
import sys

IMPORT_ALL = """\
import importlib, pkgutil, sys
import grace.cluster

for module in pkgutil.walk_packages(grace.cluster.__path__, "grace.cluster."):
    importlib.import_module(module.name)
print(*(name for name in sys.modules if name == "aiohttp" or name.startswith("grace.endpoints")))
"""


def test_no_module_of_the_room_loads_the_engine():
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == ([], 0), done.stderr
