#!/usr/bin/env python3
"""A DNS server for tests: dns_server.py ADDRESS ANSWERS

Serves UDP at ADDRESS:53 from the file ANSWERS, read anew for each question: lines of "NAME TTL IPV4-ADDRESS...". Without
an address the name has none; without a line it does not exist; with the word "fail" the server says that it failed.
Prints "ready" when it serves.
"""

import pathlib
import socket
import struct
import sys

SERVER_FAILURE = 2
NO_SUCH_NAME = 3
TYPE_A = 1


def answer_to(question: bytes, answers: pathlib.Path) -> bytes:
    place = 12
    labels = []
    while question[place]:
        labels.append(question[place + 1 : place + 1 + question[place]].decode())
        place += 1 + question[place]
    kind = struct.unpack("!H", question[place + 1 : place + 3])[0]
    asked = question[12 : place + 5]
    lines = {line.split()[0]: line.split()[1:] for line in answers.read_text().splitlines() if line.strip()}
    found = lines.get(".".join(labels).lower())
    code, records = 0, b""
    if found is None:
        code = NO_SUCH_NAME
    elif found[0] == "fail":
        code = SERVER_FAILURE
    elif kind == TYPE_A:
        for address in found[1:]:
            records += struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, int(found[0]), 4) + socket.inet_aton(address)
    count = len(records) // 16
    # An authoritative response, with recursion where it was asked for.
    flags = 0x8480 | (struct.unpack("!H", question[2:4])[0] & 0x0100) | code
    return question[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + asked + records


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))
    print("ready", flush=True)
    while True:
        question, caller = server.recvfrom(4096)
        server.sendto(answer_to(question, pathlib.Path(sys.argv[2])), caller)


main()
