#!/usr/bin/env bats
# The policy's `syscalls`: errno, allow, log, kill, with and without arguments, beside the bundle's own profile.

load lib/common

setup() {
  start_test
  make_bundle
}

teardown() { end_test; }

# with_profile RULES: a seccomp profile of the bundle's own, that allows what no rule names.
with_profile() {
  edit_bundle --argjson rules "$1" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], syscalls: $rules}'
}

# The profile containers usually have, that refuses what it does not name: podman's, for a container without
# capabilities.
with_strict_profile() {
  jq '{defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38, architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls: [.syscalls[] | select(.action == "SCMP_ACT_ALLOW" and .includes.caps == null and .includes.minKernel == null
        and ((.includes.arches // ["amd64"]) | index("amd64")))
      | {names, action} + (if (.args // []) == [] then {} else {args} end)]}' \
    /usr/share/containers/seccomp.json >"$BATS_TEST_TMPDIR/strict.json"
  edit_bundle --slurpfile profile "$BATS_TEST_TMPDIR/strict.json" '.linux.seccomp = $profile[0]'
}

@test "errno: the call fails, and the event says so" {
  in_container try_syscall ptrace 0
  assert_success
  assert_output "ptrace: 0"

  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  under_policy no-ptrace
  in_container try_syscall ptrace 0
  assert_failure 1
  assert_output "ptrace: EPERM"
  assert_event '.syscall == "ptrace" and .denied == true and .verdict == "denied" and .errno == "EPERM"'
}

@test "errno: any errno, by name, and EPERM when none is named" {
  policy several '{"syscalls": [
    {"names": ["ptrace"], "action": "errno"},
    {"names": ["personality"], "action": "errno", "errno": "ENOSYS"},
    {"names": ["getppid"], "action": "errno", "errno": "EKEYEXPIRED"}]}'
  in_container sh -c 'try_syscall ptrace 0; try_syscall personality 0xffffffff; try_syscall getppid'
  assert_output --regexp '^ptrace: 0.*personality: [0-9]+.*getppid: [0-9]+$'
  under_policy several
  in_container sh -c 'try_syscall ptrace 0; try_syscall personality 0xffffffff; try_syscall getppid'
  assert_line --index 0 "ptrace: EPERM"
  assert_line --index 1 "personality: ENOSYS"
  assert_line --index 2 "getppid: EKEYEXPIRED"
}

@test "the same without noNewPrivileges" {
  edit_bundle '.process.noNewPrivileges = false'
  in_container try_syscall ptrace 0
  assert_success
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  under_policy no-ptrace
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  assert_event '.syscall == "ptrace" and .denied'
}

# What a runtime calls itself between loading the filter and the container's program, without noNewPrivileges.
readonly STARTING='"capset", "chdir", "fchdir", "getdents64", "keyctl", "prctl", "setgid", "setgroups", "setresgid", "setresuid", "setsid", "setuid"'

@test "a rule on what the runtime calls to start a container is one for the workload alone" {
  edit_bundle '.process.noNewPrivileges = false | .process.user = {"uid": 1000, "gid": 1000, "additionalGids": [5]}'
  in_container sh -c 'id -u; try_syscall setuid 1000; try_syscall chdir @/; try_syscall prctl 3'
  assert_output $'1000\nsetuid: 0\nchdir: 0\nprctl: 1'
  policy starting '{"syscalls": [{"names": ['"$STARTING"'], "action": "errno", "errno": "ENOTTY"}]}'
  policy killing '{"syscalls": [{"names": ["setuid", "setresuid", "capset"], "action": "kill"}], "events": {"log": []}}'
  under_policy starting
  in_container sh -c 'id -u; try_syscall setuid 1000; try_syscall chdir @/; try_syscall prctl 3'
  assert_output $'1000\nsetuid: ENOTTY\nchdir: ENOTTY\nprctl: ENOTTY'
  assert_event '.syscall == "chdir" and .executable == "/probes/try_syscall" and .denied'
  assert_equal "$(events "$ID" 'map(select(.executable | contains("probes") or contains("busybox") | not)) | length')" 0

  start_container sleep 1000
  run shim exec --user 1000:1000 "$ID" sh -c 'id -u; try_syscall setuid 1000'
  assert_output $'1000\nsetuid: ENOTTY'
  shim delete --force "$ID"

  under_policy killing
  in_container try_syscall getuid
  assert_output "getuid: 1000"
  in_container try_syscall setuid 1000
  assert_failure 137
}

# A workload that calls at once, so that the agent may come to know of it only then.
@test "the runtime's calls are over before the workload makes its first" {
  edit_bundle '.process.noNewPrivileges = false'
  in_container try_syscall setuid 0
  assert_output "setuid: 0"
  policy starting '{"syscalls": [{"names": ["setuid"], "action": "errno", "errno": "ENOTTY"}]}'
  under_policy starting
  local i
  for i in {1..10}; do
    in_container try_syscall setuid 0
    assert_output "setuid: ENOTTY"
  done
  start_container sleep 1000
  for i in {1..20}; do
    run shim exec "$ID" /probes/try_syscall setuid 0
    assert_output "setuid: ENOTTY"
  done
}

@test "every process of the container is under it" {
  policy no-ptrace '{"syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
  in_container sh -c 'try_syscall ptrace 0; (try_syscall ptrace 0; sh -c "try_syscall ptrace 0"); setsid try_syscall ptrace 0 | cat'
  assert_equal "$(grep -c '^ptrace: 0$' <<<"$output")" 4
  under_policy no-ptrace
  in_container sh -c 'try_syscall ptrace 0; (try_syscall ptrace 0; sh -c "try_syscall ptrace 0"); setsid try_syscall ptrace 0 | cat'
  assert_equal "$(grep -c '^ptrace: EPERM$' <<<"$output")" 4
  assert_equal "$(events "$ID" 'map(select(.syscall == "ptrace")) | length')" 4
}

@test "arguments: equal, not equal, less, greater, masked" {
  in_container sh -c 'for i in 0 1 2 3 4 5; do try_syscall kcmp 1 1 0 $i; done; try_syscall umask 0; try_syscall getcpu 0 0 0'
  refute_output --partial "kcmp: EPERM"
  local operator expected
  while read -r operator expected; do
    policy kcmp "{\"syscalls\": [{\"names\": [\"kcmp\"], \"args\": [{\"index\": 3, \"value\": 3, \"op\": \"$operator\"}], \"action\": \"errno\", \"errno\": \"EXDEV\"}]}"
    under_policy kcmp
    in_container sh -c 'for i in 0 1 2 3 4 5; do try_syscall kcmp 1 1 0 $i | grep -q EXDEV && echo -n " $i"; done; true'
    assert_equal "$operator:$output" "$operator: $expected"
  done <<'TABLE'
eq 3
ne 0 1 2 4 5
lt 0 1 2
le 0 1 2 3
gt 4 5
ge 3 4 5
TABLE
  policy masked '{"syscalls": [{"names": ["kcmp"], "args": [{"index": 3, "mask": 1, "value": 1, "op": "masked_eq"}], "action": "errno", "errno": "EXDEV"}]}'
  under_policy masked
  in_container sh -c 'for i in 0 1 2 3 4 5; do try_syscall kcmp 1 1 0 $i | grep -q EXDEV && echo -n " $i"; done; true'
  assert_output " 1 3 5"
}

@test "arguments: constants by name" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  in_container sh -c 'try_syscall socket 17 3 0; try_syscall socket 2 3 1; try_syscall socket 2 1 0'
  assert_line --index 0 "socket: 3"
  assert_line --index 1 "socket: 3"
  policy no-raw '{"syscalls": [
    {"names": ["socket"], "args": [{"index": 0, "value": "AF_PACKET", "op": "eq"}], "action": "errno"},
    {"names": ["socket"], "args": [{"index": 1, "mask": 15, "value": "SOCK_RAW", "op": "masked_eq"}], "action": "errno", "errno": "EACCES"}]}'
  under_policy no-raw
  in_container sh -c 'try_syscall socket 17 3 0; try_syscall socket 2 3 1; try_syscall socket 2 0x80003 1; try_syscall socket 2 1 0'
  assert_line --index 0 "socket: EPERM"
  assert_line --index 1 "socket: EACCES"
  assert_line --index 2 "socket: EACCES"
  assert_line --index 3 "socket: 3"
}

