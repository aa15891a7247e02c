// ask_node_agent SOCKET: asks the node's agent that listens there whether it is there
// (oci/container/node_request.cc), and prints its answer.
#include <stdint.h>
#include <sys/un.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 2) usage("SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(argv[1]) >= sizeof address.sun_path) usage("SOCKET");
  strcpy(address.sun_path, argv[1]);
  const int fd = open_socket(AF_UNIX, SOCK_SEQPACKET);
  const int code = report("connect", connect(fd, (const struct sockaddr*)&address, sizeof address));
  if (code != 0) return code;
  // Version, kind "ping", no descriptors. Who is refused need not have asked.
  const uint32_t request[] = {0x74776e01, 2, 0};
  (void)!send(fd, request, sizeof request, MSG_NOSIGNAL);
  char answer[4096];
  const ssize_t size = recv(fd, answer, sizeof answer, 0);
  if (size < 0) broken("recv");
  fwrite(answer, 1, (size_t)size, stdout);
  return 0;
}
