// end_with exit CODE | signal NUMBER | stdin: ends in the way it is told; "stdin" waits for the end of its
// input first.
#include <signal.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
  if (argc == 3 && strcmp(argv[1], "signal") == 0) {
    signal(atoi(argv[2]), SIG_DFL);
    raise(atoi(argv[2]));
    return 99;  // the init of a pid namespace does not die of its own signal
  }
  if (argc == 2 && strcmp(argv[1], "stdin") == 0) {
    char buffer[4096];
    while (read(0, buffer, sizeof buffer) > 0) {
    }
    return 0;
  }
  usage("exit CODE | signal NUMBER | stdin");
}
