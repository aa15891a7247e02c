#!/usr/bin/env bats
# The policy's `network`: who may be connected to and which ports bound, over every kind of socket. All traffic is a
# container's own loopback, where all of 127.0.0.0/8 answers: 127.0.0.1 stands for the friend, 127.0.0.2 for the
# stranger.

load lib/common

setup() {
  start_test
  make_bundle
  policy friend '{"network": {"allow": ["127.0.0.1"]}}'
  policy nobody '{"network": {"allow": []}}'
}

teardown() { end_test; }

# Runs a command without a policy, where it has to succeed, and then under NAME.
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

@test "tcp: an allowed address" {
  under_policy friend
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_success
  assert_output "connect: ok"
  assert_event '.syscall == "connect" and .verdict == "allowed" and .denied == false and .host == "127.0.0.1" and .port == 8000
    and .category == "network" and .rule == "/network/allow/0" and .executable == "/probes/tcp_connect"'
}

@test "tcp: an address outside every rule" {
  succeeds_but_not_under friend tcp_connect --listen 127.0.0.2 8000
  assert_output "connect: EACCES"
  assert_event '.syscall == "connect" and .verdict == "denied" and .denied and .host == "127.0.0.2" and .port == 8000
    and .errno == "EACCES" and .rule == "/network/allow"'
}

@test "tcp: an empty allow-list allows nothing" {
  succeeds_but_not_under nobody tcp_connect --listen 127.0.0.1 8000
  assert_output "connect: EACCES"
}

@test "tcp: deny beats allow, and another errno" {
  policy deny '{"network": {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.2:8000-8010"], "errno": "ECONNREFUSED"}}'
  succeeds_but_not_under deny tcp_connect --listen 127.0.0.2 8005
  assert_output "connect: ECONNREFUSED"
  assert_event '.denied and .rule == "/network/deny/0"'
  in_container tcp_connect --listen 127.0.0.2 8011
  assert_success
}

@test "tcp: only deny, and everything else goes" {
  policy only-deny '{"network": {"deny": ["127.0.0.2"]}}'
  succeeds_but_not_under only-deny tcp_connect --listen 127.0.0.2 8000
  in_container tcp_connect --listen 127.0.0.3 8000
  assert_success
}

@test "tcp: ports" {
  policy ports '{"network": {"allow": ["127.0.0.1:8000,9000-9002"]}}'
  succeeds_but_not_under ports tcp_connect --listen 127.0.0.1 8001
  local port
  for port in 8000 9000 9002; do
    in_container tcp_connect --listen 127.0.0.1 "$port"
    assert_success
  done
}

@test "tcp: nobody listens there: the kernel's own answer" {
  in_container tcp_connect 127.0.0.1 8000
  assert_output "connect: ECONNREFUSED"
  under_policy friend
  in_container tcp_connect 127.0.0.1 8000
  assert_output "connect: ECONNREFUSED"
  assert_event '.verdict == "allowed" and .errno == "ECONNREFUSED"'
}

@test "mptcp" {
  succeeds_but_not_under friend tcp_connect --listen --mptcp 127.0.0.2 8000
  in_container tcp_connect --listen --mptcp 127.0.0.1 8000
  assert_success
}

@test "ipv6" {
  policy six '{"network": {"allow": ["[::1]:8000"]}}'
  succeeds_but_not_under six tcp_connect --listen ::1 8001
  assert_event '.denied and .host == "::1" and .port == 8001'
  in_container tcp_connect --listen ::1 8000
  assert_success
  succeeds_but_not_under friend tcp_connect --listen ::1 8000
}

@test "ipv4 in ipv6 is the ipv4 address it means" {
  succeeds_but_not_under friend tcp_connect --listen ::ffff:127.0.0.2 8000
  assert_event '.denied and .host == "127.0.0.2"'
  in_container tcp_connect --listen ::ffff:127.0.0.1 8000
  assert_success
}

@test "0.0.0.0 is this host" {
  policy not-local '{"network": {"deny": ["127.0.0.0/8"]}}'
  succeeds_but_not_under not-local tcp_connect --listen 0.0.0.0 8000
  policy not-local6 '{"network": {"deny": ["::1"]}}'
  succeeds_but_not_under not-local6 tcp_connect --listen :: 8000
}

