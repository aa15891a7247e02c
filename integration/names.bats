#!/usr/bin/env bats
# Host names in network rules: resolved again while the container runs, and resolving in it without DNS. The agents have
# a network namespace with a DNS server, the containers one of their own with nothing but loopback.

load lib/common

setup() {
  start_test
  make_bundle
  policy named '{"network": {"allow": ["api.test", "127.0.0.9"]}}'
  serve_names
  answer "api.test 5 127.0.0.1"
}

teardown() { end_test; }

# A network namespace in which a DNS server answers, and /etc/resolv.conf names it. The shim, and with it the agents,
# run in there.
serve_names() {
  ANSWERS=$BATS_TEST_TMPDIR/answers
  : >"$ANSWERS"
  mkfifo "$BATS_TEST_TMPDIR/ready"
  unshare --net bash -c 'busybox ip link set lo up && exec python3 "$@"' bash "$BATS_TEST_DIRNAME/lib/dns_server.py" 127.0.0.1 \
    "$ANSWERS" >"$BATS_TEST_TMPDIR/ready" 2>"$BATS_TEST_TMPDIR/dns.log" 3>&- &
  BACKGROUND+=($!)
  NETWORK=/proc/$!/ns/net
  local ready=
  read -r -t "$PATIENCE" ready <"$BATS_TEST_TMPDIR/ready" || true
  [[ $ready == ready ]] || fail "the DNS server does not serve: $(cat "$BATS_TEST_TMPDIR/dns.log")"
  # Both are this run's own: integration/bats has an /etc of its own.
  echo "nameserver 127.0.0.1" >/etc/resolv.conf
  echo "127.0.0.1 localhost" >/etc/hosts
}

# answer LINE...: what the DNS server answers from now on.
answer() {
  printf '%s\n' "$@" >"$ANSWERS.new"
  mv "$ANSWERS.new" "$ANSWERS"
}

shim() {
  timeout --foreground "$PATIENCE" nsenter --net="$NETWORK" "$TIDEWAITER" --root "$RUNTIME_ROOT" "$@"
}

# connects ADDRESS: whether a program in the running container may connect to it.
connects() {
  shim exec "$ID" tcp_connect --listen "$1" 8000 >/dev/null 3>&-
}

# hosts_have LINE: whether the running container's /etc/hosts has it.
hosts_have() {
  shim exec "$ID" cat /etc/hosts 3>&- | grep -qxF "$1"
}

@test "a name's new addresses are allowed, its former ones for a while, others never" {
  without_policy
  start_container sleep 1000
  local address
  for address in 127.0.0.1 127.0.0.2 127.0.0.3; do connects "$address" || fail "$address without a policy"; done

  under_policy named
  start_container sleep 1000
  connects 127.0.0.1
  run ! connects 127.0.0.2
  run ! connects 127.0.0.3
  answer "api.test 5 127.0.0.3"
  eventually connects 127.0.0.3
  connects 127.0.0.1
  run ! connects 127.0.0.2
  assert_event '.verdict == "allowed" and .host == "127.0.0.3" and .rule == "/network/allow/0"'
  assert_event '.denied and .host == "127.0.0.3" and .rule == "/network/allow"'
  # No answer changes nothing.
  answer "api.test fail"
  hosts_have "$(printf '127.0.0.3\tapi.test')"
  connects 127.0.0.3
}

@test "a denied name's addresses stay denied" {
  policy denied '{"network": {"deny": ["api.test"]}}'
  works_without_policy tcp_connect --listen 127.0.0.1 8000
  under_policy denied
  start_container sleep 1000
  run ! connects 127.0.0.1
  connects 127.0.0.3
  answer "api.test 5 127.0.0.3"
  connects_not() { ! connects "$@"; }
  eventually connects_not 127.0.0.3
  run ! connects 127.0.0.1
  connects 127.0.0.2
}

@test "a name that does not resolve allows nothing until it does; to deny it is an error" {
  answer
  under_policy named
  start_container sleep 1000
  run ! connects 127.0.0.1
  connects 127.0.0.9
  grep -q 'api.test.*does not resolve' /var/log/tidewaiter/agent.log
  answer "api.test 5 127.0.0.1"
  eventually connects 127.0.0.1
  eventually hosts_have "$(printf '127.0.0.1\tapi.test')"

  answer
  policy denied '{"network": {"deny": ["api.test"]}}'
  under_policy denied
  in_container true
  assert_failure
  assert_output --partial 'host name "api.test" does not resolve'
  works_without_policy true
}

