// escape: 0.0.0.0, and IP_PKTINFO with the stranger as the source: the kernel goes there
// group: names and addresses
// policy: network
// neighbour: sendmsg_udp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in source = stranger(), to = ipv4("0.0.0.0", kPort);
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
  } control = {
      {.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo))}};
  const struct in_pktinfo from = {.ipi_spec_dst = source.sin_addr};
  memcpy(CMSG_DATA(&control.header), &from, sizeof from);
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_name = &to,
                           .msg_namelen = sizeof to,
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  if (sendmsg(udp(AF_INET), &message, 0) < 0) held("sendmsg: %s", strerror(errno));
}
