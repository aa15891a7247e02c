// escape: writes the packet itself, through a packet socket on the loopback
// group: alternative calls
// policy: network
// neighbour: connect_udp --neighbour
// capabilities: CAP_NET_RAW
// sysctl: net.ipv4.conf.lo.route_localnet=1
// sysctl: net.ipv4.conf.lo.accept_local=1
#include "packet.h"

static void attack(void) {
  unsigned char packet[29];
  const size_t size = write_packet(packet);
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1};
  to.sll_halen = 6;
  const int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
  if (fd < 0) held("socket: %s", strerror(errno));
  if (sendto(fd, packet, size, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
  usleep(50000);  // what came by a packet socket is taken in later
}
