// escape: removes what is at a denied name and moves a folder there, while a file below it is opened
// group: path races
// policy: files-deny
// neighbour: denied_absent_rename --neighbour
// attempts: 200000
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static const char kFolder[] = "/srv/absent";

static void* move(void* unused) {
  unsigned seed = 1;
  for (;;) {
    rmdir(kFolder);
    rename("/srv/open/folder", kFolder);
    moment(&seed);
    rename(kFolder, "/srv/open/folder");
    mkdir(kFolder, 0755);
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  make_changed("/srv/open/folder/file");
  thread(move, NULL);
  while (more()) check_changed(in(kFolder, "file").text);
}
