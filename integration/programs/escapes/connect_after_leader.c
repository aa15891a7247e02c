// escape: connects from a thread whose thread-group leader has exited
// group: processes
// policy: network
#include "escape.h"

static void* connect_alone(void* leader) {
  struct sockaddr_in to = stranger();
  pthread_join(*(pthread_t*)leader, NULL);
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  usleep(100000);
  exit(0);
}

static void attack(void) {
  static pthread_t leader;
  leader = pthread_self();
  thread(connect_alone, &leader);
  pthread_exit(NULL);
}
