# Containers that make calls when they are told to. Beside lib/common; the bundles are under the policy "strict".

# By id, the descriptor of its stdin.
declare -gA CALLERS=()

# start_container_of NAME ARGUMENT...: creates one, of bundle NAME. Its id in $ID.
start_container_of() {
  local fd
  make_bundle "$1"
  under_policy strict
  ID=$(new_id)
  container_runs "${@:2}"
  mkfifo "$BATS_TEST_TMPDIR/$ID.in"
  exec {fd}<>"$BATS_TEST_TMPDIR/$ID.in"
  CALLERS[$ID]=$fd
  shim create --bundle "$BUNDLE" "$ID" <&"$fd" >"$BATS_TEST_TMPDIR/$ID.out" 2>&1 3>&- ||
    fail "create: $(cat "$BATS_TEST_TMPDIR/$ID.out")"
}

# start_caller NAME: one that calls ptrace and connects at every line it gets. That this works without the policy is shown once
# in a test.
start_caller() {
  local -r calls='try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 1'
  start_container_of "$1" sh -c "while read -r line; do $calls; done"
  shim start "$ID" 3>&-
  if ((${#CALLERS[@]} == 1)); then works_without_policy "$calls"; fi
}

# answers ID OUTPUT: whether one more round of calls comes to that.
answers() {
  : >"$BATS_TEST_TMPDIR/$1.out"
  echo go >&"${CALLERS[$1]}"
  eventually grep -q connect "$BATS_TEST_TMPDIR/$1.out" || fail "$1 does not answer"
  [[ $(tr -d '\0' <"$BATS_TEST_TMPDIR/$1.out") == "$2" ]]
}

# call ID: the same, refused as the policy has it.
call() {
  answers "$1" $'ptrace: EPERM\nconnect: EACCES' || fail "$1: $(cat "$BATS_TEST_TMPDIR/$1.out")"
}

bundle_is_restored() { [[ $(ls "$BUNDLE") == config.json ]]; }
