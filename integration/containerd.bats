#!/usr/bin/env bats
# containerd with the shim as its runc: a containerd of the test's own, on its own socket.

load lib/common
load lib/steps

setup_file() {
  FOLDER=$BATS_FILE_TMPDIR
  cat >"$FOLDER/config.toml" <<CONF
version = 2
root = "$FOLDER/root"
state = "$FOLDER/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "$FOLDER/containerd.sock"
[ttrpc]
address = "$FOLDER/containerd.sock.ttrpc"
CONF
  mkdir -p "$FOLDER/etc/policies"
  echo "{\"runtime\": \"$(command -v "$RUNTIME")\"}" >"$FOLDER/etc/config.json"
  cat >"$FOLDER/etc/policies/strict.json" <<'JSON'
{"version": 1, "network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}
JSON
  # containerd's shim, and with it the runtime, inherit containerd's environment.
  TIDEWAITER_CONFIG=$FOLDER/etc/config.json containerd --config "$FOLDER/config.toml" >"$FOLDER/containerd.log" 2>&1 3>&- &
  echo $! >"$FOLDER/containerd.pid"
  answers() { ctr --address "$FOLDER/containerd.sock" version >/dev/null 2>&1; }
  eventually answers || fail "containerd does not answer: $(cat "$FOLDER/containerd.log")"
}

teardown_file() {
  local pid
  pid=$(cat "$BATS_FILE_TMPDIR/containerd.pid")
  kill "$pid" || true
  containerd_gone() { [[ ! -d /proc/$pid ]]; }
  eventually containerd_gone || kill -KILL "$pid"
}

setup() {
  start_test
  FOLDER=$BATS_FILE_TMPDIR
  export CONTAINERD_ADDRESS=$FOLDER/containerd.sock
  export TIDEWAITER_CONFIG=$FOLDER/etc/config.json
  POLICIES=$FOLDER/etc/policies
}

teardown() {
  local id
  for id in $(ctr tasks list --quiet); do ctr tasks delete --force "$id" || true; done
  for id in $(ctr containers list --quiet); do ctr containers delete "$id" || true; done
  end_test
}

UNDER_STRICT=(--annotation io.tidewaiter.policy=strict)

# ctr_run PROGRAM [OPTION...] -- ARGUMENT...: a container with this program as its runc.
ctr_run() {
  local program=$1 options=()
  shift
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  timeout --foreground "$PATIENCE" ctr run --runc-binary "$program" --rootfs --read-only --env PATH=/bin:/probes \
    "${options[@]}" "$ROOTFS" "$ID" "$@"
}

# says OUTPUT OPTION... -- COMMAND: that what the command says in a container under the shim is this. It says so in a
# file: ctr now and then ends before it has copied what a short program wrote. The exit code is in $status.
says() {
  local expected=$1 command=${*: -1} said=$BATS_TEST_TMPDIR/said
  mkdir -p "$said"
  run ctr_run "$TIDEWAITER" --rm --mount "type=bind,src=$said,dst=/tmp,options=rbind:rw" "${@:2:$#-3}" -- \
    sh -c "exec >/tmp/said; $command"
  assert_output ""
  assert_equal "$(cat "$said/said")" "$expected"
}

# Output, errors and end of a command that is killed when ctr has copied what it wrote.
step_killed() {
  local -r out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
  "${ENGINE[@]}" tasks exec --exec-id "$1" "$ID" sh -c 'trap "exit 7" TERM; echo out; echo err >&2; while :; do sleep 0.05; done' \
    >"$out" 2>"$err" 3>&- &
  assert eventually grep -q out "$out"
  assert eventually grep -q err "$err"
  step tasks kill --exec-id "$1" "$ID"
  wait $! || echo "-> $?"
  cat "$out" "$err"
}

# walk PROGRAM: what a caller does with a container that has this program as its runc. Here the engine is ctr.
walk() {
  local -r said=$BATS_TEST_TMPDIR/said
  local -r container=(run --runc-binary "$1" --rootfs --read-only --env PATH=/bin:/probes)
  step_in_terminal "$BATS_TEST_DIRNAME/lib/console.py" "${container[@]}" --rm --tty "$ROOTFS" "$ID"
  step "${container[@]}" --rm "$ROOTFS" "$ID" /no/such/program

  rm -f "$said"
  step "${container[@]}" --detach --log-uri "file://$said" "$ROOTFS" "$ID" sh -c "$ANSWERS_SIGNALS"
  step tasks exec --exec-id one "$ID" end_with exit 5
  # shellcheck disable=SC2016
  step tasks exec --exec-id two --user 12:34 --cwd /tmp "$ID" sh -c '[ "$(id -u):$(id -g):$(pwd)" = 12:34:/tmp ]'
  step tasks exec --exec-id three "$ID" /no/such/program
  step_in_terminal "$BATS_TEST_DIRNAME/lib/console.py" tasks exec --exec-id four --tty "$ID"
  step tasks ps "$ID"
  step tasks metrics "$ID"
  step_killed five
  step tasks pause "$ID"
  step tasks list
  step tasks resume "$ID"
  step tasks list
  step tasks kill --signal USR1 "$ID"
  assert eventually grep -q usr1 "$said"
  step tasks delete "$ID"
  step tasks kill "$ID"
  assert eventually ended
  step tasks list
  step tasks delete "$ID"
  step containers delete "$ID"
  cat "$said"
}

@test "containerd: without the annotation nothing is different" {
  local program
  ENGINE=(timeout --foreground "$PATIENCE" ctr)
  for program in "$BARE" "$TIDEWAITER"; do
    walk "$program" </dev/null | sed -E -e 's/ +/ /g' -e "s/^($ID|PID) [0-9]+ /\1 N /" -e 's/^[0-9]+ -/N -/' \
      -e '/^(memory|cpu)/s/ [0-9[].*/ N/' >"$BATS_TEST_TMPDIR/${program##*/}"
  done
  assert_same "$BATS_TEST_TMPDIR/${BARE##*/}" "$BATS_TEST_TMPDIR/tidewaiter"
}

@test "containerd: a container under a policy" {
  says $'connect: ok\nptrace: 0' -- 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  says $'connect: ok\nconnect: EACCES\nptrace: EPERM' "${UNDER_STRICT[@]}" -- \
    'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0; exit 6'
  assert_failure 6
  assert_event '.syscall == "connect" and .denied and .host == "127.0.0.2"'
  assert eventually nothing_left
}

@test "containerd: with containerd's own seccomp profile" {
  says $'connect: ok\nptrace: 0' --seccomp -- 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  says $'connect: ok\nconnect: EACCES\nptrace: EPERM' --seccomp "${UNDER_STRICT[@]}" -- \
    'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
}

ended() { ctr tasks list | grep "$ID" | grep -q STOPPED; }

# metrics_of ID: names of what containerd measures, or why it cannot here (it does not find every cgroup hierarchy).
metrics_of() { ctr tasks metrics "$1" 2>&1 | awk '{print $1}' | grep -v "$1"; }

@test "containerd: exec, pause, kill under a policy" {
  local bare_metrics
  ctr_run "$BARE" --detach -- sleep 1000 </dev/null >/dev/null 2>&1 3>&-
  bare_metrics=$(metrics_of "$ID")
  run -0 timeout "$PATIENCE" ctr tasks exec --exec-id one "$ID" sh -ec 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  ID=$(new_id)
  ctr_run "$TIDEWAITER" --detach "${UNDER_STRICT[@]}" -- sleep 1000 </dev/null >/dev/null 2>&1 3>&-
  # By exit code and event: ctr now and then ends before it has copied what a short program wrote.
  run timeout "$PATIENCE" ctr tasks exec --exec-id one "$ID" try_syscall ptrace 0
  assert_failure 1
  assert_event '.syscall == "ptrace" and .errno == "EPERM"'
  run -0 ctr tasks pause "$ID"
  run -0 ctr tasks resume "$ID"
  assert_equal "$(metrics_of "$ID")" "$bare_metrics"
  run timeout "$PATIENCE" ctr tasks exec --exec-id two "$ID" tcp_connect --listen 127.0.0.2 8000
  assert_failure 1
  assert_event '.syscall == "connect" and .host == "127.0.0.2" and .errno == "EACCES"'
  run -0 ctr tasks kill --signal KILL "$ID"
  assert eventually ended
  run -0 ctr tasks delete "$ID"
  assert eventually nothing_left
}

@test "containerd: a policy that cannot be used: containerd says why" {
  run -0 ctr_run "$TIDEWAITER" --rm -- echo "it ran"
  run ctr_run "$TIDEWAITER" --rm --annotation io.tidewaiter.policy=absent -- echo "it ran"
  assert_failure
  refute_output --partial "it ran"
  assert_output --partial "$POLICIES/absent.json"
}
