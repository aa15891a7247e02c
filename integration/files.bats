#!/usr/bin/env bats
# The policy's `files`: what may be read, written and executed, on real runtimes.

load lib/common
load lib/podman

setup_file() { start_podman; }

setup() {
  start_test
  find_podman
  make_bundle
  WORK=$BATS_TEST_TMPDIR/work
  mkdir -p "$WORK"/{in,out}
  echo text >"$WORK/in/file"
  echo text >"$WORK/out/file"
  for folder in in out; do
    printf '#!/bin/sh\necho %s\n' "$folder" >"$WORK/$folder/tool"
    chmod 755 "$WORK/$folder/tool"
  done
  chmod -R go+rwX "$WORK"
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  mkdir "$BATS_TEST_TMPDIR/rootfs/srv"
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" --arg work "$WORK" '.root.path = $rootfs
    | .mounts += [{destination: "/srv", type: "bind", source: $work, options: ["bind", "rw"]}]'
}

teardown() {
  if mountpoint -q "$BATS_TEST_TMPDIR/volume"; then umount "$BATS_TEST_TMPDIR/volume"; fi
  end_podman_test
  end_test
}

teardown_file() { end_podman; }

# in_container, where the program is not there: to bats 127 is a mistake of the test's.
not_found_in_container() {
  ID=$(new_id)
  container_runs "$@"
  run -127 shim run --bundle "$BUNDLE" "$ID" </dev/null
  wait_for_bundle
}

READ='{"files": {"read": ["/bin", "/probes", "/proc", "/srv/in"]}}'
WRITE='{"files": {"write": ["/srv/in", "/dev/null"]}}'
EXEC='{"files": {"exec": ["/bin", "/srv/in"]}}'
ALL='{"files": {"read": ["/probes"], "write": ["/srv/in"], "exec": ["/bin"]}}'

@test "files: what may be read" {
  policy read "$READ"
  # Into one stream: runc copies the two by different ways.
  local commands='exec 2>&1; cat /srv/in/file; ls /srv/in; cat /srv/out/file; ls /srv/out; ls /root; echo more >>/srv/out/file; /srv/out/tool'
  in_container sh -c "$commands"
  assert_line "file"
  refute_output --partial "Permission denied"
  under_policy read
  in_container sh -c "$commands"
  assert_line "text"
  assert_line "cat: can't open '/srv/out/file': Permission denied"
  assert_line "ls: can't open '/srv/out': Permission denied"
  assert_line "ls: can't open '/root': Permission denied"
  # What is executed is read.
  assert_line --partial "/srv/out/tool: Permission denied"
  assert_equal "$(tail -1 "$WORK/out/file")" more
}

@test "files: what may be written" {
  policy write "$WRITE"
  local commands='exec 2>&1; for folder in in out; do cd /srv/$folder
      echo x >>file; touch new; mkdir made; ln -s file link; ln file hard; mv file moved; mv moved file; truncate -s 0 file; rm hard; rm tool; mkfifo fifo
    done; cat /srv/out/file; echo null >/dev/null; /srv/out/tool; true'
  under_policy write
  in_container sh -c "$commands"
  assert_line "text"
  assert_line "out"
  assert_equal "$(cat "$WORK/out/file")" text
  assert_equal "$(ls "$WORK/out")" $'file\ntool'
  assert_equal "$(ls "$WORK/in")" $'fifo\nfile\nlink\nmade\nnew'
  # All but those on files that were not made.
  assert_equal "$(grep -c "Permission denied" <<<"$output")" 9
  without_policy
  in_container sh -c "$commands"
  refute_output --partial "Permission denied"
  assert_equal "$(cat "$WORK/out/file")" ""
}

@test "files: what may be executed" {
  policy exec "$EXEC"
  local commands='exec 2>&1; /srv/in/tool; /srv/out/tool; /probes/end_with exit 7; echo $?; cp /srv/out/tool /srv/in/copied; /srv/in/copied'
  in_container sh -c "$commands"
  assert_output $'in\nout\n7\nout'
  under_policy exec
  in_container sh -c "$commands"
  assert_line "in"
  assert_line --partial "/srv/out/tool: Permission denied"
  assert_line "126"
  # Where writing is not restricted, a copy is a file like others.
  assert_line "out"
}

