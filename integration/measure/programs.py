"""Real programs under policies written for them, and without: Debian's own, in a copy of this machine's file system."""

import csv
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

from .containers import Unmeasured, run

HERE = pathlib.Path(__file__).resolve().parent
PROFILE = pathlib.Path("/usr/share/containers/seccomp.json")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Docker's, as far as they are podman's.
KEPT = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
CAPABILITIES = {f"CAP_{name}" for name in KEPT.split()}


def podman_seccomp():
    """podman's profile as it is for these capabilities."""
    if not PROFILE.exists():
        raise Unmeasured(f"{PROFILE} is not there")
    profile = json.loads(PROFILE.read_text())

    def applies(rule):
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        return (
            set(includes.get("caps") or []) <= CAPABILITIES
            and not set(excludes.get("caps") or []) & CAPABILITIES
            and "amd64" in (includes.get("arches") or ["amd64"])
        )

    rules = [
        {key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key) is not None}
        for rule in profile["syscalls"]
        if applies(rule)
    ]
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules,
    }


def program_path(name):
    """The canonical path, as rules have it; of what is made in the container, its path there."""
    if name.startswith("/job/"):
        return name
    path = shutil.which(name, path=PATH)
    if not path:
        raise Unmeasured(f"{name} is not installed (integration/packages)")
    return os.path.realpath(path)


def exec_rules(text):
    """From lines of a program, by name or path, and the patterns of its arguments, quoted as for a shell."""
    lines = [shlex.split(line) for line in text.splitlines() if line.strip()]
    return [{"path": program_path(program), "argv": arguments} for program, *arguments in lines]


def part_of_gcc(name):
    return run([program_path("gcc"), f"-print-prog-name={name}"]).strip()


def script_of(kind):
    return f"/measure/{'start_up' if kind in ('python', 'node') else kind}.bash"


# Enforced by Landlock alone: what it costs is the way of each opened file up to these.
FILE_RULES = {"read": ["/"], "write": ["/job", "/tmp", "/dev"], "exec": ["/usr", "/job"]}


def rules_of(kind):
    """The exec rules of a workload's policy, beside its script's, and the port that it serves."""
    if kind == "find":
        return 8000, "find find * -xdev"
    if kind == "redis":
        return 6379, """
            sleep            sleep 0.1
            redis-server     redis-server --bind 127.0.0.1 --port 6379 **
            redis-benchmark  redis-benchmark -h 127.0.0.1 -p 6379 **
            redis-cli        redis-cli -h 127.0.0.1 shutdown nosave"""
    if kind == "nginx":
        return 8080, """
            sleep  sleep 0.1
            mkdir  mkdir www
            cat    cat
            nginx  nginx -p /job -c /job/nginx.conf -g 'daemon off;'
            wrk    wrk -t 2 -c 20 -d * --latency http://127.0.0.1:8080/*"""
    if kind in ("python", "node"):
        return 8000, "python3 python3 -c *" if kind == "python" else "node node -e *"
    return 8000, f"""
        cat            cat
        make           make -s -j2 CC=gcc
        sh             /bin/sh -c 'echo "compiling *.c" >>order; :'
        gcc            gcc -O1 -pipe -Wall -c -o *.o *.c
        gcc            gcc -o program **
        as             as --64 -o *.o **
        /usr/bin/ld    /usr/bin/ld **
        {part_of_gcc("cc1")}       */cc1 -quiet **
        {part_of_gcc("collect2")}  */collect2 **
        /job/program   ./program"""


class Machine:
    """This machine's file system as a container's root: read as it is, and what is written stays in memory."""

    def __init__(self, containers):
        self.containers = containers
        self.folder = containers.folder / "machine"
        self.folder.mkdir()
        self.spec = None
        self.policies = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.spec:
            # Out of the way of who removes the folder, whoever still holds a part of it.
            subprocess.run(["umount", "--lazy", self.folder / "root", self.folder], check=True)

    def _make(self):
        run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tidewaiter-bench", self.folder])
        for name in ("upper", "scratch", "root"):
            (self.folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/scratch"
        run(["mount", "-t", "overlay", "-o", layers, "tidewaiter-bench", self.folder / "root"])
        for name in ("job", "measure", "software"):
            (self.folder / "root" / name).mkdir(exist_ok=True)
        capabilities = sorted(CAPABILITIES)
        spec = json.loads(json.dumps(self.containers.spec))
        spec["root"] = {"path": str(self.folder / "root"), "readonly": False}
        spec["process"].update(
            capabilities={kind: capabilities for kind in ("bounding", "effective", "permitted")},
            env=[f"PATH={PATH}", "LC_ALL=C", "TERM=dumb", "HOME=/job"],
            noNewPrivileges=False,
            rlimits=[{"type": "RLIMIT_NOFILE", "soft": 4096, "hard": 4096}],
        )
        spec["linux"]["seccomp"] = podman_seccomp()
        spec["mounts"] += [
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
            {"destination": "/job", "type": "tmpfs", "source": "tmpfs"},
            *(
                {"destination": inside, "type": "bind", "source": str(outside), "options": ["bind", "ro"]}
                for inside, outside in (("/measure", HERE / "software"), ("/software", HERE.parent / "software"))
            ),
        ]
        return spec

    def output(self, kind, policy, *arguments):
        """Of a script of software/, by the kind of its workload. The policy has its name, or is `files`."""
        if self.spec is None:
            self.spec = self._make()
        # Without a policy too: what is not installed is missed by both.
        port, rules = rules_of(kind)
        rules = exec_rules(f"bash bash {script_of(kind)} **\n{rules}")
        if policy and policy not in self.policies:
            if policy == "files":
                body = {"files": FILE_RULES}
            else:
                # A server on all addresses, clients on one.
                network = {"allow": [f"tcp://127.0.0.1:{port}"], "bind": [str(port)]}
                body = {"network": network, "exec": {"allow": rules}}
            self.containers.add_policy(policy, {"version": 1, **body})
            self.policies.add(policy)
        command = ["bash", script_of(kind), *arguments]
        return self.containers.output(command, policy, self.spec)

    def redis(self, requests, policy):
        """Both kinds of requests, one after the other."""
        rows = list(csv.DictReader(self.output("redis", policy, requests).splitlines()))
        return {
            "per_second": len(rows) / sum(1 / float(row["rps"]) for row in rows),
            "p99_ms": max(float(row["p99_latency_ms"]) for row in rows),
        }

    def nginx(self, seconds, policy):
        text = self.output("nginx", policy, seconds)
        if re.search("errors|Non-2xx", text):
            raise Unmeasured(f"wrk met errors:\n{text}")
        number, unit = re.search(r"99% +([0-9.]+)(us|ms|s)\b", text).groups()
        return {
            "per_second": float(re.search(r"Requests/sec: +([0-9.]+)", text).group(1)),
            "p99_ms": float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        }

    def start_up(self, kind, count, policy):
        command = ["python3", "-c", "pass"] if kind == "python" else ["node", "-e", "0"]
        return [int(line) / 1000 for line in self.output(kind, policy, count, *command).split()]

    def find(self, top, count, policy):
        return [int(line) / 1000 for line in self.output("find", policy, top, count).split()]

    def make(self, files, policy):
        return [int(self.output("make", policy, files)) / 1000]
