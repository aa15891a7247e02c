// escape: opens the folder without a right (O_PATH), and passes that to another process, which reads below it
// group: file descriptors
// policy: files
#include "files.h"

static void attack(void) {
  int channel[2], folder = open(SHUT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  char control[CMSG_SPACE(sizeof folder)] = {0}, byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof folder)};
  memcpy(CMSG_DATA(header), &folder, sizeof folder);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) < 0) broken("socketpair");
  if (beside()) {
    if (recvmsg(channel[1], &message, 0) != 1) broken("take");
    memcpy(&folder, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof folder);
    try_to_read_at(folder, "file");
    held("%s", strerror(errno));
  }
  if (sendmsg(channel[0], &message, 0) != 1) broken("pass");
  wait(NULL);
}
