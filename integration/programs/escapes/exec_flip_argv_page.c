// escape: exchanges the page under an argument by mapping another file over it
// group: argument races
// policy: exec-argv
// attempts: 1500
#include "escape.h"

static char* page;

static int exchange(void* files) {
  unsigned seed = 1;
  for (int i = 0;; i = !i) {
    mmap(page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, ((int*)files)[i], 0);
    moment(&seed);
  }
  return 0;
}

static void attack(void) {
  static int files[2];
  static char* arguments[] = {"mark", NULL, NULL};
  files[0] = memfd_with("good", 5);
  files[1] = is_neighbour ? files[0] : memfd_with("forbidden", 10);
  page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, files[0], 0);
  if (page == MAP_FAILED) broken("mmap");
  arguments[1] = page;
  clone_vm(exchange, files, 0);
  while (more()) {
    const pid_t child = vfork();
    if (child == 0) {
      syscall(SYS_execve, GOOD_FOLDER "/mark", arguments, no_environment);
      _exit(1);
    }
    waitpid(child, NULL, 0);
  }
}
