// escape: hands rubbish to whatever socket may be the agent's, by path and by abstract name
// group: the agent itself
// policy: network
#include <sys/un.h>

#include "escape.h"

static void say(const char* name, bool abstract) {
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  strncpy(path.sun_path + abstract, name, sizeof path.sun_path - 2);
  const socklen_t length =
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name) + !abstract);
  for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
    const int fd = open_socket(AF_UNIX, type | SOCK_NONBLOCK);
    if (connect(fd, (struct sockaddr*)&path, length) == 0) send(fd, "{}", 2, MSG_NOSIGNAL);
    sendto(fd, "{}", 2, MSG_NOSIGNAL, (struct sockaddr*)&path, length);
    close(fd);
  }
}

static void attack(void) {
  struct sockaddr_in to = stranger();
  static const char* const kPaths[] = {"/run/tidewaiter/agent.sock", "/run/tidewaiter/socket",
                                       "/run/tidewaiter/listener", "/proc/1/root/run/tidewaiter/agent.sock"};
  for (size_t i = 0; i < sizeof kPaths / sizeof *kPaths; i++) say(kPaths[i], false);
  char line[512], name[256];
  FILE* sockets = fopen("/proc/net/unix", "re");
  while (sockets != NULL && fgets(line, sizeof line, sockets) != NULL) {
    if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %255s", name) == 1)
      say(name[0] == '@' ? name + 1 : name, name[0] == '@');
  }
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