@test "files: an empty list allows nothing" {
  policy nothing '{"files": {"write": []}}'
  in_container sh -c 'echo x >/dev/null && echo wrote'
  assert_output wrote
  under_policy nothing
  in_container sh -c 'echo x >/dev/null && echo wrote'
  assert_failure
  assert_output --partial "Permission denied"
  policy nothing '{"files": {"exec": []}}'
  in_container true
  assert_failure 126
  assert_output --partial "tidewaiter-init: true: Permission denied"
}

@test "files: ways round that a rename, a link or another name would be" {
  policy narrow '{"files": {"read": ["/bin", "/probes", "/proc", "/srv/in"]}}'
  local commands='exec 2>&1
    mv /srv/out/file /srv/in/moved; cat /srv/in/moved; mv /srv/in/moved /srv/out/file
    ln /srv/out/file /srv/in/hard; cat /srv/in/hard; rm -f /srv/in/hard
    ln -s /srv/out/file /srv/in/link; cat /srv/in/link; rm -f /srv/in/link
    cat /proc/self/root/srv/out/file; cat /proc/1/root/srv/out/file
    cd /srv/out; cat file; cat /srv/in/../out/file'
  in_container sh -c "$commands"
  assert_equal "$(grep -cx text <<<"$output")" 7
  under_policy narrow
  in_container sh -c "$commands"
  refute_line text
}

@test "files: a link that the image puts in the place of an allowed folder" {
  mv "$WORK/in" "$WORK/kept"
  ln -s out "$WORK/in"
  policy read "$READ"
  in_container cat /srv/in/file
  assert_output text
  under_policy read
  in_container cat /srv/in/file
  assert_failure
  assert_output --partial "Permission denied"
}

@test "files: an image that could put another program in the place of what enforces them" {
  policy read "$READ"
  rmdir "$BATS_TEST_TMPDIR/rootfs/dev"
  mkdir "$BATS_TEST_TMPDIR/rootfs/home"
  ln -s home "$BATS_TEST_TMPDIR/rootfs/dev"
  in_container cat /srv/out/file
  assert_output text
  under_policy read
  in_container cat /srv/in/file
  assert_failure
  assert_output --partial 'in the container'"'"'s root file system "/dev" is a symbolic link'
  refute_line text
}

@test "files: an image that is one static program, and nothing is left in it" {
  local one=$BATS_TEST_TMPDIR/one
  mkdir -p "$one"
  cp "$BATS_TEST_TMPDIR/rootfs/probes/end_with" "$one/program"
  edit_bundle --arg image "$one" '.root = {path: $image, readonly: true} | .process.cwd = "/" | .process.env = []
    | .mounts |= map(select(.destination == "/dev" or .destination == "/proc"))'
  mkdir "$one/dev" "$one/proc"
  in_container /program exit 7
  assert_failure 7
  policy one '{"files": {"read": [], "write": [], "exec": ["/program"]}}'
  under_policy one
  in_container /program exit 7
  assert_failure 7
  assert_output ""
  assert_equal "$(ls -A "$one")" $'dev\nproc\nprogram'
  assert_equal "$(ls -A "$one/dev")" ""
  policy one '{"files": {"exec": ["/proc"]}}'
  in_container /program exit 7
  assert_failure 126
}

@test "files: another user, without capabilities, and a root file system that is read-only" {
  policy all "$ALL"
  edit_bundle '.process.user = {uid: 1234, gid: 1234} | .root.readonly = true | del(.process.capabilities)'
  local commands='exec 2>&1; id -u; echo x >>/srv/in/file; cat /srv/in/file; cat /srv/out/file; echo x >>/srv/out/file; touch /x; grep NoNew /proc/self/status'
  in_container sh -c "$commands"
  assert_line --index 3 text
  assert_line --regexp "^touch: /x: Read-only file system"
  refute_output --partial "/srv/out/file"
  under_policy all
  in_container sh -c "$commands"
  assert_line 1234
  assert_line x
  assert_line "cat: can't open '/srv/out/file': Permission denied"
  assert_line --partial "can't create /srv/out/file: Permission denied"
}

@test "files: set-user-ID programs give nothing" {
  edit_bundle '.process.user = {uid: 1234, gid: 1234} | .process.noNewPrivileges = false'
  cp "$BATS_TEST_TMPDIR/rootfs/probes/unix_socket" "$WORK/in/who"
  chmod 4755 "$WORK/in/who"
  in_container /srv/in/who connect @who
  assert_line "ours, user 0, group 1234"
  policy exec "$EXEC"
  under_policy exec
  in_container /srv/in/who connect @who
  assert_line "ours, user 1234, group 1234"
}

