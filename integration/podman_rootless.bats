#!/usr/bin/env bats
# Podman as an ordinary user, who is made for this file (integration/bats has an /etc of its own).

load lib/common
load lib/podman
load lib/steps

# The user's own folder; bats' folders are root's alone.
setup_file() {
  start_rootless_podman
}

setup() {
  start_test
  find_rootless_podman
}

teardown() {
  as_user "podman rm --all --force --time 0" >/dev/null 2>&1 || true
  if ! eventually nothing_left_of_user; then
    echo "left behind:"
    ls -lA "$USER_HOME/run/tidewaiter"
    rm -rf "$USER_HOME"/run/tidewaiter/*
    kill_agents_of_user
    false
  fi
  end_test
}

teardown_file() {
  find_rootless_podman
  as_user "podman rm --all --force --time 0; podman rmi --all --force" >/dev/null 2>&1 || true
  rm -rf "$USER_HOME"
}

start_rootless_podman() {
  USER_HOME=$(mktemp -d /tmp/twtest.XXXXXX)
  echo "$USER_HOME" >"$BATS_FILE_TMPDIR/user-home"
  useradd --home-dir "$USER_HOME" --no-create-home --shell /bin/sh twtest
  mkdir -p "$USER_HOME"/{bin,rootfs,.config/tidewaiter/policies}
  mkdir -m 700 "$USER_HOME/run"
  cp "$TIDEWAITER_BIN"/tidewaiter* "$BATS_TEST_DIRNAME/lib/console.py" "$USER_HOME/bin/"
  write_containers_conf "$USER_HOME/containers.conf"
  make_rootfs "$USER_HOME/rootfs"
  tar -C "$USER_HOME/rootfs" -cf "$USER_HOME/image.tar" .
  rm -r "$USER_HOME/rootfs"
  find_rootless_podman
  echo "{\"runtime\": \"$BARE\"}" >"$USER_HOME/.config/tidewaiter/config.json"
  cat >"$USER_HOME/.config/tidewaiter/policies/strict.json" <<'JSON'
{"version": 1, "network": {"allow": ["127.0.0.1"]}, "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "EPERM"}]}
JSON
  echo '{"version": 1, "limits": {"timeout": 1}}' >"$USER_HOME/.config/tidewaiter/policies/brief.json"
  cat >"$USER_HOME/.config/tidewaiter/policies/tools.json" <<'JSON'
{"version": 1, "exec": {"allow": ["/bin/busybox", {"path": "/probes/end_with", "argv": ["end_with", "exit", "6"]}]}}
JSON
  echo '{"version": 1, "files": {"read": ["/bin", "/probes", "/srv/in"], "write": ["/srv/in"], "exec": ["/bin"]}}' \
    >"$USER_HOME/.config/tidewaiter/policies/files.json"
  echo '{"version": 1, "files": {"copy_on_write": [{"path": "/work", "on_success": "keep"}]}}' \
    >"$USER_HOME/.config/tidewaiter/policies/copied.json"
  echo '{"version": 1, "network": {"allow": ["local.test"]}}' >"$USER_HOME/.config/tidewaiter/policies/named.json"
  chown -R twtest: "$USER_HOME"
  as_user "podman import --change 'ENV PATH=/bin:/probes' $USER_HOME/image.tar $IMAGE" >/dev/null
}

find_rootless_podman() {
  USER_HOME=$(cat "$BATS_FILE_TMPDIR/user-home")
  BARE=$(command -v "$RUNTIME")
}

# as_user SCRIPT: runs it as twtest. In it `podman` is podman with the shim, `bare_podman` with the real runtime.
as_user() {
  timeout --foreground "$PATIENCE" setpriv --reuid twtest --regid twtest --clear-groups env --ignore-environment --chdir "$USER_HOME" \
    HOME="$USER_HOME" USER=twtest XDG_RUNTIME_DIR="$USER_HOME/run" CONTAINERS_CONF="$USER_HOME/containers.conf" \
    PODMAN_IGNORE_CGROUPSV1_WARNING=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c "IN_STORE=(env podman --root $USER_HOME/root --runroot $USER_HOME/runroot --tmpdir $USER_HOME/tmp --storage-driver vfs)
      in_store() { \"\${IN_STORE[@]}\" \"\$@\"; }
      podman() { in_store --runtime $USER_HOME/bin/tidewaiter \"\$@\"; }
      bare_podman() { in_store --runtime $BARE \"\$@\"; }
      tidewaiter() { $USER_HOME/bin/tidewaiter \"\$@\"; }
      $1" 3>&-
}

agents_of_user() {
  local folder
  for folder in /proc/[0-9]*; do
    if [[ $(readlink "$folder/exe" 2>/dev/null) == "$USER_HOME/bin/tidewaiter-agent" ]]; then
      echo "${folder#/proc/}"
    fi
  done
}

kill_agents_of_user() {
  local pid
  for pid in $(agents_of_user); do kill -KILL "$pid"; done
}

nothing_left_of_user() {
  [[ -z $(agents_of_user) && -z $(ls -A "$USER_HOME/run/tidewaiter" 2>/dev/null) ]]
}

@test "rootless podman: without the annotation nothing is different" {
  local program
  local -r TIDEWAITER=$USER_HOME/bin/tidewaiter
  cp "$USER_HOME/containers.conf" "$USER_HOME/told.conf"
  tell_of_shim "$USER_HOME/told.conf"
  for program in "$BARE" "$TIDEWAITER"; do
    as_user "$(declare -p IMAGE ANSWERS_SIGNALS IN_TERMINAL; declare -f walk step step_in_terminal has_said eventually)
      export CONTAINERS_CONF=$USER_HOME/told.conf
      ENGINE=(\"\${IN_STORE[@]}\" --runtime $program)
      walk $USER_HOME/bin/console.py" </dev/null >"$BATS_TEST_TMPDIR/${program##*/}"
  done
  assert_same "$BATS_TEST_TMPDIR/${BARE##*/}" "$BATS_TEST_TMPDIR/tidewaiter"
}

