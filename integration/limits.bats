#!/usr/bin/env bats
# The policy's `limits`: the bundle's cgroup and RLIMIT_NOFILE hold them. Each is shown with and without the policy.

load lib/common

setup() {
  start_test
  make_bundle
}

teardown() { end_test; }

# limited LIMITS [MORE]: from here on the bundle is under a policy with these limits.
limited() {
  policy limited "{\"limits\": $1${2:+, $2}}"
  under_policy limited
}

# cgroup_value CONTROLLER V1_FILE V2_FILE: what a file of the cgroup of $ID has.
cgroup_value() {
  local pid path
  pid=$(bare state "$ID" | jq .pid)
  path=$(sed -nE "s/^[0-9]+:([^:]*,)?$1(,[^:]*)?://p" "/proc/$pid/cgroup")
  if [[ -n $path ]]; then
    cat "/sys/fs/cgroup/$1$path/$2"
  else
    path=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
    cat "/sys/fs/cgroup$path/$3"
  fi
}

is_unified() {
  [[ $(stat --file-system --format %T /sys/fs/cgroup) == cgroup2fs ]]
}

@test "limits: processes" {
  in_container take_up processes 60
  assert_success
  assert_output "processes: ok"

  limited '{"processes": 30}'
  in_container take_up processes 60
  assert_failure 1
  assert_output "processes: EAGAIN"
  start_container sleep 1000
  assert_equal "$(cgroup_value pids pids.max pids.max)" 30
}

@test "limits: memory, and no swap beyond it" {
  in_container take_up memory 128
  assert_success
  assert_output "memory: ok"

  limited '{"memory": "64M"}'
  in_container take_up memory 128
  assert_equal "$status" 137
  refute_output --partial ok
  in_container take_up memory 16
  assert_output "memory: ok"
  start_container sleep 1000
  assert_equal "$(cgroup_value memory memory.limit_in_bytes memory.max)" 67108864
  if is_unified; then
    assert_equal "$(cgroup_value memory - memory.swap.max)" 0
  else
    assert_equal "$(cgroup_value memory memory.memsw.limit_in_bytes -)" 67108864
  fi
}

@test "limits: cpus" {
  start_container sleep 1000
  if is_unified; then
    assert_equal "$(cgroup_value cpu - cpu.max)" "max 100000"
  else
    assert_equal "$(cgroup_value cpu cpu.cfs_quota_us -)" -1
  fi

  limited '{"cpus": 0.25}'
  start_container sleep 1000
  if is_unified; then
    assert_equal "$(cgroup_value cpu - cpu.max)" "25000 100000"
  else
    assert_equal "$(cgroup_value cpu cpu.cfs_quota_us -)" 25000
    assert_equal "$(cgroup_value cpu cpu.cfs_period_us -)" 100000
  fi
}

@test "limits: open files" {
  in_container take_up files 200
  assert_success
  assert_output "files: ok"

  limited '{"open_files": 64}'
  in_container take_up files 200
  assert_failure 1
  assert_output "files: EMFILE"
  in_container sh -c 'ulimit -Hn; ulimit -Sn; (ulimit -n 65) 2>/dev/null || echo refused'
  assert_output $'64\n64\nrefused'
  # What the bundle does not say is inherited, and no more than the policy's.
  edit_bundle 'del(.process.rlimits)'
  in_container take_up files 200
  assert_output "files: EMFILE"
}

@test "limits: the least a policy may give lets containers start, and programs be executed" {
  limited '{"open_files": 64}'
  in_container echo started
  assert_success
  assert_output started
  edit_bundle '.process.rlimits = []'
  start_container sleep 1000
  run shim exec "$ID" /bin/echo executed
  assert_success
  assert_output executed
}

@test "limits: the bundle's own are tighter" {
  limited '{"memory": "64M", "processes": 30, "cpus": 1, "open_files": 64}'
  edit_bundle '.linux.resources.memory = {limit: 33554432, swap: 33554432} | .linux.resources.pids.limit = 25
    | .linux.resources.cpu = {quota: 10000, period: 50000} | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 32, hard: 48}]'
  start_container sleep 1000
  assert_equal "$(cgroup_value memory memory.limit_in_bytes memory.max)" 33554432
  assert_equal "$(cgroup_value pids pids.max pids.max)" 25
  if is_unified; then
    assert_equal "$(cgroup_value cpu - cpu.max)" "10000 50000"
  else
    assert_equal "$(cgroup_value cpu cpu.cfs_quota_us -)" 10000
  fi
  in_container sh -c 'ulimit -Sn; ulimit -Hn'
  assert_output $'32\n48'
}

