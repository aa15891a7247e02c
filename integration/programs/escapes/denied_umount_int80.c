// escape: takes away what covers a denied file, by the i386 call that has no flags (int 0x80)
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include "files.h"
#include "i386.h"

static void attack(void) {
  enum { kI386Umount = 22 };
  unsigned char* const path = low_page();
  strcpy((char*)path, "/srv/half/secret");
  i386_call(kI386Umount, low(path), 0, 0, 0, 0);
  try_to_read("/srv/half/secret");
  held("%s", strerror(errno));
}
