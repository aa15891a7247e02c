#!/usr/bin/env python3
"""console.py SOCKET [OUTPUT INPUT]...: what a caller of a runtime does behind --console-socket: takes the terminal's
master from the runtime and copies what comes out of it to stdout, until the other side is closed. Types INPUT when
OUTPUT has come, a pair after the other."""

import array
import os
import socket
import sys


def take_master(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    connection, _ = listener.accept()
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    return array.array("i", ancillary[0][2])[0]


def main():
    master = take_master(sys.argv[1])
    dialogue = [os.fsencode(word) for word in sys.argv[2:]]
    unanswered = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # EIO: the last of the terminal's users is gone
            return
        if not data:
            return
        os.write(1, data)
        unanswered += data
        while dialogue and dialogue[0] in unanswered:
            unanswered = unanswered.partition(dialogue[0])[2]
            os.write(master, dialogue[1])
            del dialogue[:2]


main()
