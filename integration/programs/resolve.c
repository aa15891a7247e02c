// resolve NAME: prints the IPv4 addresses of a name, in the resolver's order.
#include <netdb.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 2) usage("NAME");
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo* found;
  const int error = getaddrinfo(argv[1], NULL, &hints, &found);
  if (error != 0) {
    printf("resolve: %s\n", gai_strerror(error));
    return 1;
  }
  printf("resolve:");
  for (const struct addrinfo* info = found; info != NULL; info = info->ai_next) {
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &((const struct sockaddr_in*)info->ai_addr)->sin_addr, text, sizeof text);
    printf(" %s", text);
  }
  printf("\n");
  return 0;
}
