"""The plan's name for `grace extract`; takes all arguments of that command."""

import sys

from grace.cli import main

main(["extract", *sys.argv[1:]])
