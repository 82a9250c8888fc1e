"""Level and power of Grace's tests by simulation, as tables; the documents have the figures.

python -m benchmarks.simulations [NAME ...] [--samples N]      all of them without names
"""

import argparse

from benchmarks.simulations import compare, effects, floor, ratios

SIMULATIONS = {module.NAME: module for module in (compare, effects, ratios, floor)}


def main() -> None:
    """Print the tables line by line; they are seeded, so the same numbers come again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulations", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SIMULATIONS)}; default: all")
    parser.add_argument("--samples", type=int, help="of each line of a table; default: as in the documents")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SIMULATIONS):
        parser.error(f"no simulation {', '.join(sorted(unknown))}; there are {', '.join(SIMULATIONS)}")
    for name in arguments.names or SIMULATIONS:
        module = SIMULATIONS[name]
        samples = arguments.samples or module.SAMPLES
        print(f"{name}: {samples} samples")
        for line in module.run(samples):
            print(line, flush=True)


if __name__ == "__main__":
    main()
