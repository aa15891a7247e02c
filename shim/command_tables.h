#pragma once

// The commands that the shim does not hand over unseen, and the options before and behind a command. All of
// it is read before anything is relocated (at_entry.h), hence without a pointer.

namespace tidewaiter::shim {

enum class Handling {
  kOwnVerb,  // no runtime has a command of this name
  kCreate,
  kDelete,
  kExec,
  kRestore,
  kStart,
  kUpdate,
};

struct Command {
  char name[8];
  Handling handling;
};

// The runtime has many more, and it may have them alone.
constexpr Command kCommands[] = {
    {"changes", Handling::kOwnVerb}, {"create", Handling::kCreate},   {"delete", Handling::kDelete},
    {"doctor", Handling::kOwnVerb},  {"exec", Handling::kExec},       {"log", Handling::kOwnVerb},
    {"policy", Handling::kOwnVerb},  {"restore", Handling::kRestore}, {"run", Handling::kCreate},
    {"start", Handling::kStart},     {"status", Handling::kOwnVerb},  {"update", Handling::kUpdate},
};

enum class Value {
  kNone,
  kAttached,  // optional, and then only behind '=' or the letter
  kRequired,  // attached, or the next argument
};

struct Option {
  char name[20];
  char letter;  // 0: none
  Value value;
};

// The union of crun 1.8 to 1.21, runc 1.1 to 1.3 and youki 0.5: they agree wherever they share a spelling,
// and what one of them does not know it refuses by itself. Flags stand here because a name cut short must not
// be ambiguous by our lists alone.

constexpr Option kGlobalOptions[] = {
    {"tidewaiter-config", 0, Value::kRequired},
    {"cgroup-manager", 0, Value::kRequired},
    {"criu", 0, Value::kRequired},
    {"debug", 0, Value::kNone},
    {"help", 'h', Value::kNone},
    {"log", 'l', Value::kRequired},
    {"log-format", 0, Value::kRequired},
    {"log-level", 0, Value::kRequired},
    {"root", 'r', Value::kRequired},
    {"rootless", 0, Value::kRequired},
    {"systemd-cgroup", 's', Value::kNone},
    {"usage", 0, Value::kNone},
    {"version", 'v', Value::kNone},
};

constexpr Option kCreateOptions[] = {
    {"bundle", 'b', Value::kRequired},
    {"config", 'f', Value::kRequired},
    {"console-socket", 'c', Value::kRequired},
    {"detach", 'd', Value::kNone},
    {"help", 'h', Value::kNone},
    {"keep", 0, Value::kNone},
    {"no-new-keyring", 0, Value::kNone},
    {"no-pivot", 0, Value::kNone},
    {"no-subreaper", 0, Value::kNone},
    {"pid-file", 'p', Value::kRequired},
    {"pidfd-socket", 0, Value::kRequired},
    {"preserve-fds", 0, Value::kRequired},
    {"usage", 0, Value::kNone},
};

constexpr Option kExecOptions[] = {
    {"additional-gids", 'g', Value::kRequired},
    {"apparmor", 0, Value::kRequired},
    {"cap", 'c', Value::kRequired},
    {"cgroup", 0, Value::kRequired},
    {"console-socket", 0, Value::kRequired},
    {"cwd", 0, Value::kRequired},
    {"detach", 'd', Value::kNone},
    {"env", 'e', Value::kRequired},
    {"help", 'h', Value::kNone},
    {"ignore-paused", 0, Value::kNone},
    {"no-new-privs", 0, Value::kNone},
    {"no-subreaper", 0, Value::kNone},
    {"pid-file", 0, Value::kRequired},
    {"pidfd-socket", 0, Value::kRequired},
    {"preserve-fds", 0, Value::kRequired},
    {"process", 'p', Value::kRequired},
    {"process-label", 0, Value::kRequired},
    {"tty", 't', Value::kAttached},
    {"usage", 0, Value::kNone},
    {"user", 'u', Value::kRequired},
};

constexpr Option kDeleteOptions[] = {
    {"force", 'f', Value::kNone},
    {"help", 'h', Value::kNone},
    {"regex", 'r', Value::kNone},
    {"usage", 0, Value::kNone},
};

constexpr Option kStartOptions[] = {
    {"help", 'h', Value::kNone},
    {"usage", 0, Value::kNone},
};

constexpr Option kUpdateOptions[] = {
    {"blkio-weight", 0, Value::kRequired},
    {"cpu-burst", 0, Value::kRequired},
    {"cpu-idle", 0, Value::kRequired},
    {"cpu-period", 0, Value::kRequired},
    {"cpu-quota", 0, Value::kRequired},
    {"cpu-rt-period", 0, Value::kRequired},
    {"cpu-rt-runtime", 0, Value::kRequired},
    {"cpu-share", 0, Value::kRequired},
    {"cpuset-cpus", 0, Value::kRequired},
    {"cpuset-mems", 0, Value::kRequired},
    {"help", 'h', Value::kNone},
    {"kernel-memory", 0, Value::kRequired},
    {"kernel-memory-tcp", 0, Value::kRequired},
    {"l3-cache-schema", 0, Value::kRequired},
    {"mem-bw-schema", 0, Value::kRequired},
    {"memory", 0, Value::kRequired},
    {"memory-reservation", 0, Value::kRequired},
    {"memory-swap", 0, Value::kRequired},
    {"pids-limit", 0, Value::kRequired},
    {"resources", 'r', Value::kRequired},
    {"usage", 0, Value::kNone},
};

constexpr Option kRestoreOptions[] = {
    {"auto-dedup", 0, Value::kNone},
    {"bundle", 'b', Value::kRequired},
    {"console-socket", 0, Value::kRequired},
    {"detach", 'd', Value::kNone},
    {"empty-ns", 0, Value::kRequired},
    {"ext-unix-sk", 0, Value::kNone},
    {"file-locks", 0, Value::kNone},
    {"help", 'h', Value::kNone},
    {"image-path", 0, Value::kRequired},
    {"lazy-pages", 0, Value::kNone},
    {"lsm-mount-context", 0, Value::kRequired},
    {"lsm-profile", 0, Value::kRequired},
    {"manage-cgroups-mode", 0, Value::kRequired},
    {"no-pivot", 0, Value::kNone},
    {"no-subreaper", 0, Value::kNone},
    {"pid-file", 0, Value::kRequired},
    {"shell-job", 0, Value::kNone},
    {"tcp-established", 0, Value::kNone},
    {"usage", 0, Value::kNone},
    {"work-path", 0, Value::kRequired},
};

}  // namespace tidewaiter::shim
