// Unix sockets, abstract and by path: what the policy allows begins with "good".
#include <poll.h>

#include "supervised.h"

struct unix_address unix_at(const char* name) {
  struct unix_address address = {.at = {.sun_family = AF_UNIX}};
  const int abstract = name[0] == '@';
  const int length = snprintf(address.at.sun_path + abstract, sizeof address.at.sun_path - 1, "%s.%d",
                              name + abstract, me.number);
  address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
  return address;
}

int unix_socket(int type) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  return fd;
}

static long bind_unix(int fd, const char* name) {
  const struct unix_address address = unix_at(name);
  return CALL(bind(fd, (const struct sockaddr*)&address.at, address.size));
}

long connect_unix(int fd, const char* name) {
  const struct unix_address address = unix_at(name);
  return CALL(connect(fd, (const struct sockaddr*)&address.at, address.size));
}

int unix_server(const char* name, int type, int backlog) {
  for (;;) {
    const struct unix_address address = unix_at(name);
    if (name[0] != '@') unlink(address.at.sun_path);
    const int fd = unix_socket(type);
    const long bound = bind_unix(fd, name);
    if (lost_to_tracer(bound)) {
      close(fd);
      continue;
    }
    if (!expect("bind of a server", 0, bound)) broken("bind");
    if (type == SOCK_STREAM && listen(fd, backlog) != 0) broken("listen");
    return fd;
  }
}

static void make_connect(const char* name, int listener) {
  const int fd = unix_socket(SOCK_STREAM);
  const long connected = connect_unix(fd, name);
  if (!lost_to_tracer(connected) && expect("connect", 0, connected)) {
    struct pollfd ready = {listener, POLLIN, 0};
    struct ucred peer = {0, 0, 0};
    socklen_t peer_size = sizeof peer;
    expect("a connection that arrived", 1, poll(&ready, 1, 0));
    const int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) broken("accept");
    getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size);
    expect("who it comes from", getpid(), peer.pid);
    expect("a second one", 0, poll(&ready, 1, 0));
    close(accepted);
  }
  close(fd);
}

static void make_send(const char* name, int receiver) {
  const struct unix_address address = unix_at(name);
  const int fd = unix_socket(SOCK_DGRAM);
  uint64_t got = 0;
  ++me.sequence;
  const long sent = CALL(
      sendto(fd, &me.sequence, sizeof me.sequence, 0, (const struct sockaddr*)&address.at, address.size));
  if (!lost_to_tracer(sent) && expect("sendto", sizeof me.sequence, sent)) {
    expect("its size", sizeof got, result(recv(receiver, &got, sizeof got, MSG_DONTWAIT)));
    expect("its number", (long)me.sequence, (long)got);
  }
  expect("one more datagram", -EAGAIN, result(recv(receiver, &got, sizeof got, MSG_DONTWAIT)));
  close(fd);
}

// Nobody accepts or reads, so it does not wait.
static void fail_to_connect(const char* name) {
  const int fd = unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
  expect("connect", -EACCES, connect_unix(fd, name));
  close(fd);
}

static void fail_to_send(const char* name) {
  const struct unix_address address = unix_at(name);
  const int fd = unix_socket(SOCK_DGRAM | SOCK_NONBLOCK);
  expect("sendto", -EACCES,
         CALL(sendto(fd, &me.sequence, sizeof me.sequence, 0, (const struct sockaddr*)&address.at,
                     address.size)));
  close(fd);
}

// A longer name than others have, by which a policy can tell it.
static void make_bind(void) {
  const char* const name = "/good/another-socket";
  const struct unix_address address = unix_at(name);
  struct sockaddr_un own;
  socklen_t size = sizeof own;
  const int fd = unix_socket(SOCK_STREAM);
  unlink(address.at.sun_path);  // of one who died
  const long bound = bind_unix(fd, name);
  if (!lost_to_tracer(bound) && expect("bind", 0, bound)) {
    getsockname(fd, (struct sockaddr*)&own, &size);
    expect("its name", 0, strcmp(own.sun_path, address.at.sun_path));
  }
  unlink(address.at.sun_path);
  close(fd);
}

void make_unix(void) {
  switch (me.kind) {
    case KIND_unix_connect:
      make_connect("@good.stream", me.unix_listener[0]);
      return told("connect allowed unix @good.stream");
    case KIND_unix_connect_path:
      make_connect("/good/stream", me.unix_listener[1]);
      return told("connect allowed unix /good/stream");
    case KIND_unix_refused:
      fail_to_connect("@bad.stream");
      return told("connect denied unix @bad.stream");
    case KIND_unix_refused_path:
      fail_to_connect("/bad/stream");
      return told("connect denied unix /bad/stream");
    case KIND_unix_bind:
      return make_bind();
    case KIND_unix_send:
      make_send("@good.datagram", me.unix_receiver[0]);
      return told("sendto allowed unix @good.datagram");
    case KIND_unix_send_path:
      make_send("/good/datagram", me.unix_receiver[1]);
      return told("sendto allowed unix /good/datagram");
    case KIND_unix_send_refused:
      fail_to_send("@bad.datagram");
      return told("sendto denied unix @bad.datagram");
    case KIND_unix_send_refused_path:
      fail_to_send("/bad/datagram");
      return told("sendto denied unix /bad/datagram");
    default:
      return;
  }
}

void set_up_unix(void) {
  me.unix_listener[0] = unix_server("@good.stream", SOCK_STREAM, 16);
  me.unix_listener[1] = unix_server("/good/stream", SOCK_STREAM, 16);
  me.unix_receiver[0] = unix_server("@good.datagram", SOCK_DGRAM, 0);
  me.unix_receiver[1] = unix_server("/good/datagram", SOCK_DGRAM, 0);
  // There to be reached, should anybody not be refused.
  (void)unix_server("@bad.stream", SOCK_STREAM, 16);
  (void)unix_server("/bad/stream", SOCK_STREAM, 16);
  (void)unix_server("@bad.datagram", SOCK_DGRAM, 0);
  (void)unix_server("/bad/datagram", SOCK_DGRAM, 0);
}
