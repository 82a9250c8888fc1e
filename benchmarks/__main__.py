"""Run benchmarks and write what they found to RESULTS.md; say what got slower since the ratios that were kept.

python -m benchmarks [NAME ...] [--full] [--keep]      all of them without names; `make bench` runs all
"""

import argparse
import os
import platform
import re
import sys
import time
from datetime import date
from importlib import metadata
from pathlib import Path

import grace
from benchmarks import (
    against_inspect,
    archive,
    cpu,
    embedded,
    extraction,
    latency,
    million,
    pilot,
    prefill,
    report,
    residual,
    rows,
    score_cpu,
    scoring,
    startup,
)
from benchmarks.earlier import RATIOS, Ratio, read_ratios, slower, write_ratios
from benchmarks.parts import CommandFailed, Options, Result

BENCHMARKS = {
    module.NAME: module
    for module in (
        startup,
        latency,
        cpu,
        against_inspect,
        million,
        pilot,
        scoring,
        prefill,
        score_cpu,
        residual,
        embedded,
        extraction,
        report,
        archive,
        rows,
    )
}
RESULTS = Path(__file__).with_name("RESULTS.md")
SECTION = re.compile(r"^(?=## )", re.MULTILINE)


def machine() -> str:
    """Cores, processor, memory and how busy the machine is, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{cores} cores ({platform.machine()}), {memory:.0f} GB of memory, {platform.system()}"


def versions() -> str:
    """What was measured."""
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("aiohttp", "orjson"))
    return f"Grace {grace.__version__}, Python {platform.python_version()}, {packages}"


def stamped(result: Result, load: float, seconds: float) -> str:
    """A result's section with the day, the machine and the versions it holds for."""
    busy = f"load {load:.1f} when it began"
    result.notes.append(f"{date.today().isoformat()}; {machine()}, {busy}; {versions()}; took {seconds:.0f} s.")
    return result.markdown()


def earlier(path: Path) -> dict[str, str]:
    """The sections of a results file by name."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {part.split()[1].rstrip(":"): part.strip() + "\n" for part in SECTION.split(text)[1:]}


def write(sections: dict[str, str], path: Path) -> None:
    """Write the results file: the sections in the benchmarks' order."""
    head = [
        "# Results of the benchmarks",
        "",
        "Written by `make bench`; each section says what was measured, how, when and on which machine. Figures are",
        "medians with the range of all repeats behind; ratios are of two things measured in turns in one run.",
        "",
    ]
    known = [sections[name] for name in BENCHMARKS if name in sections]
    path.write_text("\n".join([*head, "\n".join(known)]), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument(
        "--full",
        action="store_true",
        help="million: ask every row, instead of filling the ledger; rows: a million of them",
    )
    parser.add_argument(
        "--keep", action="store_true", help=f"keep the ratios in {RATIOS.name}, for later results to be held against"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")

    sections, kept = earlier(RESULTS), read_ratios(RATIOS)
    bad = 0
    told: list[str] = []
    for name in arguments.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        load, started = os.getloadavg()[0], time.perf_counter()
        try:
            result = BENCHMARKS[name].run(Options(arguments.full))
        except CommandFailed as error:
            print(error, file=sys.stderr)
            result = Result(name, "to run", False, notes=["One of its commands failed; the terminal showed why."])
        sections[name] = stamped(result, load, time.perf_counter() - started)
        write(sections, RESULTS)
        print(sections[name], flush=True)
        bad += result.met is False
        if result.ratios:
            now = {what: Ratio.of(values) for what, values in result.ratios.items()}
            told += [f"{name}: {line}" for line in slower(kept.get(name, {}), now)]
            if arguments.keep:
                kept[name] = now
                write_ratios(RATIOS, kept)
    print("\n".join(told) if told else "nothing is more than a tenth slower than before", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