@test "rootless podman: a container under a policy" {
  run as_user "podman run --rm --network none $IMAGE sh -c 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'"
  assert_output --partial $'connect: ok\nptrace: 0'
  run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=strict $IMAGE \
    sh -c 'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0; exit 6'"
  assert_failure 6
  assert_output --partial $'connect: ok\nconnect: EACCES\nptrace: EPERM'
  run -0 as_user "tidewaiter log $(newest_log "$USER_HOME/.local/state/tidewaiter") --json"
  assert_equal "$(jq -s 'map(select(.denied)) | length' <<<"$output")" 2
}

# By the marks of an overlay that root of a user namespace may make (userxattr).
@test "rootless podman: a volume that is copied on write" {
  as_user "mkdir -p work/gone; echo lower >work/file; touch work/gone/x"
  local id commands='echo upper >/work/file; rm -r /work/gone; mkdir /work/gone; echo new >/work/gone/y; chown 5:5 /work/gone/y'
  as_user "podman run --network none --cidfile cid --volume $USER_HOME/work:/work --annotation io.tidewaiter.policy=copied $IMAGE sh -c '$commands'"
  id=$(cat "$USER_HOME/cid")
  run -0 as_user "cat work/file; ls work/gone"
  assert_output $'lower\nx'
  # Who may look at all of it is root of the user's namespace.
  run -0 as_user "in_store unshare $USER_HOME/bin/tidewaiter changes $id"
  assert_line "M /work/file"
  assert_line "D /work/gone/x"
  assert_line "A /work/gone/y"
  run -0 as_user "in_store unshare $USER_HOME/bin/tidewaiter changes $id --commit"
  run -0 as_user "cat work/file; ls work/gone; in_store unshare stat -c %u work/gone/y; ls .local/share/tidewaiter/changes"
  assert_output $'upper\ny\n5'
}

@test "rootless podman: a container whose time is over" {
  local waits='trap \"echo asked; exit 3\" TERM; echo begun; sleep 2 & wait; echo ended'
  run -0 as_user "podman run --rm --network none $IMAGE sh -c \"$waits\""
  assert_output $'begun\nended'
  run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=brief $IMAGE sh -c \"$waits\""
  assert_failure 3
  assert_output $'begun\nasked'
}

@test "rootless podman: exec, status, stop" {
  run -0 as_user "podman run --detach --network none --name free $IMAGE sleep 1000 >/dev/null"
  run -0 as_user "podman exec free sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'"
  run -0 as_user "podman run --detach --network none --name subject --annotation io.tidewaiter.policy=strict $IMAGE \
    sh -c 'trap \"exit 9\" TERM; while :; do sleep 0.05; done' >/dev/null"
  run as_user "podman exec subject tcp_connect --listen 127.0.0.2 8000"
  assert_failure 1
  assert_output --partial "connect: EACCES"
  run as_user "podman exec subject try_syscall ptrace 0"
  assert_output --partial "ptrace: EPERM"
  run -0 as_user "tidewaiter status"
  assert_output --partial strict
  run -0 as_user "podman stop --time 10 subject && podman rm subject"
}

