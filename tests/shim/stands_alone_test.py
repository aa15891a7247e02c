#!/usr/bin/env python3
"""Holds an object file to what may run before the C library: it needs nothing but _start, and no relocation that is
left for the start of the program.

Usage: stands_alone_test.py OBJECT
"""

import re
import subprocess
import sys

# Filled in by the linker for good, wherever the program is loaded.
FIXED = {"R_X86_64_PC32", "R_X86_64_PLT32"}


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> int:
    obj = sys.argv[1]
    faults = []
    needed = set(output_of("nm", "--undefined-only", "--format=just-symbols", obj).split())
    if needed != {"_start"}:
        faults.append(f"needs {', '.join(sorted(needed)) or 'nothing, not even _start'}")
    section = ""
    checked = 0
    for line in output_of("readelf", "--relocs", "--wide", obj).splitlines():
        if found := re.match(r"Relocation section '\.rela(\S+)'", line):
            section = found.group(1)
        elif (found := re.search(r"\bR_X86_64_\w+", line)) and not section.startswith((".debug", ".eh_frame")):
            checked += 1
            if found.group() not in FIXED:
                faults.append(f"{section}: {line}")
    if checked == 0:
        faults.append("no relocation was looked at")
    # A thread's own memory, the stack protector's value in it too, is not there yet.
    code = output_of("objdump", "--disassemble", "--no-show-raw-insn", obj)
    faults += [line for line in code.splitlines() if "%fs:" in line]
    for fault in faults:
        print(f"{obj}: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
