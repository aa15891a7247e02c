"""Plays systemd for one service: passes it its socket and what it had kept, and starts it again when it ends.

service_manager.py SOCKET FOLDER PROGRAM [ARGUMENT...]

In FOLDER it writes what happens: `pid`, of the service as it runs; `said`, a line for each message that had no descriptor;
`kept`, the names of what it keeps. SIGTERM ends both, and what was kept is closed.
"""

import array
import os
import select
import signal
import socket
import sys

FIRST_PASSED = 3  # SD_LISTEN_FDS_START (sd_listen_fds(3))


class Service:
    def __init__(self, path: str, folder: str, command: list[str]) -> None:
        self.folder = folder
        self.command = command
        self.kept: list[tuple[str, int]] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.listen(64)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = os.path.join(folder, "notify")
        self.notify.bind(self.address)
        self.said = open(os.path.join(folder, "said"), "a", encoding="utf-8")
        self.pid = 0

    def start(self) -> None:
        passed = [("requests", self.listener.fileno()), *self.kept]
        self.pid = os.fork()
        if self.pid == 0:
            self.become(passed)
        self.write("pid", f"{self.pid}\n")

    def become(self, passed: list[tuple[str, int]]) -> None:
        # Above where they go first, or one would be overwritten by another.
        end = FIRST_PASSED + len(passed)
        copies = []
        for _, fd in passed:
            copy = os.dup(fd)
            while copy < end:
                copy = os.dup(fd)
            copies.append(copy)
        for place, copy in enumerate(copies, FIRST_PASSED):
            os.dup2(copy, place, inheritable=True)
        os.closerange(end, 65536)
        environment = dict(
            os.environ,
            NOTIFY_SOCKET=self.address,
            WATCHDOG_USEC="2000000",
            WATCHDOG_PID=str(os.getpid()),
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(passed)),
            LISTEN_FDNAMES=":".join(name for name, _ in passed),
        )
        os.execve(self.command[0], self.command, environment)

    def write(self, name: str, text: str) -> None:
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def hear(self) -> None:
        fds = array.array("i")
        data, control, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(4))
        for _, _, payload in control:
            fds.frombytes(payload)
        said = dict(line.split("=", 1) for line in data.decode().splitlines())
        if said.get("FDSTORE") == "1":
            (fd,) = fds
            # systemd drops what it has already, by whatever name (service_add_fd_store).
            if any(os.path.sameopenfile(fd, each) and same_file(fd, each) for _, each in self.kept):
                os.close(fd)
                print(f"kept twice: {said['FDNAME']}", file=self.said, flush=True)
            else:
                self.kept.append((said["FDNAME"], fd))
        elif said.get("FDSTOREREMOVE") == "1":
            for name, fd in self.kept:
                if name == said["FDNAME"]:
                    os.close(fd)
            self.kept = [(name, fd) for name, fd in self.kept if name != said["FDNAME"]]
        else:
            print(" ".join(data.decode().splitlines()), file=self.said, flush=True)
        self.write("kept", "".join(f"{name}\n" for name, _ in self.kept))


def same_file(one: int, other: int) -> bool:
    """Whether two descriptors are of one open file: anonymous inodes look the same to stat(2)."""
    kcmp, kcmp_file = 312, 0
    import ctypes  # pylint: disable=import-outside-toplevel

    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.getpid()
    return libc.syscall(kcmp, pid, pid, kcmp_file, one, other) == 0


def main() -> int:
    path, folder, *command = sys.argv[1:]
    service = Service(path, folder, command)
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    service.start()
    while not over:
        ready, _, _ = select.select([service.notify, wake_read], [], [])
        if service.notify in ready:
            service.hear()
        if wake_read in ready:
            os.read(wake_read, 4096)
            pid, _ = os.waitpid(service.pid, os.WNOHANG)
            if pid != 0 and not over:
                # What it had said before its end counts.
                while select.select([service.notify], [], [], 0)[0]:
                    service.hear()
                service.start()
    os.kill(service.pid, signal.SIGTERM)
    os.waitpid(service.pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
