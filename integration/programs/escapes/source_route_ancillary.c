// escape: gives one datagram its source route in the ancillary data of sendmsg (IP_RETOPTS)
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
  union {
    struct cmsghdr header;
    unsigned char bytes[CMSG_SPACE(8)];
  } control = {{.cmsg_level = IPPROTO_IP, .cmsg_type = IP_RETOPTS, .cmsg_len = CMSG_LEN(8)}};
  write_route(CMSG_DATA(&control.header));
  struct iovec part = {"x", 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (connect(fd, ADDRESS(to)) < 0) broken("connect");
  if (sendmsg(fd, &message, 0) < 0) held("sendmsg: %s", strerror(errno));
  look_for_route(receiver);
}
