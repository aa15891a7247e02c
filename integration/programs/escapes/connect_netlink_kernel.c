// escape: connects to a multicast group of netlink; the neighbour asks the kernel, as the C library does
// group: names and addresses
// policy: network
// capabilities: CAP_NET_ADMIN
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (!is_neighbour) kernel.nl_groups = RTMGRP_LINK;
  const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (fd < 0) broken("socket");
  if (connect(fd, ADDRESS(kernel)) < 0) held("connect: %s", strerror(errno));
  escaped("connected");
}
