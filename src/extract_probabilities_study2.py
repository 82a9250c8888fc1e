"""The plan's name for `grace score study2`, with the plan's defaults; takes all options of that command."""

import sys

from grace.cli import main

main(["score", "study2", "--model-endpoint", "http://localhost:8000", "--model-name", "gemma-2-2b-it", *sys.argv[1:]])