@test "files: a terminal" {
  policy all '{"files": {"read": ["/probes"], "write": ["/dev/pts", "/dev/console"], "exec": ["/bin"]}}'
  works_without_policy cat /srv/out/file
  under_policy all
  container_runs sh -c 'tty && stty -echo && echo again >/dev/console; cat /srv/out/file'
  edit_bundle '.process.terminal = true'
  ID=$(new_id)
  python3 "$BATS_TEST_DIRNAME/lib/console.py" "$BATS_TEST_TMPDIR/console.sock" >"$BATS_TEST_TMPDIR/screen" 3>&- &
  BACKGROUND+=($!)
  eventually test -S "$BATS_TEST_TMPDIR/console.sock"
  shim create --bundle "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/console.sock" "$ID" 3>&-
  shim start "$ID"
  wait_until_stopped "$ID"
  eventually grep -q "Permission denied" "$BATS_TEST_TMPDIR/screen"
  run tr -d '\r' <"$BATS_TEST_TMPDIR/screen"
  assert_line --regexp '^/dev/(pts/0|console)$'
  assert_line again
}

@test "files: what is executed in the container is restricted as well" {
  policy all "$ALL"
  start_container sleep 1000
  run -0 shim exec "$ID" /bin/cat /srv/out/file
  under_policy all
  start_container sleep 1000
  run shim exec "$ID" cat /srv/in/file
  assert_output text
  run shim exec "$ID" cat /srv/out/file
  assert_failure 1
  assert_output "cat: can't open '/srv/out/file': Permission denied"
  run shim exec --user 1234:1234 --cwd /srv --env A=B "$ID" sh -c 'id -u; pwd; echo $A; echo y >in/new; cat out/file'
  assert_line 1234
  assert_line /srv
  assert_line B
  assert_line "cat: can't open 'out/file': Permission denied"
  assert_equal "$(cat "$WORK/in/new")" y
  jq '.process | .args = ["cat", "/srv/out/file"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run shim exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  assert_output --partial "Permission denied"
  jq '.process | .args = ["sh", "-c", "cat /srv/in/file; ls /proc/self/fd | wc -l; exit 7"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run shim exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  assert_failure 7
  assert_line text
  run -127 shim exec "$ID" no-such-program
  assert_output --partial "no-such-program"
  run shim exec "$ID" /srv/in/file
  assert_failure 126
  # Nobody has to wait for the container's own end.
  shim kill "$ID" KILL
  wait_until_stopped "$ID"
  shim delete "$ID"
  run ls -A /run/tidewaiter
  assert_output ""
}

@test "files: descriptors that are open stay what they are, and no others come" {
  policy all '{"files": {"read": ["/proc"], "exec": ["/bin"]}}'
  under_policy all
  in_container sh -c 'ls /proc/self/fd | wc -l'
  # ls has one for the folder.
  assert_line 4
}

@test "files: what enforces it is of no use to the workload" {
  policy all "$ALL"
  works_without_policy cat /srv/out/file
  under_policy all
  in_container sh -c 'exec 2>&1; /dev/.tidewaiter-init r r/ -- /bin/cat /srv/out/file; rm /dev/.tidewaiter-init; echo x >/dev/.tidewaiter-init; umount /dev/.tidewaiter-init; ls -l /dev/.tidewaiter-init'
  assert_line --partial "/dev/.tidewaiter-init: Permission denied"
  assert_line --partial "-rwxr-xr-x"
  refute_line text
  # Where it may be executed, it can only take more away.
  policy all '{"files": {"read": ["/dev", "/bin"]}}'
  in_container sh -c 'exec 2>&1; /dev/.tidewaiter-init r r/ -- cat /srv/out/file; /dev/.tidewaiter-init x x/bin -- echo began'
  assert_line --partial "Permission denied"
  assert_line began
}

@test "files: beside exec rules, whose events are of the workload alone" {
  policy both '{"files": {"read": ["/bin", "/probes"]}, "exec": {"allow": ["/bin/busybox"]}}'
  for no_new_privileges in true false; do
    edit_bundle --argjson value "$no_new_privileges" '.process.noNewPrivileges = $value'
    works_without_policy 'cat /srv/out/file; end_with exit 0'
    under_policy both
    in_container sh -c 'exec 2>&1; cat /srv/out/file; /probes/end_with exit 7; echo $?; true'
    assert_line "cat: can't open '/srv/out/file': Permission denied"
    assert_line 126
    assert_event '.syscall == "execve" and .verdict == "allowed" and .path == "/bin/busybox" and .argv[0] == "sh"'
    assert_event '.denied and .path == "/probes/end_with"'
    refute_event '(.path // "") | contains("tidewaiter-init")'
    start_container sleep 1000
    run shim exec "$ID" cat /srv/out/file
    assert_output --partial "Permission denied"
    run shim exec "$ID" /probes/end_with exit 7
    assert_failure 126
    assert_event '.denied and .path == "/probes/end_with" and .argv[2] == "7"'
    refute_event '(.path // "") | contains("tidewaiter-init")'
  done
}