@test "limits: with an agent beside them" {
  works_without_policy 'tcp_connect --listen 127.0.0.2 8000; take_up files 200; take_up processes 60'
  limited '{"processes": 30, "open_files": 64}' '"network": {"allow": ["127.0.0.1"]}'
  in_container sh -c 'tcp_connect --listen 127.0.0.2 8000; take_up files 200; take_up processes 60'
  assert_output $'connect: EACCES\nfiles: EMFILE\nprocesses: EAGAIN'
  start_container sleep 1000
  jq '.process | .args = ["/probes/take_up", "files", "200"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run shim exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  assert_output "files: EMFILE"
}

@test "limits: what is executed" {
  start_container sleep 1000
  run -0 shim exec "$ID" /bin/sh -ec 'take_up files 200; take_up processes 60; take_up memory 128'

  limited '{"memory": "64M", "processes": 30, "open_files": 64}'
  start_container sleep 1000
  # As engines describe a process, with limits of its own.
  jq '.process | .args = ["/bin/sh", "-c", "take_up files 200; take_up processes 60; take_up memory 128; echo $?"]
    | .rlimits = [{type: "RLIMIT_NOFILE", soft: 1024, hard: 1024}]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  local option
  for option in --process=process.json "--process process.json" "-p process.json"; do
    # shellcheck disable=SC2086  # two words
    run bash -c 'cd "$1" && shift && exec timeout "$@"' - "$BATS_TEST_TMPDIR" "$PATIENCE" \
      "$TIDEWAITER" --root "$RUNTIME_ROOT" exec $option "$ID"
    assert_line "files: EMFILE"
    assert_line "processes: EAGAIN"
    assert_line 137
  done
  jq 'del(.rlimits) | .args = ["/probes/take_up", "files", "200"]' "$BATS_TEST_TMPDIR/process.json" >"$BATS_TEST_TMPDIR/none.json"
  run shim exec --process "$BATS_TEST_TMPDIR/none.json" "$ID"
  assert_output "files: EMFILE"
  # No descriptor of the shim's own comes along.
  jq '.args = ["/bin/ls", "/proc/self/fd"]' "$BATS_TEST_TMPDIR/none.json" >"$BATS_TEST_TMPDIR/ls.json"
  run shim exec --process "$BATS_TEST_TMPDIR/ls.json" "$ID"
  assert_output $'0\n1\n2\n3'

  run shim exec "$ID" /probes/take_up files 200
  if [[ $RUNTIME == runc ]]; then
    # The bundle has 1024.
    assert_failure 255
    assert_output --partial "/limits/open_files: without --process runc takes the limit of the bundle, 1024"
    edit_bundle '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 64, hard: 64}]'
    run shim exec "$ID" /probes/take_up files 200
  fi
  assert_failure 1
  assert_output "files: EMFILE"
  run tidewaiter status --json
  assert_equal "$(jq -r '.[] | select(.id == "'"$ID"'") | .agent' <<<"$output")" null
}

@test "limits: the container cannot write into its cgroup" {
  if is_unified && grep -q 'cgroup2.*nsdelegate' /proc/self/mountinfo; then
    skip "here the kernel itself refuses it (nsdelegate)"
  fi
  limited '{"memory": "64M"}' '"unsafe_allow": ["namespaces", "clone3", "mounts"]'
  start_container sleep 1000
  run shim exec "$ID" /probes/raise_limit
  assert_output "write: ok"
  assert_equal "$(cgroup_value memory memory.limit_in_bytes memory.max)" 1099511627776

  limited '{"memory": "64M"}'
  start_container sleep 1000
  run shim exec "$ID" /probes/raise_limit
  assert_failure 1
  assert_output "unshare: EPERM"
  assert_equal "$(cgroup_value memory memory.limit_in_bytes memory.max)" 67108864
}

