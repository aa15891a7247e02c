// ping_connect [--raw] ADDR: connects a ping socket (icmp(7)), or a raw ICMP one, and, where that works,
// shows that an echo request comes back as a reply.
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "probe.h"

int main(int argc, char** argv) {
  const int raw = argc == 3 && strcmp(argv[1], "--raw") == 0;
  if (argc != 2 + raw) usage("[--raw] ADDR");
  const struct address address = parse_address(argv[1 + raw], "0");
  const int v6 = address.any.sa_family == AF_INET6;
  const int fd = socket(address.any.sa_family, raw ? SOCK_RAW : SOCK_DGRAM,
                        v6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
  if (fd < 0) broken("socket");
  const int result = connect(fd, &address.any, address.length);
  // The kernel answers an echo request itself; a raw socket also sees the request, and its own headers.
  if (result == 0 && !raw) {
    unsigned char message[8] = {v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
    if (send(fd, message, sizeof message, 0) < 0) broken("send");
    if (recv(fd, message, sizeof message, 0) < 0) broken("recv");
    if (message[0] != (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY)) broken("the reply");
    errno = 0;
  }
  return report("connect", result);
}
