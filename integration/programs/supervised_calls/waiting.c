// Calls that wait for an obstacle to go, for longer than a worker lives.
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "supervised.h"

static _Thread_local int full_listener;       // TCP
static _Thread_local int full_unix_listener;  // both take no more than one before accept(2)
static _Thread_local int slow_receiver;       // of datagrams, by path

// --- who takes the obstacle away --------------------------------------------------------------------

enum { MOST_DATAGRAMS = 256 };

// A thread that reads, or accepts, nothing for a while.
struct remover {
  pthread_t thread;
  int fd;
  int delay;
  atomic_int begun;  // it does by now
  atomic_int enough;
  uint64_t got[MOST_DATAGRAMS];  // other than 0
  int count;
};

static void* accept_later(void* self) {
  struct remover* const remover = self;
  pause_for(remover->delay);
  remover->begun = 1;
  close(accept(remover->fd, NULL, NULL));
  return NULL;
}

static void* read_later(void* self) {
  struct remover* const remover = self;
  pause_for(remover->delay);
  remover->begun = 1;
  for (;;) {
    struct pollfd ready = {remover->fd, POLLIN, 0};
    const int enough = remover->enough;
    if (poll(&ready, 1, enough ? 0 : 5) == 0) {
      if (enough) return NULL;
      continue;
    }
    uint64_t number = 0;
    if (recv(remover->fd, &number, sizeof number, MSG_DONTWAIT) <= 0 || number == 0) continue;
    if (remover->count < MOST_DATAGRAMS) remover->got[remover->count++] = number;
    // Several of a call's messages wait one after the other.
    pause_for(random_below(60));
  }
}

static void begin_removing(struct remover* remover, int fd, void* (*work)(void*)) {
  *remover = (struct remover){.fd = fd, .delay = 100 + random_below(300)};
  if (pthread_create(&remover->thread, NULL, work, remover) != 0) broken("thread");
}

static void end_removing(struct remover* remover) {
  remover->enough = 1;
  pthread_join(remover->thread, NULL);
}

// --- connections ------------------------------------------------------------------------------------

// So many have come, and nobody else.
static void accept_all(int listener, int expected) {
  for (;;) {
    struct pollfd ready = {listener, POLLIN, 0};
    if (poll(&ready, 1, expected > 0 ? 10000 : 0) == 0) break;
    close(accept(listener, NULL, NULL));
    --expected;
  }
  expect("connections that are missing", 0, expected);
}

static void connect_waits(int flags) {
  const int port = port_of(full_listener);
  const int first = new_socket(SOCK_STREAM);
  const int fd = new_socket(SOCK_STREAM | flags);
  struct remover remover;
  long connected = connect_to(first, "127.0.0.1", port);
  if (connected == -EISCONN && made_again()) connected = 0;
  told("connect allowed tcp 127.0.0.1");
  if (expect("connect that is accepted", 0, connected)) {
    begin_removing(&remover, full_listener, accept_later);
    connected = connect_to(fd, "127.0.0.1", port);
    told("connect allowed tcp 127.0.0.1");
    if (flags != 0) {
      if (connected == -EALREADY && made_again()) connected = -EINPROGRESS;
      expect("connect that does not wait", -EINPROGRESS, connected);
      connected = connect_to(fd, "127.0.0.1", port);
      told("connect allowed tcp 127.0.0.1");
      // Nobody can tell whether an earlier worker has begun it, or an earlier call.
      if (connected != -EINPROGRESS) expect("connect for the second time", -EALREADY, connected);
      struct pollfd ready = {fd, POLLOUT, 0};
      socklen_t size = sizeof(int);
      int error = 0;
      expect("being connected at last", 1, poll(&ready, 1, 20000));
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
      connected = -error;
    }
    if (connected == -EISCONN && made_again()) connected = 0;
    expect("connect that waits", 0, connected);
    expect("an obstacle that has gone", 1, remover.begun);
    end_removing(&remover);
    accept_all(full_listener, 1);
  }
  const struct linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
  close(first);
}

static void unix_connect_waits(void) {
  const int first = unix_socket(SOCK_STREAM);
  const int fd = unix_socket(SOCK_STREAM);
  struct remover remover;
  long connected = connect_unix(first, "@good.full");
  told("connect allowed unix @good.full");
  if (!lost_to_tracer(connected) && expect("connect that is accepted", 0, connected)) {
    begin_removing(&remover, full_unix_listener, accept_later);
    connected = connect_unix(fd, "@good.full");
    told("connect allowed unix @good.full");
    const int lost = lost_to_tracer(connected);
    if (!lost && expect("connect that waits", 0, connected)) {
      expect("an obstacle that has gone", 1, remover.begun);
    }
    end_removing(&remover);
    accept_all(full_unix_listener, lost ? 0 : 1);
  }
  close(fd);
  close(first);
}

// --- datagrams --------------------------------------------------------------------------------------

// A socket whose peer the receiver is, so that it needs no address any more; -1: it could not be had.
static int connected_to_receiver(void) {
  const int fd = unix_socket(SOCK_DGRAM);
  const long connected = connect_unix(fd, "/good/slow");
  told("connect allowed unix /good/slow");
  if (!lost_to_tracer(connected) && expect("connect to a receiver", 0, connected)) return fd;
  close(fd);
  return -1;
}

