#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// What the escapes share. An escape is one program that tries one way round the sandbox, in attack() below.
// It runs as two processes: attack() in the child, and in the parent a witness, which holds what an escape
// would reach: sockets of the stranger (127.0.0.2 and ::1, port 8000) and the end of a pipe that the
// forbidden program writes to. So ESCAPED is never the attacker's opinion of a return value, but something
// that arrived. The same for what is allowed: the friend (127.0.0.1) and the program `good`.
//
// Prints one line. Exit code 0: ESCAPED, 1: HELD, 2: broken or SKIPPED, when it could not do its work or the
// kernel has not what it needs. With --neighbour the same happens towards what is allowed; then 0 is that it
// arrived, 1 that it did not.

enum { kPort = 8000, kAllowedPort = 8500, kForbiddenPort = 7000, kMarkerFd = 9 };
enum { kPatienceSeconds = 25 };
// So that whoever races against the attempts is running, too, before cheap ones are over.
static const double kLeastRaceSeconds = 0.3;

#define GOOD_FOLDER "/escapes/good"
#define FORBIDDEN_FOLDER "/escapes/forbidden"
#define GOOD GOOD_FOLDER "/prog"
#define FORBIDDEN FORBIDDEN_FOLDER "/prog"

// Defined by each program. It returns when its attempts are over.
static void attack(void);

enum verdict { kNone, kEscaped, kHeld, kBroken, kSkipped };

struct shared {
  _Atomic int verdict;
  _Atomic long attempts;
  char text[200];
};

static struct shared* shared;
static bool is_neighbour;
static long attempts_wanted = 1;
static struct timespec race_start;
static double race_seconds = 2;

static inline void conclude(enum verdict verdict, const char* format, va_list arguments) {
  vsnprintf(shared->text, sizeof shared->text, format, arguments);
  shared->verdict = verdict;
  _exit(0);
}

#define CONCLUSION(name, verdict)                                                                    \
  __attribute__((noreturn, format(printf, 1, 2))) static inline void name(const char* format, ...) { \
    va_list arguments;                                                                               \
    va_start(arguments, format);                                                                     \
    conclude(verdict, format, arguments);                                                            \
    va_end(arguments);                                                                               \
    _exit(0);                                                                                        \
  }
CONCLUSION(escaped, kEscaped)
CONCLUSION(held, kHeld)
CONCLUSION(skipped, kSkipped)

__attribute__((noreturn)) static inline void broken(const char* what) {
  snprintf(shared->text, sizeof shared->text, "%s: %s", what, strerror(errno));
  shared->verdict = kBroken;
  _exit(2);
}

static inline double seconds_since(const struct timespec* start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

// Whether to make another attempt: as many as the program's comment states, more if they take less than
// kLeastRaceSeconds, and none after $RACE_SECONDS.
static inline bool more(void) {
  const double seconds = seconds_since(&race_start);
  if (seconds > race_seconds) return false;
  if (shared->attempts >= attempts_wanted && seconds > kLeastRaceSeconds) return false;
  shared->attempts++;
  return true;
}

// --- addresses ---------------------------------------------------------------------------------------

static inline struct sockaddr_in ipv4(const char* host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) broken(host);
  return address;
}

static inline struct sockaddr_in6 ipv6(const char* host, int port) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)port)};
  if (inet_pton(AF_INET6, host, &address.sin6_addr) != 1) broken(host);
  return address;
}

static inline struct sockaddr_in the_friend(void) { return ipv4("127.0.0.1", kPort); }

// Whom the policy forbids; the friend when it is the neighbour that is tried.
static inline struct sockaddr_in stranger(void) {
  return is_neighbour ? the_friend() : ipv4("127.0.0.2", kPort);
}

static inline struct sockaddr_in6 mapped_stranger(void) {
  return ipv6(is_neighbour ? "::ffff:127.0.0.1" : "::ffff:127.0.0.2", kPort);
}

static inline struct sockaddr_in6 stranger6(void) {
  return ipv6(is_neighbour ? "::ffff:127.0.0.1" : "::1", kPort);
}

