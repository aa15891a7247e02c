#!/usr/bin/env bats
# One agent for all containers, as a service: its own restart keeps them. lib/service_manager.py plays systemd.

load lib/common
load lib/callers

setup() {
  start_test
  SOCKET=$BATS_TEST_TMPDIR/agent.sock
  SERVICE=$BATS_TEST_TMPDIR/service
  mkdir "$SERVICE"
  configure "{\"agent_socket\": \"$SOCKET\"}"
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  /usr/bin/python3 "$BATS_TEST_DIRNAME/lib/service_manager.py" "$SOCKET" "$SERVICE" \
    "$TIDEWAITER_BIN/tidewaiter-agent" --node 2>"$BATS_TEST_TMPDIR/node.log" 3>&- &
  MANAGER=$!
  eventually says READY=1 || fail "the agent is not ready: $(cat "$BATS_TEST_TMPDIR/node.log")"
}

teardown() {
  local id
  for id in $("$BARE" --root "$RUNTIME_ROOT" list -q 2>/dev/null); do
    shim delete --force "$id" || true
  done
  kill "$MANAGER" 2>/dev/null || true
  wait "$MANAGER" 2>/dev/null || true
  if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then cat "$BATS_TEST_TMPDIR/node.log" "$SERVICE"/{said,kept} || true; fi
  end_test
}

# What the agent has told.
says() { grep -qF "$1" "$SERVICE/said" 2>/dev/null; }

node() { cat "$SERVICE/pid"; }

# What is kept of containers.
kept() { grep -c '^c' "$SERVICE/kept" || true; }

# restart_node [SIGNAL]: until another one is ready in its place.
restart_node() {
  local before
  before=$(node)
  : >"$SERVICE/said"
  kill "-${1:-KILL}" "$before"
  another_one() { [[ $(node) != "$before" ]] && says READY=1; }
  eventually another_one || fail "no other node agent: $(cat "$BATS_TEST_TMPDIR/node.log")"
}

@test "it says that it serves, what it does, and that it is alive" {
  says "STATUS=supervising no container"
  start_caller a
  eventually says "STATUS=supervising 1 container"
  eventually says WATCHDOG=1
  : >"$SERVICE/said"
  kill -HUP "$(node)"
  eventually says "RELOADING=1 MONOTONIC_USEC="
  eventually says READY=1
  call "$ID"
}

@test "its restart keeps the containers" {
  local a b round
  start_caller a && a=$ID
  start_caller b && b=$ID
  call "$a"
  for round in 1 2 3; do
    restart_node
    call "$a"
    call "$b"
    signed() { [[ $(cut -d' ' -f1 "/run/tidewaiter/$a/agent.lock") == "$(node)" ]]; }
    eventually signed || fail "the lock says $(cat "/run/tidewaiter/$a/agent.lock")"
  done
  run shim exec "$a" /probes/try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  restart_node TERM
  call "$b"
  call "$a"
  shim delete --force "$a"
  call "$b"
  shim delete --force "$b"
  nothing_kept() { [[ $(kept) == 0 ]]; }
  eventually nothing_kept || fail "still kept: $(cat "$SERVICE/kept")"
  run grep "kept twice" "$SERVICE/said"
  assert_failure
}

@test "a call that waits meanwhile is answered by the next one" {
  start_caller a
  local before
  before=$(node)
  # The worker with it, and the calls wait for whoever comes.
  kill -STOP "$before"
  pkill -KILL -P "$before"
  : >"$BATS_TEST_TMPDIR/$ID.out"
  echo go >&"${CALLERS[$ID]}"
  sleep 0.2
  assert_equal "$(cat "$BATS_TEST_TMPDIR/$ID.out")" ""
  kill -KILL "$before"
  eventually grep -q connect "$BATS_TEST_TMPDIR/$ID.out"
  assert_equal "$(tr -d '\0' <"$BATS_TEST_TMPDIR/$ID.out")" $'ptrace: EPERM\nconnect: EACCES'
}

@test "a container that is created before it and started after" {
  local -r calls='try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 1'
  start_container_of a sh -c "$calls"
  restart_node
  shim start "$ID" 3>&-
  wait_until_stopped "$ID"
  assert_equal "$(tr -d '\0' <"$BATS_TEST_TMPDIR/$ID.out")" $'ptrace: EPERM\nconnect: EACCES'
  eventually bundle_is_restored || fail "the bundle has $(ls "$BUNDLE")"
  works_without_policy "$calls"
  shim delete "$ID"
}

@test "containers come, call and go while it dies again and again" {
  local round
  make_bundle
  under_policy strict
  (
    while true; do
      sleep 0.7
      kill -KILL "$(node)" || true
    done
  ) 3>&- &
  BACKGROUND+=($!)
  start_caller a
  local caller=$ID
  for round in 1 2 3 4 5 6; do
    call "$caller"
    sleep 0.3
  done
  kill -KILL "${BACKGROUND[0]}"
  wait "${BACKGROUND[0]}" 2>/dev/null || true
  eventually says READY=1
  call "$caller"
}

@test "no call is lost, whenever it dies" {
  # Until it is told that it was enough.
  start_container_of a sh -c '
    trap "enough=1" USR1
    exec 3<&0
    { read -r _ <&3; kill -USR1 $$; } &
    made=0
    while [ -z "$enough" ]; do try_syscall ptrace 0; made=$((made + 1)); done
    echo "made $made"'
  local said=$BATS_TEST_TMPDIR/$ID.out death before
  shim start "$ID" 3>&-
  works_without_policy try_syscall ptrace 0
  refused() { grep -c 'ptrace: EPERM' "$said" || true; }
  goes_on() { (($(refused) > before + 10)); }
  for death in 1 2 3 4 5 6; do
    before=$(refused)
    eventually goes_on || fail "no call is answered after death $((death - 1)): $(cat "$BATS_TEST_TMPDIR/node.log")"
    sleep "0.0$((RANDOM % 10))"
    kill -KILL "$(node)"
  done
  echo enough >&"${CALLERS[$ID]}"
  eventually grep -q made "$said"
  assert_equal "made $(refused)" "$(grep made "$said")"
  eventually says READY=1
}

@test "a container of which not everything was kept fails closed, and leaves the others" {
  start_caller a
  local one=$ID
  start_caller b
  kill -STOP "$(node)"
  local first
  first=$(grep -m1 testament "$SERVICE/kept")
  /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(f"FDSTOREREMOVE=1\nFDNAME={sys.argv[2]}".encode(), sys.argv[1])' "$SERVICE/notify" "$first"
  restart_node
  # Which of the two was kept first nobody promises.
  local closed=$'ptrace: ENOSYS\nconnect: ENOSYS' other=$ID
  if ! answers "$one" "$closed"; then
    other=$one
    one=$ID
    answers "$one" "$closed" || fail "$one: $(cat "$BATS_TEST_TMPDIR/$one.out")"
  fi
  call "$other"
}
