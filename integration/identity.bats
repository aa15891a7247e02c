#!/usr/bin/env bats
# The policy's `identity`: what the bundle says of the container's name, hosts, processors, variables and user. Each is shown with and
# without the policy.

load lib/common

setup() {
  start_test
  make_bundle
}

teardown() { end_test; }

# identified IDENTITY [MORE]: from here on the bundle is under a policy with this identity.
identified() {
  policy identified "{\"identity\": $1${2:+, $2}}"
  under_policy identified
}

# own_rootfs: one that may be written to, and has an /etc/hosts.
own_rootfs() {
  make_rootfs "$BATS_TEST_TMPDIR/rootfs"
  echo "10.7.8.9 image db.test" >"$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  edit_bundle --arg rootfs "$BATS_TEST_TMPDIR/rootfs" '.root.path = $rootfs | .root.readonly = false'
}

# process_file FILTER: a file for `exec --process`, from the bundle's process.
process_file() {
  jq ".process | $1" "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
}

# executed ARGUMENT...: runs a command in the container by such a file.
executed() {
  jq --rawfile arguments <(printf '%s\0' "$@") '.args = ($arguments | split("\u0000") | .[:-1])' \
    "$BATS_TEST_TMPDIR/process.json" >"$BATS_TEST_TMPDIR/executed.json"
  run shim exec --process "$BATS_TEST_TMPDIR/executed.json" "$ID"
}

# --- host name -----------------------------------------------------------------------------------------

@test "identity: host name" {
  in_container hostname
  assert_output test
  identified '{"hostname": "build.example.com"}'
  in_container hostname
  assert_success
  assert_output build.example.com
  start_container sleep 1000
  run shim exec "$ID" /bin/hostname
  assert_output build.example.com
}

@test "identity: host name where the bundle shares a uts namespace" {
  edit_bundle 'del(.hostname) | .linux.namespaces |= map(select(.type != "uts"))'
  in_container hostname
  assert_output "$(hostname)"
  identified '{"hostname": "build"}'
  in_container hostname
  assert_success
  assert_output build

  # Another's, as in a pod.
  unshare --uts sh -c 'hostname pod && sleep 1000' 3>&- &
  local -r pid=$!
  BACKGROUND+=("$pid")
  is_pod() { [[ $(nsenter --target "$pid" --uts hostname) == pod ]]; }
  eventually is_pod
  edit_bundle --arg path "/proc/$pid/ns/uts" '.linux.namespaces += [{type: "uts", path: $path}]'
  without_policy
  in_container hostname
  assert_output pod
  under_policy identified
  in_container hostname
  assert_output build
  assert_equal "$(nsenter --target "$pid" --uts hostname)" pod
}

@test "identity: host name in the file that engines bind, and in their variable" {
  own_rootfs
  echo 0123456789ab >"$BATS_TEST_TMPDIR/hostname"
  edit_bundle --arg file "$BATS_TEST_TMPDIR/hostname" '.process.env += ["HOSTNAME=0123456789ab"]
    | .mounts += [{destination: "/etc/hostname", type: "bind", source: $file, options: ["bind", "rw"]}]'
  # shellcheck disable=SC2016
  local -r look='cat /etc/hostname; echo $HOSTNAME; echo other 2>/dev/null >/etc/hostname && echo written'
  in_container sh -c "$look"
  assert_output $'0123456789ab\n0123456789ab\nwritten'
  identified '{"hostname": "build"}'
  in_container sh -c "$look"
  assert_output $'build\nbuild'
  assert_equal "$(cat "$BATS_TEST_TMPDIR/hostname")" other
}

@test "identity: a sysctl that would set another host name" {
  edit_bundle 'del(.hostname) | .linux.sysctl = {"kernel/hostname": "other"}'
  in_container hostname
  # Not all versions of the runtimes take it.
  [[ $status != 0 || $output == other ]] || fail "the sysctl does nothing"
  identified '{"hostname": "build"}'
  in_container hostname
  assert_failure 1
  assert_output --partial "would set another host name than the policy's /identity/hostname"
}

# --- hosts ---------------------------------------------------------------------------------------------

