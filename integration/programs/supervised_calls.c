// supervised_calls ROUNDS [PROCESSES]: each process makes calls of every kind that integration/crash's policy
// has, and looks at what came of each. Prints a line "KIND calls N wrong N" for each kind, and one for each
// of the first wrong calls. Ends with 1 if any was.
//
// supervised_calls --run: what the kind `exec` executes; it ends with 7. So does a link to it, which may not
// be run.
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "probe.h"

// clang-format off
#define KINDS(X) \
  X(refused) X(let_run) X(connect) X(connect_nonblocking) X(connect_refused) X(connect_udp) X(bind) \
  X(bind_refused) X(send_datagram) X(send_refused) X(send_stream) X(send_many) X(unix_connect) \
  X(unix_refused) X(unix_send) X(exec) X(exec_refused)
// clang-format on

enum kind {
#define X(name) KIND_##name,
  KINDS(X)
#undef X
      KIND_COUNT
};
static const char* const kNames[] = {
#define X(name) #name,
    KINDS(X)
#undef X
};

// Shared by all processes.
struct counts {
  long calls[KIND_COUNT];
  long wrong[KIND_COUNT];
  long told;
};
static struct counts* counts;
static int process;  // which of them this is

static void wrong(enum kind kind, const char* what, long expected, long found) {
  __atomic_fetch_add(&counts->wrong[kind], 1, __ATOMIC_RELAXED);
  if (__atomic_fetch_add(&counts->told, 1, __ATOMIC_RELAXED) >= 20) return;
  printf("wrong: %s: %s is %ld, not %ld\n", kNames[kind], what, found, expected);
  fflush(stdout);
}

static int expect(enum kind kind, const char* what, long expected, long found) {
  if (expected == found) return 1;
  wrong(kind, what, expected, found);
  return 0;
}

// What a call came to: its value, or a negative errno.
static long result(long value) { return value < 0 ? -errno : value; }

static struct sockaddr_in at(const char* host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

static int port_of(int fd) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr*)&address, &size) != 0) broken("getsockname");
  return ntohs(address.sin_port);
}

static long connect_to(int fd, const char* host, int port) {
  const struct sockaddr_in address = at(host, port);
  return result(connect(fd, (const struct sockaddr*)&address, sizeof address));
}

static long bind_to(int fd, const char* host, int port) {
  const struct sockaddr_in address = at(host, port);
  return result(bind(fd, (const struct sockaddr*)&address, sizeof address));
}

static int new_socket(int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  return fd;
}

static int listener;
static int receiver;
static int receiver_port;
static int stream[2];
static uint64_t sequence;

// Whoever has connected is there, and nobody else.
static void accept_one(enum kind kind, int fd) {
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  struct pollfd ready = {listener, POLLIN, 0};
  if (!expect(kind, "a connection that arrived", 1, poll(&ready, 1, 10000))) return;
  const int accepted = accept4(listener, (struct sockaddr*)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0) broken("accept");
  expect(kind, "the port it came from", port_of(fd), ntohs(peer.sin_port));
  expect(kind, "a second one", 0, poll(&ready, 1, 0));
  close(accepted);
}

static void make_connect(enum kind kind, int flags) {
  const int fd = new_socket(SOCK_STREAM | flags);
  long connected = connect_to(fd, "127.0.0.1", port_of(listener));
  if (flags != 0 && connected == -EINPROGRESS) {
    struct pollfd ready = {fd, POLLOUT, 0};
    socklen_t size = sizeof(int);
    int error = 0;
    expect(kind, "being connected at last", 1, poll(&ready, 1, 10000));
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    connected = -error;
  }
  if (expect(kind, "connect", 0, connected)) accept_one(kind, fd);
  const struct linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

static void expect_datagram(enum kind kind, uint64_t number) {
  uint64_t got = 0;
  struct pollfd ready = {receiver, POLLIN, 0};
  if (!expect(kind, "a datagram that arrived", 1, poll(&ready, 1, 10000))) return;
  expect(kind, "its size", sizeof got, result(recv(receiver, &got, sizeof got, MSG_DONTWAIT)));
  expect(kind, "its number", (long)number, (long)got);
}

static void expect_no_datagram(enum kind kind) {
  uint64_t got = 0;
  expect(kind, "one more datagram", -EAGAIN, result(recv(receiver, &got, sizeof got, MSG_DONTWAIT)));
}

static void send_stream(enum kind kind) {
  // More than the agent takes at once, and than the socket holds.
  static char out[300000];
  static char in[sizeof out];
  ++sequence;
  for (size_t i = 0; i < sizeof out; ++i) out[i] = (char)(i + sequence);
  const pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) {
    struct iovec bytes = {out, sizeof out};
    const struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    const long sent = result(sendmsg(stream[0], &message, 0));
    if (sent != (long)sizeof out) wrong(kind, "bytes that were sent", sizeof out, sent);
    _exit(0);
  }
  size_t got = 0;
  while (got < sizeof in) {
    struct pollfd ready = {stream[1], POLLIN, 0};
    if (poll(&ready, 1, 10000) != 1) break;
    const ssize_t count = recv(stream[1], in + got, sizeof in - got, MSG_DONTWAIT);
    if (count <= 0) break;
    got += (size_t)count;
  }
  if (expect(kind, "bytes that arrived", sizeof out, (long)got)) {
    expect(kind, "bytes that are others", 0, memcmp(in, out, sizeof out));
  }
  waitpid(child, NULL, 0);
  char more = 0;
  expect(kind, "one more byte", -EAGAIN, result(recv(stream[1], &more, 1, MSG_DONTWAIT)));
}

