// escape: sends to another netlink socket's port
// group: names and addresses
// policy: network
// neighbour: connect_netlink_kernel --neighbour
#include <linux/netlink.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_nl peer = {.nl_family = AF_NETLINK};
  socklen_t length = sizeof peer;
  const int receiver = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
  const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
  if (receiver < 0 || fd < 0) broken("socket");
  if (bind(receiver, ADDRESS(peer)) < 0) broken("bind");
  if (getsockname(receiver, (struct sockaddr*)&peer, &length) < 0) broken("getsockname");
  const struct nlmsghdr header = {.nlmsg_len = sizeof header};
  char got[sizeof header];
  if (sendto(fd, &header, sizeof header, 0, ADDRESS(peer)) < 0) held("sendto: %s", strerror(errno));
  if (recv(receiver, got, sizeof got, 0) > 0) escaped("the other netlink socket got a message");
}
