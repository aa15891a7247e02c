#!/usr/bin/env bats
# What README shows to who comes here first: the quickstart, and a tour of the commands.

load lib/common
load lib/podman

README=$BATS_TEST_DIRNAME/../README.md

setup() { start_test; }

teardown() {
  if [[ -n ${STORE:-} ]]; then
    in_store rm --all --force --time 0
    in_store rmi --all --force
  fi
  end_test
}

# --- the quickstart ----------------------------------------------------------------------------------

# what_is_there: whatever a quickstart could leave behind. The processes are those that nobody waits for: their parent is
# the first one, of integration/bats. Not agent.log, in which agents tell of the machine; nor what crun makes in place of a
# hierarchy that is not mounted (lib/apart.bash).
what_is_there() {
  echo "processes:"
  ps --ppid 1 -o pid=,args=
  echo "mounts:"
  cut -d ' ' -f 4- /proc/self/mountinfo
  echo "state:"
  find /run/tidewaiter /var/log/tidewaiter /run/crun /run/runc ! -name agent.log
  echo "cgroups:"
  # Others' cgroups may go while it looks.
  find /sys/fs/cgroup -type d -name '*quickstart*' ! -path '/sys/fs/cgroup/unified/*' 2>/dev/null || true
  echo "/tmp:"
  find "$WRITTEN"
}

# An agent ends when it sees that its container has gone.
as_before() {
  what_is_there >after
  cmp --quiet before after
}

# quickstart NAME: runs it, output in NAME, and compares what is there before and after. Other tests are at work in /tmp: what is
# written there is kept apart.
quickstart() {
  local -r kept=/dev/shm/$1
  mkdir -p "$kept/upper" "$kept/work" "$BATS_TEST_TMPDIR/there"
  WRITTEN=$kept/upper QUICKSTART_BIN=$TIDEWAITER_BIN unshare --mount --propagation private \
    bash -eu -c "$(declare -f eventually what_is_there as_before)
      cd '$BATS_TEST_TMPDIR/there'
      mount -t overlay -o lowerdir=/tmp,upperdir=$kept/upper,workdir=$kept/work quickstart /tmp
      what_is_there >before
      timeout '$PATIENCE' '$BATS_TEST_DIRNAME/quickstart'
      eventually as_before || { echo 'It left behind:'; diff before after; }" \
    >"$BATS_TEST_TMPDIR/$1" 2>&1 </dev/null 3>&- || fail "$(cat "$BATS_TEST_TMPDIR/$1")"
}

# alike [FILE]: without what is another at each run or on each machine.
alike() {
  sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?/TIME/g' -e 's/quickstart-[0-9]+/ID/g' -e "s%$TIDEWAITER%build/bin/tidewaiter%g" \
    -e 's/\b[0-9a-f]{64}\b/ID/g' -e 's/^[a-z]+ +kernel .*/kernel/' -e 's/^exec.*(: Permission denied)$/exec\1/' -e 's/(web +)[0-9]+ +/\1PID /' "$@"
}

@test "the quickstart: once, and again" {
  quickstart first
  quickstart second
  # In any order: two threads of the agent may write their events in either.
  diff -u <(alike "$BATS_TEST_TMPDIR/first" | sort) <(alike "$BATS_TEST_TMPDIR/second" | sort) ||
    fail "the second is not like the first"
  # README has it from its second line on, without the empty one before.
  diff -u <(sed -n '/^A container tries three things/,/^```/p' "$README" | sed '$d' | alike | sort) \
    <(sed 1d "$BATS_TEST_TMPDIR/first" | sed "s%$BARE%/usr/bin/crun%; s%in front of $RUNTIME%in front of crun%" | alike | sort) ||
    fail "README shows another one"
}

@test "the quickstart: where crun cannot run" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  ln -s /bin/false "$BATS_TEST_TMPDIR/bin/crun"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH quickstart fallback
  run cat "$BATS_TEST_TMPDIR/fallback"
  assert_line --regexp '^A container tries three things. With .*/runc alone:$'
  assert_line --index -1 --partial "all three are in the log"
}

# --- the tour ----------------------------------------------------------------------------------------

# An image of busybox as it is elsewhere: every applet is a program of its own name.
import_busybox() {
  local -r root=$BATS_TEST_TMPDIR/busybox
  local applet
  mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in $(busybox --list); do
    if [[ $applet != busybox ]]; then ln "$root/bin/busybox" "$root/bin/$applet"; fi
  done
  tar -C "$root" -c . | in_store import --change "ENV PATH=/bin" - localhost/busybox >/dev/null
}

# compare COMMAND EXPECTED: that it says what README has it say. A line of three dots stands for any number of lines. Of a log, in
# any order: two threads of the agent may write their events in either.
compare() {
  local line pattern='' actual order=cat
  if [[ $1 == "tidewaiter log "* ]]; then order="sort"; fi
  eval "$1" >"$BATS_TEST_TMPDIR/actual" 2>&1 </dev/null 3>&- || true
  actual=$(alike "$BATS_TEST_TMPDIR/actual" | "$order")
  while IFS= read -r line; do
    if [[ $line == ... ]]; then pattern+='*'; else pattern+=$line$'\n'; fi
  done < <(alike <<<"$2" | "$order" | sed '/^\.\.\.$/!s/[][*?\\()+@!|]/\\&/g')
  # shellcheck disable=SC2053
  [[ $actual$'\n' == $pattern ]] || fail "README's \"$1\" says now:"$'\n'"$actual"$'\n'"and not:"$'\n'"$2"
}

@test "the tour of README" {
  local line command='' expected='' commands=0
  unset TIDEWAITER_CONFIG POLICIES
  write_containers_conf "$BATS_FILE_TMPDIR/containers.conf"
  sed -i '/^\[containers\]$/a netns = "none"' "$BATS_FILE_TMPDIR/containers.conf"
  find_podman
  import_busybox
  podman() { in_store "$@"; }
  unset -f tidewaiter
  cd "$BATS_TEST_TMPDIR"
  mkdir build
  ln -s "$TIDEWAITER_BIN" build/bin
  eval "$(sed -n '/^```sh$/,/^```$/p' "$README" | sed '/^```/d')"
  while IFS= read -r line; do
    if [[ $line != '$ '* && $line != '```' ]]; then
      expected+=${expected:+$'\n'}$line
      continue
    fi
    if [[ -n $command ]]; then
      compare "$command" "$expected"
      commands=$((commands + 1))
    fi
    command='' expected=''
    if [[ $line == '$ '* ]]; then command=${line#'$ '}; fi
  done < <(sed -n '/^```console$/,/^```$/p' "$README" | sed '/^```console$/d')
  assert_equal "$commands" 8
}