// Nobody is asked about send(2).
static int fill(void) {
  const uint64_t none = 0;
  const int fd = connected_to_receiver();
  if (fd < 0) return 0;
  while (send(fd, &none, sizeof none, MSG_DONTWAIT) > 0) {
  }
  if (errno != EAGAIN) broken("send that fills the queue");
  close(fd);
  return 1;
}

// `first` and those behind it, each once, and in order. `strict`: none can have been sent again.
static void expect_numbers(const struct remover* remover, uint64_t first, int count, int strict) {
  int next = 0;
  for (int i = 0; i < remover->count; ++i) {
    if (next < count && remover->got[i] == first + (uint64_t)next) {
      ++next;
    } else if (strict || remover->got[i] < first || remover->got[i] >= first + (uint64_t)next ||
               !made_again()) {
      wrong("the number of a datagram", (long)first + next, (long)remover->got[i]);
    } else {
      next = (int)(remover->got[i] - first) + 1;
    }
  }
  expect("datagrams that arrived", count, next);
}

// `address`: absent where the socket is connected.
static void send_waits(int fd, const struct unix_address* address) {
  struct remover remover;
  uint64_t number = ++me.sequence;
  struct iovec part = {&number, sizeof number};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (!fill()) return;
  begin_removing(&remover, slow_receiver, read_later);
  long sent = 0;
  if (address == NULL) {
    sent = CALL(sendmsg(fd, &message, 0));
  } else if (number % 2 == 0) {
    sent = CALL(sendto(fd, &number, sizeof number, 0, (const struct sockaddr*)&address->at, address->size));
    told("sendto allowed unix /good/slow");
  } else {
    message.msg_name = (void*)&address->at;
    message.msg_namelen = address->size;
    sent = CALL(sendmsg(fd, &message, 0));
    told("sendmsg allowed unix /good/slow");
  }
  const int begun = remover.begun;
  end_removing(&remover);
  if (address != NULL && lost_to_tracer(sent)) return;
  if (!expect("a send that waits", sizeof number, sent)) return;
  expect("an obstacle that has gone", 1, begun);
  expect_numbers(&remover, number, 1, address != NULL);
}

enum { SEVERAL = 20 };

static void send_many_waits(int fd, const struct unix_address* address) {
  struct remover remover;
  uint64_t numbers[SEVERAL];
  struct iovec parts[SEVERAL];
  struct mmsghdr messages[SEVERAL] = {0};
  for (int i = 0; i < SEVERAL; ++i) {
    numbers[i] = ++me.sequence;
    parts[i] = (struct iovec){&numbers[i], sizeof numbers[i]};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    if (address == NULL) continue;
    messages[i].msg_hdr.msg_name = (void*)&address->at;
    messages[i].msg_hdr.msg_namelen = address->size;
  }
  begin_removing(&remover, slow_receiver, read_later);
  int sent = 0;
  int lost = 0;
  while (sent < SEVERAL) {
    const long some = CALL(sendmmsg(fd, messages + sent, (unsigned)(SEVERAL - sent), 0));
    if (address != NULL) told("sendmmsg allowed unix /good/slow");
    lost = address != NULL && lost_to_tracer(some);
    if (lost) break;
    // A signal ends it where some have been sent; so does, in the middle of one, the end of a worker.
    if (some <= 0 || (some != SEVERAL - sent && me.signals == NO_SIGNALS && address == NULL)) {
      wrong("messages that were sent", SEVERAL - sent, some);
    }
    if (some <= 0) break;
    for (int i = sent; i < sent + (int)some; ++i) {
      // Nobody tells the last one's where the worker has died that would have (docs/threat-model.md).
      if (address != NULL && i == sent + (int)some - 1 && messages[i].msg_len == 0) continue;
      expect("a length that was told", sizeof numbers[i], messages[i].msg_len);
    }
    sent += (int)some;
  }
  end_removing(&remover);
  if (!lost) expect_numbers(&remover, numbers[0], SEVERAL, address != NULL);
}

void make_waiting(void) {
  const struct unix_address slow = unix_at("/good/slow");
  int fd = -1;
  switch (me.kind) {
    case KIND_connect_waits:
      return connect_waits(0);
    case KIND_connect_pending:
      return connect_waits(SOCK_NONBLOCK);
    case KIND_unix_connect_waits:
      return unix_connect_waits();
    case KIND_unix_send_waits:
      fd = unix_socket(SOCK_DGRAM);
      send_waits(fd, &slow);
      break;
    case KIND_unix_send_many_waits:
      fd = unix_socket(SOCK_DGRAM);
      send_many_waits(fd, &slow);
      break;
    case KIND_send_waits:
      fd = connected_to_receiver();
      if (fd >= 0) send_waits(fd, NULL);
      break;
    case KIND_send_many_waits:
      fd = connected_to_receiver();
      if (fd >= 0) send_many_waits(fd, NULL);
      break;
    case KIND_stream_waits:
      return send_stream(100 + random_below(300));
    default:
      return;
  }
  if (fd >= 0) close(fd);
}

void set_up_waiting(void) {
  const int on = 1;
  full_listener = new_socket(SOCK_STREAM);
  setsockopt(full_listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!expect("bind of a listener", 0, bind_to(full_listener, "0.0.0.0", 12000 + me.number)) ||
      listen(full_listener, 0) != 0) {
    broken("listen");
  }
  told("bind allowed tcp 0.0.0.0");
  full_unix_listener = unix_server("@good.full", SOCK_STREAM, 0);
  slow_receiver = unix_server("/good/slow", SOCK_DGRAM, 0);
}