@test "rootless podman: as an ordinary user of the container" {
  run -0 as_user "podman run --rm --network none --user 1000 --cap-drop all $IMAGE \
    sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'"
  run as_user "podman run --rm --network none --user 1000 --cap-drop all --annotation io.tidewaiter.policy=strict $IMAGE \
    sh -c 'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'"
  assert_output --partial $'connect: ok\nconnect: EACCES\nptrace: EPERM'
}

@test "rootless podman: exec rules, for root and an ordinary user of the container" {
  local options
  for options in "" "--user 1000 --cap-drop all" "--security-opt no-new-privileges"; do
    run as_user "podman run --rm --network none $options $IMAGE sh -c 'end_with exit 7 || end_with exit 6'"
    assert_failure 6
    run as_user "podman run --rm --network none $options --annotation io.tidewaiter.policy=tools $IMAGE \
      sh -c 'exec 2>&1; end_with exit 7; echo \$?; busybox true && echo ran; end_with exit 6'"
    assert_failure 6
    assert_line 126
    assert_line ran
    run -0 as_user "tidewaiter log $(newest_log "$USER_HOME/.local/state/tidewaiter") --json"
    assert_equal "$(jq -s 'map(select(.denied and .path == "/probes/end_with")) | length' <<<"$output")" 1
  done
  run -0 as_user "podman run --detach --network none --name subject --annotation io.tidewaiter.policy=tools $IMAGE \
    sh -c 'trap \"exit 9\" TERM; while :; do sleep 0.05; done' >/dev/null"
  run as_user "podman exec subject end_with exit 7"
  assert_failure
  refute [ "$status" = 7 ]
  run -6 as_user "podman exec subject end_with exit 6"
  run -0 as_user "podman rm --force --time 0 subject"
}

@test "rootless podman: a policy that cannot be used: podman says why" {
  run -0 as_user "podman run --rm --network none $IMAGE echo it ran"
  run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=absent $IMAGE echo it ran"
  assert_failure
  assert_output --partial "policies/absent.json"
  run -0 as_user "podman ps --all --quiet"
  assert_output ""
}

@test "rootless podman: the doctor" {
  run as_user "tidewaiter doctor"
  assert_output --partial "$RUNTIME"
}

@test "rootless podman: by the hook" {
  mkdir -p "$USER_HOME/hooks.d"
  sed "s|\"path\": \".*\"|\"path\": \"$USER_HOME/bin/tidewaiter-hook\"|" \
    "$TIDEWAITER_BIN/../share/containers/oci/hooks.d/tidewaiter.json" >"$USER_HOME/hooks.d/tidewaiter.json"
  run -0 as_user "bare_podman --hooks-dir $USER_HOME/hooks.d run --rm --network none $IMAGE \
    sh -ec 'tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0'"
  run as_user "bare_podman --hooks-dir $USER_HOME/hooks.d run --rm --network none --annotation io.tidewaiter.policy=strict $IMAGE \
    sh -c 'tcp_connect --listen 127.0.0.1 8000; tcp_connect --listen 127.0.0.2 8000; try_syscall ptrace 0; exit 6'"
  assert_failure 6
  assert_output --partial $'connect: ok\nconnect: EACCES\nptrace: EPERM'
  run as_user "bare_podman --hooks-dir $USER_HOME/hooks.d run --rm --network none --annotation io.tidewaiter.policy=absent $IMAGE true"
  assert_failure
  assert_output --partial policies/absent.json
}

@test "rootless podman: host names of a policy, behind podman's own entries" {
  echo "127.0.0.5 local.test" >>/etc/hosts
  run -0 as_user "podman run --rm --network none --add-host extra:192.0.2.1 --annotation io.tidewaiter.policy=named $IMAGE cat /etc/hosts"
  assert_output --regexp '192.0.2.1[[:space:]]+extra'
  assert_output --partial $'\n# Host names that the policy allows\n127.0.0.5\tlocal.test'
  run -0 as_user "podman run --rm --network none --userns keep-id --annotation io.tidewaiter.policy=named $IMAGE resolve local.test"
  assert_output "resolve: 127.0.0.5"
  run -0 as_user "podman run --rm --network none $IMAGE tcp_connect --listen 127.0.0.1 8000"
  run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=named $IMAGE \
    sh -c 'tcp_connect --listen 127.0.0.5 8000; tcp_connect --listen 127.0.0.1 8000'"
  assert_output $'connect: ok\nconnect: EACCES'
}

