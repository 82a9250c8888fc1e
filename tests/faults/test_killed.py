"""Commands that are killed at any moment of their computing leave nothing half, lose nothing, and end up the same.

`make torture` kills far more (GRACE_KILLS).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from canned import CannedServer
from conftest import ROOT
from limits import HANG

RUNS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"
KILLS = int(os.environ.get("GRACE_KILLS", "0")) or 49


@pytest.mark.slow
def test_killed_at_any_moment(canned: CannedServer, trials: Path, tmp_path: Path) -> None:
    for name in ("turns.run", "skies.run", "parts.shard-0-of-2.run", "parts.shard-1-of-2.run"):
        shutil.copytree(RUNS / name, tmp_path / name)
    script = ROOT / "tests" / "support" / "killing.py"
    command = [sys.executable, script, tmp_path, str(KILLS), str(KILLS), canned.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG * 20)
    assert done.returncode == 0, done.stderr
    died = json.loads(done.stdout)
    print(died)
    assert len(died) == 7
    assert sum(died.values()) > KILLS / 2  # a moment after the end kills nobody
    assert all(died.values())
