#!/usr/bin/env bats
# A policy that cannot be used: the container is not created, one clear line says why and where, on stderr and in
# the caller's log, and nothing is left behind.

load lib/common

setup() {
  start_test
  make_bundle
  container_runs echo "the container ran"
  # Whatever stops the container below, it is not the bundle.
  run shim run --bundle "$BUNDLE" "$ID"
  assert_output "the container ran"
}

teardown() { end_test; }

# The container is refused, by create as by run, in one line that holds every argument, and nothing stays.
refuses_with() {
  local verb word before
  before=$(sha256sum <"$BUNDLE/config.json")
  for verb in create run; do
    run shim "$verb" --bundle "$BUNDLE" "$ID" </dev/null
    assert_failure
    refute_output --partial "the container ran"
    assert_equal "$(grep -c . <<<"$output")" 1
    for word in "$@"; do
      assert_output --partial "$word"
    done
    assert_equal "$(bare list -q)" ""
    assert eventually nothing_left
    assert_equal "$(sha256sum <"$BUNDLE/config.json")" "$before"
    assert_equal "$(ls "$BUNDLE")" config.json
  done
}

@test "absent" {
  under_policy absent
  refuses_with "there is no policy file $POLICIES/absent.json"
}

@test "a folder" {
  mkdir "$POLICIES/folder.json"
  under_policy folder
  refuses_with "$POLICIES/folder.json"
}

@test "unreadable" {
  policy secret '{}'
  chmod 000 "$POLICIES/secret.json"
  under_policy secret
  # Root without the right to pass over file modes.
  run setpriv --bounding-set=-dac_override,-dac_read_search "$TIDEWAITER" --root "$RUNTIME_ROOT" \
    create --bundle "$BUNDLE" "$ID" </dev/null
  assert_failure
  assert_output --partial "$POLICIES/secret.json"
  assert_output --partial "Permission denied"
  assert nothing_left
}

@test "not JSON: file, line and column" {
  printf '{\n  "version": 1,\n  "network": {"allow" []}\n}\n' >"$POLICIES/broken.json"
  under_policy broken
  refuses_with "$POLICIES/broken.json: line 3, column 23"
}

