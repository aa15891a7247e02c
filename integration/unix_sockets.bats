#!/usr/bin/env bats
# The `unix:` rules of the policy's `network`: which Unix sockets may be connected to, or sent to by name. The
# containers are both ends; /good stands for what is allowed, /bad for what is not.

load lib/common

setup() {
  start_test
  make_bundle
  edit_bundle '.mounts += [("/good", "/bad") | {destination: ., type: "tmpfs", source: "tmpfs"}]'
  policy good '{"network": {"allow": ["unix:/good/*", "unix:@good"]}}'
}

teardown() { end_test; }

# Runs a command without a policy, where it has to succeed, and then under NAME, where it has to fail.
# succeeds_but_not_under NAME COMMAND...
succeeds_but_not_under() {
  local name=$1
  shift
  without_policy
  in_container "$@"
  assert_success
  under_policy "$name"
  in_container "$@"
  assert_failure 1
}

@test "connect: an allowed path, and the other end sees who called" {
  under_policy good
  in_container unix_socket connect /good/socket
  assert_success
  assert_output $'connect: ok\nours, user 0, group 0'
  assert_event '.syscall == "connect" and .verdict == "allowed" and .denied == false and .transport == "unix"
    and .path == "/good/socket" and .rule == "/network/allow/0"'
  edit_bundle '.process.user = {uid: 1000, gid: 1001}'
  in_container unix_socket connect @good
  assert_output $'connect: ok\nours, user 1000, group 1001'
}

@test "connect: a caller whose bundle would have only SIGKILL interrupt it" {
  under_policy good
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}'
  in_container unix_socket connect /good/socket
  assert_output $'connect: ok\nours, user 0, group 0'
}

@test "bind: a caller whose bundle would have only SIGKILL interrupt it" {
  policy ports '{"network": {"bind": ["8080"]}}'
  under_policy ports
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}'
  in_container unix_socket bind /bad/own
  assert_output "bind: ok"
}

@test "connect: a path that no rule allows" {
  succeeds_but_not_under good unix_socket connect /bad/socket
  assert_output "connect: EACCES"
  assert_event '.syscall == "connect" and .verdict == "denied" and .denied and .transport == "unix"
    and .path == "/bad/socket" and .errno == "EACCES" and .rule == "/network/allow"'
}

@test "connect: the path is the one that leads there" {
  succeeds_but_not_under good unix_socket connect /good/../bad/socket
  assert_event '.denied and .path == "/bad/socket"'
  in_container unix_socket connect /bad/../good/socket
  assert_success
}

@test "connect: abstract names" {
  succeeds_but_not_under good unix_socket connect @bad
  assert_output "connect: EACCES"
  assert_event '.denied and .path == "@bad"'
  succeeds_but_not_under good unix_socket connect @goody
  in_container unix_socket connect @good
  assert_output $'connect: ok\nours, user 0, group 0'
}

@test "connect: packets, and datagrams" {
  local way
  for way in packets associate; do
    succeeds_but_not_under good unix_socket "$way" /bad/socket
    assert_output "connect: EACCES"
    succeeds_but_not_under good unix_socket "$way" @bad
    in_container unix_socket "$way" /good/socket
    assert_success
  done
}

@test "datagrams: to a name of their own" {
  local way
  for way in sendto sendmsg sendmmsg; do
    succeeds_but_not_under good unix_socket "$way" /bad/socket
    assert_output "$way: EACCES"
    assert_event '.syscall == "'"$way"'" and .verdict == "denied" and .transport == "unix" and .path == "/bad/socket"'
    succeeds_but_not_under good unix_socket "$way" @bad
    in_container unix_socket "$way" /good/socket
    assert_output "$way: ok"
    in_container unix_socket "$way" @good
    assert_output "$way: ok"
  done
}

@test "deny beats allow, and only deny leaves everything else" {
  policy both '{"network": {"allow": ["unix:/**"], "deny": ["unix:/bad/*"], "errno": "ECONNREFUSED"}}'
  succeeds_but_not_under both unix_socket connect /bad/socket
  assert_output "connect: ECONNREFUSED"
  assert_event '.denied and .rule == "/network/deny/0"'
  policy only-deny '{"network": {"deny": ["unix:/bad/*"]}}'
  succeeds_but_not_under only-deny unix_socket connect /bad/socket
  in_container unix_socket connect @anything
  assert_success
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_success
}

@test "an allow-list without a unix: rule reaches nobody" {
  policy friend '{"network": {"allow": ["127.0.0.1"]}}'
  succeeds_but_not_under friend unix_socket connect /good/socket
  succeeds_but_not_under friend unix_socket sendto @good
}

@test "bind: as without a policy" {
  policy bind '{"network": {"bind": [], "allow": ["unix:/good/*"]}}'
  under_policy bind
  in_container unix_socket bind /bad/socket
  assert_success
  in_container unix_socket bind @bad
  assert_success
  in_container unix_socket bind /absent/socket
  assert_output "bind: ENOENT"
}

@test "audit: reported as denied, and connects" {
  policy audit '{"mode": "audit", "network": {"allow": []}}'
  under_policy audit
  in_container unix_socket connect /bad/socket
  assert_success
  assert_event '.verdict == "audited" and .denied and .path == "/bad/socket"'
}

# Another socket under an allowed name.
@test "mounts are not changed under unix: rules" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
  local way
  for way in umount2 open_tree_clone; do
    without_policy
    in_container go_past "$way"
    assert_output "$way: ok"
    under_policy good
    in_container go_past "$way"
    assert_output "$way: EPERM"
  done
}
