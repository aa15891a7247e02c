#!/usr/bin/env bats
# From create to delete: what is started, kept, and gone.

load lib/common

setup() {
  start_test
  make_bundle
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  under_policy strict
}

teardown() { end_test; }

state_folder() { echo "/run/tidewaiter/$ID"; }

agent_pid() { tr -dc 0-9 <"$(state_folder)/agent.lock"; }

has_agent() { [[ -d /proc/$(agent_pid 2>/dev/null || echo none) ]]; }

kill_agent() {
  kill -KILL "$(agent_pid)"
  agent_dead() { [[ -z $(agents) ]]; }
  eventually agent_dead
}

# A container whose first process is a shell that does what tell() says, and writes to $BATS_TEST_TMPDIR/$ID.out.
start_shell() {
  ID=$(new_id)
  container_runs sh
  mkfifo "$BATS_TEST_TMPDIR/$ID.in"
  exec 9<>"$BATS_TEST_TMPDIR/$ID.in"
  shim create --bundle "$BUNDLE" "$ID" <&9 >"$BATS_TEST_TMPDIR/$ID.out" 2>&1 3>&- 9>&-
  shim start "$ID" 3>&- 9>&-
}

# tell COMMAND: the shell runs it; its output in $output.
tell() {
  local mark=done-$RANDOM
  : >"$BATS_TEST_TMPDIR/$ID.out"
  echo "$1; echo $mark" >&9
  eventually grep -q "^$mark" "$BATS_TEST_TMPDIR/$ID.out" ||
    fail "the container does not answer: $(cat "$BATS_TEST_TMPDIR/$ID.out")"
  output=$(tr -d '\0' <"$BATS_TEST_TMPDIR/$ID.out" | grep -v "^$mark")
}

@test "create, start, kill, delete: what exists when" {
  local before
  container_runs sleep 1000
  chmod 640 "$BUNDLE/config.json"
  chown 12:34 "$BUNDLE/config.json"
  before=$(sha256sum <"$BUNDLE/config.json")
  shim create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 3>&-
  assert [ -S "$(state_folder)/agent.sock" ]
  assert has_agent
  assert_equal "$(stat -c %a /run/tidewaiter)" 700
  assert_equal "$(stat -c %a "$(state_folder)")" 700
  assert_equal "$(stat -c '%a %u %g' "$BUNDLE/config.json")" "640 12 34"
  shim start "$ID"
  assert has_agent
  shim kill "$ID" KILL
  wait_until_stopped "$ID"
  shim delete "$ID"
  assert eventually nothing_left
  assert_equal "$(ls "$BUNDLE")" config.json
  assert_equal "$(sha256sum <"$BUNDLE/config.json")" "$before"
  assert_equal "$(stat -c '%a %u %g' "$BUNDLE/config.json")" "640 12 34"
}

@test "run leaves nothing" {
  local before
  container_runs true
  before=$(sha256sum <"$BUNDLE/config.json")
  run shim run --bundle "$BUNDLE" "$ID"
  assert_success
  assert eventually nothing_left
  assert_equal "$(ls "$BUNDLE")" config.json
  assert_equal "$(sha256sum <"$BUNDLE/config.json")" "$before"
}

@test "run --detach" {
  works_without_policy try_syscall ptrace 0
  container_runs sleep 1000
  shim run --detach --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&-
  assert_equal "$(state_of "$ID")" running
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  shim delete --force "$ID"
  assert eventually nothing_left
}

@test "a container that is created and started a minute later, while others run" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  local waiting began=$SECONDS
  container_runs sh -c 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000'
  assert_equal "$(jq .process.noNewPrivileges "$BUNDLE/config.json")" true
  shim create --bundle "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/waiting" 2>&1 3>&-
  waiting=$ID
  make_bundle another
  under_policy strict
  while ((SECONDS - began < 61)); do
    in_container try_syscall ptrace 0
    assert_output "ptrace: EPERM"
    sleep 2
  done
  shim start "$waiting"
  wait_until_stopped "$waiting"
  assert_equal "$(cat "$BATS_TEST_TMPDIR/waiting")" $'ptrace: EPERM\nconnect: ok\nconnect: EACCES'
}

@test "a container that is created and never started" {
  container_runs sleep 1000
  shim create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 3>&-
  shim delete --force "$ID"
  assert eventually nothing_left
  assert_equal "$(ls "$BUNDLE")" config.json
}

@test "a container that ends by itself takes its agent along" {
  start_container true
  wait_until_stopped "$ID"
  agent_gone() { [[ -z $(agents) ]]; }
  assert eventually agent_gone
  shim delete "$ID"
  assert eventually nothing_left
}

@test "a container deleted behind the shim's back takes its agent along" {
  start_container sleep 1000
  bare delete --force "$ID"
  assert eventually nothing_left
}

