#!/usr/bin/env bats
# One agent for all containers (`agent_socket`).

load lib/common
load lib/callers

setup() {
  start_test
  SOCKET=$BATS_TEST_TMPDIR/agent.sock
  configure "{\"agent_socket\": \"$SOCKET\"}"
  make_bundle
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  under_policy strict
}

teardown() {
  # The containers first: what no agent supervises any more stays behind.
  local id
  for id in $("$BARE" --root "$RUNTIME_ROOT" list -q 2>/dev/null); do
    shim delete --force "$id" || true
  done
  if [[ -n ${NODE:-} ]]; then
    kill "$NODE" 2>/dev/null || true
    wait "$NODE" 2>/dev/null || true
  fi
  if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then cat "$BATS_TEST_TMPDIR"/node.log* || true; fi
  end_test
}

listens() { [[ -S $SOCKET ]]; }

start_node() {
  "$TIDEWAITER_BIN/tidewaiter-agent" --node 2>>"$BATS_TEST_TMPDIR/node.log" 3>&- 9>&- &
  NODE=$!
  eventually listens || fail "no node agent: $(cat "$BATS_TEST_TMPDIR/node.log")"
}

# A worker of the node's agent; nothing when it has none at the moment.
worker() {
  local child children
  read -r -a children <"/proc/$NODE/task/$NODE/children" || true
  for child in "${children[@]}"; do
    if [[ $(cat "/proc/$child/comm" 2>/dev/null) == tw-worker ]]; then echo "$child"; fi
  done
}

# kill_worker [SIGNAL]: until another one is there in its place.
kill_worker() {
  local before
  before=$(worker)
  kill "-${1:-KILL}" "$before"
  another_one() { [[ -n $(worker) && $(worker) != "$before" ]]; }
  eventually another_one
}

# None, and it has cleaned up after all there were, which may be a little later than their end.
supervises_none() { [[ -z $(ls /run/tidewaiter) ]]; }

@test "several containers have one agent and one worker" {
  local a b c
  start_node
  start_caller a && a=$ID
  start_caller b && b=$ID
  start_caller c && c=$ID
  assert_equal "$(agents | wc -l)" 2
  for ID in "$a" "$b" "$c"; do
    call "$ID"
    assert_equal "$(cut -d' ' -f1 "/run/tidewaiter/$ID/agent.lock")" "$NODE"
    run shim exec "$ID" /probes/try_syscall ptrace 0
    assert_output "ptrace: EPERM"
    assert_event '.syscall == "ptrace" and .verdict == "denied"'
  done
  run tidewaiter status
  assert_output --partial "$NODE"
  # Each goes by itself, and leaves the others.
  shim delete --force "$a"
  eventually test ! -e "/run/tidewaiter/$a"
  call "$b"
  call "$c"
  shim delete --force "$b"
  shim delete --force "$c"
  eventually supervises_none || fail "left: $(ls /run/tidewaiter)"
  eventually bundle_is_restored || fail "the bundle has $(ls "$BUNDLE")"
  assert [ -d "/proc/$NODE" ]
}

@test "a run leaves nothing" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 1'
  start_node
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  in_container tcp_connect --listen 127.0.0.2 1
  assert_output "connect: EACCES"
  eventually supervises_none || fail "left: $(ls /run/tidewaiter)"
}

@test "the worker's death disturbs no container" {
  local a b round
  start_node
  start_caller a && a=$ID
  start_caller b && b=$ID
  for round in 1 2 3; do
    kill_worker
    call "$a"
    call "$b"
  done
  kill_worker SEGV
  call "$b"
  call "$a"
}

@test "another version takes the worker's place" {
  local a b before
  start_node
  start_caller a && a=$ID
  start_caller b && b=$ID
  before=$(worker)
  kill -USR2 "$NODE"
  replaced() { [[ $(worker) != "$before" && $(worker | wc -w) == 1 ]]; }
  eventually replaced || fail "the old worker stays"
  call "$a"
  call "$b"
  # Whoever comes later has it as well.
  start_caller c
  call "$ID"
  assert_equal "$(worker | wc -w)" 1
}

@test "without the node's agent no container is created" {
  works_without_policy true
  container_runs true
  run shim run --bundle "$BUNDLE" "$ID"
  assert_failure
  assert_output --partial "no node agent listens at $SOCKET, there is no such socket: start it (tidewaiter-agent --node), or take agent_socket out of the configuration"
  assert_equal "${#lines[@]}" 1
  eventually bundle_is_restored || fail "the bundle has $(ls "$BUNDLE")"
  eventually supervises_none || fail "left: $(ls /run/tidewaiter)"
}

@test "a container that fails to be created is forgotten" {
  start_node
  start_caller a
  container_runs no-such-program
  run shim run --bundle "$BUNDLE" broken
  assert_failure
  eventually test ! -e /run/tidewaiter/broken || fail "the state folder stays"
  eventually bundle_is_restored || fail "the bundle has $(ls "$BUNDLE")"
  call "$ID"
}

