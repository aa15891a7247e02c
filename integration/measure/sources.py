"""What is measured: each source of samples is called once in a round."""

import dataclasses
import pathlib
import secrets

from .containers import figures, run
from .crowd import crowd
from .programs import podman_seccomp

THREADS = (1, 2, 4, 8)
EPERM = 1  # what a refused call fails with


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is done in each round."""

    calls: int = 20000
    connects: int = 5000
    execs: int = 400
    batches: int = 2000  # of a hundred filtered calls
    creates: int = 10
    idle: float = 2
    requests: int = 100000  # to redis, of each kind
    seconds: int = 3  # of wrk
    starts: int = 40  # of python, and of node
    files: int = 40  # for make
    top: str = "/"  # for find
    finds: int = 5
    containers: int = 250  # of one agent
    idle_crowd: float = 8  # what its threads have not used for some seconds is given back


QUICK = Sizes(calls=100, connects=20, execs=10, batches=10, creates=1, idle=0.1, requests=1000, seconds=1, starts=2,
              files=2, top="/job", finds=1, containers=3, idle_crowd=0.1)


def sources(here, machine, sizes):
    """By name, what returns a round's sample of each. What is compared comes one after the other."""

    def floor(threads=1, processes=()):
        return figures(run([here.rootfs / "bin/time_floor", str(sizes.calls), str(threads), *processes]))

    def calls(policy, expected, threads=1):
        return figures(here.output(["time_calls", sizes.calls, expected, threads], policy))

    def connects(kind, policy):
        return figures(here.output(["time_connect", kind, sizes.connects], policy))

    def sends(kind, policy, spec=None):
        return figures(here.output(["time_send", kind, sizes.connects], policy, spec))

    def execs(policy, threads=1, tasks=1, program="/bin/true"):
        # The process itself is a task of its container.
        return figures(here.output(["time_exec", sizes.execs, threads, tasks - 1, program], policy))

    named = {
        "bare call": lambda: calls(None, 0),
        "floor": floor,
        "floor, other cgroup": lambda: in_cgroups(lambda processes: floor(1, processes)),
    }

    def add_pair(name, measure, *arguments, policy="whole", **more):
        """Measured without a policy, and under one."""
        named[f"{name} bare"] = lambda: measure(*arguments, policy=None, **more)
        named[name] = lambda: measure(*arguments, policy=policy, **more)

    for others in ("", "-rules", "-own-rules", "-ranges"):
        named["refused" + others] = lambda policy="refused" + others: calls(policy, EPERM)
        named["let-run" + others] = lambda policy="let-run" + others: calls(policy, 0)
    for kind in ("udp", "tcp"):
        add_pair(kind, connects, kind)
    limited = {**here.spec, "linux": {**here.spec["linux"], "resources": {"memory": {"limit": 256 << 20}}}}
    add_pair("unix send", sends, "plain")
    add_pair("unix send, limited", sends, "plain", spec=limited)
    add_pair("unix send, descriptor", sends, "descriptor")
    add_pair("exec", execs, policy="exec")
    add_pair("static exec", execs, policy="exec", program="/bin/busybox")
    for threads in (32, 64):
        add_pair(f"exec, {threads} threads", execs, policy="exec", threads=threads)
    for tasks in (250, 500):
        add_pair(f"exec, {tasks} tasks", execs, policy="exec", tasks=tasks)
    add_pair("filtered", filtered, here, sizes.batches)
    for threads in THREADS:
        named[f"floor, {threads} threads"] = lambda threads=threads: floor(threads)
        named[f"{threads} threads"] = lambda threads=threads: calls("refused", EPERM, threads)
    named["lives"] = lambda: lives(here, sizes.creates)
    used = f"time_calls 1000 {EPERM} && time_connect tcp 100 && time_exec 100 1 0 /bin/true"
    for name, commands in (("new", "true"), ("used", used)):
        named[f"memory, {name}"] = lambda commands=commands: here.memory(commands, "whole", sizes.idle)
    profile = {**here.spec, "linux": {**here.spec["linux"], "seccomp": podman_seccomp()}}
    named["crowd"] = lambda: crowd(here, here.binaries, sizes.containers, 200, sizes.idle_crowd, profile)
    add_pair("redis", machine.redis, sizes.requests, policy="redis")
    add_pair("nginx", machine.nginx, sizes.seconds, policy="nginx")
    for kind in ("python", "node"):
        add_pair(kind, machine.start_up, kind, sizes.starts, policy=kind)
    add_pair("make", machine.make, sizes.files, policy="make")
    add_pair("redis, files", machine.redis, sizes.requests, policy="files")
    add_pair("find, files", machine.find, sizes.top, sizes.finds, policy="files")
    add_pair("make, files", machine.make, sizes.files, policy="files")
    return named


def lives(here, count):
    """Of each way, by turns."""
    ways = [("bare", False, None), ("shim", True, None), ("policy", True, "refused")]
    found = []
    for _ in range(count):
        found.append({name: here.life(shim, policy) for name, shim, policy in ways})
        ways.reverse()
    return found


def filtered(here, batches, policy):
    """By kind of call. With podman's profile, as containers have it: the first filter costs more than what is in it."""
    spec = {**here.spec, "linux": {**here.spec["linux"], "seccomp": podman_seccomp()}}
    lines = [line.split(" ", 1) for line in here.output(["time_filtered", batches], policy, spec).splitlines()]
    return {kind: figures(text) for kind, text in lines}


def in_cgroups(measure):
    """Calls it with the files through which a process enters new cgroups, of what costs most to switch between."""
    top = pathlib.Path("/sys/fs/cgroup")
    version_2 = (top / "cgroup.controllers").exists()
    hierarchies = [top] if version_2 else [top / name for name in ("cpu", "cpuacct", "memory")]
    folders = []
    name = f"tidewaiter-bench-{secrets.token_hex(4)}"
    for hierarchy in dict.fromkeys(folder.resolve() for folder in hierarchies if folder.exists()):
        folders.append(hierarchy / name)
        folders[-1].mkdir()
    try:
        return measure([str(folder / "cgroup.procs") for folder in folders])
    finally:
        for folder in folders:
            folder.rmdir()
