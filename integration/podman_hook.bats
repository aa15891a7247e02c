#!/usr/bin/env bats
# Podman with its own runtime, and policies through the precreate hook.

load lib/common
load lib/podman

setup_file() { start_podman; }

setup() {
  start_test
  find_podman
  export TIDEWAITER_CONFIG=/etc/tidewaiter/config.json
  policy strict '{"network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}'
}

teardown() {
  hooked rm --all --force --time 0 >/dev/null 2>&1 || true
  end_test
}

teardown_file() { end_podman; }

UNDER_STRICT=(--annotation io.tidewaiter.policy=strict)

# Podman with the runtime under test and the hooks.d folder of the build. Its environment is the hook's.
hooked() { in_store --runtime "$BARE" --hooks-dir "$TIDEWAITER_BIN/../share/containers/oci/hooks.d" "$@"; }

kill_agents() {
  local pid
  # A worker goes with its keeper.
  for pid in $(agents); do kill -KILL "$pid" 2>/dev/null || true; done
}

@test "hook: without the annotation nothing is different" {
  run bare_podman run --rm --network none "$IMAGE" sh -c 'id; grep Seccomp: /proc/self/status; exit 3'
  assert_failure 3
  local bare_output=$output
  run hooked run --rm --network none "$IMAGE" sh -c 'id; grep Seccomp: /proc/self/status; exit 3'
  assert_failure 3
  assert_output "$bare_output"
  run hooked run --rm --network none "$IMAGE" sh -c 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  assert_output $'connect: ok\nptrace: 0'
}

@test "hook: a container under a policy, and its events" {
  run -0 hooked run --rm --network none "$IMAGE" sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  run hooked run --rm --network none "${UNDER_STRICT[@]}" "$IMAGE" \
    sh -c 'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0; exit 6'
  assert_failure 6
  assert_output $'connect: ok\nconnect: EACCES\nptrace: EPERM'
  ID=$(newest_log /var/log/tidewaiter)
  assert_event '.syscall == "connect" and .denied and .host == "127.0.0.2"'
  assert_event '.syscall == "ptrace" and .denied'
  assert eventually nothing_left
}

@test "hook: exec, status, restart" {
  hooked run --detach --network none --name free "$IMAGE" sleep 1000 3>&-
  run -0 hooked exec free sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'
  hooked run --detach --network none --name subject "${UNDER_STRICT[@]}" "$IMAGE" sleep 1000 3>&-
  ID=$(hooked inspect --format '{{.Id}}' subject)
  run -0 tidewaiter status "$ID"
  assert_output --partial strict
  run hooked exec subject tcp_connect --listen 127.0.0.2 8000
  assert_output "connect: EACCES"
  run -0 hooked restart --time 0 subject
  run hooked exec subject try_syscall ptrace 0
  assert_output "ptrace: EPERM"
  run -0 hooked rm --force --time 0 subject
  assert eventually nothing_left
}

@test "hook: what a killed agent leaves goes with its container" {
  run -0 hooked run --rm --network none "$IMAGE" try_syscall ptrace 0
  hooked run --detach --network none --name subject "${UNDER_STRICT[@]}" "$IMAGE" sleep 1000 3>&-
  kill_agents
  run hooked exec subject try_syscall ptrace 0
  refute_output "ptrace: 0"
  run -0 hooked rm --force --time 0 subject
  assert eventually nothing_left
}

@test "hook: a policy that cannot be used: podman's user learns why, and nothing stays" {
  run -0 hooked run --rm --network none "$IMAGE" echo "it ran"
  run hooked run --rm --network none --annotation io.tidewaiter.policy=absent "$IMAGE" echo "it ran"
  assert_failure
  refute_output --partial "it ran"
  assert_output --partial "$POLICIES/absent.json"
  policy wrong '{"netwrok": {}}'
  run hooked run --rm --network none --annotation io.tidewaiter.policy=wrong "$IMAGE" echo "it ran"
  assert_failure
  assert_output --partial /netwrok
  run hooked run --rm --network none "${UNDER_STRICT[@]}" --annotation run.oci.seccomp.receiver=/tmp/other "$IMAGE" true
  assert_failure
  assert_output --partial run.oci.seccomp.receiver
  run hooked ps --all --quiet
  assert_output ""
  assert nothing_left
}

@test "hook: together with the shim it is refused, and said so" {
  local -r run_both=(hooked --runtime "$TIDEWAITER" --runtime-flag "tidewaiter-config=$TIDEWAITER_CONFIG" run --rm --network none)
  run -0 "${run_both[@]}" "$IMAGE" echo "it ran"
  run "${run_both[@]}" "${UNDER_STRICT[@]}" "$IMAGE" echo "it ran"
  assert_failure
  refute_output --partial "it ran"
  assert_output --partial "use one of them"
  # The hook's agent waits for a runtime that will not come.
  kill_agents
  rm -rf /run/tidewaiter/*
}

@test "hook: host names of a policy, behind podman's own entries" {
  echo "127.0.0.5 local.test" >>/etc/hosts
  policy named '{"network": {"allow": ["local.test"]}}'
  run -0 hooked run --rm --network none --add-host extra:192.0.2.1 --annotation io.tidewaiter.policy=named "$IMAGE" cat /etc/hosts
  assert_output --regexp '192.0.2.1[[:space:]]+extra'
  assert_output --partial $'\n# Host names that the policy allows\n127.0.0.5\tlocal.test'
  assert eventually nothing_left
}

@test "hook: limits" {
  cd "$BATS_TEST_TMPDIR" # conmon makes a file "oom" where it stands
  policy limited '{"limits": {"memory": "64M", "open_files": 64}}'
  run -0 hooked run --rm --network none "$IMAGE" sh -ec 'take_up files 200; take_up memory 128'
  run hooked run --rm --network none --annotation io.tidewaiter.policy=limited "$IMAGE" sh -c 'take_up files 200; take_up memory 128; echo $?'
  assert_line "files: EMFILE"
  assert_line 137
  if [[ $RUNTIME == crun ]]; then
    run -0 hooked run --rm --network none --cgroups=disabled "$IMAGE" echo "it ran"
    run hooked run --rm --network none --cgroups=disabled --annotation io.tidewaiter.policy=limited "$IMAGE" echo "it ran"
    assert_failure
    refute_output --partial "it ran"
    assert_output --partial "no cgroup would hold it"
  fi
}

@test "hook: an identity" {
  policy identified '{"identity": {"hostname": "build", "hosts": {"db.test": "10.0.0.5"}, "cpus": 1,
    "env": {"clean": true, "pass": ["PATH"]}, "user": {"uid": 1234, "gid": 56}}}'
  # shellcheck disable=SC2016
  local -r look='id -u; hostname; cat /etc/hostname; resolve db.test; echo "[$SECRET]"; nproc; cat /sys/devices/system/cpu/online'
  run hooked run --rm --network none --env SECRET=1 "$IMAGE" sh -c "$look"
  assert_line 0
  assert_line "[1]"
  refute_line build
  run hooked run --rm --network none --env SECRET=1 --annotation io.tidewaiter.policy=identified "$IMAGE" sh -c "$look"
  assert_success
  assert_output $'1234\nbuild\nbuild\nresolve: 10.0.0.5\n[]\n1\n0'
  assert eventually nothing_left
}