@test "allowed names resolve in the container without DNS" {
  answer "api.test 5 127.0.0.1" "other.test 5 127.0.0.2"
  in_container resolve api.test
  assert_failure 1
  policy names '{"network": {"allow": ["tcp://API.test:8000"], "deny": ["other.test"]}}'
  under_policy names
  in_container resolve api.test
  assert_success
  assert_output "resolve: 127.0.0.1"
  # What is only denied is not there.
  in_container resolve other.test
  assert_failure 1
}

@test "the hosts file follows the name" {
  under_policy named
  start_container sleep 1000
  hosts_have "$(printf '127.0.0.1\tapi.test')"
  answer "api.test 5 127.0.0.3"
  eventually hosts_have "$(printf '127.0.0.3\tapi.test')"
  run ! hosts_have "$(printf '127.0.0.1\tapi.test')"
}

@test "the container's own /etc/hosts stays, of the bundle or of the image" {
  local own=$BATS_TEST_TMPDIR/own
  echo "10.1.2.3 box" >"$own"
  edit_bundle --arg own "$own" '.mounts += [{destination: "/etc/hosts", type: "bind", source: $own, options: ["bind", "rw"]}]'
  under_policy named
  start_container sleep 1000
  hosts_have "10.1.2.3 box"
  hosts_have "$(printf '127.0.0.1\tapi.test')"
  # podman writes more into it when it connects a network.
  echo "10.4.5.6 box" >>"$own"
  eventually hosts_have "10.4.5.6 box"
  hosts_have "$(printf '127.0.0.1\tapi.test')"
  run -0 cat "$own"
  refute_output --partial api.test

  edit_bundle 'del(.mounts[-1])'
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  echo "10.7.8.9 image" >"$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" '.root.path = $rootfs'
  in_container cat /etc/hosts
  assert_line "10.7.8.9 image"
  assert_line "$(printf '127.0.0.1\tapi.test')"
  run -0 cat "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  assert_output "10.7.8.9 image"
}

@test "an image's link at /etc/hosts does not lead to a file of the machine" {
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  echo "secret" >"$BATS_TEST_TMPDIR/secret"
  ln -s "../../../../../../../../../../$BATS_TEST_TMPDIR/secret" "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  cat "$BATS_TEST_TMPDIR/rootfs/etc/hosts" # there is a way to it
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" '.root.path = $rootfs | .root.readonly = false'
  under_policy named
  in_container cat /etc/hosts
  refute_output --partial secret
}

@test "nobody in the container writes the hosts file" {
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  touch "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" '.root.path = $rootfs | .root.readonly = false'
  in_container sh -c 'echo 127.0.0.2 api.test >>/etc/hosts'
  assert_success
  under_policy named
  in_container sh -c 'echo 127.0.0.2 api.test >>/etc/hosts'
  assert_failure
  assert_output --partial "Read-only file system"
}

@test "no names, no hosts file of ours" {
  policy addresses '{"network": {"allow": ["127.0.0.1"], "deny": ["api.test"]}}'
  under_policy addresses
  in_container cat /proc/self/mountinfo
  refute_output --partial /etc/hosts
  under_policy named
  in_container cat /proc/self/mountinfo
  assert_output --partial /etc/hosts
}

@test "in a user namespace" {
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  touch "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  chown -R 100000:100000 "$BATS_TEST_TMPDIR/rootfs"
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" '.root.path = $rootfs | .linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
  chmod go+x "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
  in_container resolve api.test
  assert_failure 1
  under_policy named
  in_container resolve api.test
  assert_success
  assert_output "resolve: 127.0.0.1"
}

@test "a name from the machine's own hosts file" {
  echo "127.0.0.5 local.test" >>/etc/hosts
  policy local '{"network": {"allow": ["local.test"]}}'
  works_without_policy tcp_connect --listen 127.0.0.1 8000
  under_policy local
  in_container resolve local.test
  assert_output "resolve: 127.0.0.5"
  in_container tcp_connect --listen 127.0.0.5 8000
  assert_success
  in_container tcp_connect --listen 127.0.0.1 8000
  assert_output "connect: EACCES"
}
