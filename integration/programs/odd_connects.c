// odd_connects ADDR PORT: connects with addresses no sane program passes, and one sane one to end with.
// Prints every case's result on one line, so that it can be held beside the line of a container without a
// policy.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "probe.h"

static void attempt(const char* name, int fd, const void* address, long length) {
  const long result = syscall(SYS_connect, fd, address, length);
  printf("%s=%s ", name, result == 0 ? "ok" : strerrorname_np(errno));
  if (fd > 2) close(fd);
}

static int tcp(int family) { return open_socket(family, SOCK_STREAM); }

int main(int argc, char** argv) {
  if (argc != 3) usage("ADDR PORT");
  const struct address good = parse_address(argv[1], argv[2]);
  const int family = good.any.sa_family;
  listen_at(&good, SOCK_STREAM, 64);

  unsigned char large[4096];
  memset(large, 0, sizeof large);
  memcpy(large, &good.any, good.length);
  struct sockaddr_storage other = {.ss_family = 0x4242};
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nowhere"};
  const long page = sysconf(_SC_PAGESIZE);
  unsigned char* edge =
      mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (edge == MAP_FAILED || munmap(edge + page, (size_t)page) < 0) broken("mmap");
  edge += page - 8;  // eight readable bytes
  memcpy(edge, &good.any, 8);

  attempt("empty", tcp(family), &good.any, 0);
  attempt("one_byte", tcp(family), &good.any, 1);
  attempt("family_only", tcp(family), &good.any, 2);
  attempt("one_short", tcp(family), &good.any, (long)(family == AF_INET ? 15 : 23));
  attempt("one_long", tcp(family), large, (long)good.length + 1);
  attempt("longest", tcp(family), large, 128);
  attempt("too_long", tcp(family), large, 129);
  attempt("far_too_long", tcp(family), large, 0x7fffffff);
  attempt("negative", tcp(family), &good.any, -1);
  attempt("high_bits", tcp(family), &good.any, 0x100000000L | (long)good.length);
  attempt("null", tcp(family), NULL, (long)good.length);
  attempt("null_empty", tcp(family), NULL, 0);
  attempt("kernel", tcp(family), (void*)0xffff800000000000UL, (long)good.length);
  attempt("edge", tcp(family), edge, (long)good.length);
  attempt("other_family", tcp(family), &other, sizeof other);
  attempt("unspecified", tcp(family), &unspecified, sizeof unspecified);
  attempt("unspecified_udp", open_socket(family, SOCK_DGRAM), &unspecified, sizeof unspecified);
  attempt("unix_in_tcp", tcp(family), &nowhere, sizeof nowhere);
  attempt("unix", open_socket(AF_UNIX, SOCK_STREAM), &nowhere, sizeof nowhere);
  attempt("v4_in_unix", open_socket(AF_UNIX, SOCK_STREAM), &good.any, (long)good.length);
  attempt("closed", 999, &good.any, (long)good.length);
  attempt("minus_one", -1, &good.any, (long)good.length);
  attempt("file", open("/proc/self/status", O_RDONLY), &good.any, (long)good.length);
  attempt("path", open("/proc/self/status", O_PATH), &good.any, (long)good.length);
  const int twice = tcp(family);
  attempt("first", dup(twice), &good.any, (long)good.length);
  attempt("twice", twice, &good.any, (long)good.length);
  attempt("good", tcp(family), &good.any, (long)good.length);
  printf("\n");
  return 0;
}
