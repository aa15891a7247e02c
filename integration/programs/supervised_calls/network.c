// Connections and ports, over IPv4. The policy allows 127.0.0.1, 127.0.0.3 by a name, and 127.0.1.0/24 but
// for what another name has, or had.
#include <poll.h>

#include "supervised.h"

struct sockaddr_in at(const char* host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

int port_of(int fd) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr*)&address, &size) != 0) broken("getsockname");
  return ntohs(address.sin_port);
}

int new_socket(int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  return fd;
}

long connect_to(int fd, const char* host, int port) {
  const struct sockaddr_in address = at(host, port);
  return CALL(connect(fd, (const struct sockaddr*)&address, sizeof address));
}

long bind_to(int fd, const char* host, int port) {
  const struct sockaddr_in address = at(host, port);
  const long bound = CALL(bind(fd, (const struct sockaddr*)&address, sizeof address));
  // It has the port already, and nobody else asked for it.
  return bound == -EINVAL && port_of(fd) == port && made_again() ? 0 : bound;
}

// Whoever has connected is there, and nobody else.
static void accept_one(int fd) {
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  struct pollfd ready = {me.listener, POLLIN, 0};
  if (!expect("a connection that arrived", 1, poll(&ready, 1, 10000))) return;
  const int accepted = accept4(me.listener, (struct sockaddr*)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0) broken("accept");
  expect("the port it came from", port_of(fd), ntohs(peer.sin_port));
  expect("a second one", 0, poll(&ready, 1, 0));
  close(accepted);
}

static void make_connect(const char* host, int flags) {
  const int fd = new_socket(SOCK_STREAM | flags);
  long connected = connect_to(fd, host, port_of(me.listener));
  if (flags != 0 && (connected == -EINPROGRESS || (connected == -EALREADY && made_again()))) {
    struct pollfd ready = {fd, POLLOUT, 0};
    socklen_t size = sizeof(int);
    int error = 0;
    expect("being connected at last", 1, poll(&ready, 1, 10000));
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    connected = -error;
  }
  if (connected == -EISCONN && made_again()) connected = 0;
  if (expect("connect", 0, connected)) accept_one(fd);
  const struct linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

static void fail_to_connect(const char* host, int port, int flags, long expected) {
  const int fd = new_socket(SOCK_STREAM | flags);
  expect("connect", expected, connect_to(fd, host, port));
  close(fd);
}

// Where it goes is decided as for a stream.
static long associate(const char* host) {
  const int fd = new_socket(SOCK_DGRAM);
  const long connected = connect_to(fd, host, me.receiver_port);
  close(fd);
  return connected;
}

static void make_bind(int port, long expected) {
  const int fd = new_socket(SOCK_STREAM);
  const int on = 1;
  // A process that another thread has forked may still have a copy of the last one.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (expect("bind", expected, bind_to(fd, "127.0.0.1", port)) && expected == 0) {
    expect("the port", port, port_of(fd));
  }
  close(fd);
}

// Allowed until the name that is refused has this address; then never again.
static void follow_name(void) {
  const long connected = associate("127.0.1.67");
  const int refused = connected == -EACCES;
  if (!refused || me.name_refused) expect("connect", me.name_refused ? -EACCES : 0, connected);
  me.name_refused |= refused;
  told(refused ? "connect denied udp 127.0.1.67" : "connect allowed udp 127.0.1.67");
}

void make_network(void) {
  switch (me.kind) {
    case KIND_connect:
      make_connect("127.0.0.1", 0);
      return told("connect allowed tcp 127.0.0.1");
    case KIND_connect_nonblocking:
      make_connect("127.0.0.1", SOCK_NONBLOCK);
      return told("connect allowed tcp 127.0.0.1");
    case KIND_connect_nobody:
      fail_to_connect("127.0.0.1", 9, 0, -ECONNREFUSED);
      return told("connect allowed tcp 127.0.0.1");
    case KIND_connect_refused:
      // Nobody accepts it, so it does not wait.
      fail_to_connect("127.0.0.2", port_of(me.listener), SOCK_NONBLOCK, -EACCES);
      return told("connect denied tcp 127.0.0.2");
    case KIND_name_allowed:
      make_connect("127.0.0.3", 0);
      return told("connect allowed tcp 127.0.0.3");
    case KIND_name_refused:
      expect("connect", -EACCES, associate("127.0.1.66"));
      return told("connect denied udp 127.0.1.66");
    case KIND_name_moves:
      return follow_name();
    case KIND_bind:
      make_bind(20000 + me.number, 0);
      return told("bind allowed tcp 127.0.0.1");
    case KIND_bind_refused:
      make_bind(30000 + me.number, -EACCES);
      return told("bind denied tcp 127.0.0.1");
    default:
      return;
  }
}

void set_up_network(void) {
  const int on = 1;
  me.listener = new_socket(SOCK_STREAM);
  setsockopt(me.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Wherever somebody would come who is refused.
  long bound = bind_to(me.listener, "0.0.0.0", 10000 + me.number);
  // A child of the process that was here before may have yet to die.
  for (int i = 0; i < 100 && bound == -EADDRINUSE; ++i) {
    pause_for(20);
    bound = bind_to(me.listener, "0.0.0.0", 10000 + me.number);
  }
  if (!expect("bind of the listener", 0, bound) || listen(me.listener, 16) != 0) broken("listen");
  told("bind allowed tcp 0.0.0.0");
}
