# What every test file is built from. A test file starts with
#
#   load lib/common
#   setup() { start_test; }
#   teardown() { end_test; }
#
# and runs through integration/bats, which chooses the runtime.
#
# Words: `bare` is the real runtime, `shim` is tidewaiter in front of it. Both use the same --root, so that a
# test can look at a container through either.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

# How long anything may take that takes a moment; a hang then is a failure with a name.
readonly PATIENCE=60

# --- a test's surroundings ---------------------------------------------------------------------------

start_test() {
  if [[ -z ${TIDEWAITER_BIN:-} || -z ${RUNTIME:-} ]]; then
    fail "run this file through integration/bats"
  fi
  TIDEWAITER=$TIDEWAITER_BIN/tidewaiter
  [[ -x $TIDEWAITER ]] || fail "$TIDEWAITER is not there: build first"
  BARE=$(command -v "$RUNTIME") || fail "$RUNTIME is not installed (integration/packages)"
  RUNTIME_ROOT=$BATS_TEST_TMPDIR/run
  TIDEWAITER_CONFIG=$BATS_TEST_TMPDIR/etc/config.json
  POLICIES=$BATS_TEST_TMPDIR/etc/policies
  export TIDEWAITER_CONFIG
  ID=$(new_id)
  mkdir -p "$RUNTIME_ROOT" "$POLICIES"
  configure '{}'
  rootfs
}

# Removes what the test made, whether it passed or not, and fails if something of Tidewaiter's stays behind.
end_test() {
  if [[ -z ${BATS_TEST_COMPLETED:-} && -s /var/log/tidewaiter/agent.log ]]; then
    echo "agent.log:"
    cat /var/log/tidewaiter/agent.log
  fi
  rm -f /var/log/tidewaiter/agent.log
  local id
  for id in $("$BARE" --root "$RUNTIME_ROOT" list -q 2>/dev/null); do
    shim delete --force "$id" || bare delete --force "$id" || true
  done
  local pid
  for pid in "${BACKGROUND[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if ! eventually nothing_left; then
    echo "left behind after the test:"
    list_left
    local agent
    for agent in $(agents); do kill -KILL "$agent" 2>/dev/null || true; done
    rm -rf /run/tidewaiter/*
    return 1
  fi
}

# A container id no other test uses.
new_id() {
  local random
  read -r random </proc/sys/kernel/random/uuid
  echo "tw-$BATS_TEST_NUMBER-${random:0:13}"
}

# Processes to be killed at the end of the test, by pid.
BACKGROUND=()

# All agents: integration/bats has a pid namespace of its own.
agents() {
  local folder
  for folder in /proc/[0-9]*; do
    if [[ $(readlink "$folder/exe" 2>/dev/null) == */tidewaiter-agent* ]]; then
      echo "${folder#/proc/}"
    fi
  done
}

nothing_left() {
  [[ -z $(agents) && -z $(ls -A /run/tidewaiter) ]]
}

