// escape: executes by the i386 execveat (int 0x80)
// group: second ABIs
// policy: exec
// neighbour: exec_plain --neighbour
#include "i386.h"

static void attack(void) {
  unsigned char* page = low_page();
  const uint32_t arguments[] = {low(page), 0};
  memcpy(page + 512, arguments, sizeof arguments);
  const int fd = open(forbidden(), O_PATH);
  i386_call(kI386Execveat, (unsigned long)fd, low(page), low(page + 512), 0, AT_EMPTY_PATH);
  held("execveat: %s", strerror(errno));
}