@test "limits: with the right to mount the container cannot mount its cgroup" {
  if is_unified; then
    local type=cgroup2 data=0
  else
    local type=cgroup data=@memory
  fi
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
  in_container try_syscall mount @cgroup @/tmp "@$type" 0 "$data"
  assert_output "mount: 0"
  in_container try_syscall fsopen "@$type" 0
  assert_success

  limited '{"memory": "64M"}'
  in_container try_syscall mount @cgroup @/tmp "@$type" 0 "$data"
  assert_output "mount: EPERM"
  in_container try_syscall fsopen "@$type" 0
  assert_output "fsopen: EPERM"
}

@test "limits: a bind of the host's cgroups" {
  # bound OPTIONS: with these, from a source that is a link, relative to the bundle.
  bound() {
    edit_bundle --argjson options "$1" '.mounts |= map(select(.destination != "/host"))
      + [{destination: "/host", type: "bind", source: "cgroups", options: $options}]'
  }
  ln -s "$(realpath --relative-to="$BUNDLE" /sys/fs/cgroup)" "$BUNDLE/cgroups"
  local file=/host/cgroup.procs
  is_unified || file=/host/memory/cgroup.procs
  bound '["rbind", "rw"]'
  in_container sh -c ": >>$file && echo opened"
  assert_output opened
  # Of one mount or of all.
  bound '["rbind", "ro"]'
  in_container sh -c ": >>$file && echo opened"
  if is_unified; then refute_output opened; else assert_output opened; fi
  bound '["rbind", "rro"]'
  in_container sh -c ": >>$file && echo opened"
  refute_output opened

  limited '{"memory": "64M"}'
  bound '["rbind", "rw"]'
  in_container true
  assert_failure 1
  assert_output --partial "through it the container could write another limit into its cgroup"
  bound '["rbind", "ro"]'
  in_container true
  if is_unified; then
    assert_success
  else
    assert_failure 1
    assert_output --partial '("rro"; "ro" is not enough)'
  fi
  bound '["rbind", "rro"]'
  in_container true
  assert_success
}

# For the container's shell: whether any cgroup that is seen below /host can be written to.
# shellcheck disable=SC2016  # variables of that shell
readonly TRY_CGROUPS='for cgroup in $(find /host -path "*/sys/fs/cgroup*" -name cgroup.procs); do
  if (: >>"$cgroup") 2>/dev/null; then echo opened; break; fi
done'

@test "limits: a bind of the container's own root, where the runtime mounts its cgroup" {
  # bound SOURCE OPTIONS
  bound() {
    edit_bundle --arg source "$1" --argjson options "$2" '.mounts |= map(select(.destination != "/host"))
      + [{destination: "/host", type: "bind", source: $source, options: $options}]'
  }
  # "rrw" is for runc, whose mounts are read-only by then; crun changes the cgroup last, and any bind will do.
  bound "$ROOTFS" '["rbind", "rrw"]'
  in_container sh -c "$TRY_CGROUPS"
  assert_output opened
  bound "$(dirname "$ROOTFS")" '["rbind"]'
  in_container sh -c "$TRY_CGROUPS"
  if [[ $RUNTIME == crun ]]; then assert_output opened; fi

  limited '{"memory": "64M"}'
  local source
  for source in "$ROOTFS" "$(dirname "$ROOTFS")" "$ROOTFS/sys/fs/cgroup"; do
    bound "$source" '["rbind", "rrw"]'
    in_container sh -c "$TRY_CGROUPS"
    assert_failure 1
    assert_output --partial "since it leads to the container's own root folder"
  done
  bound "$ROOTFS" '["rbind", "rro"]'
  in_container sh -c "$TRY_CGROUPS; echo ran"
  assert_output ran
  bound "$ROOTFS" '["bind", "ro"]'
  in_container sh -c "$TRY_CGROUPS; echo ran"
  assert_output ran
}

@test "limits: what is mounted once more is not made writable" {
  local place=/sys/fs/cgroup/memory
  is_unified && place=/sys/fs/cgroup
  edit_bundle --arg place "$place" \
    '.mounts += [{destination: $place, type: "tmpfs", source: "/tmp", options: ["remount", "bind", "rw"]}]'
  in_container sh -c ": >>$place/cgroup.procs && echo opened"
  if [[ $RUNTIME == runc ]]; then assert_output opened; fi
  limited '{"memory": "64M"}'
  in_container true
  assert_failure 1
  assert_output --partial '"remount" may make the container'
}

