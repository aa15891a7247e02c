# A program that connects twice, under gdb and under strace.
# shellcheck source=integration/software/start.bash
source /software/start.bash

cat >debugged.c <<'END'
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int call(const char* address) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8000)};
  inet_pton(AF_INET, address, &to.sin_addr);
  return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr*)&to, sizeof to) == 0 ? 0 : errno;
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) printf("%s: %s\n", argv[i], strerror(call(argv[i])));
  return 0;
}
END
gcc -g -O0 -o debugged debugged.c
python3 -m http.server --directory / 8000 &>server.log &
wait_for_port 8000

debug() {
  gdb -nx -batch -ex 'break call' -ex run -ex 'print address' -ex backtrace -ex finish -ex 'print errno' -ex delete -ex continue \
    --args ./debugged "$1"
  strace -f -e trace=connect,execve -e signal=none -o trace sh -c "./debugged $1; echo \$?"
  cat trace
}
# Addresses and process ids differ from run to run.
debug 127.0.0.1 | sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/\(process [0-9]+\)/(process)/; s/^[0-9]+ +//'
beyond 8000
