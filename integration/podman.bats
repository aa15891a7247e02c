#!/usr/bin/env bats
# Podman, as root, with the shim in front of its runtime.

load lib/common
load lib/podman
load lib/steps

setup_file() { start_podman; }

setup() {
  start_test
  find_podman
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
}

teardown() {
  end_podman_test
  end_test
}

teardown_file() { end_podman; }

UNDER_STRICT=(--annotation io.tidewaiter.policy=strict)

# Has containers.conf name the shim as the runtime of who is told nothing else (in_store).
name_runtime() {
  cp "$CONTAINERS_CONF" "$BATS_TEST_TMPDIR/containers.conf"
  export CONTAINERS_CONF=$BATS_TEST_TMPDIR/containers.conf
  tell_of_shim "$CONTAINERS_CONF"
  cat >>"$CONTAINERS_CONF" <<CONF
runtime = "tidewaiter"
[engine.runtimes]
tidewaiter = ["$TIDEWAITER"]
CONF
}

# both ARGUMENT...: the same through the bare runtime and the shim. Only standard output and the exit code: podman
# writes pids and names of temporary files to stderr.
both() {
  local bare_status=0 shim_status=0
  bare_podman "$@" </dev/null >"$BATS_TEST_TMPDIR/bare.out" 2>"$BATS_TEST_TMPDIR/bare.err" 3>&- || bare_status=$?
  podman "$@" </dev/null >"$BATS_TEST_TMPDIR/shim.out" 2>"$BATS_TEST_TMPDIR/shim.err" 3>&- || shim_status=$?
  assert_equal "$shim_status" "$bare_status"
  assert_equal "$(cat "$BATS_TEST_TMPDIR/shim.out")" "$(cat "$BATS_TEST_TMPDIR/bare.out")"
  status=$shim_status
}

@test "podman: without the annotation nothing is different" {
  both run --rm --network none --hostname h "$IMAGE" sh -c 'echo out; id; hostname; grep Seccomp: /proc/self/status; exit 3'
  assert_equal "$status" 3
  both run --rm --network none "$IMAGE" /no/such/program
  assert_equal "$status" 127
  both run --rm --network none "$IMAGE" /etc
  assert_equal "$status" 126
  both run --rm --network none "$IMAGE" sh -c 'kill -TERM $$; exit 1'
  both run --rm --network none "$IMAGE" try_syscall ptrace 0
  both run --rm --network none --user 12:34 --read-only --cap-drop all --tmpfs /tmp "$IMAGE" sh -c 'id; touch /tmp/x /x'
}

@test "podman: without the annotation: every step of a container's life" {
  local program
  name_runtime
  for program in "$BARE" "$TIDEWAITER"; do
    ENGINE=("${IN_STORE[@]}" --runtime "$program")
    walk "$BATS_TEST_DIRNAME/lib/console.py" </dev/null >"$BATS_TEST_TMPDIR/${program##*/}"
  done
  assert_same "$BATS_TEST_TMPDIR/${BARE##*/}" "$BATS_TEST_TMPDIR/tidewaiter"
}

@test "podman: a container under a policy" {
  run podman run --rm --network none "$IMAGE" sh -c 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  assert_success
  assert_output $'connect: ok\nptrace: 0'

  run podman run --rm --network none "${UNDER_STRICT[@]}" "$IMAGE" \
    sh -c 'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0; exit 6'
  assert_failure 6
  assert_output $'connect: ok\nconnect: EACCES\nptrace: EPERM'
}

@test "podman: events are there after --rm" {
  run -0 podman run --rm --network none "$IMAGE" sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  run -0 podman run --rm --network none "${UNDER_STRICT[@]}" "$IMAGE" \
    sh -c 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0; true'
  ID=$(newest_log /var/log/tidewaiter)
  assert_event '.syscall == "connect" and .denied and .host == "127.0.0.2"'
  assert_event '.syscall == "ptrace" and .denied and .executable == "/probes/try_syscall"'
  assert eventually nothing_left
}

@test "podman: exec, logs, stop under a policy" {
  podman run --detach --network none --name free "$IMAGE" sleep 1000 3>&-
  run -0 podman exec free sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  podman run --detach --network none --name subject "${UNDER_STRICT[@]}" "$IMAGE" \
    sh -c 'trap "echo ended; exit 9" TERM; try_syscall ptrace 0; while :; do sleep 0.05; done' 3>&-
  run podman exec subject tcp_connect --listen 127.0.0.2 8000
  assert_failure 1
  assert_output "connect: EACCES"
  run podman exec subject try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run -0 podman stop --time 10 subject
  run -0 podman logs subject
  assert_line "ptrace: EPERM"
  assert_line ended
  run -0 podman start subject
  run podman exec subject try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run -0 podman restart --time 1 subject
  run podman exec subject try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run -0 podman rm --force --time 0 subject
  assert eventually nothing_left
}

