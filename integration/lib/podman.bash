# Podman with storage, configuration and runtime state of its own.
#
#   setup_file() { start_podman; }

# newest_log FOLDER: the id of the container whose event log was written last. (Podman 5 removes a --cidfile with --rm.)
newest_log() {
  local log
  log=$(find "$1" -name '*.jsonl' -printf '%T@ %f\n' | sort -n | tail -1)
  log=${log#* }
  echo "${log%.jsonl}"
}
#   setup() { start_test; find_podman; }
#   teardown() { end_podman_test; end_test; }
#   teardown_file() { end_podman; }

IMAGE=localhost/busybox

# write_containers_conf FILE
write_containers_conf() {
  {
    echo '[containers]'
    # Podman raises these limits by default, which needs CAP_SYS_RESOURCE.
    if ! setpriv --dump | grep -q 'Capability bounding set:.*sys_resource'; then
      echo 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]'
    fi
    echo 'log_driver = "k8s-file"'
    echo '[engine]'
    echo 'cgroup_manager = "cgroupfs"'
    echo 'events_logger = "file"'
  } >"$1"
}

# tell_of_shim FILE: lines of containers.conf by which podman knows what the shim can do, as docs/operations.md has them.
tell_of_shim() {
  echo 'runtime_supports_json = ["crun", "runc", "tidewaiter"]' >>"$1"
  echo 'runtime_supports_nocgroup = ["crun", "tidewaiter"]' >>"$1"
}

start_podman() {
  write_containers_conf "$BATS_FILE_TMPDIR/containers.conf"
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  find_podman
  tar -C "$BATS_FILE_TMPDIR/rootfs" -c . | in_store import --change "ENV PATH=/bin:/probes" - "$IMAGE" >/dev/null
}

find_podman() {
  export CONTAINERS_CONF=$BATS_FILE_TMPDIR/containers.conf
  STORE=$BATS_FILE_TMPDIR
  IN_STORE=(timeout --foreground --kill-after 10 "$PATIENCE" podman --root "$STORE/root" --runroot "$STORE/runroot" --tmpdir "$STORE/tmp"
    --storage-driver vfs)
  if [[ -n ${POLICIES:-} ]]; then
    ln -sfn "$(dirname "$POLICIES")" /etc/tidewaiter
    POLICIES=/etc/tidewaiter/policies
    export -n TIDEWAITER_CONFIG
  fi
}

in_store() {
  "${IN_STORE[@]}" "$@"
}

# Podman with the real runtime, and with the shim. It calls runtimes almost without an environment: the configuration
# has to be where it is expected.
bare_podman() { in_store --runtime "$BARE" "$@"; }
podman() { in_store --runtime "$TIDEWAITER" "$@"; }

end_podman_test() {
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  rm -f /etc/tidewaiter
}

end_podman() {
  find_podman
  in_store --runtime crun rm --all --force --time 0 >/dev/null || true
  in_store rmi --all --force >/dev/null || true
}

# walk CONSOLE: what a caller does with a container (lib/steps.bash), by podman, which is ENGINE. What podman cannot do here, an
# ordinary user's pause and stats among it, it says.
walk() {
  local -r console=$1
  step run --detach --network none --name subject "$IMAGE" sh -c "$ANSWERS_SIGNALS"
  step exec subject sh -c 'echo out; echo err >&2; exit 5'
  # shellcheck disable=SC2016
  step exec --interactive --user 12:34 --workdir /tmp --env WHO=me subject sh -c 'id; pwd; echo $WHO; cat' <<<"typed"
  step exec subject /no/such/program
  step_in_terminal "$console" exec --interactive --tty subject
  step stats --no-stream --format '{{.Name}} {{.PIDs}}' subject
  step top subject user comm
  step pause subject
  step inspect --format '{{.State.Status}}' subject
  step unpause subject
  step kill --signal USR1 subject
  eventually has_said usr1
  # podman lists the environment in no order.
  step inspect subject | sed '/"Env": \[/,/\]/d'
  step stop --time 10 subject
  step wait subject
  step logs subject
  step start subject
  step kill subject
  step wait subject
  step inspect --format '{{json .State}}' subject
  step rm subject
  step_in_terminal "$console" run --rm --interactive --tty --network none "$IMAGE"
  step run --rm --network none "$IMAGE" /no/such/program
}

# has_said TEXT: the container subject.
has_said() { "${ENGINE[@]}" logs subject | grep -q "$1"; }
