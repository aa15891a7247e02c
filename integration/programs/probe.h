#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// What the probes share. A probe does one thing and prints one line about it. It exits with 0 when the call
// it probes succeeded, 1 when it failed, and 2 when the probe itself could not do its work: a test that
// waits for a refusal never takes a broken probe for one.

// Ends the probe because something beside the probed call went wrong.
static inline void broken(const char* what) {
  printf("broken: %s: %s\n", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  exit(2);
}

static inline void usage(const char* arguments) {
  printf("usage: %s %s\n", program_invocation_short_name, arguments);
  exit(2);
}

// Prints "CALL: ok" or "CALL: EACCES" and returns the exit code. Call right after the probed call.
static inline int report(const char* call, long result) {
  if (result >= 0) {
    printf("%s: ok\n", call);
    return 0;
  }
  const char* name = strerrorname_np(errno);
  printf("%s: %s\n", call, name ? name : "an errno without a name");
  return 1;
}

struct address {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  };
  socklen_t length;
};

// An IPv4 or IPv6 address (a mapped one too) and a port in decimal.
static inline struct address parse_address(const char* text, const char* port) {
  struct address address;
  memset(&address, 0, sizeof address);
  const in_port_t number = htons((in_port_t)atoi(port));
  if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = number;
    address.length = sizeof address.v4;
  } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = number;
    address.length = sizeof address.v6;
  } else {
    errno = EINVAL;
    broken("address");
  }
  return address;
}

static inline int open_socket(int family, int type) {
  const int fd = socket(family, type, 0);
  if (fd < 0) broken("socket");
  return fd;
}

// A bound socket that takes what is sent to `address`; a TCP one listens.
static inline int listen_at(const struct address* address, int type, int backlog) {
  const int fd = open_socket(address->any.sa_family, type);
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) broken("setsockopt");
  if (bind(fd, &address->any, address->length) < 0) broken("bind of the listener");
  if (type == SOCK_STREAM && listen(fd, backlog) < 0) broken("listen");
  return fd;
}

// Fills the queue of a listener without backlog, so that the next connect to `address` waits for ever.
// Returns the listening socket; accept() on it lets one waiting connect through.
static inline int listen_without_answering(const struct address* address) {
  const int listener = listen_at(address, SOCK_STREAM, 0);
  const int filler = open_socket(address->any.sa_family, SOCK_STREAM);
  if (connect(filler, &address->any, address->length) < 0) broken("connect that fills the queue");
  return listener;
}
