// take_up processes|memory|files|rings|sockets|flight COUNT: starts so many processes, uses so many MiB of
// memory, opens so many files, has the kernel make so many MiB of rings for packet sockets (with
// CAP_NET_RAW), puts so many MiB into the buffers of Unix sockets by sendmsg(2), or has so many descriptors
// on their way over one, and keeps all of them. Who takes up too much memory is killed and prints nothing.
#include <fcntl.h>
#include <linux/if_packet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "probe.h"

enum { kMostProcesses = 1024 };
static pid_t children[kMostProcesses];

static long start_processes(long count) {
  for (long i = 0; i < count && i < kMostProcesses; i++) {
    const pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid == 0) {
      for (;;) pause();
    }
    children[i] = pid;
  }
  return 0;
}

static long use_memory(long mebibytes) {
  const size_t size = (size_t)mebibytes << 20;
  char* const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -1;
  memset(memory, 1, size);
  return 0;
}

static long open_files(long count) {
  for (long i = 0; i < count; i++) {
    if (open("/dev/null", O_RDONLY) < 0) return -1;
  }
  return 0;
}

static long make_rings(long mebibytes) {
  const struct tpacket_req ring = {
      .tp_block_size = 1U << 16, .tp_block_nr = 16, .tp_frame_size = 1U << 11, .tp_frame_nr = 16 * 32};
  for (long i = 0; i < mebibytes; i++) {
    const int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) < 0) return -1;
  }
  return 0;
}

static void make_pair(int pair[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) broken("socketpair");
}

static long fill_sockets(long mebibytes) {
  static char data[1 << 16];
  struct iovec piece = {.iov_base = data, .iov_len = sizeof data};
  const struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  int pair[2];
  make_pair(pair);
  for (long left = mebibytes << 20; left > 0;) {
    const ssize_t sent = sendmsg(pair[0], &message, MSG_DONTWAIT);
    if (sent > 0) left -= sent;
    if (sent < 0 && errno == EAGAIN) make_pair(pair);
    if (sent < 0 && errno != EAGAIN) return -1;
  }
  return 0;
}

static long send_descriptors(long count) {
  enum { kEach = 50 };
  char data[1] = {0};
  struct iovec piece = {.iov_base = data, .iov_len = sizeof data};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(kEach * sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(kEach * sizeof(int));  // all of them standard input
  const struct msghdr message = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  int pair[2];
  make_pair(pair);
  for (long sent = 0; sent < count; sent += kEach) {
    if (sendmsg(pair[0], &message, MSG_DONTWAIT) < 0) return -1;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) usage("processes|memory|files|rings|sockets|flight COUNT");
  const long count = atol(argv[2]);
  long result = 0;
  if (strcmp(argv[1], "processes") == 0) {
    result = start_processes(count);
  } else if (strcmp(argv[1], "memory") == 0) {
    result = use_memory(count);
  } else if (strcmp(argv[1], "files") == 0) {
    result = open_files(count);
  } else if (strcmp(argv[1], "rings") == 0) {
    result = make_rings(count);
  } else if (strcmp(argv[1], "sockets") == 0) {
    result = fill_sockets(count);
  } else if (strcmp(argv[1], "flight") == 0) {
    result = send_descriptors(count);
  } else {
    usage("processes|memory|files|rings|sockets|flight COUNT");
  }
  const int code = report(argv[1], result);
  for (long i = 0; i < kMostProcesses && children[i] != 0; i++) {
    kill(children[i], SIGKILL);
    waitpid(children[i], NULL, 0);  // until then they count
  }
  return code;
}