# The kernel looks at the lower half of an int argument only, and so must every comparison.
@test "arguments: the upper half of a register is no way round" {
  local calls='try_syscall socket 0x700000011 2 0; try_syscall socket 0x70000000a 1 0; try_syscall socket 0xf00000002 0x700000003 1
    try_syscall socket 0xf00000002 0x700000001 0'
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  in_container sh -c "$calls"
  assert_output $'socket: 3\nsocket: 3\nsocket: 3\nsocket: 3'
  policy wide '{"syscalls": [
    {"names": ["socket"], "args": [{"index": 0, "value": "AF_PACKET", "op": "eq"}], "action": "errno", "errno": "EXDEV"},
    {"names": ["socket"], "args": [{"index": 0, "value": 9, "op": "gt"}], "action": "errno", "errno": "ENOTTY"},
    {"names": ["socket"], "args": [{"index": 1, "mask": 3, "value": 3, "op": "masked_eq"}], "action": "errno", "errno": "EDOM"}]}'
  under_policy wide
  in_container sh -c "$calls"
  assert_output $'socket: EXDEV\nsocket: ENOTTY\nsocket: EDOM\nsocket: 3'
}

# Calls whose narrow argument a table of prototypes has to know: what is set above it, the kernel passes over.
@test "arguments: bits above a narrow argument are no way round" {
  local calls='try_syscall access @/ 0x100000004
    try_syscall arch_prctl 0x100001003 @eight-bytes
    try_syscall modify_ldt 0x100000000 0 0
    try_syscall eventfd2 0 0x100080000
    try_syscall set_mempolicy 0x100000000 0 0
    try_syscall timerfd_create 0x100000001 0
    try_syscall writev 0x100000001 @nothing 0
    try_syscall mbind 0 0 0 0 0 0x100000000
    try_syscall mkdir @/dev/shm/folder 0x101c0'
  in_container sh -c "$calls"
  assert_success
  assert_equal "$(grep -cE '^[a-z0-9_]+: [0-9]+$' <<<"$output")" 9
  policy narrow '{"syscalls": [
    {"names": ["access"], "args": [{"index": 1, "op": "eq", "value": 4}], "action": "errno", "errno": "EXDEV"},
    {"names": ["arch_prctl"], "args": [{"index": 0, "op": "eq", "value": "0x1003"}], "action": "errno", "errno": "EXDEV"},
    {"names": ["modify_ldt", "set_mempolicy"], "args": [{"index": 0, "op": "eq", "value": 0}], "action": "errno", "errno": "EXDEV"},
    {"names": ["eventfd2"], "args": [{"index": 1, "op": "eq", "value": "0x80000"}], "action": "errno", "errno": "EXDEV"},
    {"names": ["timerfd_create", "writev"], "args": [{"index": 0, "op": "eq", "value": 1}], "action": "errno", "errno": "EXDEV"},
    {"names": ["mbind"], "args": [{"index": 5, "op": "eq", "value": 0}], "action": "errno", "errno": "EXDEV"},
    {"names": ["mkdir"], "args": [{"index": 1, "op": "eq", "value": "0x1c0"}], "action": "errno", "errno": "EXDEV"}]}'
  under_policy narrow
  in_container sh -c "$calls"
  assert_equal "$(grep -c ': EXDEV$' <<<"$output")" 9
}