static void send_many(enum kind kind) {
  struct sockaddr_in to = at("127.0.0.1", receiver_port);
  uint64_t numbers[3];
  struct iovec parts[3];
  struct mmsghdr messages[3] = {0};
  for (int i = 0; i < 3; ++i) {
    numbers[i] = ++sequence;
    parts[i] = (struct iovec){&numbers[i], sizeof numbers[i]};
    messages[i].msg_hdr =
        (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  const int fd = new_socket(SOCK_DGRAM);
  expect(kind, "sendmmsg", 3, result(sendmmsg(fd, messages, 3, 0)));
  for (int i = 0; i < 3; ++i) {
    expect(kind, "a length that was told", sizeof numbers[i], messages[i].msg_len);
    expect_datagram(kind, numbers[i]);
  }
  expect_no_datagram(kind);
  close(fd);
}

static void run_program(enum kind kind, const char* path, int expected) {
  char* const arguments[] = {(char*)path, "--run", NULL};
  char* const environment[] = {NULL};
  volatile int error = 0;
  const pid_t child = vfork();
  if (child < 0) broken("vfork");
  if (child == 0) {
    execve(path, arguments, environment);
    error = errno;
    _exit(100);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) broken("waitpid");
  if (WIFSIGNALED(status)) {
    wrong(kind, "the signal it died of", 0, WTERMSIG(status));
  } else if (expected == 7) {
    expect(kind, "its exit code", 7, WEXITSTATUS(status) == 100 ? -error : WEXITSTATUS(status));
  } else {
    expect(kind, "execve", expected, WEXITSTATUS(status) == 100 ? -error : WEXITSTATUS(status));
  }
}

// A socket in the abstract namespace, which the policy allows where `name` begins with "good".
static struct sockaddr_un unix_at(const char* name, socklen_t* size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s.%d", name, process);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
  return address;
}

static int unix_socket(int type) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  return fd;
}

static int unix_server(const char* name, int type) {
  socklen_t size = 0;
  const struct sockaddr_un address = unix_at(name, &size);
  const int fd = unix_socket(type);
  if (bind(fd, (const struct sockaddr*)&address, size) != 0) broken("bind");
  if (type == SOCK_STREAM && listen(fd, 16) != 0) broken("listen");
  return fd;
}

static int unix_listener;
static int unix_receiver;

static void unix_connect(enum kind kind) {
  socklen_t size = 0;
  const struct sockaddr_un address = unix_at("good.stream", &size);
  const int fd = unix_socket(SOCK_STREAM);
  if (expect(kind, "connect", 0, result(connect(fd, (const struct sockaddr*)&address, size)))) {
    struct pollfd ready = {unix_listener, POLLIN, 0};
    struct ucred peer = {0, 0, 0};
    socklen_t peer_size = sizeof peer;
    expect(kind, "a connection that arrived", 1, poll(&ready, 1, 0));
    const int accepted = accept4(unix_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) broken("accept");
    getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size);
    expect(kind, "who it comes from", getpid(), peer.pid);
    expect(kind, "a second one", 0, poll(&ready, 1, 0));
    close(accepted);
  }
  close(fd);
}

static void unix_send(enum kind kind) {
  socklen_t size = 0;
  const struct sockaddr_un address = unix_at("good.datagram", &size);
  const int fd = unix_socket(SOCK_DGRAM);
  uint64_t got = 0;
  ++sequence;
  expect(kind, "sendto", sizeof sequence,
         result(sendto(fd, &sequence, sizeof sequence, 0, (const struct sockaddr*)&address, size)));
  expect(kind, "its size", sizeof got, result(recv(unix_receiver, &got, sizeof got, MSG_DONTWAIT)));
  expect(kind, "its number", (long)sequence, (long)got);
  expect(kind, "one more datagram", -EAGAIN, result(recv(unix_receiver, &got, sizeof got, MSG_DONTWAIT)));
  close(fd);
}

static void unix_refused(enum kind kind) {
  socklen_t size = 0;
  const struct sockaddr_un address = unix_at("bad", &size);
  const int fd = unix_socket(SOCK_DGRAM);
  expect(kind, "connect", -EACCES, result(connect(fd, (const struct sockaddr*)&address, size)));
  close(fd);
}

