// escape: executes by the i386 execve (int 0x80)
// group: second ABIs
// policy: exec
// neighbour: exec_plain --neighbour
#include "i386.h"

static void attack(void) {
  unsigned char* page = low_page();
  strcpy((char*)page, forbidden());
  const uint32_t arguments[] = {low(page), 0};
  memcpy(page + 512, arguments, sizeof arguments);
  i386_call(kI386Execve, low(page), low(page + 512), 0, 0, 0);
  held("execve: %s", strerror(errno));
}
