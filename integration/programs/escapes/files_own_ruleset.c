// escape: puts a Landlock ruleset on itself that allows everything
// group: what enforces
// policy: files
#include <linux/landlock.h>

#include "files.h"

static void attack(void) {
  const struct landlock_ruleset_attr all = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
  const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
  const struct landlock_path_beneath_attr root = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
                                                  .parent_fd = open("/", O_PATH | O_CLOEXEC)};
  if (ruleset < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &root, 0) < 0 ||
      syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
    broken("landlock");
  try_to_read(in(SHUT, "file").text);
  held("%s", strerror(errno));
}