static void make(enum kind kind) {
  int fd = -1;
  switch (kind) {
    case KIND_refused:
      expect(kind, "personality", -EPERM, result(syscall(SYS_personality, 0xffffffff)));
      break;
    case KIND_let_run:
      expect(kind, "getpgid", getpgrp(), result(syscall(SYS_getpgid, 0)));
      break;
    case KIND_connect:
      make_connect(kind, 0);
      break;
    case KIND_connect_nonblocking:
      make_connect(kind, SOCK_NONBLOCK);
      break;
    case KIND_connect_refused:
      fd = new_socket(SOCK_STREAM);
      expect(kind, "connect", -EACCES, connect_to(fd, "127.0.0.2", port_of(listener)));
      break;
    case KIND_connect_udp:
      fd = new_socket(SOCK_DGRAM);
      expect(kind, "connect", 0, connect_to(fd, "127.0.0.1", receiver_port));
      expect(kind, "connect elsewhere", -EACCES, connect_to(fd, "127.0.0.2", receiver_port));
      ++sequence;
      expect(kind, "send", sizeof sequence, result(write(fd, &sequence, sizeof sequence)));
      expect_datagram(kind, sequence);
      break;
    case KIND_bind:
      fd = new_socket(SOCK_STREAM);
      if (expect(kind, "bind", 0, bind_to(fd, "127.0.0.1", 20000 + process))) {
        expect(kind, "the port", 20000 + process, port_of(fd));
      }
      break;
    case KIND_bind_refused:
      fd = new_socket(SOCK_STREAM);
      expect(kind, "bind", -EACCES, bind_to(fd, "127.0.0.1", 30000 + process));
      break;
    case KIND_send_datagram: {
      fd = new_socket(SOCK_DGRAM);
      const struct sockaddr_in to = at("127.0.0.1", receiver_port);
      ++sequence;
      expect(kind, "sendto", sizeof sequence,
             result(sendto(fd, &sequence, sizeof sequence, 0, (const struct sockaddr*)&to, sizeof to)));
      expect_datagram(kind, sequence);
      expect_no_datagram(kind);
      break;
    }
    case KIND_send_refused: {
      fd = new_socket(SOCK_DGRAM);
      const struct sockaddr_in to = at("127.0.0.2", receiver_port);
      expect(kind, "sendto", -EACCES,
             result(sendto(fd, &sequence, sizeof sequence, 0, (const struct sockaddr*)&to, sizeof to)));
      expect_no_datagram(kind);
      break;
    }
    case KIND_send_stream:
      send_stream(kind);
      break;
    case KIND_send_many:
      send_many(kind);
      break;
    case KIND_unix_connect:
      unix_connect(kind);
      break;
    case KIND_unix_refused:
      unix_refused(kind);
      break;
    case KIND_unix_send:
      unix_send(kind);
      break;
    case KIND_exec:
      run_program(kind, "/probes/supervised_calls", 7);
      break;
    case KIND_exec_refused:
      run_program(kind, "/probes/forbidden_calls", -EACCES);
      break;
    case KIND_COUNT:
      break;
  }
  if (fd >= 0) close(fd);
}

static void run(int rounds) {
  listener = new_socket(SOCK_STREAM);
  receiver = new_socket(SOCK_DGRAM);
  if (bind_to(listener, "0.0.0.0", 10000 + process) != 0 || listen(listener, 16) != 0) broken("listen");
  // Wherever a refused datagram would go.
  if (bind_to(receiver, "0.0.0.0", 11000 + process) != 0) broken("bind");
  receiver_port = port_of(receiver);
  unix_listener = unix_server("good.stream", SOCK_STREAM);
  unix_receiver = unix_server("good.datagram", SOCK_DGRAM);
  (void)unix_server("bad", SOCK_DGRAM);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) != 0) broken("socketpair");
  for (int round = 0; round < rounds; ++round) {
    for (enum kind kind = 0; kind < KIND_COUNT; ++kind) {
      // These take a hundred times as long.
      if ((kind == KIND_send_stream || kind == KIND_exec || kind == KIND_exec_refused) && round % 8 != 0)
        continue;
      make(kind);
      __atomic_fetch_add(&counts->calls[kind], 1, __ATOMIC_RELAXED);
    }
  }
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--run") == 0) return 7;
  if (argc < 2) usage("ROUNDS [PROCESSES]");
  const int rounds = atoi(argv[1]);
  const int processes = argc > 2 ? atoi(argv[2]) : 2;
  counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counts == MAP_FAILED) broken("mmap");
  puts("begun");
  fflush(stdout);
  for (process = 0; process < processes; ++process) {
    const pid_t child = fork();
    if (child < 0) broken("fork");
    if (child == 0) {
      run(rounds);
      _exit(0);
    }
  }
  int failed = 0;
  int status = 0;
  while (wait(&status) > 0) failed |= status;
  for (enum kind kind = 0; kind < KIND_COUNT; ++kind) {
    printf("%s calls %ld wrong %ld\n", kNames[kind], counts->calls[kind], counts->wrong[kind]);
    failed |= counts->wrong[kind] != 0;
  }
  return failed != 0;
}
