// send_several PORT ADDR...: one sendmmsg of a datagram to each address; those of 127.0.0.0/8 are listened
// at. Prints the result, what msg_len says of each, and how many arrived.
#include "probe.h"

enum { MOST = 8 };

int main(int argc, char** argv) {
  const int count = argc - 2;
  if (count < 1 || count > MOST) usage("PORT ADDR...");
  struct address addresses[MOST];
  int listeners[MOST];
  struct mmsghdr messages[MOST];
  memset(messages, 0, sizeof messages);
  struct iovec data = {.iov_base = "hello", .iov_len = 5};
  for (int i = 0; i < count; i++) {
    addresses[i] = parse_address(argv[i + 2], argv[1]);
    listeners[i] = listen_at(&addresses[i], SOCK_DGRAM, 0);
    messages[i].msg_len = 99;
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &addresses[i].any, .msg_namelen = addresses[i].length, .msg_iov = &data, .msg_iovlen = 1};
  }
  const int fd = open_socket(addresses[0].any.sa_family, SOCK_DGRAM);
  const int sent = sendmmsg(fd, messages, (unsigned)count, 0);
  const char* error = sent < 0 ? strerrorname_np(errno) : "ok";
  int arrived = 0;
  char bytes[16];
  for (int i = 0; i < count; i++) arrived += recv(listeners[i], bytes, sizeof bytes, MSG_DONTWAIT) == 5;
  printf("sendmmsg: %d %s, lengths", sent, error);
  for (int i = 0; i < count; i++) printf(" %u", messages[i].msg_len);
  printf(", %d arrived\n", arrived);
  return sent == count ? 0 : 1;
}
