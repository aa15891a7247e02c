#pragma once

#include "escape.h"

// A loose source route (RFC 791) by way of the stranger, 8 bytes.
static inline void write_route(unsigned char* route) {
  const struct sockaddr_in by_way_of = stranger();
  memcpy(route, (const unsigned char[8]){1 /* no operation */, 131, 7, 4}, 8);
  memcpy(route + 4, &by_way_of.sin_addr, 4);
}

static inline int listen_for_options(void) {
  struct sockaddr_in local = ipv4("127.0.0.1", kAllowedPort);
  const int receiver = bound(udp(AF_INET), ADDRESS(local)), on = 1;
  if (setsockopt(receiver, IPPROTO_IP, IP_RECVOPTS, &on, sizeof on) < 0) broken("IP_RECVOPTS");
  return receiver;
}

// What has come with a source route has come by way of the stranger.
static inline void look_for_route(int receiver) {
  char byte, control[256];
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct pollfd waiting = {.fd = receiver, .events = POLLIN};
  if (poll(&waiting, 1, 500) != 1 || recvmsg(receiver, &message, 0) < 0) held("no datagram came");
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != NULL && memchr(CMSG_DATA(header), 131, header->cmsg_len - CMSG_LEN(0)) != NULL) {
    escaped("a datagram came by way of the stranger");
  }
}
