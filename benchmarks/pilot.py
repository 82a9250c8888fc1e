"""How long `make pilot` takes when everything has been installed and downloaded before."""

from benchmarks.parts import ROOT, Options, Result, measured

NAME = "pilot"
TARGET = 60


def run(options: Options) -> Result:
    result = Result(NAME, f"`make pilot` the second time below {TARGET} s")
    return result
