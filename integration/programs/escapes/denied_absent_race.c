// escape: removes what is at a denied name and moves a folder there, while a file below it is opened
// group: path races
// policy: files-deny
// attempts: 20000
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static const char* folder;

static void* move(void* unused) {
  unsigned seed = 1;
  for (;;) {
    rmdir(folder);
    rename("/srv/open/folder", folder);
    moment(&seed);
    rename(folder, "/srv/open/folder");
    mkdir(folder, 0755);
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  folder = is_neighbour ? "/srv/new" : "/srv/absent";
  make_changed("/srv/open/folder/file");
  thread(move, NULL);
  while (more()) check_changed(in(folder, "file").text);
}
