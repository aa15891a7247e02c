#!/usr/bin/env python3
"""Holds the tree's #include lines against the arrows of docs/architecture.md: who may include whom."""

import pathlib
import re
import sys

# Folder -> folders it may include, itself always. The longest matching prefix counts.
ALLOWED = {
    "oci/base": [],
    "oci/spec": ["oci/base"],
    "oci/runtime": ["oci/base"],
    "oci/policy": ["oci/base", "oci/spec", "oci/policy"],
    "oci/policy/check_identity": ["oci/base", "oci/spec", "oci/policy", "oci/runtime"],
    "oci/policy/check_limits": ["oci/base", "oci/spec", "oci/policy", "oci/runtime"],
    "oci/policy/compile": ["oci/base", "oci/spec", "oci/policy", "oci/seccomp", "oci/runtime"],
    "oci/policy/explain": ["oci/base", "oci/spec", "oci/policy", "oci/seccomp", "oci/runtime"],
    "oci/policy/review": ["oci/base", "oci/spec", "oci/policy", "oci/seccomp"],
    "oci/seccomp": ["oci/base", "oci/policy"],
    "oci/container": ["oci/base", "oci/spec"],
    "oci/launch": ["oci/base", "oci/spec", "oci/policy", "oci/container"],
    "shim": ["oci"],
    "supervisor": ["oci"],
    "hooks": ["oci"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def folder_rule(path: str) -> str:
    return max((prefix for prefix in ALLOWED if path.startswith(prefix)), key=len, default="")


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    faults = []
    checked = 0
    for top in ("oci", "shim", "supervisor", "hooks"):
        for source in sorted((root / top).rglob("*")):
            if source.suffix not in (".h", ".cc", ".c"):
                continue
            here = source.relative_to(root).as_posix()
            rule = folder_rule(here)
            own = here.split("/")[0] if rule in ("shim", "supervisor", "hooks") else "/".join(here.split("/")[:2])
            for number, line in enumerate(source.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                checked += 1
                target = match.group(1)
                if "/" not in target or not (root / target).exists():
                    faults.append(f'{here}:{number}: "{target}" is not a path from the root of the tree')
                    continue
                if target.startswith(own + "/"):
                    # Within oci/policy, only those with a rule of their own know seccomp or runtime.
                    if rule == "oci/policy" and folder_rule(target).startswith("oci/policy/"):
                        faults.append(f"{here}:{number}: {target} is a layer above")
                    continue
                if not any(target.startswith(prefix + "/") for prefix in ALLOWED[rule]):
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
