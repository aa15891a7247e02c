#include "oci/runtime/runtime_traits.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include "oci/base/system.h"

extern char** environ;

namespace tidewaiter::runtime {
namespace {

// What a runtime's init still calls with the filter loaded and the listener not yet handed over: nobody
// could answer it.

constexpr std::array kRuncNeverNotify = {
    NeverNotify{"write", "runc refuses it: its init tells the listener's number to its parent by write(2)"},
};

constexpr std::array kYoukiNeverNotify = {
    NeverNotify{"sendmsg",
                "youki's init hands the listener over by sendmsg(2), under the filter: it would wait "
                "for ever"},
    NeverNotify{"write", "youki refuses it"},
};

// Nothing is known of it, so it may be any of the above.
constexpr std::array kUnknownNeverNotify = {
    NeverNotify{"sendmsg", "an unknown runtime may hand the listener over by sendmsg(2), under the filter"},
    NeverNotify{"write", "an unknown runtime may hand the listener over by write(2), under the filter"},
};

// The handlers (crun src/libcrun/custom-handler.c, youki crates/youki/src/workload) never execute a program:
// the runtime's own process becomes the workload, and could not be told from it.
constexpr std::array<std::string_view, 2> kYoukiBypassAnnotations = {"run.oci.handler",
                                                                     "module.wasm.image/variant"};
constexpr std::array<std::string_view, 3> kCrunBypassAnnotations = {"run.oci.seccomp", "run.oci.handler",
                                                                    "module.wasm.image/variant"};

// crun's libcrun_cgroup_enter (src/libcrun/cgroup.c) goes on without a cgroup, in a user namespace or as an
// ordinary user, where the bundle names none and systemd is not to make it. runc's managers fail ("cannot set
// memory limit: container could not join or create cgroup").
//
// crun has no rows: a process that shares its descriptors but not the filter hands the listener over.
constexpr std::array kTraits = {
    Traits{.kind = Kind::kCrun,
           .name = "crun",
           .accepts_config_option = true,
           .starts_by_execve = true,
           .passes_over_cgroups = true,
           .never_notify = {},
           .bypass_annotation_prefixes = kCrunBypassAnnotations,
           .bypass_environment = "RUN_OCI_SECCOMP_RECEIVER"},
    Traits{.kind = Kind::kRunc,
           .name = "runc",
           .accepts_config_option = false,
           .starts_by_execve = true,
           .passes_over_cgroups = false,
           .never_notify = kRuncNeverNotify,
           .bypass_annotation_prefixes = {},
           .bypass_environment = {}},
    Traits{.kind = Kind::kYouki,
           .name = "youki",
           .accepts_config_option = false,
           .starts_by_execve = true,
           .passes_over_cgroups = true,
           .never_notify = kYoukiNeverNotify,
           .bypass_annotation_prefixes = kYoukiBypassAnnotations,
           .bypass_environment = {}},
    Traits{.kind = Kind::kUnknown,
           .name = "unknown",
           .accepts_config_option = false,
           .starts_by_execve = false,
           .passes_over_cgroups = true,
           .never_notify = kUnknownNeverNotify,
           .bypass_annotation_prefixes = kCrunBypassAnnotations,
           .bypass_environment = "RUN_OCI_SECCOMP_RECEIVER"},
};

constexpr bool in_order_of_kind() {
  for (std::size_t i = 0; i < kTraits.size(); ++i) {
    if (kTraits[i].kind != static_cast<Kind>(i)) return false;
  }
  return true;
}
static_assert(in_order_of_kind(), "traits() finds a row by its number");

constexpr std::size_t kMaxVersionText = 4096;
constexpr std::chrono::seconds kVersionTimeout{5};

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::optional<Kind> kind_named(std::string_view word) {
  for (const Traits& row : kTraits) {
    if (row.kind != Kind::kUnknown && row.name == word) return row.kind;
  }
  return std::nullopt;
}

// The first runtime that is named as a whole word: "crun-1.21" is crun, "kata-runtime" and "runsc" are none.
std::optional<Kind> kind_in(std::string_view text) {
  while (!text.empty()) {
    std::size_t length = 0;
    while (length < text.size() && is_word_character(text[length])) ++length;
    if (const auto kind = kind_named(text.substr(0, length))) return kind;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return std::nullopt;
}

// A started program, ended at the latest when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    // The group too: a wrapper script may have started the runtime and wait for it.
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_;
};

// Starts `PATH --version` with its output in `output`, in a process group of its own, with no signal blocked.
Result<pid_t> start_version(const std::string& path, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (::posix_spawn_file_actions_init(&actions) != 0) return fail(ENOMEM, "posix_spawn");
  if (::posix_spawnattr_init(&attributes) != 0) {
    ::posix_spawn_file_actions_destroy(&actions);
    return fail(ENOMEM, "posix_spawn");
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);

  std::string argument_0 = path;
  std::string argument_1 = "--version";
  std::array<char*, 3> arguments = {argument_0.data(), argument_1.data(), nullptr};
  pid_t pid = 0;
  int code = ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (code == 0) code = ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (code == 0) code = ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (code == 0) code = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return fail(code, "run " + path + " --version");
  return pid;
}

// The first line of `fd`, of what arrives before `deadline`.
Result<std::string> read_line(int fd, std::chrono::steady_clock::time_point deadline) {
  std::string text;
  while (text.size() < kMaxVersionText && text.find('\n') == std::string::npos) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return fail(ETIMEDOUT, "");
    struct pollfd ready {};
    ready.fd = fd;
    ready.events = POLLIN;
    const int count = ::poll(&ready, 1, static_cast<int>(left.count()));
    if (count < 0 && errno != EINTR) return fail(errno, "poll");
    if (count <= 0) continue;
    std::array<char, 512> piece{};
    const std::size_t size = TRY(sys::read(fd, piece.data(), piece.size()));
    if (size == 0) break;
    text.append(piece.data(), size);
  }
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string_view Traits::why_never_notify(std::string_view syscall) const {
  for (const NeverNotify& row : never_notify) {
    if (row.syscall == syscall) return row.reason;
  }
  return {};
}

Result<std::string> version_line(const std::string& path) {
  sys::Pipe pipe = TRY(sys::pipe());
  const auto deadline = std::chrono::steady_clock::now() + kVersionTimeout;
  const pid_t pid = TRY(start_version(path, pipe.write_end.get()));
  const Child child(pid);
  pipe.write_end.reset();
  return in_context("wait for " + path + " --version", read_line(pipe.read_end.get(), deadline));
}

bool name_chooses_handler(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "krun" || name.starts_with("crun-");
}

const Traits& traits(Kind kind) { return kTraits[static_cast<std::size_t>(kind)]; }

Result<Kind> identify(const std::string& path) {
  const std::string real = TRY(sys::realpath(path));
  if (const auto kind = kind_in(std::string_view(real).substr(real.rfind('/') + 1))) return *kind;
  const std::string line = TRY(version_line(real));
  return kind_named(std::string_view(line).substr(0, line.find(' '))).value_or(Kind::kUnknown);
}

}  // namespace tidewaiter::runtime
