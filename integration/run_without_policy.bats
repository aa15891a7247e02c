#!/usr/bin/env bats
# A container without a policy: nobody can tell the shim from the runtime. Each test does the same thing through
# both, and compares.

load lib/common

setup() {
  start_test
  make_bundle
}

teardown() { end_test; }

# both ARGUMENT...: runs a command through the bare runtime and the shim and compares status, stdout and stderr. ID in
# an argument stands for the container's id, the same for both.
both() {
  local bare_status=0 shim_status=0
  bare "${@//ID/$ID}" </dev/null >"$BATS_TEST_TMPDIR/bare.out" 2>"$BATS_TEST_TMPDIR/bare.err" 3>&- || bare_status=$?
  shim "${@//ID/$ID}" </dev/null >"$BATS_TEST_TMPDIR/shim.out" 2>"$BATS_TEST_TMPDIR/shim.err" 3>&- || shim_status=$?
  assert_equal "$shim_status" "$bare_status"
  assert_equal "$(without_moments "$BATS_TEST_TMPDIR/shim.out")" "$(without_moments "$BATS_TEST_TMPDIR/bare.out")"
  assert_equal "$(without_moments "$BATS_TEST_TMPDIR/shim.err")" "$(without_moments "$BATS_TEST_TMPDIR/bare.err")"
  status=$shim_status
}

# What no two runs have in common.
without_moments() {
  sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)/TIME/g' -e 's/"pid": [0-9]+/"pid": N/' "$1"
}

@test "exit codes" {
  local code
  for code in 0 1 3 127 255; do
    container_runs end_with exit "$code"
    both run --bundle "$BUNDLE" ID
    assert_equal "$status" "$code"
  done
}

@test "a container that dies of a signal" {
  container_runs sh -c 'kill -KILL $$'
  edit_bundle '.linux.namespaces |= map(select(.type != "pid"))'
  both run --bundle "$BUNDLE" ID
  assert_equal "$status" 137
}

@test "what it prints, and where" {
  container_runs sh -c 'echo to stdout; echo to stderr >&2; cat /proc/self/status | grep -E "^(Seccomp|NoNewPrivs|Cap)"'
  both run --bundle "$BUNDLE" ID
  run cat "$BATS_TEST_TMPDIR/shim.out"
  assert_line "to stdout"
  run cat "$BATS_TEST_TMPDIR/shim.err"
  assert_line "to stderr"
}

@test "its standard input" {
  container_runs cat
  run shim run --bundle "$BUNDLE" "$ID" <<<"hello in there"
  assert_success
  assert_output "hello in there"
}

@test "a command that does not exist" {
  container_runs /no/such/program
  both run --bundle "$BUNDLE" ID
  refute [ "$status" = 0 ]
}

@test "a bundle that does not exist" {
  both run --bundle "$BATS_TEST_TMPDIR/nowhere" ID
  refute [ "$status" = 0 ]
}

@test "a config.json that is not JSON" {
  echo '{"ociVersion": ' >"$BUNDLE/config.json"
  both run --bundle "$BUNDLE" ID
  refute [ "$status" = 0 ]
}

@test "a container that does not exist" {
  local verb
  for verb in state start delete pause resume; do
    both "$verb" ID
    refute [ "$status" = 0 ]
  done
  both kill ID KILL
  both exec ID true
}

@test "no arguments, wrong arguments, help, version" {
  both --version
  both --help
  both
  both --no-such-option
  both no-such-command
  both create
  both create --no-such-option ID
  both run
  both delete
  both exec
}

@test "the bundle in the current folder" {
  container_runs echo here
  cd "$BUNDLE"
  both run ID
  assert_equal "$(cat "$BATS_TEST_TMPDIR/shim.out")" here
}

@test "options in every spelling" {
  container_runs echo here
  both run -b "$BUNDLE" ID
  both run "--bundle=$BUNDLE" ID
  both run "-b=$BUNDLE" ID
  if [[ $RUNTIME == runc ]]; then
    both run -bundle "$BUNDLE" ID
  fi
}