@test "the first rule that matches answers" {
  policy first '{"syscalls": [
    {"names": ["kcmp"], "args": [{"index": 3, "value": 1, "op": "eq"}], "action": "allow"},
    {"names": ["kcmp"], "args": [{"index": 3, "value": 2, "op": "lt"}], "action": "errno", "errno": "EXDEV"},
    {"names": ["kcmp"], "action": "errno", "errno": "EDOM"}]}'
  works_without_policy 'for i in 0 1 2; do try_syscall kcmp 1 1 0 $i; done'
  under_policy first
  in_container sh -c 'for i in 0 1 2; do try_syscall kcmp 1 1 0 $i; done'
  assert_line --index 0 "kcmp: EXDEV"
  refute_line --index 1 --regexp "EXDEV|EDOM"
  assert_line --index 2 "kcmp: EDOM"
}

@test "log: the call happens, and the event says so" {
  policy log '{"syscalls": [{"names": ["umask"], "action": "log"}]}'
  under_policy log
  in_container try_syscall umask 18
  assert_success
  assert_output "umask: 18"
  assert_event '.syscall == "umask" and .denied == false and .verdict == "allowed"'
}

@test "kill: the process dies, the container lives" {
  in_container sh -c 'try_syscall ptrace 0; echo "ended with $?"'
  assert_line "ended with 0"
  policy kill '{"syscalls": [{"names": ["ptrace"], "action": "kill"}]}'
  under_policy kill
  in_container sh -c 'try_syscall ptrace 0; echo "ended with $?"'
  refute_output --partial "ptrace:"
  assert_line --regexp 'ended with (137|159)'
  assert_event '.syscall == "ptrace" and .denied and .verdict == "killed"'
}

