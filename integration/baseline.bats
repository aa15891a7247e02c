#!/usr/bin/env bats
# What a policy refuses without naming it, so that its rules hold, and how it is given back.

load lib/common

setup() {
  start_test
  make_bundle
  # A container that may do everything the kernel asks a right for, so that only the policy is in the way.
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_CHROOT",
    "CAP_SYS_MODULE", "CAP_SYS_BOOT", "CAP_BPF"])'
  policy network '{"network": {"bind": []}}'
  policy programs '{"exec": {"allow": ["/**"]}}'
}

teardown() { end_test; }

# Way around, its error, the word that gives it back.
readonly WAYS='userfaultfd EPERM userfaultfd
clone_user EPERM namespaces
clone_mounts EPERM namespaces
unshare_user EPERM namespaces
unshare_network EPERM namespaces
setns EPERM namespaces
ptrace EPERM ptrace
process_vm_writev EPERM process_vm_writev
pidfd_getfd EPERM pidfd_getfd
open_by_handle_at EPERM open_by_handle_at
bpf EPERM bpf
mount EPERM mounts
fsopen EPERM mounts'
readonly WAYS_OF_PROGRAMS='umount2 EPERM mounts
open_tree_clone EPERM mounts
chroot EPERM chroot'

# go_past WAY...: each in the same container, a line for each.
go_past() {
  in_container sh -c "$(printf 'go_past %s;' "$@") true"
}

names() { cut -d' ' -f1 <<<"$1"; }

# Each way of the table WAYS works without POLICY and fails with its error under it.
refuses() { # POLICY WAYS
  local way error word ways
  mapfile -t ways < <(names "$2")
  without_policy
  go_past "${ways[@]}"
  assert_output "$(printf '%s: ok\n' "${ways[@]}")"
  under_policy "$1"
  go_past "${ways[@]}"
  assert_output "$(while read -r way error word; do echo "$way: $error"; done <<<"$2")"
}

# With the word of a way, that way works, and no way of another word does.
gives_back() { # POLICY WAYS
  local way error word given ways words
  mapfile -t ways < <(names "$2")
  mapfile -t words < <(cut -d' ' -f3 <<<"$2" | sort -u)
  for given in "${words[@]}"; do
    jq --arg given "$given" '.unsafe_allow = [$given]' "$POLICIES/$1.json" >"$POLICIES/given.json"
    under_policy given
    go_past "${ways[@]}"
    assert_output "$(while read -r way error word; do if [[ $word == "$given" ]]; then echo "$way: ok"; else echo "$way: $error"; fi; done <<<"$2")"
  done
}

@test "network: the ways around are refused, and given back by name" {
  refuses network "$WAYS"
  gives_back network "$WAYS"
}

@test "network: the same without noNewPrivileges" {
  edit_bundle '.process.noNewPrivileges = false'
  refuses network "$WAYS"
}

@test "exec: the ways around are refused, and given back by name" {
  refuses programs "$WAYS"$'\n'"$WAYS_OF_PROGRAMS"
  gives_back programs "$WAYS"$'\n'"$WAYS_OF_PROGRAMS"
}

@test "exec: the same without noNewPrivileges" {
  edit_bundle '.process.noNewPrivileges = false'
  refuses programs "$WAYS"$'\n'"$WAYS_OF_PROGRAMS"
}

# The memory of a process by way of /proc, without a policy and under one.
writes_memory() { # POLICY ANSWER
  without_policy
  go_past proc_writes
  assert_output "proc_writes: ok"
  under_policy "$1"
  go_past proc_writes
  assert_output "proc_writes: $2"
}

@test "exec: nobody writes to another's memory by way of /proc, and that is given back by name" {
  writes_memory programs EROFS
  local word
  for word in proc_writes ptrace process_vm_writev; do
    jq --arg word "$word" '.unsafe_allow = [$word]' "$POLICIES/programs.json" >"$POLICIES/given.json"
    under_policy given
    go_past proc_writes
    assert_output "proc_writes: ok"
  done
}

@test "exec: /proc is read-only, and all else in it as before" {
  edit_bundle '.linux.sysctl["net.ipv4.ping_group_range"] = "0 7"
    | .linux.maskedPaths += ["/proc/acpi", "/proc/keys"] | .linux.readonlyPaths += ["/proc/sys"] | .process.oomScoreAdj = 100'
  local look='cat /proc/sys/net/ipv4/ping_group_range /proc/self/oom_score_adj; ls /proc/acpi; cat /proc/keys;
    echo out > /dev/stdout; echo again > /proc/self/fd/1; readlink /proc/self/exe; cat /proc/self/comm'
  in_container sh -c "$look"
  local before=$output
  under_policy programs
  in_container sh -c "$look"
  assert_output "$before"
  # What the bundle masks, and what it has read-only itself, stays so.
  local write='for f in self/comm self/mem 1/mem thread-self/mem sys/net/ipv4/ip_forward acpi/new; do
    true 5<> /proc/$f && echo "$f: opened"; done 2> /dev/null; echo done'
  in_container sh -c "$write"
  assert_output "done"
  without_policy
  in_container sh -c "$write"
  assert_output $'self/comm: opened\nself/mem: opened\n1/mem: opened\nthread-self/mem: opened\ndone'
}

