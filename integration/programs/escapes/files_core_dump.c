// escape: has the kernel write its memory to a folder that may only be read, by a core dump
// group: the kernel writes
// policy: files
#include <dirent.h>

#include "files.h"

static void attack(void) {
  char pattern[128] = {0};
  const int file = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, pattern, sizeof pattern - 1) <= 0) broken("core_pattern");
  if (pattern[0] == '|' || strchr(pattern, '/') != NULL)
    skipped("core dumps go elsewhere: %s", strtok(pattern, "\n"));
  struct rlimit limit;
  if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max == 0) skipped("no core dumps (RLIMIT_CORE)");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_CORE, &limit) < 0) broken("RLIMIT_CORE");
  if (in_child()) {
    if (chdir(READABLE) < 0) broken("chdir");
    abort();
  }
  DIR* const folder = opendir(READABLE);
  if (folder == NULL) broken("opendir");
  for (struct dirent* entry; (entry = readdir(folder)) != NULL;) {
    if (strncmp(entry->d_name, pattern, 4) == 0) escaped("the kernel wrote %s", entry->d_name);
  }
  held("no core dump");
}
