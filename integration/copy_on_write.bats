#!/usr/bin/env bats
# The policy's `files.copy_on_write`: what a container writes to a folder is kept apart from it, on real runtimes.

load lib/common

setup() {
  start_test
  CHANGES=$BATS_TEST_TMPDIR/changes
  configure "$(jq -n --arg changes "$CHANGES" '{changes_folder: $changes}')"
  make_bundle
  WORK=$BATS_TEST_TMPDIR/work
  mkdir -p "$WORK/sub"
  echo lower >"$WORK/file"
  echo lower >"$WORK/sub/gone"
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  mkdir "$BATS_TEST_TMPDIR/rootfs/work"
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" --arg work "$WORK" '.root.path = $rootfs
    | .mounts += [{destination: "/work", type: "bind", source: $work, options: ["rbind", "rw"]}]'
  policy keep '{"files": {"copy_on_write": ["/work"]}}'
  policy decide '{"files": {"copy_on_write": [{"path": "/work", "on_success": "commit", "on_failure": "discard"}]}}'
}

teardown() { end_test; }

# What a container does there; its exit code is the argument.
work() {
  echo "echo upper >/work/file; echo new >/work/new; rm /work/sub/gone; cat /work/file; exit $1"
}

# The list of what work() did, as `changes` prints it.
WORKED=$'M /work/file\nA /work/new\nD /work/sub/gone'

# What the folder holds.
held() { (cd "$WORK" && find . -type f | sort | while read -r file; do echo "$file=$(cat "$file")"; done); }

BEFORE=$'./file=lower\n./sub/gone=lower'
AFTER=$'./file=upper\n./new=new'

nothing_kept() { [[ -z $(ls -A "$CHANGES") ]]; }

# Whether this kernel tells who is not its parent how a process ended.
tells_exit_codes() {
  local release
  release=$(uname -r)
  [[ $(printf '%s\n6.15\n' "${release%%-*}" | sort -V | head -1) == 6.15 ]]
}

@test "copy on write: kept apart, listed, discarded" {
  in_container sh -c "$(work 0)"
  assert_success
  assert_equal "$(held)" "$AFTER"
  printf 'lower\n' | tee "$WORK/file" >"$WORK/sub/gone"
  rm "$WORK/new"

  under_policy keep
  in_container sh -c "$(work 0)"
  assert_success
  assert_output upper
  assert_equal "$(held)" "$BEFORE"
  assert_equal "$(tidewaiter changes "$ID" | grep -v '^#')" "$WORKED"
  assert_equal "$(tidewaiter changes "$ID" --json | jq -c -s 'map(.change + .path)')" \
    '["modified/work/file","added/work/new","deleted/work/sub/gone"]'
  run -0 tidewaiter changes
  assert_line --partial "$ID"
  assert_equal "$(stat -c %a "$CHANGES/$ID")" 700
  run -0 tidewaiter changes "$ID" --discard
  assert nothing_kept
  assert_equal "$(held)" "$BEFORE"
}

@test "copy on write: kept, and committed by hand" {
  under_policy keep
  in_container sh -c "$(work 3)"
  assert_failure 3
  assert_equal "$(held)" "$BEFORE"
  run -0 tidewaiter changes "$ID" --commit
  assert_equal "$(held)" "$AFTER"
  assert nothing_kept
  assert_event '.verdict == "kept" and .added == 1 and .modified == 1 and .deleted == 1'
  assert_event '.verdict == "committed" and .path == "/work" and .reason == "by hand"'
}

@test "copy on write: committed when the container succeeds, discarded when not" {
  under_policy decide
  in_container sh -c "$(work 3)"
  assert_failure 3
  assert_equal "$(held)" "$BEFORE"
  assert_event '.verdict == "discarded" and .rule == "/files/copy_on_write/0"'
  assert nothing_kept
  in_container sh -c "$(work 0)"
  assert_success
  if tells_exit_codes; then
    assert_equal "$(held)" "$AFTER"
    assert_event '.verdict == "committed" and .reason == "exit code 0"'
  else
    # Nothing is committed on a doubt.
    assert_equal "$(held)" "$BEFORE"
    assert_event '.verdict == "discarded" and (.reason | startswith("unknown"))'
  fi
  assert nothing_kept
}