@test "what the bundle's own profile refuses stays refused" {
  works_without_policy try_syscall getppid
  with_profile '[{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]'
  in_container try_syscall getppid
  assert_output "getppid: EADDRNOTAVAIL"
  local action
  for action in allow log; do
    policy open "{\"syscalls\": [{\"names\": [\"getppid\"], \"action\": \"$action\"}]}"
    under_policy open
    in_container try_syscall getppid
    assert_output "getppid: EADDRNOTAVAIL"
  done
}

@test "a profile that allows little, and a policy that allows less" {
  with_strict_profile
  in_container sh -c 'try_syscall getppid; try_syscall umask 18; try_syscall bpf 0; try_syscall kcmp 1 1 0 0'
  assert_line --index 0 --regexp "getppid: [0-9]+"
  assert_line --index 1 "umask: 18"
  assert_line --index 2 "bpf: ENOSYS"
  policy less '{"syscalls": [
    {"names": ["getppid"], "action": "errno", "errno": "EXDEV"},
    {"names": ["umask"], "args": [{"index": 0, "value": 18, "op": "eq"}], "action": "errno", "errno": "EDOM"},
    {"names": ["bpf"], "action": "log"}]}'
  under_policy less
  in_container sh -c 'try_syscall getppid; try_syscall umask 18; try_syscall bpf 0; try_syscall umask 2'
  assert_line --index 0 "getppid: EXDEV"
  assert_line --index 1 "umask: EDOM"
  assert_line --index 2 "bpf: ENOSYS"
  assert_line --index 3 "umask: 18"
}

@test "a profile with conditions, and a policy with others on the same call" {
  works_without_policy 'for i in 0 1 2; do try_syscall kcmp 1 1 0 $i; done'
  with_profile '[{"names": ["kcmp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99, "args": [{"index": 3, "value": 1, "op": "SCMP_CMP_EQ"}]},
    {"names": ["kcmp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 98, "args": [{"index": 3, "value": 2, "op": "SCMP_CMP_EQ"}]}]'
  policy others '{"syscalls": [
    {"names": ["kcmp"], "args": [{"index": 3, "value": 2, "op": "le"}, {"index": 2, "value": 0, "op": "eq"}], "action": "errno", "errno": "EXDEV"}]}'
  under_policy others
  in_container sh -c 'for i in 0 1 2 3; do try_syscall kcmp 1 1 0 $i; done; try_syscall kcmp 1 1 1 0'
  assert_line --index 0 "kcmp: EXDEV"
  assert_line --index 1 "kcmp: EADDRNOTAVAIL"
  assert_line --index 2 "kcmp: EADDRINUSE"
  refute_line --index 3 "kcmp: EXDEV"
  refute_line --index 4 "kcmp: EXDEV"
}

@test "audit: reported as denied, and happens" {
  policy audit '{"mode": "audit", "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"},
    {"names": ["umask"], "action": "kill"}]}'
  under_policy audit
  in_container sh -c 'try_syscall ptrace 0; try_syscall umask 18'
  assert_line --index 0 "ptrace: 0"
  assert_line --index 1 "umask: 18"
  assert_event '.syscall == "ptrace" and .denied and .verdict == "audited"'
  assert_event '.syscall == "umask" and .denied and .verdict == "audited"'
}

@test "audit: does not open what the bundle's profile refuses" {
  works_without_policy try_syscall getppid
  with_profile '[{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]'
  policy audit '{"mode": "audit", "syscalls": [{"names": ["getppid"], "action": "errno", "errno": "EPERM"}]}'
  under_policy audit
  in_container try_syscall getppid
  assert_output "getppid: EADDRNOTAVAIL"
}