@test "a create that fails leaves nothing" {
  local before
  container_runs /no/such/program
  edit_bundle '.mounts += [{destination: "/nowhere", source: "/no/such/folder", type: "bind", options: ["bind"]}]'
  before=$(sha256sum <"$BUNDLE/config.json")
  run shim create --bundle "$BUNDLE" "$ID" </dev/null
  assert_failure
  assert eventually nothing_left
  assert_equal "$(bare list -q)" ""
  assert_equal "$(sha256sum <"$BUNDLE/config.json")" "$before"
  assert_equal "$(ls "$BUNDLE")" config.json
  run shim run --bundle "$BUNDLE" "$ID" </dev/null
  assert_failure
  assert eventually nothing_left
}

@test "a start that fails leaves nothing once deleted" {
  # crun finds out at create, runc at start.
  container_runs /no/such/program
  if shim create --bundle "$BUNDLE" "$ID" </dev/null 3>&-; then
    run shim start "$ID"
    assert_failure
    shim delete --force "$ID"
  fi
  assert eventually nothing_left
}

@test "the same bundle again and again" {
  local i
  for i in 1 2 3; do
    in_container try_syscall ptrace 0
    assert_output "ptrace: EPERM"
  done
  start_container sleep 1000
  shim delete --force "$ID"
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  without_policy
  in_container try_syscall ptrace 0
  assert_output "ptrace: 0"
}

@test "two containers of one bundle" {
  works_without_policy try_syscall ptrace 0
  start_container sleep 1000
  local first=$ID
  ID=$(new_id)
  shim create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 3>&-
  shim start "$ID"
  shim delete --force "$first"
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
}

# Each agent puts the bundle back, and none may do so while another's runtime is yet to read it: that container would
# have no policy.
@test "many containers of one bundle at once, while processes are executed into one" {
  works_without_policy try_syscall ptrace 0
  start_container sleep 1000
  local first=$ID i
  (while shim exec "$first" true; do :; done) >/dev/null 2>&1 3>&- &
  BACKGROUND+=($!)
  eventually test ! -e "$BUNDLE/config.json.tidewaiter"  # or the rewritten one would be what is edited
  container_runs try_syscall ptrace 0
  for ((i = 0; i < 20; i++)); do
    shim run --bundle "$BUNDLE" "$first-$i" </dev/null >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
    if ((i % 4 == 3)); then
      wait "$!" || true  # the exit code is that of the refused call
    fi
  done
  for ((i = 0; i < 20; i++)); do
    eventually test -s "$BATS_TEST_TMPDIR/out.$i" || fail "container $i said nothing"
    assert_equal "$i: $(cat "$BATS_TEST_TMPDIR/out.$i")" "$i: ptrace: EPERM"
  done
  shim delete --force "$first"
  eventually test ! -e "$BUNDLE/config.json.tidewaiter" || fail "config.json was not put back"
  assert_equal "$(jq -c .process.args "$BUNDLE/config.json")" '["try_syscall","ptrace","0"]'
  assert_equal "$(jq .linux.seccomp "$BUNDLE/config.json")" null
}

# slow_runtime: the real one, which has yet to read its bundle until $BATS_TEST_TMPDIR/go is there.
slow_runtime() {
  local slow=$BATS_TEST_TMPDIR/$RUNTIME
  printf '#!/bin/bash\ncase " $* " in *" create "* | *" run "*) touch %q; until [[ -e %q ]]; do sleep 0.02; done ;; esac\nexec %q "$@"\n' \
    "$BATS_TEST_TMPDIR/waits" "$BATS_TEST_TMPDIR/go" "$BARE" >"$slow"
  chmod +x "$slow"
  configure "{\"runtime\": \"$slow\"}"
}

@test "a bundle that a slow runtime has yet to read stays as it is: another container ends, the agent is killed" {
  works_without_policy try_syscall ptrace 0
  local how first
  policy filter-only '{"syscalls": [{"names": ["ptrace"], "action": "errno"}], "events": {"log": []}}'
  container_runs try_syscall ptrace 0
  for how in other-ends agent-killed; do
    rm -f "$BATS_TEST_TMPDIR/waits" "$BATS_TEST_TMPDIR/go"
    if [[ $how == other-ends ]]; then under_policy filter-only; else under_policy strict; fi
    slow_runtime
    first=$(new_id)
    shim run --bundle "$BUNDLE" "$first" </dev/null >"$BATS_TEST_TMPDIR/$how" 2>&1 3>&- &
    eventually test -e "$BATS_TEST_TMPDIR/waits" || fail "the slow runtime was not called"
    if [[ $how == agent-killed ]]; then
      eventually test -s "/run/tidewaiter/$first/agent.lock" || fail "there is no agent"
      kill -KILL "$(cat "/run/tidewaiter/$first/agent.lock")"
    fi
    configure '{}'
    run shim run --bundle "$BUNDLE" "$(new_id)" </dev/null
    assert_output "ptrace: EPERM"
    touch "$BATS_TEST_TMPDIR/go"
    wait "$!" || true
    run cat "$BATS_TEST_TMPDIR/$how"
    assert_output  # it ran under its policy, or was refused
    refute_output --partial "ptrace: 0"
    rm -rf /run/tidewaiter/"$first"
  done
}