static inline int forbidden_port(void) { return is_neighbour ? kAllowedPort : kForbiddenPort; }
static inline const char* forbidden(void) { return is_neighbour ? GOOD : FORBIDDEN; }
static inline const char* forbidden_folder(void) { return is_neighbour ? GOOD_FOLDER : FORBIDDEN_FOLDER; }

#define ADDRESS(variable) (struct sockaddr*)&(variable), sizeof(variable)

// --- sockets -----------------------------------------------------------------------------------------

static inline int open_socket(int family, int type) {
  const int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  return fd;
}

// Closing it resets the connection, so that thousands of them leave no port behind in TIME_WAIT.
static inline int tcp(int family) {
  const int fd = open_socket(family, SOCK_STREAM);
  const struct linger reset = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return fd;
}

static inline int udp(int family) { return open_socket(family, SOCK_DGRAM); }

static inline int bound(int fd, const void* address, socklen_t length) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, address, length) < 0) broken("bind of the witness");
  return fd;
}

static inline int local_port(int fd) {
  struct sockaddr_storage local = {0};
  socklen_t length = sizeof local;
  if (getsockname(fd, (struct sockaddr*)&local, &length) < 0) broken("getsockname");
  return ntohs(((struct sockaddr_in*)&local)->sin_port);  // the same place in sockaddr_in6
}

// For attacks on bind: has it the port that it may not have?
static inline void check_bound(int fd) {
  if (local_port(fd) == forbidden_port()) escaped("bound to port %d", forbidden_port());
}

// --- processes, threads and memory -------------------------------------------------------------------

// True in a new child. False in the parent, once the child has ended.
static inline bool in_child(void) {
  const pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) return true;
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
  }
  return false;
}

// True in a new child that runs beside the caller; it is killed with the container.
static inline bool beside(void) {
  const pid_t child = fork();
  if (child < 0) broken("fork");
  return child == 0;
}

static inline pthread_t thread(void* (*body)(void*), void* argument) {
  pthread_t id;
  const int error = pthread_create(&id, NULL, body, argument);
  errno = error;
  if (error != 0) broken("thread");
  return id;
}

static inline void* shared_memory(size_t size) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) broken("mmap");
  return memory;
}

// A process that shares all memory with the caller, yet is no thread of its: it has a thread group of its
// own.
static inline pid_t clone_vm(int (*body)(void*), void* argument, int more_flags) {
  enum { kStack = 65536 };
  char* stack = mmap(NULL, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) broken("mmap");
  const pid_t pid = clone(body, stack + kStack, CLONE_VM | SIGCHLD | more_flags, argument);
  if (pid < 0) broken("clone");
  return pid;
}

// Writes `first` and `second` over `place` in turn, for ever.
struct flip {
  void* place;
  const void* first;
  const void* second;
  size_t size;
};

static inline void copy_volatile(void* to, const void* from, size_t size) {
  volatile unsigned char* out = to;
  const unsigned char* in = from;
  for (size_t i = 0; i < size; i++) out[i] = in[i];
}

// A moment that is never the same, so that every gap between a check and a use is met some time.
static inline void moment(unsigned* seed) {
  for (int wait = rand_r(seed) % 2000; wait > 0; wait--) __asm__ volatile("" ::: "memory");
}

static inline void* flip_for_ever(void* argument) {
  const struct flip* flip = argument;
  unsigned seed = 1;
  for (;;) {
    copy_volatile(flip->place, flip->second, flip->size);
    moment(&seed);
    copy_volatile(flip->place, flip->first, flip->size);
    moment(&seed);
  }
  return NULL;
}

static inline int flip_for_ever_in_clone(void* flip) {
  flip_for_ever(flip);
  return 0;
}

static inline int memfd_with(const void* bytes, size_t size) {
  const int fd = memfd_create("escape", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, 4096) < 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size) broken("memfd");
  return fd;
}

// --- programs ----------------------------------------------------------------------------------------

static char* const no_environment[] = {NULL};

static inline int run(const char* path) {
  char* arguments[] = {"prog", NULL};
  return execve(path, arguments, no_environment);
}

