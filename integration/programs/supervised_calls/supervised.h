#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

#include "../probe.h"

// What the callers of supervised_calls share.

// What is done: its name, and whether the agent's tracer takes part, with whom the caller may die. The ones
// behind `connect_waits` wait for an obstacle to go.
// clang-format off
#define KINDS(X) \
  X(setup, 1) \
  X(refused, 0) X(let_run, 0) \
  X(connect, 0) X(connect_nonblocking, 0) X(connect_nobody, 0) X(connect_refused, 0) X(connect_udp, 0) \
  X(name_allowed, 0) X(name_refused, 0) X(name_moves, 0) \
  X(bind, 0) X(bind_refused, 0) \
  X(send_datagram, 0) X(send_refused, 0) X(send_many, 0) X(send_stream, 0) \
  X(unix_connect, 1) X(unix_connect_path, 1) X(unix_refused, 0) X(unix_refused_path, 0) X(unix_bind, 1) \
  X(unix_send, 1) X(unix_send_path, 1) X(unix_send_refused, 0) X(unix_send_refused_path, 0) \
  X(exec, 1) X(exec_refused, 0) X(exec_threads, 1) \
  X(connect_waits, 0) X(connect_pending, 0) X(unix_connect_waits, 1) X(unix_send_waits, 1) \
  X(unix_send_many_waits, 1) X(send_waits, 1) X(send_many_waits, 1) X(stream_waits, 0)
// clang-format on

enum kind {
#define X(name, traced) KIND_##name,
  KINDS(X)
#undef X
      KIND_COUNT,
  FIRST_THAT_WAITS = KIND_connect_waits
};

// What signals a caller gets while its calls stand, and what their handler asks for (SA_RESTART).
enum signals { NO_SIGNALS, RESTARTING, INTERRUPTING };

// A thread that makes calls, one after the other.
struct caller {
  int number;  // its ports and names have it
  enum signals signals;
  enum kind kind;  // of what it does
  unsigned random;
  uint64_t sequence;  // of its last datagram
  int listener;
  int receiver;  // UDP
  int receiver_port;
  int unix_listener[2];  // abstract, and by path
  int unix_receiver[2];
  int name_refused;  // the name that moves has come to where it is refused
};
extern _Thread_local struct caller me;

// --- what came of it (main.c) ---

void wrong(const char* what, long expected, long found);
// Whether it is as expected.
int expect(const char* what, long expected, long found);
// Signals have the kernel make calls again, and when the worker dies at the same time it is not always known
// that they had been made. Returns whether that can be what is seen.
int made_again(void);
// The calling thread's call has, or ought to have, an event: "SYSCALL VERDICT TRANSPORT WHERE".
void told(const char* event);
// Whether a call that the tracer is needed for failed since that was killed; or its process died so.
int lost_to_tracer(long value);
int killed_with_tracer(int status);

// --- signals (main.c) ---

struct alarm {
  int set;
  timer_t timer;
};
// Signals for the calling thread from now on, at random moments, if it gets any.
struct alarm set_alarm(void);
void end_alarm(const struct alarm* alarm);
// Whether the call is to be made again, as its caller would have it.
int interrupted(long value);

static inline long result(long value) { return value < 0 ? -errno : value; }

// A supervised call: its value, or a negative errno.
#define CALL(made)                             \
  ({                                           \
    long value_ = 0;                           \
    do {                                       \
      const struct alarm alarm_ = set_alarm(); \
      value_ = result(made);                   \
      end_alarm(&alarm_);                      \
    } while (interrupted(value_));             \
    value_;                                    \
  })

// --- addresses (network.c, unix.c) ---

struct sockaddr_in at(const char* host, int port);
int port_of(int fd);
int new_socket(int type);
long connect_to(int fd, const char* host, int port);
long bind_to(int fd, const char* host, int port);

// "@NAME" in the abstract namespace, or a path; each caller has its own.
struct unix_address {
  struct sockaddr_un at;
  socklen_t size;
};
struct unix_address unix_at(const char* name);
int unix_socket(int type);
int unix_server(const char* name, int type, int backlog);
long connect_unix(int fd, const char* name);

// --- the kinds ---

void set_up_network(void);
void make_network(void);
void set_up_messages(void);
void make_messages(void);
// Over a pair of sockets; `delay`: how many milliseconds nobody reads.
void send_stream(int delay);
void set_up_unix(void);
void make_unix(void);
void make_exec(void);
void set_up_waiting(void);
void make_waiting(void);

static inline void pause_for(int milliseconds) {
  const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&time, NULL);
}

static inline int random_below(int limit) { return (int)((unsigned)rand_r(&me.random) % (unsigned)limit); }
