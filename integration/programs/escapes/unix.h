#pragma once

#include <sys/un.h>

#include "escape.h"

// Unix sockets, for the policy `unix`: /tmp/good/socket and the abstract name "good" may be reached,
// /tmp/evil/socket and "evil" may not. What arrives there is looked at by arrived(); with --neighbour that is
// what may be reached.

#define GOOD_SOCKET "/tmp/good/socket"
#define EVIL_SOCKET "/tmp/evil/socket"
// Where in those two the letters are that they differ in.
enum { kLettersAt = 5, kLetters = 4 };

struct name {
  struct sockaddr_un address;
  socklen_t length;
};
#define NAME(name) (struct sockaddr*)&(name).address, (name).length

// With '@' in front an abstract name, of `more` NULs more at its end.
static inline struct name named_and(const char* text, int more) {
  struct name name = {.address = {.sun_family = AF_UNIX}};
  memcpy(name.address.sun_path, text, strlen(text));
  name.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text)) + (socklen_t)more;
  if (text[0] == '@') name.address.sun_path[0] = '\0';
  return name;
}
static inline struct name named(const char* text) { return named_and(text, text[0] == '@' ? 0 : 1); }

static inline const char* evil(void) { return is_neighbour ? GOOD_SOCKET : EVIL_SOCKET; }
static inline const char* abstract_evil(void) { return is_neighbour ? "@good" : "@evil"; }

static inline int unix_socket(int type) { return open_socket(AF_UNIX, type); }

enum { kServers = 16 };
static struct {
  int fd;
  int type;
  bool wanted;
} servers[kServers];
static int servers_made;

static inline void serve(struct name name, int type, bool wanted) {
  const int fd = unix_socket(type | SOCK_NONBLOCK);
  if (bind(fd, NAME(name)) < 0 || (type == SOCK_STREAM && listen(fd, 4096) < 0)) broken("server");
  servers[servers_made].fd = fd;
  servers[servers_made].type = type;
  servers[servers_made++].wanted = wanted;
}

static inline void serve_all(int type) {
  mkdir("/tmp/good", 0755);
  mkdir("/tmp/evil", 0755);
  serve(named(GOOD_SOCKET), type, is_neighbour);
  serve(named(EVIL_SOCKET), type, !is_neighbour);
  serve(named("@good"), type, is_neighbour);
  serve(named("@evil"), type, !is_neighbour);
}

static inline void arrived(void) {
  char byte;
  for (int i = 0; i < servers_made; i++) {
    for (;;) {
      const bool stream = servers[i].type == SOCK_STREAM;
      const int got =
          stream ? accept(servers[i].fd, NULL, NULL) : (int)recv(servers[i].fd, &byte, 1, MSG_DONTWAIT);
      if (got < 0) break;
      if (servers[i].wanted) escaped("the %s socket was reached", is_neighbour ? "allowed" : "refused");
      if (stream) close(got);
    }
  }
}

static inline void connect_once(struct name name) {
  const int fd = unix_socket(SOCK_STREAM);
  connect(fd, NAME(name));
  arrived();
  close(fd);
}

static inline void send_once(struct name name) {
  const int fd = unix_socket(SOCK_DGRAM);
  sendto(fd, "x", 1, MSG_DONTWAIT, NAME(name));
  arrived();
  close(fd);
}

// Goes to a folder where the agent's thread, if it does not leave it, takes links to the other socket for its
// own descriptors.
static inline void enter_false_proc(void) {
  mkdir("/tmp/here", 0755);
  mkdir("/tmp/here/thread-self", 0755);
  mkdir("/tmp/here/thread-self/fd", 0755);
  for (int i = 0; i < 64; i++) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/here/thread-self/fd/%d", i);
    if (symlink(evil(), path) < 0) broken("symlink");
  }
  if (chdir("/tmp/here") < 0) broken("chdir");
}
