#!/usr/bin/env bats
# The policy's `exec`: which programs may be run, with which arguments, on real runtimes.

load lib/common

setup() {
  start_test
  make_bundle
  policy tools '{"exec": {"allow": ["/bin/busybox", {"path": "/probes/end_with", "argv": ["end_with", "exit", "0"]}]}}'
}

teardown() { end_test; }

# A folder of the test's own at /srv in the container, writable.
mount_work() {
  WORK=$BATS_TEST_TMPDIR/work
  mkdir -p "$WORK"
  edit_bundle --arg work "$WORK" '.mounts += [{destination: "/srv", type: "bind", source: $work, options: ["bind", "rw"]}]
    | .root.readonly = false'
  ROOTFS=$BATS_TEST_TMPDIR/rootfs
  make_rootfs "$ROOTFS"
  mkdir -p "$ROOTFS/srv"
  edit_bundle --arg rootfs "$ROOTFS" '.root.path = $rootfs'
}

@test "exec policy: what is allowed runs, and nothing else" {
  in_container sh -c 'tcp_connect --listen 127.0.0.1 8000 && end_with exit 0 && echo done'
  assert_success
  under_policy tools
  # Into one stream: runc copies the two by different ways, and one may cut the other's line.
  in_container sh -c 'exec 2>&1; end_with exit 0 && echo done; tcp_connect --listen 127.0.0.1 8000; echo $?; end_with exit 1; echo $?'
  assert_line "done"
  assert_line --partial "tcp_connect: Permission denied"
  assert_line "126"
  assert_event '.syscall == "execve" and .verdict == "allowed" and .path == "/probes/end_with" and .argv == ["end_with", "exit", "0"]
    and .rule == "/exec/allow/1" and .executable == "/bin/busybox" and .category == "process"'
  assert_event '.verdict == "denied" and .denied and .errno == "EACCES" and .path == "/probes/tcp_connect" and .rule == "/exec/allow"'
  assert_event '.verdict == "denied" and .argv == ["end_with", "exit", "1"]'
  run tidewaiter log "$ID"
  assert_line --partial "/probes/end_with exit 0"
}

@test "exec policy: the container's own first program" {
  under_policy tools
  in_container end_with exit 0
  assert_success
  in_container end_with exit 7
  assert_failure 1
  assert_output --partial '/process/args: the policy tools does not let the container run "/probes/end_with" (/exec/allow)'
  # Where the shim cannot tell what it will be, the agent decides.
  edit_bundle --arg probes "$ROOTFS/probes" '.mounts += [{destination: "/probes", type: "bind", source: $probes, options: ["bind", "ro"]}]'
  in_container end_with exit 7
  assert_failure
  assert_event '.verdict == "denied" and .path == "/probes/end_with" and .argv == ["end_with", "exit", "7"]'
  without_policy
  in_container end_with exit 7
  assert_failure 7
}

@test "exec policy: without noNewPrivileges" {
  edit_bundle '.process.noNewPrivileges = false'
  policy both '{"exec": {"allow": ["/bin/busybox"]}, "syscalls": [{"names": ["setuid"], "action": "errno"}]}'
  in_container end_with exit 7
  assert_failure 7
  for name in tools both; do
    under_policy "$name"
    in_container sh -c 'exec 2>&1; end_with exit 7; echo $?; /probes/try_syscall setuid 0'
    assert_line "126"
  done
}

@test "exec policy: what is executed into the container" {
  under_policy tools
  start_container sleep 1000
  run shim exec "$ID" /bin/busybox echo hello
  assert_success
  assert_output "hello"
  run shim exec "$ID" /probes/end_with exit 7
  assert_failure
  assert_event '.verdict == "denied" and .path == "/probes/end_with" and .argv == ["/probes/end_with", "exit", "7"]'
  without_policy
  start_container sleep 1000
  run shim exec "$ID" /probes/end_with exit 7
  assert_failure 7
}

