"""Containers to be measured: their bundles and policies, and what runs them, the shim or the bare runtime."""

import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import time

PATIENCE = 300  # seconds that anything may take here


class Unmeasured(Exception):
    """Why a figure could not be had."""


class TooLate(Unmeasured):
    """It took longer than anything may."""


def run(command, **options):
    options = {"stdin": subprocess.DEVNULL, "timeout": PATIENCE, **options}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except subprocess.TimeoutExpired as late:
        raise TooLate(f"{' '.join(map(str, command))} has not ended after {PATIENCE} s") from late
    if done.returncode != 0:
        raise Unmeasured(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def wait_for(condition, what):
    """Sleeps rather than asks, since others are being measured: only between measurements."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TooLate(f"{what} has not come after {PATIENCE} s")
        time.sleep(0.005)


def policies():
    """By name. What is measured with each is in rows.py."""
    refused = {"names": ["personality"], "action": "errno", "errno": "EPERM"}
    let_run = {"names": ["personality"], "action": "log"}

    def thousand(name):
        """Rules on a call, none of which the one that is timed matches."""
        tests = ([{"index": 0, "op": "eq", "value": number}] for number in range(1000))
        return [{"names": [name], "args": test, "action": "errno"} for test in tests]

    one = ["127.0.0.1"]
    ranges = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(10000)]
    programs = ["/bin/busybox", "/bin/time_*", {"path": "/bin/true", "argv": ["true"]}]
    bodies = {
        "refused": {"network": {"allow": one}, "syscalls": [refused]},
        "let-run": {"network": {"allow": one}, "syscalls": [let_run]},
        "refused-rules": {"network": {"allow": one}, "syscalls": [*thousand("ptrace"), refused]},
        "let-run-rules": {"network": {"allow": one}, "syscalls": [*thousand("ptrace"), let_run]},
        "refused-own-rules": {"network": {"allow": one}, "syscalls": [*thousand("personality"), refused]},
        "let-run-own-rules": {"network": {"allow": one}, "syscalls": [*thousand("personality"), let_run]},
        "refused-ranges": {"network": {"allow": ranges}, "syscalls": [refused]},
        "let-run-ranges": {"network": {"allow": ranges}, "syscalls": [let_run]},
        "exec": {"exec": {"allow": programs}},
        # All that a policy can have.
        "whole": {
            "network": {"allow": [*one, "unix:/run/*"], "deny": ["169.254.169.254"], "bind": ["8000"]},
            "exec": {"allow": programs, "deny": ["/bin/time_forbidden"]},
            "syscalls": [refused, {"names": ["keyctl", "add_key"], "action": "errno"}],
        },
    }
    return {name: {"version": 1, **body} for name, body in bodies.items()}


class Containers:
    """A root file system of a busybox and the programs of tests/bench, and what runs containers of it."""

    def __init__(self, folder, binaries, runtime):
        self.folder = folder
        self.binaries = binaries
        self.shim = str(binaries / "tidewaiter")
        self.runtime = shutil.which(runtime)
        if not self.runtime:
            raise Unmeasured(f"{runtime} is not installed (integration/packages)")
        self.rootfs = folder / "rootfs"
        self._make_rootfs(binaries.parent / "bench")
        (folder / "policies").mkdir()
        (folder / "config.json").write_text(json.dumps({"runtime": self.runtime}))
        for name, policy in policies().items():
            self.add_policy(name, policy)
        self.environment = dict(os.environ, TIDEWAITER_CONFIG=str(folder / "config.json"))
        run(["runc", "spec"], cwd=folder / "spec")
        self.spec = json.loads((folder / "spec/config.json").read_text())
        self.spec["root"]["path"] = str(self.rootfs)
        self.spec["process"].update(terminal=False, env=["PATH=/bin"])
        self.count = 0

    def _make_rootfs(self, programs):
        (self.folder / "spec").mkdir()
        for name in ("bin", "dev", "proc", "run", "sys", "tmp"):
            (self.rootfs / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), self.rootfs / "bin")
        for program in programs.glob("time_*"):
            shutil.copy(program, self.rootfs / "bin")
        # This machine's own, with the loader and the libraries that it takes to start.
        shutil.copy("/bin/true", self.rootfs / "bin")
        for path in re.findall(r"(/\S+) \(0x", run(["ldd", "/bin/true"])):
            copy = self.rootfs / path.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)

    def add_policy(self, name, policy):
        (self.folder / f"policies/{name}.json").write_text(json.dumps(policy))

    def bundle(self, arguments, policy=None, spec=None):
        """A new one: an earlier one's config.json may still have to be put back."""
        self.count += 1
        config = json.loads(json.dumps(spec or self.spec))
        config["process"]["args"] = [str(argument) for argument in arguments]
        if policy:
            config.setdefault("annotations", {})["io.tidewaiter.policy"] = policy
        folder = self.folder / f"bundles/{self.count}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
        return folder, f"bench-{secrets.token_hex(4)}-{self.count}"

    def command(self, shim):
        return [self.shim if shim else self.runtime]

    def output(self, arguments, policy=None, spec=None):
        """Of a container, under a policy by the shim, without one by the bare runtime."""
        bundle, name = self.bundle(arguments, policy, spec)
        command = [*self.command(policy), "run", "--bundle", str(bundle), name]
        try:
            return run(command, env=self.environment)
        except TooLate:
            run([*self.command(policy), "delete", "--force", name], env=self.environment)
            raise
        finally:
            self.clear(bundle, name)

    def clear(self, bundle, name):
        """Waits until nothing is left that would disturb the next measurement."""
        wait_for(lambda: not agents(), f"the end of {name}'s agent")
        shutil.rmtree(bundle)
        for log in pathlib.Path("/var/log/tidewaiter").glob(f"{name}.jsonl*"):
            log.unlink()

    def life(self, shim, policy):
        """Seconds of create, start and delete of a container that ends at once, without the wait for its end."""
        bundle, name = self.bundle(["busybox", "true"], policy)
        command = self.command(shim)
        # Not captured: the container inherits the streams and would hold a pipe open.
        options = {"check": True, "env": self.environment, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        spent = {}
        for verb, arguments in (("create", ["--bundle", str(bundle)]), ("start", []), ("delete", [])):
            if verb == "delete":
                self.wait_until_stopped(name)
            begin = time.perf_counter()
            subprocess.run([*command, verb, *arguments, name], **options)
            spent[verb] = time.perf_counter() - begin
        self.clear(bundle, name)
        return spent

    def wait_until_stopped(self, name):
        wait_for(lambda: json.loads(run([self.runtime, "state", name]))["status"] == "stopped", f"the end of {name}")

    def memory(self, commands, policy, idle):
        """KiB (PSS) of each of the agent's processes, `idle` seconds after the container has run some commands."""
        script = f"{{ {commands}; }} >/dev/null && echo idle && exec busybox sleep 1000"
        bundle, name = self.bundle(["busybox", "sh", "-c", script], policy)
        command = [self.shim, "run", "--bundle", str(bundle), name]
        with subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as container:
            try:
                if not container.stdout.readline():
                    raise Unmeasured(f"{' '.join(command)} did not come to be idle")
                time.sleep(idle)
                keeper = int(pathlib.Path(f"/run/tidewaiter/{name}/agent.lock").read_text())
                return {name_of(process): proportional_kib(process) for process in descendants(keeper)}
            finally:
                # Without looking at what came of it: it may have ended.
                subprocess.run([self.shim, "kill", name, "KILL"], env=self.environment, check=False)
                container.wait(PATIENCE)
                self.clear(bundle, name)


def agents():
    """Their processes: this pid namespace has none but ours. The state folder goes before they do."""
    found = []
    for link in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            if "/tidewaiter-agent" in os.readlink(link):
                found.append(link.parent.name)
        except OSError:
            pass  # it has ended, or is the kernel's
    return found


def descendants(pid):
    """The process and all that it has started."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += descendants(int(child))
    return found


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def proportional_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE).group(1))


def figures(text):
    """What a program of tests/bench prints: median and 99th percentile in nanoseconds, and maybe one more number."""
    median, p99, *more = map(float, text.split())
    return {"median_us": median / 1000, "p99_us": p99 / 1000, **{"more": number for number in more}}