@test "what the worker cannot begin with is said by create" {
  works_without_policy true
  start_node
  start_caller a
  local running=$ID
  make_bundle another
  under_policy strict
  container_runs true
  # Its log cannot be opened.
  mkdir -p /var/log/tidewaiter/unlogged.jsonl
  run shim run --bundle "$BUNDLE" unlogged
  rmdir /var/log/tidewaiter/unlogged.jsonl
  assert_failure
  assert_output --partial "node agent at $SOCKET"
  eventually node_says "a worker cannot begin"
  assert_equal "$(grep -c "a worker cannot begin" "$BATS_TEST_TMPDIR/node.log")" 1
  eventually bundle_is_restored || fail "the bundle has $(ls "$BUNDLE")"
  eventually test ! -e /run/tidewaiter/unlogged
  call "$running"
}

@test "a container whose node agent has died fails closed, and gets the next one at exec" {
  start_node
  start_caller a
  call "$ID"
  kill -KILL "$NODE"
  wait "$NODE" || true
  rm "$SOCKET"
  start_node
  run shim exec "$ID" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  answers "$ID" $'ptrace: ENOSYS\nconnect: ENOSYS' || fail "$ID: $(cat "$BATS_TEST_TMPDIR/$ID.out")"
  shim delete --force "$ID"
  eventually supervises_none || fail "left: $(ls /run/tidewaiter)"
}

@test "a second node agent is refused" {
  start_node
  run "$TIDEWAITER_BIN/tidewaiter-agent" --node
  assert_failure
  assert_output "tidewaiter-agent: another node agent listens at $SOCKET"
}

@test "a node agent without a socket says what is missing" {
  configure '{}'
  run "$TIDEWAITER_BIN/tidewaiter-agent" --node
  assert_failure
  assert_output --partial "/agent_socket is missing"
}

@test "another user may not ask" {
  # Where everybody finds it.
  SOCKET=/run/$ID.sock
  configure "{\"agent_socket\": \"$SOCKET\"}"
  start_node
  chmod 666 "$SOCKET"
  run setpriv --reuid 12345 --clear-groups /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
print(s.recv(4096).decode(), end="")' "$SOCKET"
  assert_output "user 12345 may not ask the agent of user 0"
  # Its own user may.
  run "$TIDEWAITER_BIN/../integration/programs/ask_node_agent" "$SOCKET"
  rm "$SOCKET"
  assert_output $'connect: ok\nok'
}

@test "a container that has the socket may not ask" {
  start_node
  # As root, whom the agent obeys.
  edit_bundle --arg socket "$SOCKET" \
    '.mounts += [{destination: "/dev/agent.sock", source: $socket, type: "bind", options: ["bind"]}]'
  without_policy
  container_runs ask_node_agent /dev/agent.sock
  run bare run --bundle "$BUNDLE" "$ID" </dev/null
  assert_output $'connect: ok\nwho asks is in a container, or has gone'
  # Outside the same works.
  run "$TIDEWAITER_BIN/../integration/programs/ask_node_agent" "$SOCKET"
  assert_output $'connect: ok\nok'
}

@test "a node agent without a descriptor left takes up who asks when it has one" {
  local free=0
  start_node
  # The next one would be the lowest that is free.
  while [[ -L /proc/$NODE/fd/$free ]]; do ((free += 1)); done
  prlimit --pid "$NODE" --nofile="$free:"
  "$TIDEWAITER_BIN/../integration/programs/ask_node_agent" "$SOCKET" >"$BATS_TEST_TMPDIR/asked" 3>&- &
  local asking=$!
  eventually node_says "cannot accept a connection"
  # It waits meanwhile, and does not ask without a pause.
  sleep 1.2
  (($(grep -c "cannot accept" "$BATS_TEST_TMPDIR/node.log") < 6)) || fail "$(grep -c "cannot accept" "$BATS_TEST_TMPDIR/node.log") tries"
  prlimit --pid "$NODE" --nofile=1024:
  wait "$asking"
  assert_equal "$(cat "$BATS_TEST_TMPDIR/asked")" $'connect: ok\nok'
}

@test "a worker that dies while a container is created does not fail it" {
  works_without_policy try_syscall ptrace 0
  local round
  start_node
  (
    while true; do
      for each in $(worker); do kill -KILL "$each" 2>/dev/null || true; done
      sleep 0.1
    done
  ) 3>&- &
  BACKGROUND+=($!)
  for round in 1 2 3 4 5 6 7 8; do
    in_container try_syscall ptrace 0
    assert_output "ptrace: EPERM"
  done
  kill -KILL "${BACKGROUND[0]}"
  wait "${BACKGROUND[0]}" 2>/dev/null || true
  # The last one is being cleaned up after, perhaps by another worker.
  eventually supervises_none || fail "left: $(ls /run/tidewaiter)"
}

