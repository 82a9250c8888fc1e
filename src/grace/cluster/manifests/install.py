"""Put the parts of Grace's wheel together, check them, and install it: what a pod runs before it has Grace.

python install.py SHA256 NAME.whl FOLDER [REQUIREMENT ...]

The parts and constraints.txt lie beside this file. FOLDER is on the pod's own disk.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path


def main(sha256: str, name: str, folder: str, *requirements: str) -> int:
    """Install into the folder. Returns the exit code: 2 when the parts are not the expected ones, else pip's."""
    here = Path(__file__).parent
    wheel = b"".join(part.read_bytes() for part in sorted(here.glob("part-*")))
    digest = hashlib.sha256(wheel).hexdigest()
    if digest != sha256:
        print(f"install.py: the parts give {digest}, not {sha256}: apply all manifests of one render", file=sys.stderr)  # noqa: T201
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / name
        path.write_bytes(wheel)
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", "--no-input"]
        pinned = ["--only-binary=:all:", f"--constraint={here / 'constraints.txt'}", f"--target={folder}"]
        return subprocess.run([*pip, *pinned, str(path), *requirements], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
