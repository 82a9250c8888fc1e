"""Commands that make statistics say which extra brings what is missing."""

import subprocess
import sys

import pytest

CODE = "import sys; sys.modules['numpy'] = None; from grace.cli import main; main(sys.argv[1:])"


@pytest.mark.parametrize("command", ["analyze", "report", "compare", "paper"])
def test_a_package_that_is_missing_is_named_with_its_extra(command: str) -> None:
    runs = ["a.run", *(["b.run"] if command == "compare" else [])]
    done = subprocess.run([sys.executable, "-c", CODE, command, *runs], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'grace-experiments[analysis]'" in done.stderr