@test "containers of their own and the node's live side by side" {
  local own
  start_node
  configure '{}'
  start_caller own
  own=$ID
  configure "{\"agent_socket\": \"$SOCKET\"}"
  start_caller node
  call "$own"
  call "$ID"
  shim delete --force "$ID"
  call "$own"
  shim delete --force "$own"
}

node_says() { grep -qF "$1" "$BATS_TEST_TMPDIR/node.log"; }

@test "a changed policy is taken by containers that run" {
  local a b
  start_node
  start_caller a && a=$ID
  start_caller b && b=$ID
  call "$a"
  # Nobody has to say so.
  policy strict '{"network": {"allow": ["127.0.0.2"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  eventually answers "$a" $'ptrace: EPERM\nconnect: ok' || fail "a keeps its policy"
  eventually answers "$b" $'ptrace: EPERM\nconnect: ok' || fail "b keeps its policy"
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  kill -HUP "$NODE"
  eventually answers "$a" $'ptrace: EPERM\nconnect: EACCES'
  eventually answers "$b" $'ptrace: EPERM\nconnect: EACCES'
  one_worker() { [[ $(worker | wc -l) == 1 ]]; }
  eventually one_worker
}

@test "another folder of policies is noticed" {
  start_node
  start_caller a
  call "$ID"
  mv "$POLICIES" "$POLICIES.old"
  mkdir "$POLICIES.new"
  jq '.network.allow = ["127.0.0.2"]' "$POLICIES.old/strict.json" >"$POLICIES.new/strict.json"
  mv "$POLICIES.new" "$POLICIES"
  eventually answers "$ID" $'ptrace: EPERM\nconnect: ok' || fail "another folder is not noticed"
  # And what changes in it.
  cp "$POLICIES.old/strict.json" "$POLICIES/strict.json"
  eventually answers "$ID" $'ptrace: EPERM\nconnect: EACCES' || fail "a change in another folder is not noticed"
}

@test "a policy with a mistake is not taken" {
  local before
  start_node
  start_caller a
  before=$(worker)
  policy strict '{"network": {"alow": ["127.0.0.2"]}}'
  kill -HUP "$NODE"
  eventually node_says "strict.json: /network/alow" || fail "nothing is said: $(cat "$BATS_TEST_TMPDIR/node.log")"
  node_says "a changed policy is not taken: the container keeps the one it has"
  call "$ID"
  rm "$POLICIES/strict.json"
  kill -HUP "$NODE"
  eventually node_says "No such file or directory"
  call "$ID"
  assert_equal "$(worker)" "$before"
}

@test "a policy that takes another filter is not taken" {
  start_node
  start_caller a
  policy strict '{"network": {"allow": ["127.0.0.2"]}, "exec": {"allow": ["/bin/sh"]}}'
  kill -HUP "$NODE"
  eventually node_says "needs another seccomp filter than the container was created with"
  call "$ID"
  policy strict '{"network": {"allow": ["127.0.0.2", "localhost"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  kill -HUP "$NODE"
  eventually node_says 'the container was created without the host name \"localhost\"'
  call "$ID"
}

@test "a container that is created later has the policy as it is then" {
  start_node
  policy strict '{"network": {"allow": ["127.0.0.2"]}}'
  in_container tcp_connect 127.0.0.2 1
  assert_output "connect: ECONNREFUSED"
}

@test "a container's flood holds up no other's calls" {
  local victim began
  start_node
  start_caller a
  victim=$ID
  make_bundle flood
  under_policy strict
  start_container sh -c 'for i in 1 2 3 4 5 6 7 8; do while true; do tcp_connect 127.0.0.2 1; done & done; wait'
  eventually grep -q EACCES "$BATS_TEST_TMPDIR/$ID.out"
  began=$SECONDS
  for _ in 1 2 3 4 5 6 7 8 9 10; do call "$victim"; done
  ((SECONDS - began < 30)) || fail "ten rounds took $((SECONDS - began)) s"
  # Nor does its end, or the worker's.
  kill_worker
  call "$victim"
  shim delete --force "$ID"
  call "$victim"
}

@test "a state folder that somebody removes is made again" {
  start_node
  start_caller a
  # Whole or not: it may be made again while it is being removed.
  rm -r "/run/tidewaiter/$ID" || true
  eventually test -S "/run/tidewaiter/$ID/agent.sock" || fail "it stays away"
  # Nothing announces when all of it is there again.
  executes() { [[ $(shim exec "$ID" /probes/try_syscall ptrace 0 2>&1) == "ptrace: EPERM" ]]; }
  eventually executes || fail "exec does not go on"
  signed() { [[ $(cat "/run/tidewaiter/$ID/agent.lock") == "$NODE $SOCKET" ]]; }
  eventually signed || fail "the lock says $(cat "/run/tidewaiter/$ID/agent.lock")"
  call "$ID"
}
