"""Measures what Tidewaiter costs; integration/bench runs it, and says what it prints."""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

from . import chart, table
from .containers import Containers, Unmeasured, run
from .programs import Machine
from .rows import Result, rows
from .sources import QUICK, Sizes, sources


def arguments(all_rows):
    parser = argparse.ArgumentParser(prog="integration/bench", description="Measures what Tidewaiter costs.")
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (5)")
    parser.add_argument("--runtime", default="crun", help="crun or runc")
    keys = ", ".join(row.key for row in all_rows)
    parser.add_argument("--only", metavar="ROWS", help=f"some, with commas between them, of: {keys}")
    parser.add_argument("--quick", action="store_true", help="a few calls in one round, to see that everything works")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = 1 if options.quick else 5
    if options.rounds < 1:
        parser.error("there is nothing to see in no round")
    if options.only:
        unknown = set(options.only.split(",")) - {row.key for row in all_rows}
        if unknown:
            parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {keys}")
    return options


def tell(progress):
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def measure(named, rounds):
    """Samples of each source, one of each round, and why there are none of some. What fails is not tried again."""
    samples, failures = {name: [] for name in named}, {}
    for number in range(rounds):
        # There and back: what comes after another is not always after it.
        names = list(named) if number % 2 == 0 else list(reversed(named))
        for place, name in enumerate(names):
            if name in failures:
                continue
            tell(f"round {number + 1} of {rounds}, {place + 1} of {len(names)}: {name}")
            try:
                samples[name].append(named[name]())
            except (Unmeasured, subprocess.SubprocessError, OSError, LookupError, ValueError, AttributeError) as reason:
                failures[name] = str(reason) if isinstance(reason, Unmeasured) else repr(reason)
    tell("")
    return samples, failures


def outcome(row, samples, failures):
    """Its Result, or why there is none."""
    if row.unmeasured:
        return row.unmeasured
    for name in row.needs:
        if name in failures:
            return failures[name]
    return row.result(samples)


def as_json(row, found):
    fields = {"key": row.key, "what": row.what, "verdict": table.judge(row, found)}
    if row.goal:
        fields["goal"] = dataclasses.asdict(row.goal)
    if isinstance(found, Result):
        fields.update(measured=found.measured, median=found.median, p99=found.p99, beside=found.beside)
    return fields


def surroundings(options):
    """What a figure has to be read with."""
    version = run([options.runtime, "--version"]).splitlines()[0]
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}"
    return {"runtime": version, "machine": machine, "rounds": options.rounds, "quick": options.quick}


def main():
    all_rows = rows()
    options = arguments(all_rows)
    wanted = [row for row in all_rows if not options.only or row.key in options.only.split(",")]
    needed = {name for row in wanted for name in row.needs}
    load_before = os.getloadavg()[0]
    # Not in /tmp, which may be memory: bundles and logs are on a disk.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="tidewaiter-bench-") as folder:
        folder = pathlib.Path(folder)
        (folder / "log").mkdir(mode=0o700)
        # For as long as there is this mount namespace.
        run(["mount", "--bind", folder / "log", "/var/log/tidewaiter"])
        here = Containers(folder, pathlib.Path(os.environ["TIDEWAITER_BIN"]), options.runtime)
        with Machine(here) as machine:
            named = sources(here, machine, QUICK if options.quick else Sizes())
            samples, failures = measure({name: named[name] for name in named if name in needed}, options.rounds)
    about = surroundings(options)
    outcomes = {row.key: outcome(row, samples, failures) for row in wanted}

    title = f"{about['runtime']}, {about['machine']}, {options.rounds} interleaved rounds"
    if options.quick:
        title += " (--quick: these are no results)"
    print(title)
    if load_before > 0.5:
        print(f"the machine was not idle: its load was {load_before:.2f} before")
    print("\n".join(table.lines(wanted, outcomes)))
    for name, reason in failures.items():
        print(f"\n{name}: {reason}")
    if options.json:
        results = [as_json(row, outcomes[row.key]) for row in wanted]
        text = json.dumps({**about, "load_before": load_before, "rows": results, "samples": samples}, indent=1)
        options.json.write_text(text + "\n")
    if options.svg:
        options.svg.write_text(chart.svg(wanted, outcomes, "What Tidewaiter costs", title))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unmeasured as reason:
        sys.exit(f"integration/bench: {reason}")