@test "crun's --config" {
  if [[ $RUNTIME == crun ]]; then
    container_runs echo from another file
    mv "$BUNDLE/config.json" "$BUNDLE/other.json"
    both run --bundle "$BUNDLE" --config other.json ID
    refute [ "$status" = 0 ]
    cd "$BUNDLE"
    both run --config other.json ID
    assert_equal "$(cat "$BATS_TEST_TMPDIR/shim.out")" "from another file"
  else
    both run --bundle "$BUNDLE" --config config.json ID
    refute [ "$status" = 0 ]
  fi
}

@test "create, state, start, kill, delete" {
  container_runs sleep 1000
  local program
  for program in bare shim; do
    ID=$(new_id)
    "$program" create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" </dev/null >/dev/null 3>&-
    assert_equal "$("$program" state "$ID" | jq -r .status)" created
    assert_equal "$("$program" state "$ID" | jq -r .pid)" "$(cat "$BATS_TEST_TMPDIR/pid")"
    "$program" start "$ID"
    assert_equal "$("$program" state "$ID" | jq -r .status)" running
    both state ID
    both list -q
    run "$program" delete "$ID"
    assert_failure
    "$program" kill "$ID" KILL
    wait_until_stopped "$ID"
    "$program" delete "$ID"
    run "$program" state "$ID"
    assert_failure
  done
}

@test "signals reach the container's first process" {
  start_container sh -c 'trap "echo got it; exit 9" USR1; echo ready; while :; do sleep 0.05; done'
  eventually grep -q ready "$BATS_TEST_TMPDIR/$ID.out"
  shim kill "$ID" USR1
  wait_until_stopped "$ID"
  run cat "$BATS_TEST_TMPDIR/$ID.out"
  assert_line "got it"
}

@test "pause and resume" {
  start_container sleep 1000
  shim pause "$ID"
  assert_equal "$(state_of "$ID")" paused
  shim resume "$ID"
  assert_equal "$(state_of "$ID")" running
}

@test "ps, events, update" {
  start_container sleep 1000
  both ps --format json ID
  both update --pids-limit 77 ID
  if [[ $RUNTIME == runc ]]; then
    run -0 shim events --stats "$ID"
    assert_equal "$(jq -r .type <<<"$output")" stats
    assert_equal "$(jq -r .data.pids.limit <<<"$output")" 77
  fi
}

@test "exec: exit code, output, environment, working folder, user" {
  start_container sleep 1000
  both exec ID sh -c 'echo out; echo err >&2; exit 5'
  assert_equal "$status" 5
  both exec --env WHO=me --cwd /tmp ID /bin/sh -c 'echo $WHO; pwd'
  assert_equal "$(cat "$BATS_TEST_TMPDIR/shim.out")" $'me\n/tmp'
  both exec --user 12:34 ID id
  both exec ID /no/such/program
  refute [ "$status" = 0 ]
}

@test "exec: a process file" {
  start_container sleep 1000
  jq '.process | .args = ["echo", "from a file"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  both exec --process "$BATS_TEST_TMPDIR/process.json" ID
  assert_equal "$(cat "$BATS_TEST_TMPDIR/shim.out")" "from a file"
}

@test "exec: detached, with a pid file" {
  start_container sleep 1000
  shim exec --detach --pid-file "$BATS_TEST_TMPDIR/exec.pid" "$ID" sleep 999 </dev/null >/dev/null 2>&1 3>&-
  run cat "/proc/$(cat "$BATS_TEST_TMPDIR/exec.pid")/cmdline"
  assert_output --partial 999
}

@test "exec: with a terminal" {
  start_container sleep 1000
  local program
  for program in "$BARE" "$TIDEWAITER"; do
    run -0 timeout "$PATIENCE" script --quiet --return --command \
      "stty cols 91 rows 17; $program --root $RUNTIME_ROOT exec --tty $ID sh -c 'tty; exec 3<>/dev/tty && echo opened'" \
      /dev/null </dev/null
    assert_output --partial /dev/pts/
    assert_output --partial opened
  done
}

@test "run: with a terminal" {
  container_runs sh -c 'tty; exit 6'
  edit_bundle '.process.terminal = true'
  local program
  for program in "$BARE" "$TIDEWAITER"; do
    run -6 timeout "$PATIENCE" script --quiet --return --command \
      "$program --root $RUNTIME_ROOT run --bundle $BUNDLE $ID" /dev/null </dev/null
    assert_output --partial /dev/
  done
}

