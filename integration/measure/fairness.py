"""What a container's flood of notifications costs another: python3 -m measure.fairness, by integration/fairness.

Prints a table. Each line is a call of one container, the victim, refused by its agent, one after the other in one thread: its
median, its 99th percentile, and how many there were in a second. What runs beside it meanwhile:

    nothing
    busy      a container without a policy, whose threads compute and make calls that nobody supervises: what sharing the
              processors costs in any case
    flood     a container under the same policy, of which as many threads make the refused call without a pause

each once with agents of the containers' own, and once with one agent for both.

With --share nothing is timed, but counted how many calls the flood makes while the victim makes its own. Prints that, and ends
with 1 where the flood had more than SLACK times the share of as many callers as it has threads: the victim would have waited
for more than what processors and their scheduler cost it.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from measure.containers import Containers, Unmeasured, run
from measure.crowd import Node


class Beside:
    """A container whose threads go on until it is deleted."""

    def __init__(self, containers, threads, policy):
        expected = 1 if policy else 0  # EPERM; or the call succeeds
        loop = f"while true; do /bin/time_calls 200000 {expected} {threads} >/dev/null; done"
        bundle, self.name = containers.bundle(["/bin/busybox", "sh", "-c", loop], policy)
        self.containers = containers
        self.command = containers.command(policy)
        # Not by run(), which would wait for the end of its output.
        command = [*self.command, "run", "--detach", "--bundle", str(bundle), self.name]
        subprocess.run(command, env=containers.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        time.sleep(0.5)  # until all of its threads are under way

    def end(self):
        run([*self.command, "delete", "--force", self.name], env=self.containers.environment)


def measure(containers, calls):
    """Of the victim: median and 99th percentile in nanoseconds, calls a second."""
    bundle, name = containers.bundle(["/bin/time_calls", calls, 1], "refused")
    # Not output(), which waits for the end of every agent.
    command = [*containers.command("refused"), "run", "--bundle", str(bundle), name]
    return [float(each) for each in run(command, env=containers.environment).split()]


# Where calls take turns, a flood makes as many as it has threads for each of the victim's. A scheduler may prefer it for a while.
SLACK = 4


def share(containers, threads, calls):
    """How many calls a flood makes while another container makes as many as that."""
    counter = containers.folder / "flood"
    counter.write_bytes(bytes(8))
    spec = json.loads(json.dumps(containers.spec))
    spec["mounts"].append({"destination": "/flood", "type": "bind", "source": str(counter), "options": ["bind", "rw"]})
    bundle, flood = containers.bundle(["/bin/share_calls", "flood", "/flood", threads], "refused", spec)
    command = [*containers.command("refused"), "run", "--detach", "--bundle", str(bundle), flood]
    subprocess.run(command, env=containers.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    try:
        bundle, name = containers.bundle(["/bin/share_calls", "count", "/flood", calls], "refused", spec)
        command = [*containers.command("refused"), "run", "--bundle", str(bundle), name]
        return int(run(command, env=containers.environment))
    finally:
        run([*containers.command("refused"), "delete", "--force", flood], env=containers.environment)


def shares(containers, binaries, threads, calls):
    shutil.copy(binaries.parent / "integration/programs/share_calls", containers.rootfs / "bin")
    unfair = 0
    for agent in ("own", "node"):
        node = Node(containers, binaries) if agent == "node" else None
        try:
            flood = share(containers, threads, calls)
        finally:
            if node:
                node.end()
        print(f"{agent:<8}{calls} calls, and {flood} of a flood from {threads} threads")
        if flood > SLACK * threads * calls:
            print(f"wrong: that is more than {SLACK} times its share, {threads * calls}")
            unfair = 1
    return unfair


def main():
    parser = argparse.ArgumentParser(prog="integration/fairness")
    parser.add_argument("--runtime", default="crun")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=8, help="of the container beside it")
    parser.add_argument("--share", action="store_true", help="count instead of timing")
    options = parser.parse_args()
    binaries = pathlib.Path(os.environ["TIDEWAITER_BIN"])
    samples = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        containers = Containers(pathlib.Path(folder), binaries, options.runtime)
        if options.share:
            return shares(containers, binaries, options.threads, options.calls)
        for _ in range(options.rounds):
            for agent in ("own", "node"):
                node = Node(containers, binaries) if agent == "node" else None
                for beside in ("nothing", "busy", "flood"):
                    other = None
                    if beside != "nothing":
                        other = Beside(containers, options.threads, "refused" if beside == "flood" else None)
                    try:
                        samples.setdefault((agent, beside), []).append(measure(containers, options.calls))
                    finally:
                        if other:
                            other.end()
                if node:
                    node.end()
    print(f"{'agent':<8}{'beside it':<12}{'median':>12}{'p99':>12}{'calls/s':>12}")
    for (agent, beside), rounds in samples.items():
        median, p99, rate = (statistics.median(each) for each in zip(*rounds))
        print(f"{agent:<8}{beside:<12}{median / 1000:>10.1f}us{p99 / 1000:>10.1f}us{rate:>12.0f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unmeasured as why:
        sys.exit(f"integration/fairness: {why}")