@test "udp" {
  succeeds_but_not_under friend udp_connect 127.0.0.2 8000
  assert_output "connect: EACCES"
  in_container udp_connect 127.0.0.1 8000
  assert_success
}

@test "tcp:// and udp:// rules are for their transport alone" {
  policy tcp-only '{"network": {"allow": ["tcp://127.0.0.1"]}}'
  succeeds_but_not_under tcp-only udp_connect 127.0.0.1 8000
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_success
  policy udp-only '{"network": {"allow": ["udp://127.0.0.1:8000"]}}'
  succeeds_but_not_under udp-only tcp_connect --listen 127.0.0.1 8000
  in_container udp_connect 127.0.0.1 8000
  assert_success
}

# Who may have ping sockets is the network namespace's affair; in a new one it is nobody.
allow_ping_sockets() {
  edit_bundle '.linux.sysctl["net.ipv4.ping_group_range"] = "0 0"'
}

@test "icmp" {
  allow_ping_sockets
  policy echo '{"network": {"allow": ["icmp://127.0.0.1", "icmp://::1"]}}'
  succeeds_but_not_under echo ping_connect 127.0.0.2
  assert_output "connect: EACCES"
  assert_event '.denied and .host == "127.0.0.2" and .transport == "icmp" and .rule == "/network/allow" and (has("port") | not)'
  in_container ping_connect 127.0.0.1
  assert_success
  assert_event '.verdict == "allowed" and .host == "127.0.0.1" and .transport == "icmp" and .rule == "/network/allow/0"'
  in_container ping_connect ::1
  assert_success
}

@test "icmp is apart from tcp and udp" {
  allow_ping_sockets
  policy echo '{"network": {"allow": ["icmp://*"]}}'
  succeeds_but_not_under echo udp_connect 127.0.0.1 8000
  succeeds_but_not_under echo tcp_connect --listen 127.0.0.1 8000
  succeeds_but_not_under friend ping_connect 127.0.0.1
  policy no-echo '{"network": {"deny": ["icmp://127.0.0.2"]}}'
  succeeds_but_not_under no-echo ping_connect 127.0.0.2
  in_container ping_connect 127.0.0.1
  assert_success
  in_container udp_connect 127.0.0.2 8000
  assert_success
}

@test "icmp rules are not for raw sockets" {
  edit_bundle '.process.capabilities[] |= (. + ["CAP_NET_RAW"] | unique)'
  policy echo '{"network": {"allow": ["icmp://*"]}}'
  succeeds_but_not_under echo ping_connect --raw 127.0.0.1
  assert_output "connect: EACCES"
}

@test "TCP fast open is no way round" {
  succeeds_but_not_under nobody send_to --fastopen 127.0.0.1 8000
}

@test "datagrams: to an address of their own" {
  local way
  for way in --sendto --sendmsg --sendmmsg; do
    succeeds_but_not_under friend send_to "$way" 127.0.0.2 8000
    assert_output "${way#--}: EACCES"
    assert_event '.syscall == "'"${way#--}"'" and .verdict == "denied" and .host == "127.0.0.2" and .port == 8000 and .transport == "udp"
      and .size == 1 and .rule == "/network/allow" and .errno == "EACCES"'
    in_container send_to "$way" 127.0.0.1 8000
    assert_output "${way#--}: ok"
    assert_event '.syscall == "'"${way#--}"'" and .verdict == "allowed" and .host == "127.0.0.1" and .size == 1'
  done
  succeeds_but_not_under friend send_to --sendmsg ::1 8000
  succeeds_but_not_under friend send_to --sendto ::ffff:127.0.0.2 8000
  policy not-local '{"network": {"deny": ["127.0.0.0/8"]}}'
  succeeds_but_not_under not-local send_to --sendto 0.0.0.0 8000
}

@test "datagrams: sendmmsg stops at the first that is refused" {
  in_container send_several 8000 127.0.0.1 127.0.0.2 127.0.0.3
  assert_output "sendmmsg: 3 ok, lengths 5 5 5, 3 arrived"
  under_policy friend
  in_container send_several 8000 127.0.0.1 127.0.0.2 127.0.0.3
  assert_output "sendmmsg: 1 ok, lengths 5 99 99, 1 arrived"
  assert_event '.syscall == "sendmmsg" and .denied and .host == "127.0.0.2"'
  in_container send_several 8000 127.0.0.2 127.0.0.1
  assert_output "sendmmsg: -1 EACCES, lengths 99 99, 0 arrived"
}

