#!/usr/bin/env python3
"""Holds the tree's #include lines against the arrows of docs/architecture.md: who may include whom."""

import graphlib
import pathlib
import re
import sys

# Folder -> folders it may include, itself always; "oci": all of it. The longest matching prefix counts, so that a file may
# have a row as well. "supervisor" is the files right there.
ALLOWED = {
    "oci/base": [],
    "oci/spec": ["oci/base"],
    "oci/runtime": ["oci/base"],
    "oci/policy": ["oci/base", "oci/spec"],
    "oci/policy/check_identity": ["oci/base", "oci/spec", "oci/policy", "oci/runtime"],
    "oci/policy/check_limits": ["oci/base", "oci/spec", "oci/policy", "oci/runtime"],
    "oci/policy/compile": ["oci/base", "oci/spec", "oci/policy", "oci/seccomp", "oci/runtime"],
    "oci/policy/explain": ["oci/base", "oci/spec", "oci/policy", "oci/seccomp", "oci/runtime"],
    "oci/policy/review": ["oci/base", "oci/spec", "oci/policy", "oci/seccomp"],
    "oci/seccomp": ["oci/base", "oci/policy"],
    "oci/container": ["oci/base", "oci/spec"],
    "oci/launch": ["oci/base", "oci/spec", "oci/policy", "oci/policy/compile", "oci/container"],
    "shim": ["oci"],
    "supervisor/names": ["oci"],
    "supervisor/syscalls": ["oci"],
    "supervisor/target": ["oci"],
    "supervisor/report": ["oci", "supervisor/target"],
    "supervisor": ["oci", "supervisor/names", "supervisor/report", "supervisor/syscalls", "supervisor/target"],
    "supervisor/keeper": ["oci", "supervisor/names", "supervisor"],
    "supervisor/tracer": ["oci", "supervisor/target", "supervisor"],
    "supervisor/operations": ["oci", "supervisor/target", "supervisor", "supervisor/tracer"],
    "supervisor/worker": [
        "oci",
        "supervisor/names",
        "supervisor/target",
        "supervisor/report",
        "supervisor",
        "supervisor/keeper",
        "supervisor/tracer",
        "supervisor/operations",
    ],
    "supervisor/node": ["oci", "supervisor", "supervisor/keeper", "supervisor/worker"],
    "supervisor/main": ["oci", "supervisor/names", "supervisor/keeper", "supervisor/worker", "supervisor/node"],
    "hooks": ["oci"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def folder_rule(path: str) -> str:
    return max((prefix for prefix in ALLOWED if path.startswith(prefix)), key=len, default="")


def may_include(rule: str, target: str) -> bool:
    other = folder_rule(target)
    # Within oci/policy, only those with a rule of their own know seccomp or runtime, and each other.
    if other == rule or rule.startswith("oci/policy/") and other.startswith("oci/policy"):
        return True
    return other in ALLOWED[rule] or target.startswith("oci/") and "oci" in ALLOWED[rule]


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    faults = []
    checked = 0
    graphlib.TopologicalSorter(ALLOWED).prepare()  # raises CycleError: what is above, if each is above the other?
    for top in ("oci", "shim", "supervisor", "hooks"):
        for source in sorted((root / top).rglob("*")):
            if source.suffix not in (".h", ".cc", ".c"):
                continue
            here = source.relative_to(root).as_posix()
            rule = folder_rule(here)
            folder = here.rpartition("/")[0]
            if top == "supervisor" and folder not in ALLOWED:
                faults.append(f"{here}: {folder} has no row here")
            for number, line in enumerate(source.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                checked += 1
                target = match.group(1)
                if "/" not in target or not (root / target).exists():
                    faults.append(f'{here}:{number}: "{target}" is not a path from the root of the tree')
                    continue
                if not may_include(rule, target):
                    faults.append(f"{here}:{number}: {rule} must not include {target}")
    for fault in faults:
        print(fault)
    if checked == 0:
        print("no include was checked")
        return 1
    print(f"{checked} includes, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