static inline int run_at(int folder, const char* path, int flags) {
  char* arguments[] = {"prog", NULL};
  return (int)syscall(SYS_execveat, folder, path, arguments, no_environment, flags);
}

static inline void copy_into(int out, const char* from) {
  char buffer[65536];
  const int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0 || out < 0) broken("copy");
  ssize_t got;
  while ((got = read(in, buffer, sizeof buffer)) > 0) {
    if (write(out, buffer, (size_t)got) != got) broken("copy");
  }
  close(in);
}

// A copy of a program, as an executable file.
static inline void copy_program(const char* from, const char* to) {
  const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  copy_into(out, from);
  close(out);
}

static inline void write_script(const char* path, const char* text) {
  const int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (out < 0 || write(out, text, strlen(text)) != (ssize_t)strlen(text)) broken(path);
  close(out);
}

static inline void write_file(const char* path, const char* text) {
  const int out = open(path, O_WRONLY | O_CLOEXEC);
  if (out < 0 || write(out, text, strlen(text)) < 0) broken(path);
  close(out);
}

// A user namespace of one's own, and what else `flags` say, with all capabilities in there. To map root takes
// CAP_SETFCAP.
static inline void become_root_of_namespaces(int flags) {
  if (unshare(CLONE_NEWUSER | flags) < 0) held("unshare: %s", strerror(errno));
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 0 1");
  write_file("/proc/self/gid_map", "0 0 1");
}

// --- the witness -------------------------------------------------------------------------------------

enum witness_kind { kMarker, kTcp, kUdp };
struct witness {
  int fd;
  enum witness_kind kind;
  bool is_friend;
};

// A program whose policy allows TCP to the stranger, and nothing else, defines this before it includes
// escape.h.
#ifdef STRANGER_TCP_ALLOWED
enum { kStrangerTcpAllowed = 1 };
#else
enum { kStrangerTcpAllowed = 0 };
#endif

static inline int witness_socket(int type, const void* address, socklen_t length) {
  const int family = ((const struct sockaddr*)address)->sa_family;
  const int fd = open_socket(family, type | SOCK_NONBLOCK);
  const int on = 1;
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  bound(fd, address, length);
  if (type == SOCK_STREAM && listen(fd, 4096) < 0) broken("listen");
  return fd;
}

// What arrived that was waited for: NULL if nothing did.
static inline const char* look(const struct witness* witness) {
  char text[16] = {0};
  switch (witness->kind) {
    case kMarker:
      while (read(witness->fd, text, 1) == 1) {
        if (text[0] == (is_neighbour ? 'G' : 'F'))
          return is_neighbour ? "good ran" : "the forbidden program ran";
      }
      return NULL;
    case kTcp: {
      bool any = false;
      int fd;
      while ((fd = accept(witness->fd, NULL, NULL)) >= 0) {
        any = true;
        close(fd);
      }
      if (witness->is_friend != is_neighbour || (kStrangerTcpAllowed && !is_neighbour)) return NULL;
      return any ? (is_neighbour ? "the friend was connected to" : "the stranger was connected to") : NULL;
    }
    case kUdp: {
      bool any = false;
      while (recv(witness->fd, text, sizeof text, 0) >= 0) any = true;
      if (witness->is_friend != is_neighbour) return NULL;
      return any ? (is_neighbour ? "the friend got a datagram" : "the stranger got a datagram") : NULL;
    }
  }
  return NULL;
}