@test "identity: pinned hosts" {
  own_rootfs
  in_container cat /etc/hosts
  assert_output "10.7.8.9 image db.test"
  in_container resolve db.test
  assert_output "resolve: 10.7.8.9"
  works_without_policy ': >>/etc/hosts'

  identified '{"hosts": {"db.test": ["10.0.0.5", "2001:db8::5"], "API.test": "10.0.0.6"}}'
  in_container cat /etc/hosts
  assert_success
  assert_output --partial "$(printf '10.0.0.5\tdb.test\n2001:db8::5\tdb.test\n10.0.0.6\tapi.test\n10.7.8.9\timage')"
  refute_output --partial "image db.test"
  in_container resolve api.test
  assert_output "resolve: 10.0.0.6"
  run -0 cat "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  assert_output "10.7.8.9 image db.test"
  in_container sh -c ': >>/etc/hosts'
  assert_failure
  assert_output --partial "Read-only file system"
}

@test "identity: pinned hosts, and what the engine writes before the start" {
  own_rootfs
  echo "10.88.0.2 box db.test" >"$BATS_TEST_TMPDIR/hosts"
  edit_bundle --arg file "$BATS_TEST_TMPDIR/hosts" \
    '.mounts += [{destination: "/etc/hosts", type: "bind", source: $file, options: ["bind"]}]'
  identified '{"hosts": {"db.test": "10.0.0.5"}}'
  ID=$(new_id)
  container_runs cat /etc/hosts
  shim create --bundle "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 3>&-
  echo "10.88.0.3 box db.test" >"$BATS_TEST_TMPDIR/hosts"
  shim start "$ID" 3>&-
  wait_until_stopped "$ID"
  run -0 cat "$BATS_TEST_TMPDIR/out"
  assert_output --partial "$(printf '10.0.0.5\tdb.test\n10.88.0.3\tbox')"
}

@test "identity: pinned hosts, and a mount over /etc that hides their place" {
  own_rootfs
  mkdir "$BATS_TEST_TMPDIR/later-etc"
  echo "10.7.8.8 hidden db.test" >"$BATS_TEST_TMPDIR/hosts"
  echo "10.7.8.9 later db.test" >"$BATS_TEST_TMPDIR/later-etc/hosts"
  edit_bundle --arg file "$BATS_TEST_TMPDIR/hosts" --arg etc "$BATS_TEST_TMPDIR/later-etc" \
    '.mounts += [{destination: "/etc/hosts", type: "bind", source: $file, options: ["bind"]},
                 {destination: "/etc", type: "bind", source: $etc, options: ["bind"]}]'
  in_container cat /etc/hosts
  assert_output "10.7.8.9 later db.test"
  identified '{"hosts": {"db.test": "10.0.0.5"}}'
  in_container cat /etc/hosts
  assert_success
  assert_output --partial "$(printf '10.0.0.5\tdb.test\n10.7.8.9\tlater')"
  assert_equal "$(cat "$BATS_TEST_TMPDIR/later-etc/hosts")" "10.7.8.9 later db.test"
}

@test "identity: pinned hosts in network rules" {
  own_rootfs
  identified '{"hosts": {"db.test": "127.0.0.5"}}' '"network": {"allow": ["db.test"]}'
  in_container resolve db.test
  assert_output "resolve: 127.0.0.5"
  in_container tcp_connect --listen 127.0.0.5 8000
  assert_success
  in_container tcp_connect --listen 127.0.0.6 8000
  assert_output "connect: EACCES"
  # What the machine makes of the name does not count.
  echo "127.0.0.6 db.test" >>/etc/hosts
  in_container tcp_connect --listen 127.0.0.6 8000
  assert_output "connect: EACCES"
  without_policy
  in_container tcp_connect --listen 127.0.0.6 8000
  assert_output "connect: ok"
}

