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

start_podman() {
  write_containers_conf "$BATS_FILE_TMPDIR/containers.conf"
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  find_podman
  tar -C "$BATS_FILE_TMPDIR/rootfs" -c . | in_store import --change "ENV PATH=/bin:/probes" - "$IMAGE" >/dev/null
}

find_podman() {
  export CONTAINERS_CONF=$BATS_FILE_TMPDIR/containers.conf
  STORE=$BATS_FILE_TMPDIR
  if [[ -n ${POLICIES:-} ]]; then
    ln -sfn "$(dirname "$POLICIES")" /etc/tidewaiter
    POLICIES=/etc/tidewaiter/policies
    export -n TIDEWAITER_CONFIG
  fi
}

in_store() {
  timeout --foreground "$PATIENCE" podman --root "$STORE/root" --runroot "$STORE/runroot" --tmpdir "$STORE/tmp" \
    --storage-driver vfs "$@"
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
