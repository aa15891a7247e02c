// escape: executes from a thread whose thread-group leader has exited
// group: processes
// policy: exec
#include "escape.h"

static void* execute(void* leader) {
  pthread_join(*(pthread_t*)leader, NULL);
  run(forbidden());
  held("execve: %s", strerror(errno));
  return NULL;
}

static void attack(void) {
  static pthread_t leader;
  leader = pthread_self();
  thread(execute, &leader);
  pthread_exit(NULL);
}