@test "events: every field of an event" {
  works_without_policy 'try_syscall ptrace 0; tcp_connect --listen 127.0.0.2 8000'
  policy every '{"syscalls": [{"names": ["uname"], "action": "allow"}, {"names": ["ptrace"], "action": "errno", "errno": "EXDEV"}],
    "network": {"allow": ["tcp://127.0.0.9", "udp://127.0.0.1:4711"]}, "exec": {"allow": ["/bin/*", "/probes/*"]},
    "events": {"log": ["denied", "exec", "network"]}}'
  under_policy every
  # The agent's numbers are the container's own.
  edit_bundle '.linux.namespaces |= map(select(.type != "pid"))'
  local began=$EPOCHSECONDS ended
  in_container sh -c 'echo "shell: $$"
    try_syscall --thread ptrace 0 & echo "call: $!"; wait
    send_several 4711 127.0.0.1 127.0.0.1
    tcp_connect 127.0.0.2 8000; true'
  ended=$EPOCHSECONDS
  assert_line "ptrace: EXDEV"
  number() { sed -n "s/^$1: //p" <<<"$output"; }
  local -A numbers=([shell]=$(number shell) [call]=$(number call) [thread]=$(number thread))
  assert [ "${numbers[thread]}" -gt 0 -a "${numbers[thread]}" != "${numbers[call]}" ]

  local which='.syscall == "ptrace"' all
  assert_event "$which"
  all=$(events)
  # field FIELD VALUE: of the one event that $which finds.
  field() { assert_equal "$(jq -c "map(select($which)) | if length == 1 then .[0].$1 else length end" <<<"$all")" "$2"; }
  field container "\"$ID\""
  field policy '"every"'
  field rule '"/syscalls/1"'
  field category '"process"'
  field pid "${numbers[call]}"
  field tid "${numbers[thread]}"
  field parent_pid "${numbers[shell]}"
  field executable '"/probes/try_syscall"'
  field verdict '"denied"'
  field denied true
  field errno '"EXDEV"'
  field "time | sub(\"\\\\.[0-9]{6}Z$\"; \"Z\") | fromdate | . >= $began and . <= $ended" true
  field "duration | . > 0 and . <= $((ended - began + 1))" true

  which='.syscall == "sendmmsg"'
  field category '"network"'
  field rule '"/network/allow/1"'
  field executable '"/probes/send_several"'
  field host '"127.0.0.1"'
  field port 4711
  field transport '"udp"'
  field size 10
  field verdict '"allowed"'
  field denied false
  field errno null

  which='.syscall == "connect"'
  field rule '"/network/allow"'
  field host '"127.0.0.2"'
  field port 8000
  field transport '"tcp"'
  field size null
  field errno '"EACCES"'

  which='.path == "/probes/try_syscall"'
  field syscall '"execve"'
  field category '"process"'
  field rule '"/exec/allow/1"'
  field executable '"/bin/busybox"'
  field argv '["try_syscall","--thread","ptrace","0"]'
  field pid "${numbers[call]}"
  field tid "${numbers[call]}"
  field denied false
}

@test "events: none of what is refused when the policy does not want them" {
  works_without_policy try_syscall ptrace 0
  policy silent '{"syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}], "events": {"log": []}}'
  under_policy silent
  in_container try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  refute_event true
}

@test "the i386 calls are no way round" {
  # getppid is 64 in the i386 table; a refusal there, or the end of the process, is fine: success is not.
  policy network '{"network": {"allow": []}, "syscalls": [{"names": ["getppid"], "action": "errno"}]}'
  local way
  for way in socketcall connect; do
    without_policy
    in_container compat_connect "$way" 127.0.0.1 8000
    assert_output "$way: ok"
    under_policy network
    in_container compat_connect "$way" 127.0.0.1 8000
    assert_failure
    refute_output --partial "ok"
  done
}

@test "the x32 calls are no way round" {
  in_container x32_call 39
  if [[ $status != 0 ]]; then skip "this kernel has no x32: $output"; fi
  policy no-x32 '{"syscalls": [{"names": ["getpid"], "action": "errno", "errno": "EXDEV"},
    {"names": ["umask"], "args": [{"index": 0, "value": 0, "op": "eq"}], "action": "errno", "errno": "EXDEV"}]}'
  works_without_policy x32_call 95
  under_policy no-x32
  local number
  for number in 39 95; do
    in_container x32_call "$number"
    assert_failure
    refute_output "x32: ok"
  done
}

@test "io_uring is no way round the network rules" {
  in_container try_syscall io_uring_setup 1 0
  assert_output "io_uring_setup: EFAULT"
  policy network '{"network": {"allow": ["127.0.0.1"]}}'
  under_policy network
  in_container try_syscall io_uring_setup 1 0
  assert_failure
  refute_output "io_uring_setup: EFAULT"
}

@test "a hundred refused calls at once are a hundred events" {
  works_without_policy try_syscall getppid
  policy no-getppid '{"syscalls": [{"names": ["getppid"], "action": "errno", "errno": "EXDEV"}]}'
  under_policy no-getppid
  in_container sh -c 'for i in 0 1 2 3 4 5 6 7 8 9; do (for j in 0 1 2 3 4 5 6 7 8 9; do try_syscall getppid; done) & done; wait'
  assert_equal "$(grep -c '^getppid: EXDEV$' <<<"$output")" 100
  assert_equal "$(events "$ID" 'map(select(.syscall == "getppid" and .denied and .executable == "/probes/try_syscall")) | length')" 100
}