@test "identity: an image's link at /etc/hosts leads the file nowhere outside" {
  own_rootfs
  echo "outside" >"$BATS_TEST_TMPDIR/outside"
  rm "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  touch "$BATS_TEST_TMPDIR/rootfs/etc/elsewhere"
  ln -s "elsewhere" "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  identified '{"hosts": {"db.test": "10.0.0.5"}}'
  in_container cat /etc/hosts
  assert_success
  assert_output --partial "$(printf '10.0.0.5\tdb.test')"
  # To a file of the machine's: it is one of the image's.
  ln -sfn "../../../../../../../../..$BATS_TEST_TMPDIR/outside" "$BATS_TEST_TMPDIR/rootfs/etc/hosts"
  in_container cat /etc/hosts
  refute_output --partial outside
  assert_equal "$(cat "$BATS_TEST_TMPDIR/outside")" outside
}

# --- processors ----------------------------------------------------------------------------------------

# For the container's shell: what it is told of its processors.
readonly SHOW_PROCESSORS='nproc; grep -c "^processor" /proc/cpuinfo; cat /sys/devices/system/cpu/online'

@test "identity: processors" {
  local -r all=$(nproc)
  if ((all < 2)); then
    skip "this machine has one"
  fi
  in_container sh -c "$SHOW_PROCESSORS"
  assert_equal "${lines[0]}" "$all"
  assert_equal "${lines[1]}" "$all"

  identified '{"cpus": 1}'
  in_container sh -c "$SHOW_PROCESSORS"
  assert_output $'1\n1\n0'
  in_container sh -c 'cat /sys/devices/system/cpu/possible /sys/devices/system/cpu/present; grep Cpus_allowed_list /proc/self/status'
  assert_output $'0\n0\nCpus_allowed_list:\t0'
  # Nobody in it changes that.
  in_container sh -c 'echo 0 >/sys/devices/system/cpu/online'
  assert_failure

  identified '{"cpus": "1"}'
  start_container sleep 1000
  process_file .
  executed /bin/sh -c "$SHOW_PROCESSORS; cat /sys/devices/system/cpu/possible"
  assert_output $'1\n1\n1\n0-1'
  run shim exec "$ID" /bin/nproc
  assert_output 1
}

@test "identity: processors that the bundle leaves" {
  if (($(nproc) < 2)); then
    skip "this machine has one"
  fi
  edit_bundle '.linux.resources.cpu.cpus = "1"'
  in_container nproc
  assert_output 1
  identified '{"cpus": 2}'
  in_container sh -c "$SHOW_PROCESSORS"
  assert_output $'1\n1\n1'
  identified '{"cpus": "0"}'
  in_container nproc
  assert_failure 1
  assert_output --partial '/linux/resources/cpu/cpus: expected one at least of the processors 0'
  edit_bundle '.linux.resources.cpu.cpus = "0-1"'
  in_container nproc
  assert_output 1
  identified '{"cpus": "0-8000"}'
  in_container nproc
  assert_failure 1
  assert_output --partial "/identity/cpus: expected some of the machine's processors"
}

@test "identity: processors are not given back by update" {
  if (($(nproc) < 2)); then
    skip "this machine has one"
  fi
  start_container sleep 1000
  run shim update --cpuset-cpus 0-1 "$ID"
  assert_success
  identified '{"cpus": "1"}'
  start_container sleep 1000
  run shim update --cpuset-cpus 0-1 "$ID"
  assert_failure 1
  assert_output --partial "--cpuset-cpus: sets what the policy's /identity/cpus limits"
  echo '{"cpu": {"cpus": "0-1"}}' >"$BATS_TEST_TMPDIR/resources.json"
  run shim update --resources "$BATS_TEST_TMPDIR/resources.json" "$ID"
  assert_success
  run shim exec "$ID" /bin/grep Cpus_allowed_list /proc/self/status
  assert_output $'Cpus_allowed_list:\t1'
}

@test "identity: processors where the runtime makes no cgroup" {
  if [[ $RUNTIME != crun ]]; then
    skip "an option of crun's"
  fi
  container_runs true
  run -0 shim --cgroup-manager=disabled run --bundle "$BUNDLE" "$(new_id)" </dev/null
  identified '{"cpus": 1}'
  run shim --cgroup-manager=disabled run --bundle "$BUNDLE" "$(new_id)" </dev/null
  assert_failure 1
  assert_output --partial "/identity/cpus: no cgroup would hold it: the runtime is told to make none"
}