@test "podman: exec rules" {
  policy tools '{"exec": {"allow": ["/bin/busybox", {"path": "/probes/end_with", "argv": ["end_with", "exit", "6"]}]}}'
  local options
  for options in "" "--user 1000" "--security-opt=no-new-privileges" "--privileged"; do
    # shellcheck disable=SC2086
    run podman run --rm --network none $options "$IMAGE" sh -c 'end_with exit 7 || end_with exit 6'
    assert_failure 6
    # shellcheck disable=SC2086
    run podman run --rm --network none $options --annotation io.tidewaiter.policy=tools "$IMAGE" \
      sh -c 'exec 2>&1; end_with exit 7; echo $?; busybox true && echo ran; end_with exit 6'
    assert_failure 6
    assert_line 126
    assert_line ran
  done
  run podman run --rm --network none --annotation io.tidewaiter.policy=tools "$IMAGE" end_with exit 7
  assert_failure
  assert_output --partial 'the policy tools does not let the container run "/probes/end_with"'
}

@test "podman: create, and start later" {
  podman create --network none --name free "$IMAGE" try_syscall ptrace 0
  run podman start --attach free
  assert_output "ptrace: 0"
  podman create --network none --name subject "${UNDER_STRICT[@]}" "$IMAGE" try_syscall ptrace 0
  run podman start --attach subject
  assert_output "ptrace: EPERM"
  run -0 podman rm subject
  assert eventually nothing_left
}

@test "podman: a container that may gain privileges, and a privileged one" {
  local option
  for option in --security-opt=no-new-privileges --privileged --security-opt=seccomp=unconfined --user=12:34; do
    run podman run --rm --network none "$option" "$IMAGE" sh -c 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
    assert_output $'connect: ok\nptrace: 0'
    run podman run --rm --network none "$option" "${UNDER_STRICT[@]}" "$IMAGE" \
      sh -c 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
    assert_output $'connect: EACCES\nptrace: EPERM'
  done
}

@test "podman: a policy that cannot be used: podman says why, and nothing stays" {
  run -0 podman run --rm --network none "$IMAGE" echo "it ran"
  run podman run --rm --network none --annotation io.tidewaiter.policy=absent "$IMAGE" echo "it ran"
  assert_failure
  refute_output --partial "it ran"
  assert_output --partial "$POLICIES/absent.json"
  policy wrong '{"netwrok": {}}'
  run podman run --rm --network none --annotation io.tidewaiter.policy=wrong "$IMAGE" echo "it ran"
  assert_failure
  assert_output --partial /netwrok
  run podman ps --all --quiet
  assert_output ""
  assert nothing_left
}

@test "podman: a configuration elsewhere, by --runtime-flag" {
  rm /etc/tidewaiter
  local -r run_there=(in_store --runtime "$TIDEWAITER" --runtime-flag "tidewaiter-config=$TIDEWAITER_CONFIG" run --rm --network none)
  run -0 "${run_there[@]}" "$IMAGE" try_syscall ptrace 0
  run "${run_there[@]}" "${UNDER_STRICT[@]}" "$IMAGE" try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run "${run_there[@]}" --annotation io.tidewaiter.policy=absent "$IMAGE" true
  assert_failure
  assert_output --partial "$(dirname "$TIDEWAITER_CONFIG")/policies/absent.json"
}

@test "podman: a runtime named in containers.conf" {
  name_runtime
  run -0 in_store run --rm --network none "$IMAGE" try_syscall ptrace 0
  run in_store run --rm --network none "${UNDER_STRICT[@]}" "$IMAGE" try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run in_store run --rm --network none --annotation io.tidewaiter.policy=absent "$IMAGE" true
  assert_failure
  assert_output --partial "$POLICIES/absent.json"
  if [[ $RUNTIME == crun ]]; then
    run -0 in_store run --rm --network none --cgroups=disabled "$IMAGE" try_syscall ptrace 0
    run in_store run --rm --network none --cgroups=disabled "${UNDER_STRICT[@]}" "$IMAGE" try_syscall ptrace 0
    assert_output "ptrace: EPERM"
  fi
}

