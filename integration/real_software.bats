#!/usr/bin/env bats
# Real software under policies written for it: the same results as without one, nothing beyond what is allowed, and a
# log of what it did. The workloads are in software/. They run in a copy of this machine's own file system, so that
# the programs are Debian's, with podman's seccomp profile and Docker's capabilities.

load lib/common

setup() {
  start_test
  make_bundle
  make_machine
  edit_bundle --slurpfile profile /usr/share/containers/seccomp.json --arg software "$BATS_TEST_DIRNAME/software" '
    ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
     "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"] as $capabilities
    | .process.capabilities = {bounding: $capabilities, effective: $capabilities, permitted: $capabilities}
    | .linux.seccomp = ($profile[0] | {defaultAction, defaultErrnoRet, architectures: ["SCMP_ARCH_X86_64"],
        syscalls: [.syscalls[]
          | select((.includes.caps // []) - $capabilities == [])
          | select((.excludes.caps // []) - $capabilities == (.excludes.caps // []))
          | select(.includes.arches == null or (.includes.arches | contains(["amd64"])))
          | {names, action, args: (.args // [])} + if .errnoRet then {errnoRet} else {} end]})
    | .process.noNewPrivileges = false
    | .process.env = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TERM=dumb", "HOME=/job"]
    | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 4096, hard: 4096}]
    | .root.readonly = false
    | .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]},
                  {destination: "/job", type: "tmpfs", source: "tmpfs"},
                  {destination: "/software", type: "bind", source: $software, options: ["bind", "ro"]}]'
}

teardown() {
  # What a policy that is too tight refused.
  if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then tidewaiter log "$ID" | grep denied || true; fi
  end_test
  remove_machine
}

# The machine's own file system as the container's root: read as it is, and what is written stays in memory.
make_machine() {
  local machine=$BATS_TEST_TMPDIR/machine
  mkdir -p "$machine"
  mount -t tmpfs -o mode=0755 tidewaiter-tests "$machine"
  mkdir "$machine"/{upper,scratch,root}
  mount -t overlay -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/scratch" tidewaiter-tests "$machine/root"
  mkdir -p "$machine/root"/{software,job}
  edit_bundle --arg root "$machine/root" '.root.path = $root'
}

remove_machine() {
  umount "$BATS_TEST_TMPDIR/machine/root" "$BATS_TEST_TMPDIR/machine"
}

# program_path NAME: the canonical path of one of Debian's programs, or of a program that the test makes.
program_path() {
  local path
  if [[ $1 == /job/* ]]; then
    echo "$1"
    return
  fi
  path=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin type -P "$1") || fail "$1 is not installed (integration/packages)"
  readlink -f "$path"
}

# exec_rules: a policy's exec rules from lines of a program, by name or path, and the patterns of its arguments, quoted
# as for a shell.
exec_rules() {
  local program arguments path
  while read -r program arguments; do
    path=$(program_path "$program") || return
    xargs printf '%s\n' <<<"$arguments" | jq -R . | jq -s --arg path "$path" '{path: $path, argv: .}'
  done | jq -s .
}

# tight_policy NAME NETWORK-JSON: with the exec rules of stdin, and nothing else.
tight_policy() {
  policy "$1" "$(jq -n --argjson network "$2" --argjson rules "$(exec_rules)" '{network: $network, exec: {allow: $rules}}')"
}

# documented_policy NAME NETWORK-JSON: docs/policies/NAME.json with this machine's network, and with the exec rules of
# stdin for what the workload's script does around the software. How limits hold is in limits.bats.
documented_policy() {
  policy "$1" "$(jq --argjson network "$2" --argjson rules "$(exec_rules)" '
    .network = $network | .exec.allow += $rules | del(.version, .limits)' "$BATS_TEST_DIRNAME/../docs/policies/$1.json")"
}

# only_on PORT: a server on all addresses, clients on one.
only_on() {
  echo "{\"allow\": [\"tcp://127.0.0.1:$1\"], \"bind\": [\"$1\"]}"
}

# same_under POLICY ARGUMENT...: runs a workload without a policy and under it. The results have to be the same up to the
# line "beyond the policy:". What follows it is in $beyond_without and $beyond_under.
same_under() {
  local name=$1 bare_output bare_status
  shift
  without_policy
  in_container "$@"
  assert_success
  bare_output=$output
  bare_status=$status
  under_policy "$name"
  in_container "$@"
  assert_equal "${output%%beyond the policy:*}" "${bare_output%%beyond the policy:*}"
  assert_equal "$status" "$bare_status"
  assert_regex "$bare_output" "beyond the policy:"
  beyond_without=${bare_output#*beyond the policy:$'\n'}
  beyond_under=${output#*beyond the policy:$'\n'}
}

# What start.bash's beyond does: it reaches another address and runs another program, but not under the policy.
# assert_nothing_beyond PORT
assert_nothing_beyond() {
  assert_regex "$beyond_without" $'^connected\n0'
  refute [ "$beyond_under" == "$beyond_without" ]
  assert_regex "$beyond_under" "/dev/tcp/127.0.0.2/$1: Permission denied"
  assert_regex "$beyond_under" "/usr/bin/id: Permission denied"
  assert_event ".denied and .syscall == \"connect\" and .host == \"127.0.0.2\" and .port == $1"
  assert_event '.denied and .syscall == "execve" and .path == "/usr/bin/id"'
}

# assert_ran PROGRAM ARGUMENT...: the log has this, as allowed.
assert_ran() {
  local path
  path=$(program_path "$1")
  shift
  assert_event ".verdict == \"allowed\" and .path == \"$path\" and .argv == $(jq -cn '$ARGS.positional' --args -- "$@")"
}

# assert_connected PROGRAM PORT
assert_connected() {
  assert_event ".verdict == \"allowed\" and .syscall == \"connect\" and .executable == \"$(program_path "$1")\"
    and .host == \"127.0.0.1\" and .port == $2"
}

@test "apt-get update, and a download" {
  documented_policy package-fetch "$(only_on 8000)" <<'END'
    bash       bash /software/apt.bash
    mkdir      mkdir -p **
    sleep      sleep 0.1
    dpkg-deb   dpkg-deb --root-owner-group -Znone --build package repository/greeting_1.0_all.deb
    sha256sum  sha256sum repository/greeting_1.0_all.deb
    cat        cat package/DEBIAN/control
    cat        cat
    stat       stat -c %s repository/greeting_1.0_all.deb
    grep       grep -E '^Get|^E|^W'
    tar        tar -cf - --format=gnu **
    cmp        cmp greeting_1.0_all.deb repository/greeting_1.0_all.deb
    python3    python3 -m http.server --directory repository 8000
END
  same_under package-fetch bash /software/apt.bash
  assert_line "same package"
  assert_nothing_beyond 8000
  assert_ran apt-get apt-get -q update
  assert_connected /usr/lib/apt/methods/http 8000
}

@test "git over http" {
  local core
  core=$(git --exec-path)
  documented_policy git-mirror "$(only_on 8000)" <<'END'
    bash               bash /software/git.bash
    sleep              sleep 0.1
    mkdir              mkdir -p www/cgi-bin
    chmod              chmod **
    cat                cat
    seq                seq *
    sha256sum          sha256sum two/file3
    python3            python3 -m http.server --cgi --directory www 8000
    /job/www/cgi-bin/git  git **
    sh                 /bin/sh www/cgi-bin/git **
END
  same_under git-mirror bash /software/git.bash
  assert_line --regexp '^[0-9a-f]{40} commit 3$'
  assert_nothing_beyond 8000
  assert_ran git git -C one push --quiet origin main
  assert_event '.verdict == "allowed" and .path == "/job/www/cgi-bin/git" and .argv[0] == "git"'
  assert_connected "$core/git-remote-http" 8000
}

@test "a python client that fetches packages" {
  documented_policy python-client "$(only_on 8000)" <<'END'
    bash       bash /software/python.bash
    mkdir      mkdir -p **
    sleep      sleep 0.1
    sha256sum  sha256sum www/*.zip
    python3    python3 -c 'import sys, zipfile*' www/*.zip *
    python3    python3 -m http.server --directory www 8000
END
  same_under python-client bash /software/python.bash
  assert_line "32 HTTP/1.0 200 OK"
  assert_nothing_beyond 8000
  assert_ran python3 python3 /software/python_client.py http://127.0.0.1:8000 one two three four
  assert_connected python3 8000
}

@test "redis and its benchmark" {
  documented_policy database-cache "$(only_on 6379)" <<'END'
    bash             bash /software/redis.bash
    sleep            sleep 0.1
    cut              cut -d, -f1
    redis-benchmark  redis-benchmark -h 127.0.0.1 -p 6379 **
END
  same_under database-cache bash /software/redis.bash
  assert_line "value"
  assert_nothing_beyond 6379
  assert_connected redis-benchmark 6379
  assert_ran redis-cli redis-cli -h 127.0.0.1 get key
}

@test "nginx under wrk" {
  documented_policy web-server "$(only_on 8080)" <<'END'
    bash   bash /software/nginx.bash
    sleep  sleep 0.1
    mkdir  mkdir www logs
    seq    seq 1000
    cat    cat
    cat    cat error.log
    wrk    wrk -t 2 -c 20 -d 1 http://127.0.0.1:8080/*
    sed    sed **
END
  same_under web-server bash /software/nginx.bash
  assert_line "requests: many"
  assert_line "nginx has ended"
  assert_nothing_beyond 8080
  assert_connected wrk 8080
  assert_connected nginx 8080
}

@test "node: a server, clients, threads and programs" {
  documented_policy node-service '{"allow": ["tcp://127.0.0.1:8000,8002"], "bind": ["8000"]}' </dev/null
  same_under node-service node /software/node.js
  assert_line "50 you asked for /49"
  assert_equal "$beyond_without" $'connect: ok\nid: ok'
  assert_equal "$beyond_under" $'connect: EACCES\nid: EACCES'
  assert_event '.denied and .syscall == "connect" and .host == "127.0.0.2" and .port == 8000'
  assert_ran uname uname -s
  assert_connected node 8000
}

@test "a Go program and a Java virtual machine" {
  tight_policy runtimes "$(only_on 8000)" <<'END'
    bash       bash /software/runtimes.bash
    mkdir      mkdir www
    sleep      sleep 0.1
    head       head -n 1
    grep       grep -c .
    grep       grep -o PrivateKeyEntry
    sha256sum  sha256sum config.json
    python3    python3 -m http.server --directory www 8000
    runc       runc --version
    runc       runc spec
    java       java -XshowSettings:vm -version
    keytool    keytool **
END
  same_under runtimes bash /software/runtimes.bash
  assert_line "made a key"
  assert_line "PrivateKeyEntry"
  assert_nothing_beyond 8000
  assert_ran runc runc spec
  assert_connected keytool 8000
}

@test "make -j4 of a C program" {
  # Nobody here connects to anything.
  documented_policy ci-build '{"allow": [], "bind": []}' <<'END'
    bash           bash /software/make.bash
    cat            cat
    sort           sort
    sort           sort order
    sha256sum      sha256sum
    gcc            gcc -x c -o other -
END
  same_under ci-build bash /software/make.bash
  assert_line "78"
  assert_equal "$beyond_without" $'0\n7'
  assert_regex "$beyond_under" "/usr/bin/id: Permission denied"
  assert_regex "$beyond_under" "./other: Permission denied"
  assert_ran gcc gcc -O1 -pipe -Wall -c -o part12.o part12.c
  assert_event '.denied and .path == "/job/other"'
}

@test "gdb and strace, where only the network is restricted and they are given what they need" {
  policy debug "{\"network\": $(only_on 8000), \"unsafe_allow\": [\"ptrace\"]}"
  same_under debug bash /software/debug.bash
  assert_line 'Value returned is $2 = 0'
  assert_line "127.0.0.1: Success"
  assert_equal "$beyond_without" $'connected\n0'
  assert_regex "$beyond_under" "/dev/tcp/127.0.0.2/8000: Permission denied"
  assert_connected /job/debugged 8000
}

has_ended() {
  ! kill -0 "$1" 2>/dev/null
}

# in_terminal OUTPUT INPUT...: runs the container's command with a terminal, at which INPUT is typed when OUTPUT has come.
# What came out is in $screen.
in_terminal() {
  local socket=$BATS_TEST_TMPDIR/terminal.sock
  ID=$(new_id)
  rm -f "$socket"
  python3 "$BATS_TEST_DIRNAME/lib/console.py" "$socket" "$@" >"$BATS_TEST_TMPDIR/screen" 3>&- &
  local console=$!
  BACKGROUND+=("$console")
  eventually test -S "$socket"
  # Not `run`, which in runc takes a socket for what it leaves behind only.
  shim create --bundle "$BUNDLE" --console-socket "$socket" "$ID" </dev/null 3>&-
  shim start "$ID" 3>&-
  eventually has_ended "$console" || fail "it goes no further: $(cat "$BATS_TEST_TMPDIR/screen")"
  screen=$(tr -d '\r' <"$BATS_TEST_TMPDIR/screen" | sed -E 's/^\[1\] [0-9]+$/[1] PID/')
}

@test "job control in an interactive shell" {
  local again='trap "echo go""es on" CONT; echo ru""ns; while :; do read -r line; done'
  local ctrl_c=$'\003' ctrl_z=$'\032'
  tight_policy shell '{"allow": []}' <<END
    bash   bash --norc --noediting -i
    sh     sh -c '$again'
    sleep  sleep *
    seq    seq 1000
    tail   tail -n 1
    cat    cat
END
  edit_bundle '.process.terminal = true | .process.env += ["PS1=ready> "]'
  container_runs bash --norc --noediting -i
  local dialogue=(
    "ready> " "sh -c '$again'"$'\n'
    "runs" "$ctrl_z"
    "ready> " $'jobs\n'
    "ready> " $'fg\n'
    "goes on" "$ctrl_c"
    "ready> " $'echo $?; sleep 1000 & kill $!; wait $!; echo $?\n'
    "ready> " $'seq 1000 | cat | tail -n 1\n'
    "ready> " $'cat\n'
    $'cat\r\n' $'typed\n'
    $'typed\r\ntyped' $'\004'
    "ready> " $'echo "beyond"; /usr/bin/id -u\n'
    "ready> " $'exit 0\n')
  local screen bare_screen
  in_terminal "${dialogue[@]}"
  bare_screen=$screen
  under_policy shell
  in_terminal "${dialogue[@]}"
  assert_equal "${screen%%$'\nbeyond'*}" "${bare_screen%%$'\nbeyond'*}"
  assert_regex "$bare_screen" $'Stopped .*\ngoes on\n.*\n130\n'
  assert_regex "$bare_screen" $'\n143\n.*\n1000\n.*\nbeyond\n0\n'
  assert_regex "$screen" $'\nbeyond\nbash: /usr/bin/id: Permission denied\n'
}