@test "copy on write: create, start, delete" {
  under_policy decide
  start_container sh -c "echo new >/work/new"
  wait_until_stopped "$ID"
  shim delete "$ID"
  # Whoever sees that the container is deleted finds its changes settled.
  assert nothing_kept
  if tells_exit_codes; then assert [ -e "$WORK/new" ]; fi
}

@test "copy on write: while the container runs" {
  under_policy keep
  start_container sh -c "echo new >/work/new; sleep 1000"
  listed() { tidewaiter changes "$ID" | grep -qx "A /work/new"; }
  eventually listed || fail "$(tidewaiter changes "$ID")"
  run -0 tidewaiter changes "$ID"
  assert_line "# /work: running"
  run ! tidewaiter changes "$ID" --commit
  assert_output --partial "the container runs"
  run ! tidewaiter changes "$ID" --discard
  assert_output --partial "the container runs"
  shim delete --force "$ID"
  run -0 tidewaiter changes "$ID"
  assert_line "# /work: kept"
  run -0 tidewaiter changes "$ID" --discard
}

@test "copy on write: who attends on the container is killed" {
  under_policy decide
  start_container sh -c "echo new >/work/new; sleep 1000"
  written() { tidewaiter changes "$ID" | grep -qx "A /work/new"; }
  eventually written
  local attendant
  attendant=$(pgrep -f "changes --attend $CHANGES/$ID")
  kill -KILL "$attendant"
  # The container is none the worse for it, and counts as one that failed.
  shim delete --force "$ID"
  assert nothing_kept
  assert_equal "$(held)" "$BEFORE"
  assert_event '.verdict == "discarded" and (.reason | startswith("unknown: who waited"))'
}

@test "copy on write: a dry run" {
  under_policy decide
  edit_bundle '.annotations["io.tidewaiter.dry-run"] = "true"'
  in_container sh -c "$(work 0)"
  assert_success
  assert_equal "$(held)" "$BEFORE"
  assert_equal "$(tidewaiter changes "$ID" | grep -v '^#')" "$WORKED"
  assert_event '.verdict == "listed" and .added == 1 and .modified == 1 and .deleted == 1'
  assert [ ! -e "$CHANGES/$ID/0" ]
  run ! tidewaiter changes "$ID" --commit
  assert_output --partial "was a dry run"
  run -0 tidewaiter changes "$ID" --discard
  assert nothing_kept
  policy nothing '{"limits": {"processes": 100}}'
  under_policy nothing
  in_container true
  assert_failure
  assert_output --partial 'the policy nothing has no files.copy_on_write'
}

@test "copy on write: what gives rights on the host is not committed" {
  policy decide '{"files": {"copy_on_write": [{"path": "/work", "on_success": "commit", "on_failure": "commit"}]}}'
  under_policy decide
  in_container sh -c 'echo new >/work/new; cp /bin/busybox /work/tool; chmod 4755 /work/tool'
  assert_success
  assert_equal "$(held)" "$BEFORE"
  assert_event '.verdict == "kept" and (.reason | contains("/tool: is a set-user-ID file"))'
  run ! tidewaiter changes "$ID" --commit
  assert_output --partial "/tool: is a set-user-ID file, which is not committed"
  assert_equal "$(held)" "$BEFORE"
  run -0 tidewaiter changes "$ID" --discard
}

@test "copy on write: what cannot be copied is refused" {
  under_policy keep
  edit_bundle --arg work "$WORK" '.mounts += [{destination: "/other", type: "bind", source: ($work + "/sub"), options: ["bind"]}]'
  in_container true
  assert_failure
  assert_output --partial '/files/copy_on_write/0: the bundle shows what is bound at "/work" at "/other" as well, where it can be written to'
  edit_bundle '.mounts[-1].options = ["bind", "ro"]'
  mkdir "$BATS_TEST_TMPDIR/rootfs/other"
  in_container true
  assert_success
  edit_bundle '.mounts |= map(select(.destination != "/work"))'
  in_container true
  assert_failure
  assert_output --partial 'the bundle mounts nothing at "/work"'
  assert nothing_kept
}
