// unix_socket WAY NAME: has a server at NAME, a path or with "@" in front an abstract name, and reaches it:
//   connect          a stream, and tells whom the server sees
//   packets          SOCK_SEQPACKET
//   associate        a datagram socket by connect
//   sendto, sendmsg, sendmmsg   a datagram with a name
//   bind             binds alone
#include <stddef.h>
#include <sys/un.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 3) usage("WAY NAME");
  const char *way = argv[1], *text = argv[2];
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  const size_t size = strlen(text);
  if (size >= sizeof name.sun_path) usage("WAY NAME");
  memcpy(name.sun_path, text, size);
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
  if (text[0] == '@') name.sun_path[0] = '\0';
  const struct sockaddr* address = (const struct sockaddr*)&name;

  const int connects = strcmp(way, "connect") == 0, packets = strcmp(way, "packets") == 0;
  const int type = connects ? SOCK_STREAM : packets ? SOCK_SEQPACKET : SOCK_DGRAM;
  const int server = open_socket(AF_UNIX, type);
  const int bound = bind(server, address, length);
  if (strcmp(way, "bind") == 0) return report("bind", bound);
  if (bound < 0 || (type != SOCK_DGRAM && listen(server, 1) < 0)) broken("the server");

  const int fd = open_socket(AF_UNIX, type);
  struct iovec data = {.iov_base = "x", .iov_len = 1};
  struct mmsghdr message = {
      .msg_hdr = {.msg_name = &name, .msg_namelen = length, .msg_iov = &data, .msg_iovlen = 1}};
  if (strcmp(way, "sendto") == 0) return report(way, sendto(fd, "x", 1, 0, address, length));
  if (strcmp(way, "sendmsg") == 0) return report(way, sendmsg(fd, &message.msg_hdr, 0));
  if (strcmp(way, "sendmmsg") == 0) return report(way, sendmmsg(fd, &message, 1, 0));
  const int code = report("connect", connect(fd, address, length));
  if (code != 0 || type == SOCK_DGRAM) return code;
  struct ucred peer;
  socklen_t peer_size = sizeof peer;
  const int accepted = accept(server, NULL, NULL);
  if (getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) < 0) broken("SO_PEERCRED");
  printf("%s, user %d, group %d\n", peer.pid == getpid() ? "ours" : "somebody else's", (int)peer.uid,
         (int)peer.gid);
  return 0;
}
