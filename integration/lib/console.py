#!/usr/bin/env python3
"""The other end of a terminal: copies what comes out of it to stdout, and types INPUT when OUTPUT has come, a pair after
the other.

console.py SOCKET [OUTPUT INPUT]...             does what a caller of a runtime does behind --console-socket: takes the
                                                terminal's master from the runtime. Ends when the other side is closed
console.py [OUTPUT INPUT]... -- COMMAND...      runs COMMAND in a terminal of 17 rows and 91 columns, and ends as it does
"""

import array
import fcntl
import os
import pty
import socket
import struct
import sys
import termios


def take_master(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    connection, _ = listener.accept()
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    return array.array("i", ancillary[0][2])[0]


def start(command):
    """Returns the command's pid and its terminal's master."""
    master, slave = pty.openpty()
    # Before it runs: it may look at once.
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 17, 91, 0, 0))
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.login_tty(slave)
        os.execvp(command[0], command)
    os.close(slave)
    return pid, master


def converse(master, dialogue):
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


def main():
    words = sys.argv[1:]
    if "--" not in words:
        converse(take_master(words[0]), [os.fsencode(word) for word in words[1:]])
        return 0
    end = words.index("--")
    pid, master = start(words[end + 1 :])
    converse(master, [os.fsencode(word) for word in words[:end]])
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
