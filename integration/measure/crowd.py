"""What many containers under one agent get, and what it takes."""

import json
import os
import subprocess
import time

from .containers import Unmeasured, descendants, name_of, proportional_kib, wait_for


class Node:
    """One agent for all containers, while a measurement takes place."""

    def __init__(self, containers, binaries):
        self.socket = containers.folder / "agent.sock"
        self.config = containers.folder / "config.json"
        self.before = self.config.read_text()
        self.config.write_text(json.dumps({**json.loads(self.before), "agent_socket": str(self.socket)}))
        self.agent = subprocess.Popen([str(binaries / "tidewaiter-agent"), "--node"], env=containers.environment)
        wait_for(self.socket.is_socket, "the node's agent")

    def end(self):
        self.agent.terminate()
        self.agent.wait()
        self.socket.unlink()
        self.config.write_text(self.before)

    def memory(self):
        """KiB (PSS) of its processes, by name."""
        found = {}
        for process in descendants(self.agent.pid):
            found[name_of(process)] = found.get(name_of(process), 0) + proportional_kib(process)
        return found


class Crowd:
    """Containers that make refused calls when they start, and are idle then."""

    def __init__(self, containers, policy, spec=None):
        self.containers = containers
        self.policy = policy
        self.spec = spec
        self.members = []

    def start(self, count, calls):
        """All at once; until each has made its calls. Their start takes every processor that it may have for seconds, and leaves the
        last one free: for their calls, which may be made on all, and for the agent."""
        processors = sorted(os.sched_getaffinity(0))
        starters = ",".join(map(str, processors[:-1] or processors))
        anywhere = f"busybox taskset -p {sum(1 << number for number in processors):x} $$ >/dev/null"
        script = f"{anywhere} && time_calls {calls} 1 && echo idle && exec busybox sleep 100000"
        starting = []
        for _ in range(count):
            bundle, name = self.containers.bundle(["/bin/busybox", "sh", "-c", script], self.policy, self.spec)
            output = bundle / "output"
            command = ["taskset", "--cpu-list", starters, self.containers.shim, "run", "--detach", "--bundle", str(bundle), name]
            options = {"env": self.containers.environment, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
            with output.open("wb") as stdout:
                starting.append(subprocess.Popen(command, stdout=stdout, **options))
            self.members.append((name, output))
        failed = sum(process.wait() != 0 for process in starting)
        if failed:
            said = [output.read_text() for _, output in self.members if "idle" not in output.read_text()]
            raise Unmeasured(f"{failed} of {count} containers were not created: {said[0]}")
        for name, output in self.members:
            wait_for(lambda output=output: "idle" in output.read_text(), f"{name}'s calls")

    def figures(self):
        """Of each container: median and 99th percentile in nanoseconds."""
        return [tuple(map(float, output.read_text().split()[:2])) for _, output in self.members]

    def end(self):
        for name, _ in self.members:
            command = [self.containers.shim, "delete", "--force", name]
            subprocess.run(command, env=self.containers.environment, check=False)


def crowd(containers, binaries, count, calls, idle, spec=None):
    """One round: of `count` containers that start at once, what each's calls took, and the agent's memory afterwards."""
    node = Node(containers, binaries)
    members = Crowd(containers, "refused", spec)
    try:
        began = time.monotonic()
        members.start(count, calls)
        took = time.monotonic() - began
        time.sleep(idle)
        return {"memory": node.memory(), "calls": members.figures(), "seconds": took}
    finally:
        members.end()
        node.end()