__attribute__((noreturn)) static inline void finish(enum verdict verdict, const char* text) {
  static const char* const kWords[] = {"broken: ", "ESCAPED: ", "HELD: ", "broken: ", "SKIPPED: "};
  const bool arrived = verdict == kEscaped;
  if (is_neighbour && verdict != kBroken && verdict != kSkipped) {
    printf("%s%s\n", arrived ? "ok: " : "refused: ", text);
  } else {
    printf("%s%s\n", kWords[verdict], text);
  }
  fflush(stdout);
  exit(arrived ? 0 : verdict == kHeld ? 1 : 2);
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--neighbour") == 0) {
      is_neighbour = true;
    } else if (strcmp(argv[i], "--attempts") == 0 && i + 1 < argc) {
      attempts_wanted = atol(argv[++i]);
    } else {
      printf("usage: %s [--neighbour] [--attempts N]\n", argv[0]);
      return 2;
    }
  }
  // Some kill whatever there is, and so does the witness in the end.
  if (getpid() != 1) {
    printf("broken: this is for a container of its own, as its first process\n");
    return 2;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 2;

  struct sockaddr_in friend4 = ipv4("127.0.0.1", kPort), stranger4 = ipv4("127.0.0.2", kPort);
  struct sockaddr_in6 other6 = ipv6("::1", kPort);
  int marker[2];
  if (pipe2(marker, O_CLOEXEC) < 0) return 2;
  // Read so as not to wait, inherited by every program that is started.
  if (dup2(marker[1], kMarkerFd) < 0 || fcntl(marker[0], F_SETFL, O_NONBLOCK) < 0) return 2;
  struct witness witnesses[] = {{marker[0], kMarker, false},
                                {witness_socket(SOCK_STREAM, &stranger4, sizeof stranger4), kTcp, false},
                                {witness_socket(SOCK_DGRAM, &stranger4, sizeof stranger4), kUdp, false},
                                {witness_socket(SOCK_STREAM, &other6, sizeof other6), kTcp, false},
                                {witness_socket(SOCK_DGRAM, &other6, sizeof other6), kUdp, false},
                                {witness_socket(SOCK_STREAM, &friend4, sizeof friend4), kTcp, true},
                                {witness_socket(SOCK_DGRAM, &friend4, sizeof friend4), kUdp, true}};
  enum { kWitnesses = sizeof witnesses / sizeof *witnesses };
  if (shared->verdict != kNone) finish(shared->verdict, shared->text);
  struct pollfd polled[kWitnesses];
  for (int i = 0; i < kWitnesses; i++) polled[i] = (struct pollfd){.fd = witnesses[i].fd, .events = POLLIN};

  if (getenv("RACE_SECONDS") != NULL) race_seconds = atof(getenv("RACE_SECONDS"));
  clock_gettime(CLOCK_MONOTONIC, &race_start);
  const struct timespec start = race_start;
  const pid_t child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    // The witness alone holds what it looks at.
    for (int i = 0; i < kWitnesses; i++) close(witnesses[i].fd);
    close(marker[1]);
    attack();
    _exit(0);
  }

  int status = 0;
  bool ended = false;
  for (;;) {
    poll(polled, kWitnesses, ended ? 0 : 10);
    for (int i = 0; i < kWitnesses; i++) {
      // The forbidden program counts before the friend; only what was waited for comes back.
      const char* arrived = look(&witnesses[i]);
      if (arrived == NULL) continue;
      kill(-1, SIGKILL);
      char text[100];
      snprintf(text, sizeof text, "%s, attempt %ld", arrived, shared->attempts);
      finish(kEscaped, shared->attempts > 0 ? text : arrived);
    }
    if (shared->verdict == kEscaped) {
      kill(-1, SIGKILL);
      finish(kEscaped, shared->text);
    }
    if (ended) break;  // and what it had done until then has been looked at once more
    // The first process of a container has orphans to collect.
    int orphan = 0;
    for (pid_t pid; (pid = waitpid(-1, &orphan, WNOHANG)) > 0;) {
      if (pid != child) continue;
      status = orphan;
      ended = true;
    }
    if (!ended && seconds_since(&start) > kPatienceSeconds) {
      kill(-1, SIGKILL);
      finish(kBroken, "timeout");
    }
  }
  kill(-1, SIGKILL);
  if (shared->verdict != kNone) finish(shared->verdict, shared->text);
  char text[100];
  if (WIFSIGNALED(status)) {
    snprintf(text, sizeof text, "ended by signal %d", WTERMSIG(status));
    // How the policy kills: the filter by SIGSYS, the agent by SIGKILL. Anything else is the program's own
    // fault.
    finish(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGKILL ? kHeld : kBroken, text);
  }
  snprintf(text, sizeof text, shared->attempts > 0 ? "%ld attempts, of %ld" : "nothing arrived",
           shared->attempts, attempts_wanted);
  finish(kHeld, text);
}