@test "an id that is in use" {
  works_without_policy try_syscall ptrace 0
  start_container sleep 1000
  run shim create --bundle "$BUNDLE" "$ID" </dev/null
  assert_failure
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  assert_equal "$(state_of "$ID")" running
}

@test "an id whose container was lost with the machine's memory" {
  works_without_policy try_syscall ptrace 0
  # After a crash the state folder may still be there, with nobody behind it.
  mkdir -m 700 "$(state_folder)"
  echo '{}' >"$(state_folder)/record.json"
  touch "$(state_folder)/agent.lock" "$(state_folder)/agent.sock"
  container_runs try_syscall ptrace 0
  run shim run --bundle "$BUNDLE" "$ID"
  assert_output "ptrace: EPERM"
}

@test "ten containers at once" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  local i
  container_runs sh -c 'for i in 1 2 3 4 5; do try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000; done; tcp_connect --listen 127.0.0.1 8000'
  for ((i = 0; i < 10; i++)); do
    cp -r "$BUNDLE" "$BUNDLE.$i"
    shim run --bundle "$BUNDLE.$i" "$ID-$i" </dev/null >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
  done
  wait
  for ((i = 0; i < 10; i++)); do
    assert_equal "$(sort "$BATS_TEST_TMPDIR/out.$i" | uniq -c | tr -s ' ')" \
      $' 5 connect: EACCES\n 1 connect: ok\n 5 ptrace: EPERM'
    assert_equal "$(events "$ID-$i" 'map(select(.denied)) | length')" 10
  done
}

@test "an agent that is killed: refused calls fail, nothing hangs, nothing opens" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000; tcp_connect --listen 127.0.0.1 8000'
  start_shell
  tell 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  assert_output $'ptrace: EPERM\nconnect: EACCES'
  kill_agent
  tell 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000; tcp_connect --listen 127.0.0.1 8000'
  assert_output $'ptrace: ENOSYS\nconnect: ENOSYS\nconnect: ENOSYS'
  shim kill "$ID" KILL
  wait_until_stopped "$ID"
  shim delete "$ID"
  assert eventually nothing_left
  assert_equal "$(ls "$BUNDLE")" config.json
}

@test "an agent that is killed while a connect waits" {
  start_shell
  tell 'connect_interrupted 127.0.0.1 8000'
  assert_output "connect: EINTR after 1 signal"
  echo 'connect_threads 127.0.0.1 8000 1 200000' >&9
  eventually has_event '.port == 8000 and .syscall == "connect" and .errno == null'
  kill_agent
  # Its remaining connects fail: it ends, and says that the first one did not wait.
  eventually grep -q "connected while" "$BATS_TEST_TMPDIR/$ID.out"
}

# The keeper's child that serves; it has another one that traces, where programs are restricted.
worker_pid() {
  local child agent children=()
  agent=$(agent_pid)
  # The file's one line does not end.
  read -ra children <"/proc/$agent/task/$agent/children" || true
  for child in "${children[@]}"; do
    if [[ $(cat "/proc/$child/comm") == tw-worker ]]; then echo "$child"; fi
  done
}

@test "a worker that is killed is replaced, and the container notices nothing" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  local before
  start_shell
  tell 'try_syscall ptrace 0'
  assert_output "ptrace: EPERM"
  before=$(worker_pid)
  assert [ -n "$before" ]
  kill -KILL "$before"
  tell 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000; tcp_connect --listen 127.0.0.1 8000'
  assert_output $'ptrace: EPERM\nconnect: EACCES\nconnect: ok'
  refute [ "$(worker_pid)" = "$before" ]
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  shim delete --force "$ID"
  assert eventually nothing_left
}

@test "a worker is replaced in place" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  local before
  start_shell
  before=$(worker_pid)
  "$TIDEWAITER_BIN/tidewaiter-agent" --replace "$(state_folder)"
  another_worker() { [[ -n $(worker_pid) && $(worker_pid) != *"$before"* ]]; }
  assert eventually another_worker
  # By execution, not by a copy of the keeper's memory: it was started as a worker.
  run tr '\0' ' ' <"/proc/$(worker_pid)/cmdline"
  assert_output --partial "--worker-fd"
  tell 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  assert_output $'ptrace: EPERM\nconnect: EACCES'
  run "$TIDEWAITER_BIN/tidewaiter-agent" --replace /run/tidewaiter/no-such-container
  assert_failure
}

