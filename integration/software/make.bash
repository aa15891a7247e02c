# A program of many files, compiled by make -j4.
# shellcheck source=integration/software/start.bash
source /software/start.bash

for number in {1..12}; do
  printf '#include <stdio.h>\n#include <string.h>\nint value%d(void) { return (int)strlen("%*d"); }\n' \
    "$number" "$number" 0 >"part$number.c"
done
{
  for number in {1..12}; do echo "int value$number(void);"; done
  printf '#include <stdio.h>\nint main(void) { printf("%%d\\n", 0'
  for number in {1..12}; do printf ' + value%d()' "$number"; done
  echo '); return 0; }'
} >main.c
cat >Makefile <<'END'
objects := $(patsubst %.c,%.o,$(wildcard *.c))
program: $(objects)
	$(CC) -o $@ $^
%.o: %.c
	@echo "compiling $<" >>order; :
	$(CC) -O1 -pipe -Wall -c -o $@ $<
END
make -j4 CC=gcc 2>&1 | sort
./program
sort order | sha256sum
# beyond(), where there is no server; and a program that was compiled.
echo "beyond the policy:"
/usr/bin/id -u || true
printf 'int main(void) { return 7; }\n' | gcc -x c -o other - && { ./other || echo "$?"; }