# --- variables -----------------------------------------------------------------------------------------

@test "identity: variables" {
  edit_bundle '.process.env += ["SECRET=1", "LANG=de", "LC_ALL=de", "LANG=fr"]'
  in_container env
  assert_line SECRET=1
  assert_line LANG=fr

  identified '{"env": {"set": {"LANG": "C", "NEW": "a=b c"}}}'
  in_container env
  assert_line SECRET=1
  assert_line LANG=C
  assert_line "NEW=a=b c"
  refute_line LANG=de
  refute_line LANG=fr

  identified '{"env": {"clean": true, "pass": ["PATH", "LC_*"], "set": {"LANG": "C"}}}'
  in_container env
  assert_line PATH=/bin:/probes
  assert_line LC_ALL=de
  assert_line LANG=C
  refute_line SECRET=1

  identified '{"env": {"clean": true}}'
  in_container env
  assert_failure 1
  assert_output --partial '/identity/env: leaves no PATH, by which the container'"'"'s program "env" is found'
  in_container /bin/env
  assert_success
  refute_line SECRET=1
}

@test "identity: variables of what is executed" {
  edit_bundle '.process.env += ["SECRET=1"]'
  process_file '.env += ["OTHER=1"]'
  start_container sleep 1000
  executed /bin/env
  assert_line SECRET=1
  assert_line OTHER=1
  run shim exec --env OTHER=2 "$ID" /bin/env
  assert_line OTHER=2
  identified '{"env": {"clean": true, "pass": ["PATH"], "set": {"LANG": "C"}}}'
  start_container sleep 1000
  executed env
  assert_success
  assert_line PATH=/bin:/probes
  assert_line LANG=C
  refute_line SECRET=1
  refute_line OTHER=1
  run shim exec --env OTHER=2 "$ID" /bin/env
  assert_failure 255
  assert_output --partial "/identity/env: without --process the runtime takes another one than the policy's"
}

# --- user ----------------------------------------------------------------------------------------------

# For the container's shell: who it is, and what it may.
readonly SHOW_USER='id -u; id -g; id -G; grep -E "^Cap(Inh|Prm|Eff|Amb)" /proc/self/status | cut -f 2 | sort -u'

@test "identity: user" {
  edit_bundle '.process.user.additionalGids = [0, 10] | .process.capabilities.inheritable = .process.capabilities.bounding
    | .process.capabilities.ambient = .process.capabilities.bounding'
  in_container sh -c "$SHOW_USER"
  assert_equal "${lines[0]}" 0
  refute_line 0000000000000000

  identified '{"user": {"uid": 1234, "gid": 56, "additional_gids": [78]}}'
  in_container sh -c "$SHOW_USER"
  assert_success
  assert_output $'1234\n56\n56 78\n0000000000000000'
  in_container sh -c 'grep CapBnd /proc/self/status'
  refute_output --partial 0000000000000000

  # Of whom the bundle means, they are not taken.
  edit_bundle '.process.user.uid = 1234'
  in_container sh -c "$SHOW_USER"
  assert_equal "${lines[0]}" 1234
  refute_line 0000000000000000
}

@test "identity: what the image makes of a number does not count" {
  own_rootfs
  echo '1234:x:0:0::/:/bin/sh' >"$BATS_TEST_TMPDIR/rootfs/etc/passwd"
  printf '%s\n' '56:x:0:' 'root:x:0:1234' >"$BATS_TEST_TMPDIR/rootfs/etc/group"
  identified '{"user": {"uid": 1234, "gid": 56}}'
  in_container sh -c "$SHOW_USER"
  assert_success
  assert_output $'1234\n56\n56\n0000000000000000'
}

@test "identity: user of what is executed" {
  process_file '.capabilities.ambient = .capabilities.bounding | .capabilities.inheritable = .capabilities.bounding
    | .user.additionalGids = [0]'
  start_container sleep 1000
  executed /bin/sh -c "$SHOW_USER"
  assert_equal "${lines[0]}" 0
  refute_line 0000000000000000
  identified '{"user": {"uid": 1234, "gid": 56}}'
  start_container sleep 1000
  executed /bin/sh -c "$SHOW_USER"
  assert_success
  assert_output $'1234\n56\n56\n0000000000000000'
  # The runtime alone would make it root.
  run bare exec --user 0 "$ID" /bin/id -u
  assert_output 0
  run shim exec --user 0 "$ID" /bin/id -u
  assert_failure 255
  assert_output --partial "/identity/user: without --process the runtime takes another one than the policy's"
}

