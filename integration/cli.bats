#!/usr/bin/env bats
# Tidewaiter's own verbs: policy, log, status, doctor.

load lib/common

setup() {
  start_test
  make_bundle
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
}

teardown() { end_test; }

@test "policy check: a good one" {
  run -0 tidewaiter policy check "$POLICIES/strict.json"
}

@test "policy check: every mistake, with its place" {
  echo '{"version": 1, "netwrok": {}, "syscalls": [{"names": ["ptrac"], "action": "errno"}], "mode": "soft"}' >"$POLICIES/wrong.json"
  run tidewaiter policy check "$POLICIES/wrong.json"
  assert_failure
  assert_output --partial "$POLICIES/wrong.json: /netwrok"
  assert_output --partial "$POLICIES/wrong.json: /syscalls/0/names/0"
  assert_output --partial "$POLICIES/wrong.json: /mode"
  run tidewaiter policy check "$POLICIES/absent.json"
  assert_failure
  assert_output --partial "No such file or directory"
}

@test "policy check: what is not supported yet" {
  policy future '{"syscalls": [{"names": ["ptrace"], "action": "emulate"}]}'
  run tidewaiter policy check "$POLICIES/future.json"
  assert_failure
  assert_output --partial "/syscalls/0/action"
  assert_output --partial "not supported yet"
}

@test "policy check: warns of what can never take effect" {
  policy odd '{"network": {"allow": ["10.0.0.1:443"], "deny": ["10.0.0.0/8"]}}'
  run -0 tidewaiter policy check "$POLICIES/odd.json"
  assert_output --partial "$POLICIES/odd.json: /network/allow/0: warning: can never allow anything"
}

@test "policy check: paths that the bundle does not have" {
  policy paths '{"exec": {"allow": ["/**", "/no/such/program"]}}'
  run -0 tidewaiter policy check "$POLICIES/paths.json" --bundle "$BUNDLE"
  assert_output --partial "/exec/allow/1: warning: the bundle's root has no \"/no/such/program\""
}

@test "policy check: names that do not resolve" {
  policy names '{"network": {"allow": ["localhost:80", "no-such-host.invalid:80"]}}'
  run -0 tidewaiter policy check "$POLICIES/names.json"
  refute_output --partial "resolve"
  run -0 tidewaiter policy check --resolve "$POLICIES/names.json"
  assert_output --partial '/network/allow/1: warning: "no-such-host.invalid" does not resolve here'
  refute_output --partial "/network/allow/0"
}

@test "policy explain: who enforces each rule, and what it costs" {
  run -0 tidewaiter policy explain "$POLICIES/strict.json" --runtime "$RUNTIME"
  assert_output --partial /network/allow/0
  assert_output --partial /syscalls/0
  assert_output --partial "one notification per"
  run -0 tidewaiter policy explain "$POLICIES/strict.json" --bundle "$BUNDLE" --runtime "$RUNTIME" --json
  assert_equal "$(jq -r '[.. | objects | select(.pointer? == "/network/allow/0")] | length' <<<"$output")" 1
}

@test "policy explain: what becomes of the bundle" {
  run -0 tidewaiter policy explain "$POLICIES/strict.json" --bundle "$BUNDLE" --runtime "$RUNTIME" --diff
  assert_line --index 0 "--- config.json"
  assert_line --index 1 "+++ config.json under the policy strict"
  assert_output --regexp $'\n\\+ +"listenerPath": "/run/tidewaiter/ID/agent.sock"'
  run -0 tidewaiter policy explain "$POLICIES/strict.json" --bundle "$BUNDLE" --runtime "$RUNTIME" --diff --json
  assert_equal "$(jq -c '.before' <<<"$output")" "$(jq -c . "$BUNDLE/config.json")"
  assert_equal "$(jq -r '.after.linux.seccomp.listenerPath' <<<"$output")" "/run/tidewaiter/ID/agent.sock"
}

@test "policy explain: says why a bundle and a policy do not go together" {
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/other.sock"}'
  run tidewaiter policy explain "$POLICIES/strict.json" --bundle "$BUNDLE"
  assert_failure
  assert_output --partial listener
}

@test "log: in words, as JSON, and after the container has gone" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  under_policy strict
  in_container sh -c 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000'
  assert_event '.syscall == "ptrace"'
  run -0 tidewaiter log "$ID"
  assert_output --partial ptrace
  assert_output --partial 127.0.0.2
  run -0 tidewaiter log "$ID" --json
  assert_equal "$(jq -s 'map(select(.denied)) | length' <<<"$output")" 2
  # Two processes' calls are served by two threads, and may be told in either order.
  assert_equal "$(jq -s 'map(has("time")) | all' <<<"$output")" true
}

@test "log: of a container nobody knows" {
  run tidewaiter log no-such-container
  assert_failure
  assert_output --partial no-such-container
}

@test "log --follow: events as they happen, until the container has gone" {
  under_policy strict
  start_container sleep 1000
  tidewaiter log "$ID" --follow --json >"$BATS_TEST_TMPDIR/followed" 3>&- &
  local follower=$!
  BACKGROUND+=("$follower")
  shim exec "$ID" /probes/try_syscall ptrace 0 || true
  eventually grep -q ptrace "$BATS_TEST_TMPDIR/followed"
  shim exec "$ID" /probes/tcp_connect 127.0.0.2 8000 || true
  eventually grep -q 127.0.0.2 "$BATS_TEST_TMPDIR/followed"
  shim delete --force "$ID"
  follower_gone() { [[ ! -d /proc/$follower ]]; }
  assert eventually follower_gone
}

@test "status: of all, and of one" {
  run -0 tidewaiter status
  under_policy strict
  start_container sleep 1000
  run -0 tidewaiter status
  assert_output --partial "$ID"
  assert_output --partial strict
  run -0 tidewaiter status "$ID"
  assert_output --partial strict
  shim delete --force "$ID"
  run -0 tidewaiter status
  refute_output --partial "$ID"
  run tidewaiter status "$ID"
  assert_failure
}

@test "doctor: says what this machine can do" {
  run tidewaiter doctor
  assert_output --partial "$(uname -r)"
  assert_output --partial "$RUNTIME"
  assert_output --partial libseccomp
  assert [ "${#lines[@]}" -ge 4 ]
  configure '{"runtime": "/no/such/runtime"}'
  run tidewaiter doctor
  assert_failure
  assert_output --partial /no/such/runtime
}

@test "a verb of its own with a wrong option says so" {
  run tidewaiter policy
  assert_failure
  run tidewaiter policy chekc "$POLICIES/strict.json"
  assert_failure
  assert_output --partial chekc
  run tidewaiter log
  assert_failure
}