@test "exec policy: scripts, and their interpreters" {
  mount_work
  printf '#!/bin/sh\necho script\n' >"$WORK/good.sh"
  cp "$WORK/good.sh" "$WORK/other.sh"
  printf '#!/probes/try_syscall getuid\n' >"$WORK/interpreted"
  chmod 755 "$WORK"/*
  policy scripts '{"exec": {"allow": ["/srv/good.sh", "/srv/interpreted",
    {"path": "/bin/busybox", "argv": ["/bin/sh", "/srv/good.sh"]},
    {"path": "/bin/busybox", "argv": ["sh", "-c", "*"]}]}}'
  in_container sh -c '/srv/good.sh; /srv/other.sh; /srv/interpreted; echo $?'
  assert_output $'script\nscript\ngetuid: 0\n0'
  under_policy scripts
  in_container sh -c '/srv/good.sh; /srv/other.sh; /srv/interpreted; echo $?; sh /srv/good.sh'
  # Not in this order: what a shell says of errors comes another way.
  assert_equal "$(grep -cx script <<<"$output")" 1
  assert_line --partial "/srv/other.sh: Permission denied"
  assert_line --partial "/srv/interpreted: Permission denied"
  assert_event '.denied and .path == "/srv/other.sh" and .reason == null'
  assert_event '.denied and .path == "/srv/interpreted"
    and .reason == "its interpreter may not be run: /probes/try_syscall as /probes/try_syscall getuid /srv/interpreted"'
}

@test "exec policy: a link, a copy, a descriptor, a chroot" {
  mount_work
  cp "$ROOTFS/probes/end_with" "$WORK/copy"
  ln -s /bin/busybox "$WORK/true"
  mkdir -p "$WORK/jail/bin"
  cp "$ROOTFS/probes/end_with" "$WORK/jail/bin/busybox"
  edit_bundle '.process.capabilities |= with_entries(.value += ["CAP_SYS_CHROOT"])'
  policy tools '{"exec": {"allow": ["/bin/busybox"]}, "unsafe_allow": ["chroot"]}'
  local commands='/srv/true; echo $?; /srv/copy exit 0; echo $?; chroot /srv/jail /bin/busybox exit 0; echo $?
    exec 5</probes/end_with; /proc/self/fd/5 exit 3; echo $?; cd /bin; ./busybox true; echo $?'
  in_container sh -c "$commands"
  assert_output $'0\n0\n0\n3\n0'
  under_policy tools
  in_container sh -c "$commands"
  # runc copies output and errors each by itself, so in no certain order.
  assert_equal "$(grep -cx 0 <<<"$output")" 2
  assert_event '.verdict == "denied" and .path == "/srv/copy"'
  assert_event '.verdict == "denied" and .path == "/srv/jail/bin/busybox"'
  assert_event '.verdict == "denied" and .path == "/probes/end_with"'
  assert_event '.verdict == "allowed" and .path == "/bin/busybox" and .argv[0] == "./busybox"'
}

@test "exec policy: deny beats allow, and another errno" {
  policy denies '{"exec": {"allow": ["/**"], "deny": ["/probes/end*"], "errno": "ENOENT"}}'
  works_without_policy end_with exit 0
  under_policy denies
  in_container sh -c 'end_with exit 0; echo $?; tcp_connect --listen 127.0.0.1 8000'
  assert_line --partial "end_with: not found"
  assert_line "connect: ok"
  assert_event '.verdict == "denied" and .rule == "/exec/deny/0" and .errno == "ENOENT"'
}

@test "exec policy: audit reports, and lets it run" {
  policy audit '{"exec": {"allow": ["/bin/busybox"]}, "mode": "audit"}'
  under_policy audit
  in_container sh -c 'end_with exit 0 && echo ran'
  assert_output "ran"
  assert_event '.verdict == "audited" and .denied and .path == "/probes/end_with"'
}

@test "exec policy: pipelines, job control and time limits as without a policy" {
  # What the shell says on stderr of the killed may come before or after the rest.
  local commands='exec 2>/dev/null; seq 1000 | while read -r line; do echo $line; done | cat | tail -n 1
    timeout 1 sleep 60; echo $?
    sleep 60 & kill $!; wait $!; echo $?
    for i in 1 2 3 4 5 6 7 8 9 10; do (cat /etc/hosts >/dev/null; busybox true) & done; wait; echo all
    echo 1 2 3 | xargs -n 1 -P 3 busybox echo | sort | tr -d "\n"'
  mount_work
  echo hosts >"$ROOTFS/etc/hosts"
  in_container sh -c "$commands"
  local bare_output=$output bare_status=$status
  under_policy tools
  in_container sh -c "$commands"
  assert_equal "$output" "$bare_output"
  assert_equal "$status" "$bare_status"
}