# Network rules have an agent send; what is sent is the workload's all the same.
@test "limits: memory in the buffers of Unix sockets" {
  policy network '{"network": {"allow": ["192.0.2.1"]}}'
  local way
  for way in without_policy "under_policy network"; do
    edit_bundle '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
    $way
    in_container take_up sockets 100
    assert_equal "$status" 137
    in_container take_up sockets 4
    assert_output "sockets: ok"
    edit_bundle 'del(.linux.resources.memory)'
    in_container take_up sockets 100
    assert_output "sockets: ok"
  done
}

@test "limits: descriptors on their way over Unix sockets" {
  policy network '{"network": {"allow": ["192.0.2.1"]}}'
  # The kernel counts them for the user, and root has as many as it likes.
  edit_bundle '.process.user = {uid: 4321, gid: 4321} | .process.capabilities |= map_values([])
    | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 64, hard: 64}]'
  local way
  for way in without_policy "under_policy network"; do
    $way
    in_container take_up flight 50
    assert_output "flight: ok"
    in_container take_up flight 400
    assert_output "flight: ETOOMANYREFS"
  done
}

@test "limits: memory that the kernel takes for packet sockets" {
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])
    | .linux.resources.memory = {limit: 67108864, swap: 67108864}'
  in_container take_up rings 80
  assert_output "rings: ok"
  limited '{"memory": "64M"}'
  in_container take_up rings 80
  assert_failure 1
  assert_output "rings: ENOPROTOOPT"
  limited '{"processes": 30}'
  in_container take_up rings 1
  assert_output "rings: ok"
}

@test "limits: exec into a cgroup above the container's" {
  works_without_policy take_up processes 60
  limited '{"processes": 30}'
  start_container sleep 1000
  # The runtime alone: crun does it.
  run bare exec --cgroup .. "$ID" /probes/take_up processes 60
  if [[ $RUNTIME == crun ]]; then assert_output "processes: ok"; else assert_failure; fi
  run shim exec --cgroup .. "$ID" /probes/take_up processes 60
  assert_failure 255
  assert_output --partial "--cgroup: .. leads out of the cgroup that holds the policy's /limits"
  run shim exec --cgroup / "$ID" /probes/take_up processes 60
  assert_output "processes: EAGAIN"
}

@test "limits: a process of the host's leads to its cgroups" {
  sleep 1000 3>&- &
  local -r pid=$!
  BACKGROUND+=("$pid")
  local file=/proc/$pid/root/sys/fs/cgroup/memory/cgroup.procs
  if is_unified; then file=/proc/$pid/root/sys/fs/cgroup/cgroup.procs; fi
  edit_bundle '.linux.namespaces |= map(select(.type != "pid"))'
  in_container sh -c ": >>$file && echo opened"
  refute_output opened
  edit_bundle '.process.capabilities |= map_values(. + ["CAP_SYS_PTRACE"])'
  in_container sh -c ": >>$file && echo opened"
  assert_output opened
  in_container try_syscall ptrace 16 "$pid" 0 0
  assert_output "ptrace: 0"

  limited '{"memory": "64M"}'
  in_container true
  assert_failure 1
  assert_output --partial "/process/capabilities: with CAP_SYS_PTRACE, and processes in sight that are not its own"
  edit_bundle '.process.capabilities |= map_values(. - ["CAP_SYS_PTRACE"])'
  in_container try_syscall ptrace 0 0 0 0
  assert_output "ptrace: EPERM"
  edit_bundle '.linux.namespaces += [{type: "pid"}]'
  in_container try_syscall ptrace 0 0 0 0
  assert_output "ptrace: 0"
}