@test "datagrams: an address that changes while it is decided on" {
  local way
  for way in "" --sendmsg; do
    without_policy
    # shellcheck disable=SC2086
    in_container flip_datagram $way 8000 127.0.0.1 127.0.0.2 200000
    assert_success
    refute_output --partial "denied 0 "
    under_policy friend
    # shellcheck disable=SC2086
    in_container flip_datagram $way 8000 127.0.0.1 127.0.0.2 20000
    assert_success
    assert_output --regexp '^allowed [1-9][0-9]* denied 0 refused [1-9][0-9]*$'
  done
}

@test "datagrams: audit reports them, and they arrive" {
  policy audit '{"mode": "audit", "network": {"allow": []}}'
  under_policy audit
  in_container send_several 8000 127.0.0.1 127.0.0.2
  assert_output "sendmmsg: 2 ok, lengths 5 5, 2 arrived"
  assert_event '.syscall == "sendmmsg" and .verdict == "audited" and .host == "127.0.0.1"'
}

# The agent sends in the target's place, and nobody can tell.
@test "messages on unix sockets: as natively" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_SETUID", "CAP_SETGID"])'
  local what
  for what in rights credentials forge pipe pipe-quiet full waiting restarted ask-netlink; do
    without_policy
    in_container send_message "$what"
    assert_success
    local native=$output
    under_policy nobody
    in_container send_message "$what"
    assert_success
    assert_equal "$output" "$native"
    case $what in
      rights) assert_output "a y through the descriptor; none of ours: EBADF" ;;
      credentials) assert_output "ours; ours" ;;
      forge) assert_output $'process: EPERM\nuser: EPERM\ngroup: EPERM' ;;
      pipe) assert_output $'sendmsg: EPIPE\n1 signals' ;;
      pipe-quiet) assert_output $'sendmsg: EPIPE\n0 signals' ;;
      full) assert_output $'MSG_DONTWAIT: EAGAIN\nO_NONBLOCK: EAGAIN' ;;
      waiting) assert_output "3145728 bytes, as sent, and 200 others meanwhile" ;;
      restarted) assert_output "3000 datagrams, 0 lost or changed, at most 2 twice, with signals" ;;
      ask-netlink) assert_output "netlink: ok" ;;
    esac
  done
  refute_event '.syscall == "sendmsg"'
}

# What the agent may, the target may not by sending through it.
@test "netlink changes nothing" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_ADMIN"])'
  succeeds_but_not_under friend send_message change-netlink
  assert_output "netlink: EACCES"
  assert_event '.syscall == "sendmsg" and .denied'
}

@test "a connect put off is no way round" {
  succeeds_but_not_under friend mptcp_deferred 127.0.0.1 127.0.0.2 8000
  assert_output "setsockopt: ENOPROTOOPT"
  policy stranger '{"network": {"deny": ["127.0.0.2"]}}'
  succeeds_but_not_under stranger mptcp_deferred 127.0.0.1 127.0.0.2 8000
  assert_output "setsockopt: ENOPROTOOPT"
}

# An option of `no operation` bytes, a routing header of length 0, and a range of one port: harmless in themselves,
# so that they succeed where nobody minds.
@test "source routes are no way round" {
  succeeds_but_not_under friend socket_option 4 0 4 01010101     # IP_OPTIONS
  succeeds_but_not_under friend socket_option 6 41 57            # IPV6_RTHDR
  succeeds_but_not_under friend socket_option 6 41 6             # IPV6_2292PKTOPTIONS
  in_container socket_option 4 0 1 10                            # IP_TOS
  assert_success
}

@test "bind: a range of one port is no way round" {
  policy one-port '{"network": {"bind": ["8000"]}}'
  succeeds_but_not_under one-port socket_option 4 0 51 401f401f  # IP_LOCAL_PORT_RANGE
  in_container socket_option 4 0 1 10
  assert_success
}