@test "exec after the agent was killed is supervised by a new one" {
  works_without_policy try_syscall ptrace 0
  # It runs its own program: whoever is still being started when the agent dies does not come to that.
  start_shell
  kill_agent
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  shim delete --force "$ID"
  assert eventually nothing_left
}

@test "the state folder is removed: what runs stays supervised, and so does exec" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  start_shell
  # The agent may make the folder again while rm is still at work on it.
  rm -rf "$(state_folder)" || true
  tell 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  assert_output $'ptrace: EPERM\nconnect: EACCES'
  # Nothing announces when all of it is there again.
  executes() { [[ $(shim exec "$ID" /probes/try_syscall ptrace 0 2>&1) == "ptrace: EPERM" ]]; }
  eventually executes || fail "exec does not go on"
  shim delete --force "$ID"
  assert eventually nothing_left
}

@test "200 KB of annotations" {
  head -c 150000 /dev/urandom | base64 --wrap=0 >"$BATS_TEST_TMPDIR/large"
  edit_bundle --rawfile large "$BATS_TEST_TMPDIR/large" '.annotations.large = $large'
  local nnp
  for nnp in true false; do
    edit_bundle ".process.noNewPrivileges = $nnp"
    works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
    in_container try_syscall ptrace 0
    assert_output "ptrace: EPERM"
    start_container sleep 1000
    run shim exec "$ID" /probes/tcp_connect --listen 127.0.0.2 8000
    assert_output "connect: EACCES"
    shim delete --force "$ID"
  done
}

@test "a long id" {
  works_without_policy try_syscall ptrace 0
  ID=$(new_id)-$(printf 'x%.0s' {1..150})
  container_runs try_syscall ptrace 0
  run shim run --bundle "$BUNDLE" "$ID"
  assert_output "ptrace: EPERM"
  assert_event '.syscall == "ptrace" and .denied'
}

@test "the agent keeps nothing of its caller's" {
  exec 8<"$BUNDLE/config.json"
  start_container sleep 1000
  exec 8<&-
  local pid fd
  pid=$(agent_pid)
  for fd in "/proc/$pid/fd"/*; do
    refute [ "$(readlink "$fd")" = "$BUNDLE/config.json" ]
  done
  assert_equal "$(readlink "/proc/$pid/fd/0")" /dev/null
  assert_equal "$(readlink "/proc/$pid/fd/1")" /dev/null
  # Its own session, no child of ours, and in no cgroup of the caller's or the container's (that of memory stands for all).
  refute [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$(ps -o sid= -p $$ | tr -d ' ')" ]
  assert_equal "$(ps -o ppid= -p "$pid" | tr -d ' ')" 1
  local hierarchy=^0:
  if mountpoint -q /sys/fs/cgroup/memory; then hierarchy=:memory:; fi
  assert_equal "$(grep "$hierarchy" "/proc/$pid/cgroup" | cut -d: -f3)" /tidewaiter
  refute [ "$(readlink "/proc/$pid/cwd")" = "$PWD" ]
}

@test "pause and resume under a policy" {
  works_without_policy tcp_connect --listen 127.0.0.2 8000
  start_shell
  shim pause "$ID"
  echo 'try_syscall ptrace 0; echo resumed' >&9
  sleep 0.2
  refute grep -q resumed "$BATS_TEST_TMPDIR/$ID.out"
  shim resume "$ID"
  eventually grep -q resumed "$BATS_TEST_TMPDIR/$ID.out"
  tell 'tcp_connect --listen 127.0.0.2 8000'
  assert_output "connect: EACCES"
}

@test "a policy file that changes later does not change a running container" {
  works_without_policy try_syscall ptrace 0
  start_shell
  policy strict '{}'
  tell 'try_syscall ptrace 0'
  assert_output "ptrace: EPERM"
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
}

@test "events outlive the container, in bounded logs" {
  works_without_policy try_syscall ptrace 0
  configure '{"log": {"max_bytes": 65536}}'
  container_runs sh -c 'i=0; while [ $i -lt 600 ]; do try_syscall ptrace 0; i=$((i + 1)); done'
  run shim run --bundle "$BUNDLE" "$ID"
  assert eventually nothing_left
  assert_event '.denied'
  local bytes
  bytes=$(find /var/log/tidewaiter -name "*$ID*" -type f -printf '%s\n' | awk '{sum += $1} END {print sum + 0}')
  assert [ "$bytes" -gt 20000 ]
  assert [ "$bytes" -le 140000 ]
}
