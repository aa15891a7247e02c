# make.bash COUNT: a program of COUNT small files, compiled by make -j2. Prints the microseconds it took.
# shellcheck source=integration/software/start.bash
source /software/start.bash

for ((number = 1; number <= $1; number++)); do
  printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint value%d(void) { return (int)strlen("%*d"); }\n' \
    "$number" "$number" 0 >"part$number.c"
done
echo 'int main(void) { return 0; }' >main.c
cat >Makefile <<'END'
objects := $(patsubst %.c,%.o,$(wildcard *.c))
program: $(objects)
	$(CC) -o $@ $^
%.o: %.c
	@echo "compiling $<" >>order; :
	$(CC) -O1 -pipe -Wall -c -o $@ $<
END
begin=$EPOCHREALTIME
make -s -j2 CC=gcc
end=$EPOCHREALTIME
./program
echo "$((${end/./} - ${begin/./}))"
