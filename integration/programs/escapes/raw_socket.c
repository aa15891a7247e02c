// escape: writes the packet itself, through a raw socket
// group: alternative calls
// policy: network-no-raw
// neighbour: connect_udp --neighbour
// capabilities: CAP_NET_RAW
#include "packet.h"

static void attack(void) {
  unsigned char packet[29];
  const size_t size = write_packet(packet);
  struct sockaddr_in to = stranger();
  to.sin_port = 0;
  const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0) held("socket: %s", strerror(errno));
  if (sendto(fd, packet, size, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
