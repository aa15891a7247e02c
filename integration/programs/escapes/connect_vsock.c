// escape: connects over the sockets of virtual machines to itself
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include <linux/vm_sockets.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = kPort};
  const int listener = socket(AF_VSOCK, SOCK_STREAM, 0), fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (fd < 0) skipped("no AF_VSOCK: %s", strerror(errno));
  if (bind(listener, ADDRESS(to)) < 0) skipped("no loopback in AF_VSOCK: %s", strerror(errno));
  if (listen(listener, 1) < 0) broken("listen");
  if (connect(fd, ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  if (accept(listener, NULL, NULL) >= 0) escaped("connected");
}
