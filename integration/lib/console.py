#!/usr/bin/env python3
"""console.py SOCKET: what a caller of a runtime does behind --console-socket: takes the terminal's master from the
runtime and copies what comes out of it to stdout, until the other side is closed."""

import array
import os
import socket
import sys


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(1)
    connection, _ = listener.accept()
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    master = array.array("i", ancillary[0][2])[0]
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # EIO: the last of the terminal's users is gone
            return
        if not data:
            return
        os.write(1, data)


main()
