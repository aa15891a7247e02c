# A mount and a pid namespace for tests that run containers. A script that wants them starts with
#
#   source lib/apart.bash
#   run_apart "$@"
#
# which needs root and comes back in the namespaces. Whatever a test, or a killed test run, leaves behind ends with them.
# In them
# - the state folders of Tidewaiter and the runtimes are empty, so that tests meet neither the machine's containers
#   nor each other's;
# - what is written in /etc (a configuration, a user) is seen by nobody else;
# - /dev/shm is empty, where podman keeps the locks of all its storages;
# - cgroup v2's folder is gone where it is mounted beside cgroup v1 ("hybrid"), for crun refuses such hosts;
# - no variable of the caller reaches the programs under test, and TIDEWAITER_BIN names their folder.

# Of Tidewaiter, and what podman and containerd use whatever they are told.
STATE_FOLDERS=(/run/tidewaiter /var/log/tidewaiter /run/crun /run/runc /run/containerd)

# run_apart ARGUMENT...: of the script, which is started again with them, and "--inside" before them.
run_apart() {
  if [[ ${1:-} != --inside ]]; then
    if [[ $(id -u) != 0 ]]; then
      echo "integration/${0##*/}: run it as root: it makes namespaces, cgroups and a user" >&2
      exit 1
    fi
    (umask 077 && mkdir -p "${STATE_FOLDERS[@]}")
    exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" --inside "$@"
  fi
  mount -t tmpfs tidewaiter-tests /dev/shm
  mkdir /dev/shm/upper /dev/shm/work
  mount -t overlay -o lowerdir=/etc,upperdir=/dev/shm/upper,workdir=/dev/shm/work tidewaiter-tests /etc
  rm -rf /etc/tidewaiter  # of the machine; here it is seen no more
  mount -t tmpfs -o mode=1777 tidewaiter-tests /dev/shm
  local folder
  for folder in "${STATE_FOLDERS[@]}"; do
    mount -t tmpfs -o mode=0700 tidewaiter-tests "$folder"
  done
  if mountpoint -q /sys/fs/cgroup/unified; then
    umount /sys/fs/cgroup/unified
    # crun makes a folder there for each container, which would stay on the machine.
    mount -t tmpfs tidewaiter-tests /sys/fs/cgroup/unified
  fi
  TIDEWAITER_BIN=$(readlink -f "${TIDEWAITER_BIN:-$(dirname "$(readlink -f "$0")")/../build/bin}")
  export TIDEWAITER_BIN
  unset TIDEWAITER_CONFIG TIDEWAITER_RUNTIME CONTAINERS_CONF XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_STATE_HOME
  unset DBUS_SESSION_BUS_ADDRESS
}