@test "packet sockets are no way round" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  succeeds_but_not_under friend try_syscall socket 17 3 0
  assert_output "socket: EAFNOSUPPORT"
  # The kernel takes an int: the upper half of the register is nothing to it.
  succeeds_but_not_under friend try_syscall socket 0x700000011 3 0
  in_container sh -c 'try_syscall socket 1 1 0; try_syscall socket 2 1 0; try_syscall socket 10 2 0; try_syscall socket 16 3 0'
  assert_output $'socket: 3\nsocket: 3\nsocket: 3\nsocket: 3'
}

# Of the family IPv4 by its name; the kernel makes a packet socket of it.
@test "SOCK_PACKET sockets are no way round" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  local type
  for type in 10 0x8080a 0x70000000a; do
    succeeds_but_not_under friend try_syscall socket 2 "$type" 768
    assert_output "socket: EPROTONOSUPPORT"
  done
  policy one-port '{"network": {"bind": ["8000"]}}'
  succeeds_but_not_under one-port try_syscall socket 2 10 768
}

# What the reference gives as the remedy where there are no network rules.
@test "the packet and raw sockets that docs/policy.md refuses are refused" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  policy documented '{"syscalls": [
    {"names": ["socket"], "args": [{"index": 0, "op": "eq", "value": "AF_PACKET"}], "action": "errno"},
    {"names": ["socket"], "args": [{"index": 1, "op": "masked_eq", "mask": "0xf", "value": "SOCK_RAW"}], "action": "errno"},
    {"names": ["socket"], "args": [{"index": 1, "op": "masked_eq", "mask": "0xf", "value": "SOCK_PACKET"}], "action": "errno"}]}'
  local socket
  for socket in "17 2 768" "2 3 6" "10 3 6" "2 10 768"; do
    # shellcheck disable=SC2086
    succeeds_but_not_under documented try_syscall socket $socket
    assert_output "socket: EPERM"
  done
}

# The kernel makes the sockets before it finds that such ones do not come in pairs.
@test "pairs of sockets are of the families left" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
  local pairs='for family in 1 2 17; do try_syscall socketpair $family 1 0 @eight-bytes; done; try_syscall socketpair 17 3 0 @eight-bytes'
  in_container sh -c "$pairs"
  assert_output $'socketpair: 0\nsocketpair: EOPNOTSUPP\nsocketpair: ESOCKTNOSUPPORT\nsocketpair: EOPNOTSUPP'
  under_policy friend
  in_container sh -c "$pairs"
  assert_output $'socketpair: 0\nsocketpair: EOPNOTSUPP\nsocketpair: EAFNOSUPPORT\nsocketpair: EAFNOSUPPORT'
}
@test "pairs of AF_TIPC sockets are left out" { is_left_out socketpair 30 4 0 EAFNOSUPPORT; }

# is_left_out CALL FAMILY TYPE PROTOCOL ERRNO: the call fails with ERRNO under a policy. Skips where the kernel has no such
# socket, so that nothing would be shown.
is_left_out() {
  in_container try_syscall "${@:1:4}" @eight-bytes
  if [[ $status != 0 ]]; then skip "this kernel has none: $output"; fi
  under_policy friend
  in_container try_syscall "${@:1:4}" @eight-bytes
  assert_output "$1: $5"
}

@test "AF_ALG sockets are left out" { is_left_out socket 38 5 0 EAFNOSUPPORT; }
@test "AF_VSOCK sockets are left out" { is_left_out socket 40 1 0 EAFNOSUPPORT; }
@test "AF_TIPC sockets are left out" { is_left_out socket 30 4 0 EAFNOSUPPORT; }
@test "SCTP sockets are left out" { is_left_out socket 2 1 132 EPROTONOSUPPORT; }
@test "SCTP sockets over IPv6 are left out" { is_left_out socket 10 1 132 EPROTONOSUPPORT; }
@test "SOCK_SEQPACKET sockets over IP are left out" { is_left_out socket 2 5 0 EPROTONOSUPPORT; }