@test "wrong: file and JSON pointer" {
  local json pointer
  while read -r pointer json; do
    echo "$json" >"$POLICIES/wrong.json"
    under_policy wrong
    run shim create --bundle "$BUNDLE" "$ID" </dev/null
    assert_failure
    assert_output --partial "wrong.json"
    assert_output --partial "$pointer"
    assert_equal "$(bare list -q)" ""
  done <<'TABLE'
version {}
/version {"version": 2}
/version {"version": "1"}
/netwrok {"version": 1, "netwrok": {}}
/network/allow {"version": 1, "network": {"allow": "127.0.0.1"}}
/network/allow/1 {"version": 1, "network": {"allow": ["127.0.0.1", "127.0.0.1:99999"]}}
/network/allow/0 {"version": 1, "network": {"allow": ["300.0.0.1/8"]}}
/network/allow/0 {"version": 1, "network": {"allow": ["10.0.0.0/33"]}}
/network/allow/0 {"version": 1, "network": {"allow": ["ftp://127.0.0.1"]}}
/network/bind/0 {"version": 1, "network": {"bind": ["9005-9000"]}}
/network/errno {"version": 1, "network": {"allow": [], "errno": "ENOSUCH"}}
/syscalls/0: {"version": 1, "syscalls": [{"action": "errno"}]}
/syscalls/0/names/0 {"version": 1, "syscalls": [{"names": ["no_such_call"], "action": "errno"}]}
/syscalls/0/action {"version": 1, "syscalls": [{"names": ["ptrace"], "action": "refuse"}]}
/syscalls/1/errno {"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno"}, {"names": ["ptrace"], "action": "errno", "errno": "EPRM"}]}
/syscalls/0/args/0/index {"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 6, "value": 1, "op": "eq"}]}]}
/syscalls/0/args/0/op {"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "value": 1, "op": "=="}]}]}
/events/log/0 {"version": 1, "events": {"log": ["everything"]}}
/mode {"version": 1, "mode": "dry-run"}
TABLE
  assert nothing_left
}

@test "not supported yet: refused, never ignored" {
  local json
  while read -r json; do
    echo "$json" >"$POLICIES/future.json"
    under_policy future
    refuses_with future.json "not supported yet"
  done <<'TABLE'
{"version": 1, "syscalls": [{"names": ["ptrace"], "action": "emulate"}]}
TABLE
}

@test "a policy under which no container starts" {
  policy impossible '{"syscalls": [{"names": ["execve"], "action": "errno"}]}'
  under_policy impossible
  refuses_with execve /syscalls/0
}

@test "the caller's log file, as JSON and as text" {
  under_policy absent
  run shim --log "$BATS_TEST_TMPDIR/log.json" --log-format json create --bundle "$BUNDLE" "$ID" </dev/null
  assert_failure
  run -0 jq -r 'select(.level == "error") | .msg' "$BATS_TEST_TMPDIR/log.json"
  assert_output --partial "$POLICIES/absent.json"
  run -0 jq -r '.time | sub("\\.[0-9]+"; "") | fromdate' "$BATS_TEST_TMPDIR/log.json"

  run shim --log "$BATS_TEST_TMPDIR/log.text" --log-format text create --bundle "$BUNDLE" "$ID" </dev/null
  assert_failure
  run cat "$BATS_TEST_TMPDIR/log.text"
  assert_output --regexp '^time="[^"]+" level=error msg="'
  assert_output --partial "$POLICIES/absent.json"
}

@test "annotations that are no policy name" {
  local name
  policy real '{}'
  for name in ../real "" . .. .real "real json" "$POLICIES/real.json"; do
    under_policy "$name"
    refuses_with io.tidewaiter.policy
  done
  configure '{"allow_policy_paths": true}'
  under_policy "$POLICIES/real.json"
  run shim run --bundle "$BUNDLE" "$ID"
  assert_output "the container ran"
}

@test "a policy by default, and one that is required" {
  works_without_policy try_syscall ptrace 0
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  configure '{"default_policy": "no-ptrace"}'
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  configure '{"default_policy": "absent"}'
  refuses_with absent.json
  configure '{"require_policy": true}'
  refuses_with "requires one" io.tidewaiter.policy
  under_policy no-ptrace
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
}

@test "a configuration that is wrong" {
  echo '{"runtime": "crun"}' >"$TIDEWAITER_CONFIG"
  refuses_with "$TIDEWAITER_CONFIG" /runtime
  configure '{"require_polcy": true}'
  refuses_with "$TIDEWAITER_CONFIG" /require_polcy
  echo '{"runtime": ' >"$TIDEWAITER_CONFIG"
  refuses_with config.json:
  # The defaults are not what somebody meant who names a file.
  rm "$TIDEWAITER_CONFIG"
  refuses_with "there is no configuration file $TIDEWAITER_CONFIG"
}

@test "a configuration that is wrong keeps nobody from deleting a container" {
  container_runs sleep 1000
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  under_policy no-ptrace
  start_container sleep 1000
  rm "$POLICIES/no-ptrace.json"
  run -0 shim state "$ID"
  run -0 shim kill "$ID" KILL
  wait_until_stopped "$ID"
  run -0 shim delete "$ID"
  assert eventually nothing_left
}

@test "--tidewaiter-config" {
  under_policy other
  mkdir -p "$BATS_TEST_TMPDIR/other/policies"
  jq -n --arg runtime "$BARE" '{runtime: $runtime}' >"$BATS_TEST_TMPDIR/other/config.json"
  echo '{"version": 1, "syscalls": [{"names": ["ptrace"], "action": "errno"}]}' >"$BATS_TEST_TMPDIR/other/policies/other.json"
  refuses_with other.json
  works_without_policy try_syscall ptrace 0
  container_runs try_syscall ptrace 0
  run shim --tidewaiter-config "$BATS_TEST_TMPDIR/other/config.json" run --bundle "$BUNDLE" "$ID"
  assert_output "ptrace: EPERM"
  run shim "--tidewaiter-config=$BATS_TEST_TMPDIR/other/config.json" run --bundle "$BUNDLE" "$ID"
  assert_output "ptrace: EPERM"
  cd "$BATS_TEST_TMPDIR"
  for own in status doctor; do
    run shim --tidewaiter-config other/absent.json "$own"
    assert_failure
    assert_output --regexp "--tidewaiter-config: .*other/absent.json"
  done
  run -0 shim --tidewaiter-config other/config.json status
}

@test "a bundle with a listener of its own" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  under_policy no-ptrace
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/other.sock",
    syscalls: [{names: ["getppid"], action: "SCMP_ACT_NOTIFY"}]}'
  refuses_with listener
}