@test "network: memory by way of /proc matters where /proc shows processes of others" {
  writes_memory network ok
  edit_bundle '.linux.namespaces |= map(select(.type != "pid"))'
  writes_memory network EROFS
}

@test "a policy that restricts neither network nor programs refuses none of it" {
  policy calls '{"network": {}, "exec": {}, "syscalls": [{"names": ["getppid"], "action": "errno"}]}'
  under_policy calls
  local ways
  mapfile -t ways < <(names "$WAYS")
  go_past "${ways[@]}"
  assert_output "$(printf '%s: ok\n' "${ways[@]}")"
}

@test "audit: nothing of it is refused" {
  policy audit '{"mode": "audit", "network": {"allow": [], "bind": []}, "exec": {"allow": ["/**"]}}'
  under_policy audit
  local ways
  mapfile -t ways < <(names "$WAYS")
  go_past "${ways[@]}"
  assert_output "$(printf '%s: ok\n' "${ways[@]}")"
}

@test "clone3 is not there, and comes back together with namespaces" {
  go_past clone3
  assert_output "clone3: ok"
  local name
  for name in network programs; do
    under_policy "$name"
    go_past clone3
    assert_output "clone3: ENOSYS"
    jq '.unsafe_allow = ["namespaces"]' "$POLICIES/$name.json" >"$POLICIES/half.json"
    under_policy half
    go_past clone3
    assert_output "clone3: ENOSYS"
    jq '.unsafe_allow = ["namespaces", "clone3"]' "$POLICIES/$name.json" >"$POLICIES/both.json"
    under_policy both
    go_past clone3
    assert_output "clone3: ok"
    jq '.unsafe_allow = ["clone3"]' "$POLICIES/$name.json" >"$POLICIES/alone.json"
    run tidewaiter policy check "$POLICIES/alone.json"
    assert_failure
    assert_output --partial '/unsafe_allow/0: "clone3" makes namespaces, and no filter sees which; write "namespaces" beside it'
  done
}

@test "code in the kernel and another kernel: refused before the kernel looks" {
  # None of these does anything: the arguments are wrong, which the kernel says to those with the right.
  local calls='try_syscall init_module 0 0 @; try_syscall finit_module 0xffffffff @ 0; try_syscall delete_module @no_such_module 0
    try_syscall kexec_load 0 0 0 0xffff; true'
  in_container sh -c "$calls"
  refute_output --partial EPERM
  local name
  for name in network programs; do
    under_policy "$name"
    in_container sh -c "$calls"
    assert_output $'init_module: EPERM\nfinit_module: EPERM\ndelete_module: EPERM\nkexec_load: EPERM'
    jq '.unsafe_allow = ["modules", "kexec"]' "$POLICIES/$name.json" >"$POLICIES/given.json"
    under_policy given
    in_container sh -c "$calls"
    refute_output --partial EPERM
  done
}

@test "a listener of the workload's own is refused, a filter is not" {
  go_past listener filter
  assert_output $'listener: ok\nfilter: ok'
  # Under these no agent listens, so that it is not the kernel that refuses a second one.
  local refused='"syscalls": [{"names": ["bind"], "action": "errno"}], "events": {"log": []}'
  policy unheard '{"network": {"bind": []}, '"$refused"'}'
  under_policy unheard
  go_past listener filter
  assert_output $'listener: EBUSY\nfilter: ok'
  policy given '{"network": {"bind": []}, "unsafe_allow": ["seccomp_listener"], '"$refused"'}'
  under_policy given
  go_past listener filter
  assert_output $'listener: ok\nfilter: ok'
}

@test "what the baseline has no reason to refuse works" {
  local name
  for name in network programs; do
    under_policy "$name"
    go_past clone unshare_files filter open_tree
    assert_output $'clone: ok\nunshare_files: ok\nfilter: ok\nopen_tree: ok'
  done
  under_policy network
  go_past umount2 open_tree_clone chroot
  assert_output $'umount2: ok\nopen_tree_clone: ok\nchroot: ok'
}

@test "what is executed in a running container is under it" {
  local name
  works_without_policy go_past unshare_user
  for name in network programs; do
    under_policy "$name"
    start_container sleep 1000
    run shim exec "$ID" /probes/go_past unshare_user
    assert_output "unshare_user: EPERM"
    run shim exec "$ID" /probes/go_past clone
    assert_output "clone: ok"
    shim delete --force "$ID"
  done
}

@test "a refusal nobody named is no event" {
  works_without_policy 'go_past ptrace; go_past bpf'
  under_policy network
  go_past ptrace bpf
  assert_output $'ptrace: EPERM\nbpf: EPERM'
  refute_event .denied
}

@test "policy explain lists what is refused, why, and what is given back" {
  policy most '{"network": {"allow": []}, "exec": {"allow": []}, "unsafe_allow": ["ptrace"]}'
  run -0 tidewaiter policy explain "$POLICIES/most.json"
  assert_output --partial "unsafe_allow"
  assert_output --regexp 'bpf: fails with EPERM \[bpf\]: puts programs into the kernel'
  assert_output --regexp 'ptrace: given back by /unsafe_allow/0: '
  refute_output --partial "[ptrace]"
  run -0 tidewaiter policy explain "$POLICIES/most.json" --json
  assert_equal "$(jq -c '[.baseline[].name] | unique | length' <<<"$output")" 19
  assert_equal "$(jq '.baseline | all(.note != "")' <<<"$output")" true
}