@test "podman: host names of a policy, behind podman's own entries" {
  echo "127.0.0.5 local.test" >>/etc/hosts
  policy named '{"network": {"allow": ["local.test"]}}'
  local own=(--rm --network none --hostname box --name box --add-host extra:192.0.2.1)
  run -0 bare_podman run "${own[@]}" "$IMAGE" cat /etc/hosts
  assert_output --regexp 'box box'
  assert_output --regexp '192.0.2.1[[:space:]]+extra'
  local expected=$output
  run -0 podman run "${own[@]}" --annotation io.tidewaiter.policy=named "$IMAGE" cat /etc/hosts
  assert_output "$expected"$'\n# Host names that the policy allows\n127.0.0.5\tlocal.test'
  run -0 podman run "${own[@]}" --annotation io.tidewaiter.policy=named --user 12:34 --uidmap 0:100000:1000 --gidmap 0:100000:1000 \
    "$IMAGE" resolve local.test
  assert_line "resolve: 127.0.0.5"
}

@test "podman: limits, and exec" {
  cd "$BATS_TEST_TMPDIR" # conmon makes a file "oom" where it stands
  policy limited '{"limits": {"memory": "64M", "processes": 40, "open_files": 64}}'
  local -a under_limits=(--annotation io.tidewaiter.policy=limited)
  local all='take_up files 200; take_up processes 60; take_up memory 128; echo $?'
  run podman run --rm --network none "$IMAGE" sh -c "$all"
  assert_output $'files: ok\nprocesses: ok\nmemory: ok\n0'
  run podman run --rm --network none "${under_limits[@]}" "$IMAGE" sh -c "$all"
  assert_line "files: EMFILE"
  assert_line "processes: EAGAIN"
  assert_line 137

  # podman brings the limits that it has without the policy.
  podman run --detach --network none --name subject "${under_limits[@]}" "$IMAGE" sleep 1000 3>&-
  run podman exec subject sh -c "$all"
  assert_line "files: EMFILE"
  assert_line "processes: EAGAIN"
  assert_line 137
  run podman inspect --format '{{.State.Status}}' subject
  assert_output running
  # What podman asks for is tighter.
  run podman run --rm --network none --memory 16m --pids-limit 20 --ulimit nofile=32:48 --ulimit nproc=1024:1024 "${under_limits[@]}" "$IMAGE" \
    sh -c 'ulimit -Sn; ulimit -Hn; take_up processes 30; take_up memory 32; echo $?'
  assert_line 32
  assert_line 48
  assert_line "processes: EAGAIN"
  assert_line 137
}

@test "podman: limits that no cgroup would hold" {
  policy limited '{"limits": {"memory": "64M"}}'
  name_runtime
  if [[ $RUNTIME == crun ]]; then
    run -0 in_store run --rm --network none --cgroups=disabled "$IMAGE" echo "it ran"
    run in_store run --rm --network none --cgroups=disabled --annotation io.tidewaiter.policy=limited "$IMAGE" echo "it ran"
    assert_failure
    refute_output --partial "it ran"
    assert_output --partial "/limits/memory: no cgroup would hold it"
  fi
  # Through which it could undo them.
  run -0 in_store run --rm --network none --systemd=always "$IMAGE" echo "it ran"
  run in_store run --rm --network none --systemd=always --annotation io.tidewaiter.policy=limited "$IMAGE" echo "it ran"
  assert_failure
  refute_output --partial "it ran"
  assert_output --partial "through it the container could write another limit"
}

@test "podman: an identity, over what image, options and exec say" {
  policy identified '{"identity": {"hostname": "build", "hosts": {"db.test": "10.0.0.5"},
    "env": {"clean": true, "pass": ["PATH", "HOSTNAME"]}, "user": {"uid": 1234, "gid": 56}}}'
  # shellcheck disable=SC2016
  local -r look='id -u; id -G; hostname; cat /etc/hostname; echo $HOSTNAME; grep -w db.test /etc/hosts; echo "[$SECRET]"; grep CapEff /proc/self/status'
  local -r options=(--network none --env SECRET=1 --user 0 --cap-add sys_ptrace --hostname other --add-host db.test:6.6.6.6)
  run podman run --rm "${options[@]}" "$IMAGE" sh -c "$look"
  assert_line 0
  assert_line other
  assert_line "[1]"
  refute_line $'CapEff:\t0000000000000000'

  local -r identity=$'1234\n56\nbuild\nbuild\nbuild\n10.0.0.5\tdb.test\n[]\nCapEff:\t0000000000000000'
  run podman run --rm "${options[@]}" --annotation io.tidewaiter.policy=identified "$IMAGE" sh -c "$look"
  assert_success
  assert_output "$identity"
  podman run --detach "${options[@]}" --name subject --annotation io.tidewaiter.policy=identified "$IMAGE" sleep 1000 3>&- >/dev/null
  run podman exec --user 0 --env SECRET=2 --privileged subject sh -c "$look"
  assert_success
  assert_output "$identity"
  podman run --detach --network none --name plain --user 1234 "$IMAGE" sleep 1000 3>&- >/dev/null
  run podman exec --user 0 plain id -u
  assert_output 0
}