# Kernels without SCTP have another name for what they miss here.
@test "SOCK_SEQPACKET over IP is refused by the policy, and not by the kernel alone" {
  local family
  for family in 2 10; do
    without_policy
    in_container try_syscall socket "$family" 5 0
    refute_output "socket: EPROTONOSUPPORT"
    under_policy friend
    in_container try_syscall socket "$family" 5 0
    assert_output "socket: EPROTONOSUPPORT"
  done
}

@test "a host name means its addresses when the container starts" {
  policy name '{"network": {"allow": ["localhost:8000"]}}'
  succeeds_but_not_under name tcp_connect --listen 127.0.0.2 8000
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_success
}

@test "non-blocking sockets" {
  succeeds_but_not_under friend connect_nonblocking 127.0.0.2 8000
  assert_output "connect: EACCES"
  in_container connect_nonblocking 127.0.0.1 8000
  assert_success
  assert_output --regexp '^connect (in progress|at once): ok$'
}

@test "a non-blocking connect that nobody answers is in progress at once" {
  in_container connect_waiting 127.0.0.1 8000
  assert_output "connect: EINPROGRESS, at once; again: EALREADY"
  under_policy friend
  in_container connect_waiting 127.0.0.1 8000
  assert_output "connect: EINPROGRESS, at once; again: EALREADY"
}

@test "a blocking connect is interrupted by a signal as natively" {
  in_container connect_interrupted 127.0.0.1 8000
  assert_output "connect: EINTR after 1 signal"
  under_policy friend
  in_container connect_interrupted 127.0.0.1 8000
  assert_output "connect: EINTR after 1 signal"
}

@test "a blocking connect goes on after a signal as natively, with SA_RESTART" {
  in_container connect_interrupted --restart 127.0.0.1 8000
  assert_output "connect: ok after 1 signal"
  under_policy friend
  in_container connect_interrupted --restart 127.0.0.1 8000
  assert_output "connect: ok after 1 signal"
}

@test "a connect that waits holds up nobody else" {
  in_container connect_threads 127.0.0.1 8000 8 50
  assert_output "400 of 400 connected while one waited"
  under_policy friend
  in_container connect_threads 127.0.0.1 8000 8 50
  assert_output "400 of 400 connected while one waited"
}

@test "a container that is killed while a connect waits" {
  under_policy friend
  start_container sh -c 'connect_threads 127.0.0.1 8000 1 1; connect_interrupted 127.0.0.1 8002 & exec sleep 1000'
  eventually has_event '.port == 8000'
  shim kill "$ID" KILL
  wait_until_stopped "$ID"
  shim delete "$ID"
  assert eventually nothing_left
}

# Unix sockets are not the network rules' to name, and an allow-list refuses what it does not name.
without_unix() { tr ' ' '\n' <<<"$1" | grep -vE '^(unix|v4_in_unix)='; }

@test "addresses no sane program passes: as natively" {
  in_container odd_connects 127.0.0.1 8000
  assert_success
  local native=$output
  policy all '{"network": {"allow": ["*"]}}'
  under_policy all
  in_container odd_connects 127.0.0.1 8000
  assert_success
  assert_equal "$(without_unix "$output")" "$(without_unix "$native")"
  in_container odd_connects ::1 8000
  assert_success
  assert_output --partial " good=ok"
}

@test "addresses no sane program passes: none gets through" {
  in_container odd_connects 127.0.0.1 8000
  assert_output --partial " good=ok"
  under_policy nobody
  in_container odd_connects 127.0.0.1 8000
  assert_success
  # AF_UNSPEC leads nowhere.
  assert_equal "$(tr ' ' '\n' <<<"$output" | grep '=ok' | grep -v '^unspecified' || true)" ""
}

@test "an address that changes while it is decided on" {
  in_container flip_address 8000 127.0.0.1 127.0.0.2 3000
  assert_success
  refute_output --partial "denied 0 "
  under_policy friend
  in_container flip_address 8000 127.0.0.1 127.0.0.2 3000
  assert_success
  assert_output --regexp '^allowed [1-9][0-9]* denied 0 refused [1-9][0-9]*$'
}

@test "a descriptor that changes while it is decided on" {
  in_container flip_socket 127.0.0.1 8000 500
  assert_success
  refute_output --regexp "udp 0$"
  policy tcp-only '{"network": {"allow": ["tcp://127.0.0.1"]}}'
  under_policy tcp-only
  in_container flip_socket 127.0.0.1 8000 500
  assert_success
  assert_output --regexp '^tcp [1-9][0-9]* udp 0$'
}

