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

from conftest import ROOT
from limits import HANG
from report_runs import speaker

RUNS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"
KILLS = int(os.environ.get("GRACE_KILLS", "0")) or 39


@pytest.mark.slow
def test_killed_at_any_moment(trials: Path, tmp_path: Path) -> None:
    for name in ("turns", "skies", "parts.shard-0-of-2", "parts.shard-1-of-2", "judged", "judged_structured"):
        shutil.copytree(RUNS / f"{name}.run", tmp_path / f"{name}.run")
    for name in ("judged.csv", "judged_structured.csv"):
        shutil.copy(RUNS / name, tmp_path / name)
    script = ROOT / "tests" / "support" / "killing.py"
    with speaker() as own:
        command = [sys.executable, script, tmp_path, str(KILLS), str(KILLS), own.server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG * 20)
    assert done.returncode == 0, done.stderr
    died = json.loads(done.stdout)
    print(died)
    assert len(died) == 13
    assert sum(died.values()) > KILLS / 2  # a moment after the end kills nobody
    assert KILLS < 1000 or all(died.values())
