// escape: a packet socket by its older name, the type SOCK_PACKET of the family IPv4
// group: alternative calls
// policy: network
// neighbour: connect_udp --neighbour
// capabilities: CAP_NET_RAW
// sysctl: net.ipv4.conf.lo.route_localnet=1
// sysctl: net.ipv4.conf.lo.accept_local=1
#include "packet.h"

static void attack(void) {
  unsigned char frame[14 + 29] = {[12] = 0x08};  // Ethernet's header: IPv4
  const size_t size = 14 + write_packet(frame + 14);
  struct sockaddr to = {.sa_family = AF_INET, .sa_data = "lo"};
  const int fd = socket(AF_INET, SOCK_PACKET, htons(ETH_P_ALL));
  if (fd < 0) held("socket: %s", strerror(errno));
  if (sendto(fd, frame, size, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
  usleep(50000);
}