@test "identity: nobody becomes root by it" {
  edit_bundle '.process.user.uid = 33'
  in_container id -u
  assert_output 33
  identified '{"user": {"uid": 0, "gid": 0}}'
  in_container id -u
  assert_failure 1
  assert_output --partial "would make root of user 33"
}

@test "identity: groups that an annotation would keep" {
  edit_bundle '.annotations["run.oci.keep_original_groups"] = "1"'
  in_container true
  assert_success
  identified '{"user": {"uid": 1234, "gid": 56}}'
  in_container id -G
  assert_failure 1
  assert_output --partial "the annotation run.oci.keep_original_groups would leave the container other groups"
}

@test "identity: in a user namespace" {
  own_rootfs
  chown -R 100000:100000 "$BATS_TEST_TMPDIR/rootfs"
  chmod go+x "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
  edit_bundle '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] | .linux.gidMappings = .linux.uidMappings'
  in_container id -u
  assert_output 0
  identified '{"hostname": "build", "hosts": {"db.test": "10.0.0.5"}, "cpus": 1, "user": {"uid": 999, "gid": 999}}'
  in_container sh -c "id -u; hostname; resolve db.test; $SHOW_PROCESSORS"
  assert_success
  assert_output $'999\nbuild\nresolve: 10.0.0.5\n1\n1\n0'
  identified '{"user": {"uid": 1000, "gid": 1000}}'
  in_container id -u
  assert_failure 1
  assert_output --partial "/identity/user/uid: expected one of the users that the container's user namespace has, 0 to 999, found 1000"
}

# --- all of it -----------------------------------------------------------------------------------------

@test "identity: with an agent, file rules of none, and exec rules" {
  own_rootfs
  works_without_policy 'tcp_connect --listen 127.0.0.6 8000; take_up files 200'
  identified '{"hostname": "build", "hosts": {"db.test": "127.0.0.5"}, "env": {"clean": true, "pass": ["PATH"]}, "user": {"uid": 7, "gid": 7}}' \
    '"network": {"allow": ["db.test"]}, "exec": {"allow": ["/bin/busybox", "/probes/*"]}, "limits": {"open_files": 64}'
  in_container sh -c 'id -u; hostname; resolve db.test; tcp_connect --listen 127.0.0.6 8000; take_up files 200'
  assert_output $'7\nbuild\nresolve: 127.0.0.5\nconnect: EACCES\nfiles: EMFILE'
  start_container sleep 1000
  process_file '.env += ["A=1"]'
  # shellcheck disable=SC2016
  executed /bin/sh -c 'id -u; echo "[$A]"; take_up files 200; tcp_connect --listen 127.0.0.6 8000'
  assert_output $'7\n[]\nfiles: EMFILE\nconnect: EACCES'
}

@test "identity: in audit mode it is not given, but for the hosts" {
  own_rootfs
  identified '{"hostname": "build", "hosts": {"db.test": "10.0.0.5"}, "cpus": 1, "env": {"clean": true}, "user": {"uid": 7, "gid": 7}}' \
    '"mode": "audit"'
  in_container sh -c 'id -u; hostname; nproc; resolve db.test'
  assert_output "0
test
$(nproc)
resolve: 10.0.0.5"
}

@test "identity: explained" {
  identified '{"hostname": "build", "hosts": {"db.test": "10.0.0.5"}, "cpus": 1, "env": {"set": {"TOKEN": "hidden"}}, "user": {"uid": 7, "gid": 7}}'
  run -0 tidewaiter policy explain "$POLICIES/identified.json" --bundle "$BUNDLE"
  assert_output --partial /identity/hostname
  assert_output --partial "user 7, group 7"
  assert_output --partial "sets TOKEN"
  refute_output --partial hidden
  assert_output --partial "one processor"
}