@test "limits: processors are not left by a right to real time that is inherited" {
  local -r priority='s/^Max realtime priority *([0-9]+) *([0-9]+) *$/\1 \2/p'
  # Root without CAP_SYS_RESOURCE may not.
  if ulimit -r 10 2>/dev/null; then
    in_container sed -nE "$priority" /proc/self/limits
    assert_output "10 10"
  fi
  limited '{"cpus": 1}'
  in_container sed -nE "$priority" /proc/self/limits
  assert_output "0 0"
  start_container sleep 1000
  run shim exec "$ID" /bin/sed -nE "$priority" /proc/self/limits
  assert_output "0 0"
  jq '.process | .scheduler = {policy: "SCHED_RR", priority: 1}' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run shim exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  assert_failure 255
  assert_output --partial "/scheduler: with SCHED_RR"

  container_runs true
  run chrt --rr 1 "$TIDEWAITER" --root "$RUNTIME_ROOT" run --bundle "$BUNDLE" "$(new_id)" </dev/null
  assert_failure 1
  assert_output --partial "who starts the container has a real-time scheduling class"
}

# crun hands capabilities to libcap, which knows them by number.
@test "limits: a capability by number is none to the shim" {
  edit_bundle '.process.capabilities |= map_values(. + ["0x0"])'
  in_container grep CapEff /proc/self/status
  if [[ $RUNTIME == crun ]]; then
    # The bit of CAP_CHOWN.
    (((0x${output##*$'\t'} & 1) == 1))
  fi
  limited '{"open_files": 64}'
  in_container true
  assert_failure 1
  assert_output --partial '/process/capabilities/'
  assert_output --partial 'expected a name such as "CAP_KILL", found "0x0"'
}

@test "limits: a bundle that leads round them is refused" {
  limited '{"memory": "64M", "open_files": 64}'
  cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/good.json"
  local change
  for change in \
    '(.mounts[] | select(.type == "cgroup")).options |= map(select(. != "ro"))' \
    '.linux.resources.unified = {"memory.max": "max"}' \
    '.annotations["org.systemd.property.MemoryMax"] = "uint64 1099511627776"' \
    '.annotations["run.oci.delegate-cgroup"] = "../../other"' \
    '.annotations["run.oci.systemd.subgroup"] = ".."' \
    '.annotations["org.systemd.property.StartupMemoryMax"] = "uint64 1099511627776"' \
    '.mounts += [{destination: "/h", type: "bind", source: "/", options: ["bind", "ro", "rprivate"]}]' \
    '.mounts += [{destination: "/h", type: "bind", source: "/sys/fs/cgroup", options: ["rbind", "ro", "rrw"]}]' \
    '.linux.namespaces |= map(select(.type != "pid")) | .process.capabilities.bounding += ["CAP_SYS_PTRACE"]' \
    '.process.capabilities.bounding += ["CAP_SYS_RESOURCE"]'; do
    cp "$BATS_TEST_TMPDIR/good.json" "$BUNDLE/config.json"
    edit_bundle "$change"
    # Of cgroups of version 1 the runtimes themselves refuse two of these.
    [[ $change == *unified* || $change == *delegate* ]] || works_without_policy true
    run shim run --bundle "$BUNDLE" "$(new_id)" </dev/null
    assert_failure 1
    assert_output --partial "/limits"
    assert_equal "${#lines[@]}" 1
  done
}

@test "limits: where the runtime makes no cgroup the container is refused" {
  if [[ $RUNTIME != crun ]]; then
    skip "an option of crun's"
  fi
  container_runs take_up files 200
  run -0 shim --cgroup-manager=disabled run --bundle "$BUNDLE" "$(new_id)" </dev/null
  limited '{"memory": "64M"}'
  run shim --cgroup-manager=disabled run --bundle "$BUNDLE" "$(new_id)" </dev/null
  assert_failure 1
  assert_output --partial "/limits/memory: no cgroup would hold it: the runtime is told to make none"
  limited '{"open_files": 64}'
  run shim --cgroup-manager=disabled run --bundle "$BUNDLE" "$(new_id)" </dev/null
  assert_output "files: EMFILE"
}

@test "limits: update lowers them, and raises none" {
  # updated RESOURCES: through a file and by stdin, as containerd does.
  updated() {
    echo "$1" >"$BATS_TEST_TMPDIR/resources.json"
    run shim update --resources "$BATS_TEST_TMPDIR/resources.json" "$ID"
    assert_success
    run shim update --resources - "$ID" <"$BATS_TEST_TMPDIR/resources.json"
    assert_success
  }
  start_container sleep 1000
  run shim update --pids-limit 40 "$ID"
  assert_success
  updated '{"pids": {"limit": 50}}'
  assert_equal "$(cgroup_value pids pids.max pids.max)" 50

  limited '{"processes": 30, "memory": "64M", "cpus": 0.5}'
  start_container sleep 1000
  updated '{"pids": {"limit": 50}, "memory": {"limit": 1073741824, "swap": -1}, "cpu": {"quota": 400000, "period": 100000}}'
  assert_equal "$(cgroup_value pids pids.max pids.max)" 30
  assert_equal "$(cgroup_value memory memory.limit_in_bytes memory.max)" 67108864
  if is_unified; then
    assert_equal "$(cgroup_value memory - memory.swap.max)" 0
    assert_equal "$(cgroup_value cpu - cpu.max)" "50000 100000"
  else
    assert_equal "$(cgroup_value memory memory.memsw.limit_in_bytes -)" 67108864
    assert_equal "$(cgroup_value cpu cpu.cfs_quota_us -)" 50000
  fi
  updated '{"pids": {"limit": 20}, "cpu": {"quota": 10000}}'
  assert_equal "$(cgroup_value pids pids.max pids.max)" 20
  if ! is_unified; then assert_equal "$(cgroup_value cpu cpu.cfs_quota_us -)" 10000; fi
  assert_equal "$(cgroup_value memory memory.limit_in_bytes memory.max)" 67108864

  run shim update --pids-limit 40 "$ID"
  assert_failure 1
  assert_output --partial "--pids-limit: sets what the policy's /limits/processes limits"
  run shim update --cpu-share 512 "$ID"
  assert_success
  assert_equal "$(cgroup_value pids pids.max pids.max)" 20
}

# A program that says when it is asked to end, and else ends by itself after two seconds.
readonly WAITS='trap "echo asked; exit 3" TERM QUIT; echo begun; sleep 2 & wait; echo ended'

@test "limits: timeout" {
  in_container sh -c "$WAITS"
  assert_success
  assert_output $'begun\nended'

  limited '{"timeout": 1}'
  in_container sh -c "$WAITS"
  assert_failure 3
  assert_output $'begun\nasked'
  assert_event '.verdict == "stopped"'
  assert_equal "$(events "$ID" '.[] | [.rule, .verdict, .syscall]')" '["/limits/timeout","stopped",null]'
  in_container echo in time
  assert_success
  assert_output "in time"
  refute_event '.rule == "/limits/timeout"'
}

@test "limits: timeout, with the image's stop signal" {
  limited '{"timeout": 1}' '"network": {"allow": ["127.0.0.1"]}'
  edit_bundle '.annotations["org.opencontainers.image.stopSignal"] = "SIGQUIT"'
  in_container sh -c "trap '' TERM; ${WAITS/TERM/}; tcp_connect --listen 127.0.0.2 8000"
  assert_failure 3
  assert_output $'begun\nasked'
}

@test "limits: timeout of what does not end when it is asked, with all that is executed in it" {
  limited '{"timeout": 1}'
  start_container sleep 1000
  (shim exec "$ID" /bin/sh -c 'echo executed; exec sleep 1000' || echo $?) >"$BATS_TEST_TMPDIR/executed" 2>&1 3>&- &
  eventually grep -q executed "$BATS_TEST_TMPDIR/executed"
  eventually has_event '.verdict == "stopped"' || fail "it was not asked to end"
  # That takes ten seconds, for which it asks once and again.
  eventually is_stopped "$ID" || eventually is_stopped "$ID" || fail "it goes on"
  wait $!
  assert_equal "$(cat "$BATS_TEST_TMPDIR/executed")" $'executed\n137'
  assert_event '.rule == "/limits/timeout" and .verdict == "killed" and .denied'
}

@test "limits: timeout needs a pid namespace" {
  limited '{"timeout": 1}'
  edit_bundle '.linux.namespaces |= map(select(.type != "pid"))'
  works_without_policy true
  in_container echo started
  assert_failure
  assert_output --partial '/limits/timeout needs a pid namespace of the container'"'"'s own'
  refute_output --partial started
}
