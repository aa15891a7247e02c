// send_to [--fastopen|--sendmsg|--sendmmsg] ADDR PORT: sends a datagram from an unconnected UDP socket, or
// with
// --fastopen opens a TCP connection by sending: the ways to a destination that never call connect.
#include "probe.h"

int main(int argc, char** argv) {
  const char* way = "--sendto";
  if (argc == 4) {
    way = argv[1];
    argv++;
    argc--;
  }
  if (argc != 3) usage("[--fastopen|--sendmsg|--sendmmsg] ADDR PORT");
  struct address address = parse_address(argv[1], argv[2]);
  const int fastopen = strcmp(way, "--fastopen") == 0;
  listen_at(&address, fastopen ? SOCK_STREAM : SOCK_DGRAM, 8);
  const int fd = open_socket(address.any.sa_family, fastopen ? SOCK_STREAM : SOCK_DGRAM);

  struct iovec data = {.iov_base = "x", .iov_len = 1};
  struct mmsghdr message = {
      .msg_hdr = {
          .msg_name = &address.any, .msg_namelen = address.length, .msg_iov = &data, .msg_iovlen = 1}};
  if (strcmp(way, "--sendmsg") == 0) return report("sendmsg", sendmsg(fd, &message.msg_hdr, 0));
  if (strcmp(way, "--sendmmsg") == 0) return report("sendmmsg", sendmmsg(fd, &message, 1, 0));
  return report("sendto", sendto(fd, "x", 1, fastopen ? MSG_FASTOPEN : 0, &address.any, address.length));
}
