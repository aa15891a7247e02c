# What every workload here begins with: `source /software/start.bash`. It runs in a container that has this machine's
# own programs, this folder at /software, and /job for itself; what it prints is its result, and has to be the same
# with a policy and without.
set -euo pipefail
# In the order in which it is said.
exec 2>&1
cd /job

# Waits until something listens at a port of 127.0.0.1.
wait_for_port() {
  until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.1; done
}

# beyond PORT: what no policy here allows: another address of the same server, another program.
beyond() {
  echo "beyond the policy:"
  (exec 3<>"/dev/tcp/127.0.0.2/$1" && echo "connected") || true
  /usr/bin/id -u || true
}
