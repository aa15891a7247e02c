#pragma once

#include <span>
#include <string>
#include <string_view>

#include "oci/base/result.h"

// What each OCI runtime can and cannot do with a seccomp listener: one table, with the reason beside each
// row, so that a bundle is refused in words instead of hanging in the runtime.

namespace tidewaiter::runtime {

enum class Kind { kCrun, kRunc, kYouki, kUnknown };

// A syscall that must not notify under a runtime, and why.
struct NeverNotify {
  std::string_view syscall;
  std::string_view reason;
};

// A word of linux.seccomp.flags that a runtime takes.
struct SeccompFlag {
  std::string_view name;
  std::string_view since;              // its version; empty: every one that is known here
  std::string_view not_with_listener;  // why a container with it cannot be supervised; empty: it can
};

struct Traits {
  Kind kind = Kind::kUnknown;
  std::string_view name;               // "crun"
  bool accepts_config_option = false;  // create/run take --config FILE
  // Whether the first code that is not the runtime's own comes under the filter by execve(2) or execveat(2).
  bool starts_by_execve = false;
  // Whether, without root's rights, it runs a container whose limits it cannot set, and says nothing.
  bool passes_over_cgroups = false;
  std::span<const NeverNotify> never_notify;  // beside those no runtime may notify
  // Annotations that begin so replace the filter, or run the workload inside the runtime's own process.
  std::span<const std::string_view> bypass_annotation_prefixes;
  std::string_view bypass_environment;  // an environment variable that does; empty: none
  // Of a flag that is not among these, or too new for it, the runtime itself says that it does not know it.
  std::span<const SeccompFlag> seccomp_flags;

  // Why `syscall` must not notify under this runtime; empty when it may.
  [[nodiscard]] std::string_view why_never_notify(std::string_view syscall) const;
  // Why the filter cannot have this flag and a listener under this runtime; empty when it can, or when the
  // runtime takes no such flag at all.
  [[nodiscard]] std::string_view why_not_with_listener(std::string_view seccomp_flag) const;
};

const Traits& traits(Kind kind);

// Whether a crun that is called by `path` takes its name for a choice of handler ("crun-wasm", "krun"), which
// then runs the workload inside the runtime's own process (crun src/crun.c, fill_handler_from_argv0).
bool name_chooses_handler(std::string_view path);

// From the executable's file name, symbolic links followed ("crun", "crun-1.8", "/usr/sbin/runc"); when
// that says nothing, from the first word of `PATH --version`.
Result<Kind> identify(const std::string& path);

// The first line of what `PATH --version` prints, "crun version 1.8.1". Waits for it five seconds at most.
Result<std::string> version_line(const std::string& path);

}  // namespace tidewaiter::runtime
