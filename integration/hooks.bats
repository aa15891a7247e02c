#!/usr/bin/env bats
# tidewaiter-hook by itself: config.json in, config.json out. podman_hook.bats has it inside podman.

load lib/common

setup() {
  start_test
  HOOK=$TIDEWAITER_BIN/tidewaiter-hook
  make_bundle
}

teardown() { end_test; }

@test "precreate: a config without a policy comes out as it went in" {
  # Not jq's doing, which would round the number.
  sed -i '1s/{/{ "unknown": {"large": 18446744073709551615, "order": ["b", "a"]},/' "$BUNDLE/config.json"
  "$HOOK" precreate <"$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/out.json"
  cmp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/out.json"
}

@test "precreate: a policy that the filter enforces alone" {
  policy silent '{"syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}], "events": {"log": []}}'
  under_policy silent
  works_without_policy try_syscall ptrace 0
  "$HOOK" precreate <"$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/out.json"
  assert_equal "$(jq -r .linux.seccomp.listenerPath "$BATS_TEST_TMPDIR/out.json")" null
  assert nothing_left
  cp "$BATS_TEST_TMPDIR/out.json" "$BUNDLE/config.json"
  edit_bundle '.process.args = ["try_syscall", "ptrace", "0"]'
  run bare run --bundle "$BUNDLE" "$ID"
  assert_output "ptrace: EPERM"
}

@test "precreate: a policy that cannot be used" {
  run -0 "$HOOK" precreate <"$BUNDLE/config.json"
  under_policy absent
  run "$HOOK" precreate <"$BUNDLE/config.json"
  assert_failure
  assert_output --partial "$POLICIES/absent.json"
  run "$HOOK" precreate <<<'{"ociVersion": '
  assert_failure
  assert_output --partial config.json:
  run "$HOOK"
  assert_failure
  assert nothing_left
}
