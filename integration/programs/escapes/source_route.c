// escape: gives packets for the friend a source route by way of the stranger
// group: alternative calls
// policy: network
// neighbour: connect_udp --neighbour
// capabilities: CAP_NET_RAW
// sysctl: net.ipv4.conf.all.accept_source_route=1
// sysctl: net.ipv4.conf.lo.accept_source_route=1
// sysctl: net.ipv4.conf.lo.route_localnet=1
// sysctl: net.ipv4.conf.lo.accept_local=1
#include "source_route.h"

static void attack(void) {
  struct sockaddr_in to = ipv4("127.0.0.1", kAllowedPort);
  const int receiver = listen_for_options(), fd = udp(AF_INET);
  unsigned char route[8];
  write_route(route);
  if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof route) < 0)
    held("IP_OPTIONS: %s", strerror(errno));
  if (connect(fd, ADDRESS(to)) < 0 || send(fd, "x", 1, 0) < 0) broken("send");
  look_for_route(receiver);
}