@test "rootless podman: limits" {
  echo '{"version": 1, "limits": {"memory": "64M"}}' >"$USER_HOME/.config/tidewaiter/policies/memory.json"
  echo '{"version": 1, "limits": {"open_files": 64}}' >"$USER_HOME/.config/tidewaiter/policies/open_files.json"
  run -0 as_user "podman run --rm --network none $IMAGE take_up files 200"
  if [[ $(stat --file-system --format %T /sys/fs/cgroup) != cgroup2fs ]]; then
    run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=memory $IMAGE echo 'it ran'"
    assert_failure
    refute_output --partial "it ran"
    assert_output --partial "/limits/memory: no cgroup would hold it: under version 1 an ordinary user has none"
  fi
  run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=open_files $IMAGE take_up files 200"
  assert_output --partial "files: EMFILE"
  run -0 as_user "podman run --detach --network none --name held --annotation io.tidewaiter.policy=open_files $IMAGE sleep 1000 >/dev/null"
  run as_user "podman exec held take_up files 200"
  assert_output --partial "files: EMFILE"
}

@test "rootless podman: an identity" {
  echo '{"version": 1, "identity": {"hostname": "build", "hosts": {"db.test": "10.0.0.5"}, "user": {"uid": 1234, "gid": 56},
    "env": {"clean": true, "pass": ["PATH"]}}}' >"$USER_HOME/.config/tidewaiter/policies/identified.json"
  echo '{"version": 1, "identity": {"user": {"uid": 4000000, "gid": 56}}}' >"$USER_HOME/.config/tidewaiter/policies/nobody.json"
  echo '{"version": 1, "identity": {"cpus": 1}}' >"$USER_HOME/.config/tidewaiter/policies/one-cpu.json"
  # shellcheck disable=SC2016
  local -r look='id -u; id -g; hostname; resolve db.test; echo "[$SECRET]"; grep CapEff /proc/self/status'
  run as_user "podman run --rm --network none --env SECRET=1 $IMAGE sh -c '$look'"
  assert_line 0
  assert_line "[1]"
  refute_line build
  local -r identity=$'1234\n56\nbuild\nresolve: 10.0.0.5\n[]\nCapEff:\t0000000000000000'
  run as_user "podman run --rm --network none --env SECRET=1 --annotation io.tidewaiter.policy=identified $IMAGE sh -c '$look'"
  assert_success
  assert_output "$identity"
  run as_user "podman run --rm --network none --userns keep-id --annotation io.tidewaiter.policy=identified $IMAGE sh -c '$look'"
  assert_output "$identity"
  run -0 as_user "podman run --detach --network none --name identified --annotation io.tidewaiter.policy=identified $IMAGE sleep 1000 >/dev/null"
  run as_user "podman exec --user 0 --env SECRET=1 identified sh -c '$look'"
  assert_output "$identity"
  run -0 as_user "podman run --detach --network none --name plain --user 1234 $IMAGE sleep 1000 >/dev/null"
  run as_user "podman exec --user 0 plain id -u"
  assert_output 0

  run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=nobody $IMAGE echo 'it ran'"
  assert_failure
  refute_output --partial "it ran"
  assert_output --partial "/identity/user/uid: expected one of the users that the container's user namespace has"
  if [[ $(stat --file-system --format %T /sys/fs/cgroup) != cgroup2fs ]]; then
    run as_user "podman run --rm --network none --annotation io.tidewaiter.policy=one-cpu $IMAGE echo 'it ran'"
    assert_failure
    refute_output --partial "it ran"
    assert_output --partial "/identity/cpus: no cgroup would hold it: under version 1 an ordinary user has none"
  fi
}

@test "rootless podman: file rules" {
  mkdir -p "$USER_HOME"/files/{in,out}
  echo text | tee "$USER_HOME/files/in/file" >"$USER_HOME/files/out/file"
  chown -R twtest: "$USER_HOME/files"
  local options="--network none --volume $USER_HOME/files:/srv"
  run -0 as_user "podman run --rm $options $IMAGE sh -ec 'cat /srv/out/file; echo x >>/srv/out/file; end_with exit 0'"
  assert_output text
  for more in "" "--read-only" "--user 12:34" "--cap-drop all"; do
    run as_user "podman run --rm $more $options --annotation io.tidewaiter.policy=files $IMAGE \
      sh -c 'exec 2>&1; cat /srv/in/file; cat /srv/out/file; echo x >>/srv/out/file; /probes/end_with exit 7; exit 6'"
    assert_failure 6
    assert_line text
    assert_line "cat: can't open '/srv/out/file': Permission denied"
    assert_line --partial "can't create /srv/out/file: Permission denied"
    assert_line --partial "/probes/end_with: Permission denied"
  done
  run -0 as_user "podman run --detach $options --name subject --annotation io.tidewaiter.policy=files $IMAGE sleep 1000 >/dev/null"
  run as_user "podman exec subject cat /srv/in/file"
  assert_output text
  run as_user "podman exec subject cat /srv/out/file"
  assert_failure 1
  assert_output --partial "Permission denied"
}
