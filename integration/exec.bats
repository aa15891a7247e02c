#!/usr/bin/env bats
# Whatever is executed in a running container is under the container's policy.

load lib/common

setup() {
  start_test
  make_bundle
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
}

teardown() { end_test; }

# Two containers of the bundle that wait: $FREE is under no policy, $ID under strict.
start_two() {
  start_container sleep 1000
  FREE=$ID
  under_policy strict
  start_container sleep 1000
}

@test "exec: a refused call and a refused connect" {
  start_two
  run shim exec "$FREE" /probes/try_syscall ptrace 0
  assert_output "ptrace: 0"
  run shim exec "$FREE" /probes/tcp_connect --listen 127.0.0.2 8000
  assert_output "connect: ok"
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_failure 1
  assert_output "ptrace: EPERM"
  run shim exec "$ID" /probes/tcp_connect --listen 127.0.0.2 8000
  assert_failure 1
  assert_output "connect: EACCES"
  run shim exec "$ID" /probes/tcp_connect --listen 127.0.0.1 8000
  assert_output "connect: ok"
  assert_event '.syscall == "ptrace" and .denied and .executable == "/probes/try_syscall" and .pid > 0'
  assert_event '.syscall == "connect" and .denied and .host == "127.0.0.2"'
}

@test "exec: without noNewPrivileges" {
  edit_bundle '.process.noNewPrivileges = false'
  start_two
  run -0 shim exec "$FREE" /bin/sh -ec 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run shim exec "$ID" /probes/tcp_connect --listen 127.0.0.2 8000
  assert_output "connect: EACCES"
}

@test "exec: exit code, output, input" {
  under_policy strict
  start_container sleep 1000
  run shim exec "$ID" /bin/sh -c 'echo out; exit 7'
  assert_failure 7
  assert_output out
  run shim exec "$ID" /bin/cat <<<"through"
  assert_output through
}

@test "exec: a process file" {
  start_two
  jq '.process | .args = ["/probes/try_syscall", "ptrace", "0"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run shim exec --process "$BATS_TEST_TMPDIR/process.json" "$FREE"
  assert_output "ptrace: 0"
  run shim exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  assert_output "ptrace: EPERM"
}

@test "exec: with a terminal" {
  # in_terminal ID
  in_terminal() {
    run timeout "$PATIENCE" script --quiet --return --command \
      "$TIDEWAITER --root $RUNTIME_ROOT exec --tty $1 /bin/sh -c 'tty; /probes/try_syscall ptrace 0'" /dev/null </dev/null
    assert_output --partial /dev/pts/
  }
  start_two
  in_terminal "$FREE"
  assert_output --partial "ptrace: 0"
  in_terminal "$ID"
  assert_output --partial "ptrace: EPERM"
}

@test "exec: detached" {
  local id
  start_two
  for id in "$FREE" "$ID"; do
    shim exec --detach "$id" /probes/try_syscall ptrace 0 </dev/null >"$BATS_TEST_TMPDIR/exec.$id" 2>&1 3>&-
  done
  assert eventually grep -qx "ptrace: 0" "$BATS_TEST_TMPDIR/exec.$FREE"
  assert eventually grep -qx "ptrace: EPERM" "$BATS_TEST_TMPDIR/exec.$ID"
  assert_event '.syscall == "ptrace" and .denied'
}

@test "exec: twenty at once" {
  local i
  start_two
  run -0 shim exec "$FREE" /bin/sh -ec 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  for ((i = 0; i < 20; i++)); do
    shim exec "$ID" /bin/sh -c "try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 $((8000 + i))" \
      </dev/null >"$BATS_TEST_TMPDIR/exec.$i" 2>&1 3>&- &
  done
  wait
  for ((i = 0; i < 20; i++)); do
    assert_equal "$(cat "$BATS_TEST_TMPDIR/exec.$i")" $'ptrace: EPERM\nconnect: EACCES'
  done
  assert_equal "$(events "$ID" 'map(select(.denied)) | length')" 40
}

@test "exec: while a connect of the container waits" {
  works_without_policy tcp_connect --listen 127.0.0.2 9000
  under_policy strict
  start_container connect_threads 127.0.0.1 8000 1 1000000
  eventually has_event '.host == "127.0.0.1"'
  run shim exec "$ID" /probes/tcp_connect --listen 127.0.0.2 9000
  assert_output "connect: EACCES"
}

@test "exec: a program that does not exist, and the next one" {
  start_two
  run -0 shim exec "$FREE" /probes/try_syscall ptrace 0
  run shim exec "$ID" /no/such/program
  assert_failure
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
}

@test "exec: into a container that is paused, or has ended: the runtime's own error" {
  under_policy strict
  start_container true
  wait_until_stopped "$ID"
  run shim exec "$ID" /bin/true
  assert_failure
  local through_shim=$output
  run bare exec "$ID" /bin/true
  assert_equal "$(sed -E 's/time="[^"]*"//' <<<"$through_shim")" "$(sed -E 's/time="[^"]*"//' <<<"$output")"
}