@test "bind: ports" {
  policy bind '{"network": {"bind": ["8080", "9000-9005"]}}'
  succeeds_but_not_under bind bind_port 0.0.0.0 8081
  assert_output "bind: EACCES"
  assert_event '.syscall == "bind" and .denied and .port == 8081 and .rule == "/network/bind"'
  local address
  for address in 0.0.0.0 127.0.0.1 :: ::1 ::ffff:127.0.0.1; do
    works_without_policy "bind_port $address 9006; bind_port --udp $address 8079"
    in_container bind_port "$address" 8080
    assert_success
    in_container bind_port "$address" 9005
    assert_success
    in_container bind_port "$address" 9006
    assert_output "bind: EACCES"
    in_container bind_port --udp "$address" 9000
    assert_success
    in_container bind_port --udp "$address" 8079
    assert_output "bind: EACCES"
  done
}

@test "bind: an empty list binds nothing, and connects are free" {
  policy no-bind '{"network": {"bind": []}}'
  succeeds_but_not_under no-bind bind_port 127.0.0.1 8080
  in_container tcp_connect 127.0.0.1 8000
  assert_output "connect: ECONNREFUSED"
  in_container udp_connect 127.0.0.1 8000
  assert_success
}

@test "bind: the kernel's own errors" {
  policy bind '{"network": {"bind": ["8080", "80"]}}'
  local way
  for way in without under; do
    if [[ $way == under ]]; then under_policy bind; fi
    in_container bind_port 192.0.2.1 8080
    assert_output "bind: EADDRNOTAVAIL"
    in_container bind_port --taken 0.0.0.0 8080
    assert_output "bind: EADDRINUSE"
  done
  # An unprivileged container's low ports: the agent binds with the container's rights, not with its own.
  edit_bundle '.process.user = {uid: 1000, gid: 1000} | .process.capabilities = {} | .linux.sysctl = {"net.ipv4.ip_unprivileged_port_start": "1024"}'
  without_policy
  in_container bind_port 0.0.0.0 80
  assert_output "bind: EACCES"
  under_policy bind
  in_container bind_port 0.0.0.0 80
  assert_output "bind: EACCES"
  assert_event '.port == 80 and .verdict == "allowed" and .errno == "EACCES"'
}

@test "the network namespace is the container's" {
  # A listener on the host's loopback is not what an allowed connect reaches.
  python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(600)' \
    >"$BATS_TEST_TMPDIR/port" 3>&- &
  BACKGROUND+=($!)
  eventually test -s "$BATS_TEST_TMPDIR/port"
  under_policy friend
  in_container tcp_connect 127.0.0.1 "$(cat "$BATS_TEST_TMPDIR/port")"
  assert_output "connect: ECONNREFUSED"
  # In the host's own network it is.
  edit_bundle '.linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.destination != "/sys"))'
  in_container tcp_connect 127.0.0.1 "$(cat "$BATS_TEST_TMPDIR/port")"
  assert_success
}

@test "audit: reported as denied, and connects" {
  policy audit '{"mode": "audit", "network": {"allow": [], "bind": []}}'
  under_policy audit
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_success
  assert_event '.syscall == "connect" and .denied and .verdict == "audited" and .host == "127.0.0.1"'
  assert_event '.syscall == "bind" and .denied and .verdict == "audited"'
}

@test "events: denied alone" {
  policy quiet '{"network": {"allow": ["127.0.0.1"]}, "events": {"log": ["denied"]}}'
  works_without_policy tcp_connect --listen 127.0.0.2 8000
  under_policy quiet
  in_container sh -c 'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000'
  assert_event '.host == "127.0.0.2"'
  refute_event '.host == "127.0.0.1"'
}

@test "what the bundle's own profile refuses stays refused" {
  works_without_policy tcp_connect --listen 127.0.0.1 8000
  edit_bundle '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [{names: ["connect"], action: "SCMP_ACT_ERRNO", errnoRet: 99}]}'
  under_policy friend
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_output "connect: EADDRNOTAVAIL"
}
