// Datagrams to an address of their own, and what sendmsg(2) sends over a stream.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "supervised.h"

static void expect_datagram(uint64_t number) {
  for (;;) {
    uint64_t got = 0;
    struct pollfd ready = {me.receiver, POLLIN, 0};
    if (!expect("a datagram that arrived", 1, poll(&ready, 1, 10000))) return;
    expect("its size", sizeof got, result(recv(me.receiver, &got, sizeof got, MSG_DONTWAIT)));
    if (got != 0 && got < number && made_again()) continue;
    expect("its number", (long)number, (long)got);
    return;
  }
}

static void expect_no_datagram(void) {
  for (;;) {
    uint64_t got = 0;
    const long size = result(recv(me.receiver, &got, sizeof got, MSG_DONTWAIT));
    if (size > 0 && got != 0 && got <= me.sequence && made_again()) continue;
    expect("one more datagram", -EAGAIN, size);
    return;
  }
}

static long send_number(const char* host, uint64_t number) {
  const int fd = new_socket(SOCK_DGRAM);
  const struct sockaddr_in to = at(host, me.receiver_port);
  const long sent = CALL(sendto(fd, &number, sizeof number, 0, (const struct sockaddr*)&to, sizeof to));
  close(fd);
  return sent;
}

static void send_datagram(void) {
  ++me.sequence;
  if (expect("sendto", sizeof me.sequence, send_number("127.0.0.1", me.sequence)))
    expect_datagram(me.sequence);
  expect_no_datagram();
}

// Of the number of a datagram that nobody may have sent before.
static void send_refused(void) {
  expect("sendto", -EACCES, send_number("127.0.0.2", UINT64_MAX));
  expect_no_datagram();
}

// A UDP socket's peer is a matter of connect(2); what it writes then nobody asks about.
static void connect_udp(void) {
  const int fd = new_socket(SOCK_DGRAM);
  const int connected = expect("connect", 0, connect_to(fd, "127.0.0.1", me.receiver_port));
  told("connect allowed udp 127.0.0.1");
  expect("connect elsewhere", -EACCES, connect_to(fd, "127.0.0.2", me.receiver_port));
  told("connect denied udp 127.0.0.2");
  ++me.sequence;
  if (connected && expect("write", sizeof me.sequence, result(write(fd, &me.sequence, sizeof me.sequence)))) {
    expect_datagram(me.sequence);
  }
  close(fd);
}

static void send_many(void) {
  struct sockaddr_in to = at("127.0.0.1", me.receiver_port);
  uint64_t numbers[3];
  struct iovec parts[3];
  struct mmsghdr messages[3] = {0};
  for (int i = 0; i < 3; ++i) {
    numbers[i] = ++me.sequence;
    parts[i] = (struct iovec){&numbers[i], sizeof numbers[i]};
    messages[i].msg_hdr =
        (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  const int fd = new_socket(SOCK_DGRAM);
  int sent = 0;
  while (sent < 3) {
    const long some = CALL(sendmmsg(fd, messages + sent, (unsigned)(3 - sent), 0));
    told("sendmmsg allowed udp 127.0.0.1");
    // A signal may end it where some have been sent.
    if (some <= 0 || (some != 3 && me.signals == NO_SIGNALS))
      wrong("messages that were sent", 3 - sent, some);
    if (some <= 0) break;
    for (int i = sent; i < sent + (int)some; ++i) {
      expect("a length that was told", sizeof numbers[i], messages[i].msg_len);
      expect_datagram(numbers[i]);
    }
    sent += (int)some;
  }
  expect_no_datagram();
  close(fd);
}

// --- a stream ---------------------------------------------------------------------------------------

// More than the agent takes at once, and than the socket holds.
enum { STREAM_SIZE = 300000 };

// In a process of its own, which sends all of it, by as many calls as that takes.
static void send_all(int fd, const char* bytes, size_t size) {
  while (size != 0) {
    struct iovec part = {(char*)bytes, size};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    const long sent = CALL(sendmsg(fd, &message, 0));
    if (sent <= 0 || (me.signals == NO_SIGNALS && sent != (long)size)) {
      wrong("bytes that were sent", (long)size, sent);
    }
    if (sent <= 0) return;
    bytes += sent;
    size -= (size_t)sent;
  }
}

// How much of `in` is `out`, as it is or with parts that were sent again.
static size_t compare(const char* out, const char* in, size_t size) {
  size_t place = 0;
  for (size_t i = 0; i < size; ++i) {
    if (place < STREAM_SIZE && in[i] == out[place]) {
      ++place;
      continue;
    }
    const size_t left = size - i < 32 ? size - i : 32;
    const char* const earlier = memmem(out, place, in + i, left);
    if (earlier == NULL || !made_again()) return i;
    place = (size_t)(earlier - out) + 1;
  }
  return place < STREAM_SIZE ? place : size;
}

void send_stream(int delay) {
  int stream[2];
  char* const out = malloc(STREAM_SIZE);
  char* const in = malloc(4 * STREAM_SIZE);
  if (out == NULL || in == NULL) broken("malloc");
  for (size_t i = 0; i < STREAM_SIZE; ++i) out[i] = (char)rand_r(&me.random);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) != 0) broken("socketpair");
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) {
    // It has copies of what its parent listens at.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    close(stream[1]);
    send_all(stream[0], out, STREAM_SIZE);
    _exit(0);
  }
  close(stream[0]);
  pause_for(delay);
  size_t got = 0;
  for (;;) {
    struct pollfd ready = {stream[1], POLLIN, 0};
    if (!expect("bytes, or their end", 1, poll(&ready, 1, 100000))) break;
    const ssize_t count = recv(stream[1], in + got, 4 * STREAM_SIZE - got, MSG_DONTWAIT);
    if (count <= 0) break;
    got += (size_t)count;
  }
  if (expect("bytes that arrived, at least", 1, got >= STREAM_SIZE)) {
    expect("bytes that are the same", (long)got, (long)compare(out, in, got));
  }
  close(stream[1]);
  waitpid(child, NULL, 0);
  free(out);
  free(in);
}

void make_messages(void) {
  switch (me.kind) {
    case KIND_connect_udp:
      return connect_udp();
    case KIND_send_datagram:
      send_datagram();
      return told("sendto allowed udp 127.0.0.1");
    case KIND_send_refused:
      send_refused();
      return told("sendto denied udp 127.0.0.2");
    case KIND_send_many:
      return send_many();
    case KIND_send_stream:
      return send_stream(0);
    default:
      return;
  }
}

void set_up_messages(void) {
  me.receiver = new_socket(SOCK_DGRAM);
  if (!expect("bind of the receiver", 0, bind_to(me.receiver, "0.0.0.0", 11000 + me.number))) broken("bind");
  told("bind allowed udp 0.0.0.0");
  me.receiver_port = port_of(me.receiver);
}