@test "files: beside rules on UNIX sockets, by a thread of a process that is restricted" {
  policy sockets '{"files": {"read": ["/probes"], "write": ["/srv/in"]}, "network": {"allow": ["unix:/srv/*/*"], "bind": ["8000"]}}'
  under_policy sockets
  in_container unix_socket connect /srv/in/socket
  assert_success
  assert_output $'connect: ok\nours, user 0, group 0'
  in_container unix_socket bind /srv/out/socket
  assert_failure 1
  assert_output "bind: EACCES"
  in_container bind_port 127.0.0.1 8000
  assert_success
  without_policy
  in_container unix_socket bind /srv/out/socket
  assert_success
}

@test "files: beside rules that refuse calls, and a profile that does not know Landlock" {
  policy both '{"files": {"read": ["/bin", "/probes"]}, "syscalls": [{"names": ["setuid", "chdir"], "action": "errno"}]}'
  local profile
  profile=$(jq '{defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38, architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [.syscalls[] | select(.action == "SCMP_ACT_ALLOW" and .includes.caps == null and .includes.minKernel == null
        and ((.includes.arches // ["amd64"]) | index("amd64")))
      | .names |= map(select(startswith("landlock_") | not)) | select(.names != [])
      | {names, action} + (if (.args // []) == [] then {} else {args} end)]}' /usr/share/containers/seccomp.json)
  edit_bundle --argjson profile "$profile" '.linux.seccomp = $profile | .process.noNewPrivileges = false'
  in_container sh -c 'cat /srv/out/file; /probes/try_syscall setuid 0; /probes/try_syscall landlock_create_ruleset 0 0 1'
  assert_output --partial $'text\nsetuid: 0\nlandlock_create_ruleset: E'
  under_policy both
  in_container sh -c 'cat /srv/out/file; /probes/try_syscall setuid 0'
  assert_output --partial "setuid: EPERM"
  refute_output --partial text
}

@test "files: exit codes of programs that cannot be run" {
  policy all "$ALL"
  under_policy all
  not_found_in_container no-such-program
  assert_output --partial "executable file not found in \$PATH: no-such-program"
  not_found_in_container /srv/in/absent
  in_container /srv/in/file
  assert_failure 126
  in_container sh -c 'exit 9'
  assert_failure 9
}

@test "files: explain, check and doctor say who holds the rules" {
  policy all "$ALL"
  run -0 tidewaiter policy explain "$POLICIES/all.json" --bundle "$BUNDLE"
  assert_output --partial "read /probes and what"
  assert_line --regexp '^/files/write/0 .* landlock +none$'
  assert_output --partial "no_new_privs"
  run -0 tidewaiter policy check "$POLICIES/all.json"
  policy denied '{"files": {"read": ["/etc/shadow"], "deny": ["/etc"]}}'
  run ! tidewaiter policy check "$POLICIES/denied.json"
  assert_output --partial '/files/read/0: "/etc/shadow" is denied by /files/deny/0'
  run tidewaiter doctor
  assert_line --regexp '^ok +landlock +Landlock ABI [0-9]+: every file rule of a policy can be enforced'
}

@test "files: podman, its own init, exec, a terminal, a user, a root file system that is read-only" {
  policy all '{"files": {"read": ["/proc", "/probes"], "write": ["/srv/in", "/dev/null"], "exec": ["/bin", "/run/podman-init", "/dev/init"]}}'
  # As catatonit, which few machines have: started with "--" and the container's command.
  printf '#!/bin/sh\nshift\nexec "$@"\n' >"$BATS_TEST_TMPDIR/own-init"
  chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/own-init"
  local options=(--network none --volume "$WORK:/srv" --annotation io.tidewaiter.policy=all)
  run -0 podman run --rm --network none --volume "$WORK:/srv" "$IMAGE" cat /srv/out/file
  for more in "" "--init --init-path $BATS_TEST_TMPDIR/own-init" --read-only "--user 1234:1234" "--cap-drop all" "--security-opt no-new-privileges"; do
    # shellcheck disable=SC2086 # several words
    run podman run --rm $more "${options[@]}" "$IMAGE" sh -c 'cat /srv/in/file; cat /srv/out/file; exit 6'
    assert_failure 6
    assert_line text
    assert_line "cat: can't open '/srv/out/file': Permission denied"
  done
  podman run --detach --init --init-path "$BATS_TEST_TMPDIR/own-init" "${options[@]}" --name subject "$IMAGE" sleep 1000 3>&-
  run podman exec subject cat /srv/out/file
  assert_failure 1
  assert_output --partial "Permission denied"
  run podman exec --user 1234 subject sh -c 'id -u; cat /srv/in/file; exit 5'
  assert_failure 5
  assert_output $'1234\ntext'
  # script gives its command to $SHELL, and not every machine sets that to bash.
  run env SHELL=/bin/bash timeout "$PATIENCE" script --quiet --return --command "$(declare -p IN_STORE; declare -f in_store podman)
    TIDEWAITER=$TIDEWAITER; podman exec -it subject sh -c 'tty; cat /srv/out/file'" /dev/null </dev/null
  assert_output --partial /dev/pts/
  assert_output --partial "Permission denied"
  run -127 podman exec subject no-such-program
  podman stop --time 0 subject
  podman start subject 3>&-
  run podman exec subject cat /srv/out/file
  assert_output --partial "Permission denied"
  run -127 podman run --rm "${options[@]}" "$IMAGE" /no/such/program
}

@test "files: what is denied" {
  mkdir -p "$WORK/in/secret/deep"
  echo hidden | tee "$WORK/in/secret/deep/key" >"$WORK/in/key"
  chmod -R go+rwX "$WORK"
  policy denied '{"files": {"deny": ["/srv/in/key", "/srv/in/secret/deep", "/srv/in/absent"]}}'
  local commands='exec 2>&1
    cat /srv/in/key; cat /srv/in/secret/deep/key; cat /proc/self/root/srv/in/key; cat /proc/1/root/srv/in/secret/deep/key
    ln -s in/key /srv/link; cat /srv/link; rm -f /srv/link
    ln /srv/in/key /srv/hard; cat /srv/hard; rm -f /srv/hard
    mv /srv/in/secret /srv/moved; cat /srv/moved/deep/key; mv /srv/moved /srv/in/secret
    mv /srv/in/secret/deep /srv/taken && cat /srv/taken/key && mv /srv/taken /srv/in/secret/deep
    mv /srv/in/key /srv/taken && cat /srv/taken && mv /srv/taken /srv/in/key
    umount /srv/in/key; umount -l /srv/in/secret/deep; cat /srv/in/key /srv/in/secret/deep/key
    mkdir /srv/in/absent/x && echo made; rmdir /srv/in/absent/x; cat /srv/in/file; true'
  for capabilities in '["CAP_DAC_OVERRIDE"]' '["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"]'; do
    edit_bundle --argjson list "$capabilities" '.process.capabilities |= map_values($list)'
    without_policy
    mkdir "$WORK/in/absent"
    in_container sh -c "$commands"
    assert_equal "$(grep -cx hidden <<<"$output")" 11
    assert_line made
    rmdir "$WORK/in/absent"
    under_policy denied
    in_container sh -c "$commands"
    refute_line hidden
    refute_line made
    assert_line text
    assert_line "cat: can't open '/srv/in/key': No such device or address"
    start_container sleep 1000
    run shim exec "$ID" sh -c 'exec 2>&1; cat /srv/in/key /srv/in/secret/deep/key; cat /srv/in/file'
    refute_line hidden
    assert_line text
    shim kill "$ID" KILL
    wait_until_stopped "$ID"
    shim delete "$ID"
    rmdir "$WORK/in/absent"
  done
  run ls -A /run/tidewaiter
  assert_output ""
  assert_equal "$(cat "$WORK/in/key" "$WORK/in/secret/deep/key")" $'hidden\nhidden'
}

# A file system whose snapshots show what is in a folder at another place.
@test "files: snapshots" {
  local volume=$BATS_TEST_TMPDIR/volume
  mkdir "$volume"
  truncate --size 128M "$BATS_TEST_TMPDIR/image"
  mkfs.btrfs --quiet "$BATS_TEST_TMPDIR/image"
  mount -o loop "$BATS_TEST_TMPDIR/image" "$volume"
  mkdir "$volume"/{tools,tmp}
  echo hidden >"$volume/key"
  edit_bundle --arg volume "$volume" \
    '.mounts += [{destination: "/vol", type: "bind", source: $volume, options: ["bind", "rw"]}]'
  local show='exec 2>&1; snapshot /vol /vol snap; cat /vol/snap/key'
  local execute='exec 2>&1; snapshot - /vol/tmp sub; mkdir -p /vol/tmp/sub; cp /bin/busybox /vol/tmp/sub/true
    /vol/tmp/sub/true; snapshot /vol/tmp/sub /vol/tools new; /vol/tools/new/true && echo executed'
  # shellcheck disable=SC2317 # called below
  remove_subvolumes() { btrfs subvolume delete "$volume"/{snap,tools/new,tmp/sub} >/dev/null 2>&1 || true; }
  in_container sh -c "$show"
  assert_line hidden
  in_container sh -c "$execute"
  assert_line executed
  remove_subvolumes
  policy denied '{"files": {"deny": ["/vol/key"]}}'
  under_policy denied
  in_container sh -c "$show"
  assert_line "ioctl: ENOTTY"
  refute_line hidden
  rm -rf "$volume/tmp/sub"
  policy lists '{"files": {"write": ["/vol/tmp", "/dev/null"], "exec": ["/bin", "/probes", "/vol/tools"]}}'
  under_policy lists
  in_container sh -c "$execute"
  assert_line "ioctl: ENOTTY"
  assert_line --partial "/vol/tmp/sub/true: Permission denied"
  refute_line executed
  # A bundle that has no such file system needs none of it.
  run -0 tidewaiter policy explain "$POLICIES/lists.json" --bundle "$BUNDLE"
  assert_output --partial "snapshots and subvolumes"
  edit_bundle '.mounts |= map(select(.destination != "/vol"))'
  run -0 tidewaiter policy explain "$POLICIES/lists.json" --bundle "$BUNDLE"
  refute_output --partial "snapshots and subvolumes"
}

@test "files: what is denied beside what is allowed" {
  policy both '{"files": {"read": ["/bin", "/srv"], "deny": ["/srv/out"]}}'
  works_without_policy 'cat /srv/out/file; cat /probes/end_with >/dev/null'
  assert_output text
  under_policy both
  in_container sh -c 'exec 2>&1; cat /srv/in/file; cat /srv/out/file; cat /probes/end_with'
  assert_line text
  assert_line --regexp "/srv/out/file': (No such file or directory|Permission denied)"
  assert_line --partial "/probes/end_with': Permission denied"
}

@test "files: what cannot be denied" {
  ln -s key "$WORK/in/link"
  echo x >"$WORK/in/key"
  ln "$WORK/in/key" "$WORK/in/hard"
  for path in /srv/in/link /srv/in/key /proc/kcore; do
    policy denied "{\"files\": {\"deny\": [\"$path\"]}}"
    under_policy denied
    in_container true
    assert_failure
    assert_output --partial "/files/deny/0: \"$path\""
  done
  rm "$WORK/in/hard"
  policy denied '{"files": {"deny": ["/srv/in/key"]}}'
  in_container true
  assert_success
  edit_bundle --arg work "$WORK" '.mounts += [{destination: "/mnt", type: "bind", source: $work, options: ["bind", "rw"]}]'
  in_container true
  assert_failure
  assert_output --partial 'is seen at "/mnt/in/key" as well'
  works_without_policy true
}

@test "files: a volume of podman's that is copied on write" {
  configure "$(jq -n --arg changes "$BATS_TEST_TMPDIR/changes" '{changes_folder: $changes}')"
  policy copied '{"files": {"copy_on_write": [{"path": "/srv", "on_failure": "keep", "on_success": "keep"}]}}'
  local id
  podman run --network none --volume "$WORK:/srv" --annotation io.tidewaiter.policy=copied --cidfile "$BATS_TEST_TMPDIR/cid" \
    "$IMAGE" sh -c 'echo new >/srv/out/file'
  id=$(cat "$BATS_TEST_TMPDIR/cid")
  assert_equal "$(cat "$WORK/out/file")" text
  assert_equal "$(tidewaiter changes "$id" | head -1)" "M /srv/out/file"
  # Nothing is lost to a second start.
  run podman start --attach "$id"
  assert_failure
  assert_output --partial "changes of an earlier container of this id are kept"
  run -0 tidewaiter changes "$id" --commit
  assert_equal "$(cat "$WORK/out/file")" new
  run -0 podman start --attach "$id"
  run -0 tidewaiter changes "$id" --discard
}