@test "seccomp flags of the bundle's that no listener goes with, or that the runtime refuses" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  container_runs echo "the container ran"
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}'
  run bare run --bundle "$BUNDLE" "$ID"
  local bare_status=$status bare_output=$output
  under_policy no-ptrace
  if ((bare_status != 0)); then
    # runc before 1.2; and so it says under the policy.
    assert_equal "$RUNTIME" runc
    assert_regex "$bare_output" "seccomp flags are not yet supported"
    refuses_with "seccomp flags are not yet supported"
    return
  fi
  assert_equal "$bare_output" "the container ran"
  if [[ $RUNTIME == crun ]]; then
    refuses_with "/linux/seccomp/flags/1: SECCOMP_FILTER_FLAG_TSYNC does not go with the listener" "expected"
    edit_bundle '.linux.seccomp.flags -= ["SECCOMP_FILTER_FLAG_TSYNC"]'
  fi
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
}

@test "below a filter that has a listener already" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  policy silent '{"syscalls": [{"names": ["ptrace"], "action": "errno"}], "events": {"log": []}}'
  local real=$TIDEWAITER programs=$TIDEWAITER_BIN/../integration/programs
  TIDEWAITER=$BATS_TEST_TMPDIR/below
  below() {
    printf '#!/bin/sh\nexec %q %q %q "$@"\n' "$programs/under_filter" "$1" "$real" >"$TIDEWAITER"
    chmod 0755 "$TIDEWAITER"
  }
  # Neither is a filter in the way, nor a listener of what the kernel can decide alone.
  below none
  under_policy no-ptrace
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  below listener
  under_policy silent
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  under_policy no-ptrace
  refuses_with "(seccomp(2): EBUSY): expected to be run from outside the sandbox that listens"
  TIDEWAITER=$real
}

@test "a second spelling of a key, which runc would take for the first" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  under_policy no-ptrace
  edit_bundle '.Linux = {seccomp: {defaultAction: "SCMP_ACT_ALLOW"}}'
  works_without_policy true
  refuses_with "/Linux: expected"
}

@test "a name by which crun runs containers inside itself" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  ln -s "$BARE" "$BATS_TEST_TMPDIR/crun-other"
  configure "{\"runtime\": \"$BATS_TEST_TMPDIR/crun-other\"}"
  under_policy no-ptrace
  refuses_with "crun-other"
}

@test "ways round the filter that crun has" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno"}]}'
  under_policy no-ptrace
  local before annotation
  container_runs try_syscall ptrace 0
  if [[ $RUNTIME == crun ]]; then
    before=$(cat "$BUNDLE/config.json")
    for annotation in run.oci.seccomp.receiver run.oci.seccomp.plugins run.oci.seccomp_bpf_data; do
      edit_bundle --arg key "$annotation" '.annotations[$key] = "/tmp/other"'
      refuses_with "$annotation"
      echo "$before" >"$BUNDLE/config.json"
    done
  fi
  works_without_policy try_syscall ptrace 0
  # The variable is taken out of the runtime's environment, or the container refused: never obeyed.
  RUN_OCI_SECCOMP_RECEIVER=/tmp/other.sock run shim run --bundle "$BUNDLE" "$ID"
  assert [ "$output" = "ptrace: EPERM" -o "$status" != 0 ]
  refute_output "ptrace: 0"
}
