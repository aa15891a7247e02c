# The same steps through the real runtime and through the shim, compared by what is said at each. Beside lib/common.
#
#   walk() { step version; step pull image; … }
#   ENGINE=(engine --runtime "$BARE"); walk >bare
#   ENGINE=(engine --runtime "$TIDEWAITER"); walk >shim
#   assert_same bare shim

# The engine and its first arguments.
ENGINE=()

# step ARGUMENT...: prints the engine's arguments, what it says, and its exit code. Of stderr the lines have a mark: how
# two streams mix is left to chance.
step() {
  local status=0 errors
  errors=$(mktemp)
  echo "\$ $*"
  "${ENGINE[@]}" "$@" 2>"$errors" 3>&- || status=$?
  sed 's/^/stderr: /' "$errors"
  rm "$errors"
  echo "-> $status"
}

# step_in_terminal CONSOLE ARGUMENT...: the same in a terminal, made by lib/console.py, which is CONSOLE. The command is
# IN_TERMINAL, and is interrupted when it waits.
step_in_terminal() {
  local status=0
  echo "\$ in a terminal: ${*:2}"
  python3 "$1" waiting $'\x03' interrupted $'more\r' -- "${ENGINE[@]}" "${@:2}" sh -c "$IN_TERMINAL" 3>&- || status=$?
  echo
  echo "-> $status"
}

# Says which terminal it has, when that is as large as the caller's, and waits to be interrupted. It reads a line, of which no echo
# is left, before it ends: an engine may end before it has copied what a program wrote last.
IN_TERMINAL='trap "stty -echo; echo interrupted; read -r line; exit 6" INT
until [ "$(stty size 2>/dev/null)" = "17 91" ]; do sleep 0.05; done
tty; echo waiting; while :; do sleep 0.05; done'

# A container's first program: says what it gets.
ANSWERS_SIGNALS='trap "echo usr1" USR1; trap "echo term; exit 9" TERM
sleep 1000 & echo began; while :; do wait; done'

# alike FILE: without what no two containers have in common, ids, times and pids, and without the name of the runtime.
alike() {
  sed -E -e 's/\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b/ID/g' -e 's/"(Pid|ConmonPid)": ?[0-9]+/"\1": N/' \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+ ?(Z|[+-][0-9:]+)( [A-Z]+)?/TIME/g' -e "s%$BARE|$TIDEWAITER%RUNTIME%g" "$1"
}

# assert_same BARE SHIM: files of what was said, the first of which tells of a whole life.
assert_same() {
  local line
  for line in began usr1 term waiting interrupted '-> 6'; do
    grep -q -- "$line" "$1" || fail "the runtime alone did not get to \"$line\": $(cat "$1")"
  done
  diff -u --label bare --label shim <(alike "$1") <(alike "$2") || fail "the shim can be told from the runtime"
}