@test "create: a console socket" {
  container_runs sh -c 'tty; echo on the console'
  edit_bundle '.process.terminal = true'
  local program
  for program in bare shim; do
    ID=$(new_id)
    python3 "$BATS_TEST_DIRNAME/lib/console.py" "$BATS_TEST_TMPDIR/$program.sock" \
      >"$BATS_TEST_TMPDIR/$program.console" 3>&- &
    BACKGROUND+=($!)
    eventually test -S "$BATS_TEST_TMPDIR/$program.sock"
    "$program" create --bundle "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/$program.sock" "$ID" 3>&-
    "$program" start "$ID"
    eventually grep -q "on the console" "$BATS_TEST_TMPDIR/$program.console" ||
      fail "$program: $(cat "$BATS_TEST_TMPDIR/$program.console")"
  done
}

@test "inherited descriptors" {
  container_runs sh -c 'cat <&3'
  echo "through descriptor three" >"$BATS_TEST_TMPDIR/three"
  run bare run --preserve-fds 1 --bundle "$BUNDLE" "$ID" 3<"$BATS_TEST_TMPDIR/three"
  assert_output "through descriptor three"
  run shim run --preserve-fds 1 --bundle "$BUNDLE" "$ID" 3<"$BATS_TEST_TMPDIR/three"
  assert_output "through descriptor three"
  # The shim's own descriptors do not leak into the container.
  container_runs sh -c 'ls /proc/self/fd | wc -l'
  both run --bundle "$BUNDLE" ID
}

@test "errors in the caller's log file" {
  local format program
  container_runs /no/such/program
  for format in text json; do
    for program in bare shim; do
      run "$program" --log "$BATS_TEST_TMPDIR/$program.log" --log-format "$format" run --bundle "$BUNDLE" "$ID"
      assert_failure
    done
    assert_equal "$(without_moments "$BATS_TEST_TMPDIR/shim.log")" "$(without_moments "$BATS_TEST_TMPDIR/bare.log")"
    rm "$BATS_TEST_TMPDIR"/*.log
  done
}

@test "the bundle's own seccomp profile applies" {
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [{names: ["getppid"], action: "SCMP_ACT_ERRNO", errnoRet: 99}]}'
  container_runs try_syscall getppid
  both run --bundle "$BUNDLE" ID
  assert_equal "$(cat "$BATS_TEST_TMPDIR/shim.out")" "getppid: EADDRNOTAVAIL"
}

@test "hooks run" {
  local program
  jq -n --arg out "$BATS_TEST_TMPDIR/hooks" '[{path: "/bin/sh", args: ["sh", "-c", "jq -r .status >>\($out)"],
    env: ["PATH=/usr/bin:/bin"]}]' >"$BATS_TEST_TMPDIR/hook.json"
  edit_bundle --slurpfile hook "$BATS_TEST_TMPDIR/hook.json" '.hooks = {prestart: $hook[0], poststart: $hook[0], poststop: $hook[0]}'
  container_runs true
  for program in bare shim; do
    rm -f "$BATS_TEST_TMPDIR/hooks"
    "$program" run --bundle "$BUNDLE" "$ID"
    mv "$BATS_TEST_TMPDIR/hooks" "$BATS_TEST_TMPDIR/hooks.$program"
  done
  assert_equal "$(cat "$BATS_TEST_TMPDIR/hooks.shim")" "$(cat "$BATS_TEST_TMPDIR/hooks.bare")"
}

@test "the bundle is left as it was" {
  local before
  before=$(sha256sum <"$BUNDLE/config.json")
  container_runs sleep 1000
  before=$(sha256sum <"$BUNDLE/config.json")
  start_container sleep 1000
  assert_equal "$(sha256sum <"$BUNDLE/config.json")" "$before"
  assert_equal "$(ls "$BUNDLE")" config.json
}

@test "no agent runs, and no state is kept" {
  start_container sleep 1000
  assert nothing_left
}

@test "the runtime of the environment is used" {
  configure '{"runtime": "/no/such/runtime"}'
  container_runs echo here
  TIDEWAITER_RUNTIME=$BARE run -0 shim run --bundle "$BUNDLE" "$ID"
  assert_output here
}