list_left() {
  ls -lA /run/tidewaiter /run/tidewaiter/*
  local pid
  for pid in $(agents); do
    echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
  done
}

# Waits until a command succeeds, or fails after ten seconds.
eventually() {
  local attempt
  for ((attempt = 0; attempt < 200; attempt++)); do
    if "$@"; then
      return 0
    fi
    sleep 0.05
  done
  return 1
}

# --- bundles -----------------------------------------------------------------------------------------

# make_rootfs FOLDER: a busybox and the probes.
make_rootfs() {
  local programs=$TIDEWAITER_BIN/../integration/programs applet
  [[ -d $programs ]] || fail "the probes are not built: $programs is not there"
  mkdir -p "$1"/{bin,dev,etc,probes,proc,root,sys,tmp}
  cp "$(command -v busybox)" "$1/bin/busybox"
  for applet in $(busybox --list); do
    if [[ $applet != busybox ]]; then ln -s busybox "$1/bin/$applet"; fi
  done
  cp "$programs"/* "$1/probes/"
  chmod -R go+rX "$1"
}

# The root file system all bundles share; containers see it read-only.
rootfs() {
  ROOTFS=$BATS_RUN_TMPDIR/rootfs
  if [[ ! -d $ROOTFS ]]; then
    make_rootfs "$ROOTFS"
  fi
}

# make_bundle [NAME]: a bundle, in $BUNDLE, of an ordinary unprivileged container, with no terminal, that runs `true`.
make_bundle() {
  BUNDLE=$BATS_TEST_TMPDIR/${1:-bundle}
  mkdir -p "$BUNDLE"
  (cd "$BUNDLE" && runc spec)
  edit_bundle --arg rootfs "$ROOTFS" '
    .root.path = $rootfs
    | .process.terminal = false
    | .process.args = ["true"]
    | .process.env = ["PATH=/bin:/probes"]
    | .hostname = "test"'
}

# edit_bundle [JQ OPTION...] FILTER
edit_bundle() {
  jq "$@" <"$BUNDLE/config.json" >"$BUNDLE/config.json.new"
  mv "$BUNDLE/config.json.new" "$BUNDLE/config.json"
}

# container_runs ARGUMENT...: the container's command.
container_runs() {
  # Not jq's --args, which takes a container's "-c" for its own.
  edit_bundle --rawfile arguments <(printf '%s\0' "$@") '.process.args = ($arguments | split("\u0000") | .[:-1])'
}

# --- policies ----------------------------------------------------------------------------------------

# configure JSON: the configuration file, with the runtime under test as the real one unless JSON names another.
configure() {
  jq -n --arg runtime "$BARE" --argjson more "$1" '{runtime: $runtime} + $more' >"$TIDEWAITER_CONFIG"
}

# policy NAME JSON: a policy file. The version may be left out.
policy() {
  jq -n --argjson more "$2" '{version: 1} + $more' >"$POLICIES/$1.json"
}

# under_policy NAME: the bundle asks for it.
under_policy() {
  edit_bundle --arg name "$1" '.annotations["io.tidewaiter.policy"] = $name'
}

without_policy() {
  edit_bundle 'del(.annotations["io.tidewaiter.policy"])'
}

# --- running -----------------------------------------------------------------------------------------

bare() {
  timeout --foreground "$PATIENCE" "$BARE" --root "$RUNTIME_ROOT" "$@"
}

shim() {
  timeout --foreground "$PATIENCE" "$TIDEWAITER" --root "$RUNTIME_ROOT" "$@"
}

tidewaiter() {
  timeout --foreground "$PATIENCE" "$TIDEWAITER" "$@"
}

# in_container ARGUMENT...: runs a command in a new container through the shim, under whatever policy the bundle asks for;
# result in $status, $output and $lines as with bats' `run`. $ID names the container afterwards.
in_container() {
  ID=$(new_id)
  container_runs "$@"
  run shim run --bundle "$BUNDLE" "$ID" </dev/null
  wait_for_bundle
}

# The agent puts config.json back when it sees that the container has gone, which is a moment after `run`.
wait_for_bundle() {
  eventually test ! -e "$BUNDLE/config.json.tidewaiter" || fail "config.json was not put back"
}

# works_without_policy COMMANDS: the control of a test that shows a refusal. In a container of the same bundle, under no policy, each of
# these commands of a shell succeeds. The bundle stays as it is.
works_without_policy() {
  local -r without=$BATS_TEST_TMPDIR/without
  mkdir -p "$without"
  wait_for_bundle
  jq --arg commands "$*" '.process.args = ["sh", "-ec", $commands] | del(.annotations["io.tidewaiter.policy"])' \
    "$BUNDLE/config.json" >"$without/config.json"
  run bare run --bundle "$without" "$(new_id)" </dev/null
  assert_success
}

# start_container ARGUMENT...: runs it in the background, as in_container would, and leaves it running.
start_container() {
  ID=$(new_id)
  container_runs "$@"
  shim create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/$ID.pid" "$ID" \
    </dev/null >"$BATS_TEST_TMPDIR/$ID.out" 2>&1 3>&- || fail "create: $(cat "$BATS_TEST_TMPDIR/$ID.out")"
  shim start "$ID" 3>&-
}

state_of() {
  bare state "$1" 2>/dev/null | jq -r .status
}

is_stopped() {
  [[ $(state_of "$1") == stopped ]]
}

# Waits for a started container's end.
wait_until_stopped() {
  eventually is_stopped "$1" || fail "$1 has not ended: $(state_of "$1")"
}

# --- events ------------------------------------------------------------------------------------------

# events [ID] [FILTER]: the container's events as a JSON array, or what the jq filter makes of it.
events() {
  tidewaiter log "${1:-$ID}" --json | jq -c --slurp "${2:-.}"
}

# assert_event FILTER: at least one event of $ID satisfies the jq condition. An event may be written a moment after
# its call was answered.
assert_event() {
  if ! eventually has_event "$1"; then
    fail "no event with $1 among: $(tidewaiter log "$ID" --json 2>&1)"
  fi
}

has_event() {
  [[ $(tidewaiter log "$ID" --json 2>/dev/null | jq -s "any(.[]; $1)") == true ]]
}

# refute_event FILTER: none does. Call it when the container is gone: its events are complete then.
refute_event() {
  if has_event "$1"; then
    fail "there is an event with $1: $(tidewaiter log "$ID" --json 2>&1)"
  fi
}
