// escape: passes the socket to a process that connects it, while the sender connects it elsewhere
// group: descriptor tricks
// policy: network
// attempts: 5000
#include "escape.h"

static void pass(int channel, int fd) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {"x", 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  *header =
      (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(channel, &message, 0) != 1) broken("pass");
}

static int take(int channel) {
  char control[CMSG_SPACE(sizeof(int))], byte;
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(channel, &message, 0) != 1) _exit(0);
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

static void attack(void) {
  struct sockaddr_in to = stranger(), allowed = the_friend();
  int channel[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) < 0) broken("socketpair");
  if (beside()) {
    close(channel[0]);
    for (;;) {
      const int fd = take(channel[1]);
      connect(fd, ADDRESS(to));
      send(fd, "x", 1, MSG_NOSIGNAL);
      close(fd);
    }
  }
  while (more()) {
    const int fd = udp(AF_INET);
    pass(channel[0], fd);
    connect(fd, ADDRESS(allowed));
    close(fd);
  }
}
