#include "oci/runtime/runtime_traits.h"

#include <array>
#include <chrono>
#include <optional>

#include "oci/base/program_output.h"
#include "oci/base/system.h"

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

// crun hands the flags to seccomp(2) itself (libcrun_apply_seccomp, src/libcrun/seccomp.c): where that fails
// it loads a filter without any of them, but one with a listener it gives up. Beside a listener the kernel
// takes TSYNC only with TSYNC_ESRCH, which crun does not know.
constexpr std::array kCrunSeccompFlags = {
    SeccompFlag{"SECCOMP_FILTER_FLAG_LOG", "", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", "",
                "crun has the kernel load both together, which refuses them (EINVAL); nothing is lost "
                "without it, for crun's process has one thread"},
    SeccompFlag{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "", ""},
};

// Before 1.2 any flag is an error ("seccomp flags are not yet supported by runc"). TSYNC is accepted and
// passed over (setFlag, libcontainer/seccomp/seccomp_linux.go).
constexpr std::array kRuncSeccompFlags = {
    SeccompFlag{"SECCOMP_FILTER_FLAG_LOG", "1.2", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "1.2", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", "1.2", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "1.5", ""},
};

// libseccomp adds TSYNC_ESRCH by itself (crates/libcontainer/src/seccomp/mod.rs leaves the flags to it).
constexpr std::array kYoukiSeccompFlags = {
    SeccompFlag{"SECCOMP_FILTER_FLAG_LOG", "", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "", ""},
    SeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", "", ""},
};

constexpr std::array kUnknownSeccompFlags = {
    SeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", "",
                "an unknown runtime may have the kernel load both together, which refuses them (EINVAL)"},
};

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
           .bypass_environment = "RUN_OCI_SECCOMP_RECEIVER",
           .seccomp_flags = kCrunSeccompFlags},
    Traits{.kind = Kind::kRunc,
           .name = "runc",
           .accepts_config_option = false,
           .starts_by_execve = true,
           .passes_over_cgroups = false,
           .never_notify = kRuncNeverNotify,
           .bypass_annotation_prefixes = {},
           .bypass_environment = {},
           .seccomp_flags = kRuncSeccompFlags},
    Traits{.kind = Kind::kYouki,
           .name = "youki",
           .accepts_config_option = false,
           .starts_by_execve = true,
           .passes_over_cgroups = true,
           .never_notify = kYoukiNeverNotify,
           .bypass_annotation_prefixes = kYoukiBypassAnnotations,
           .bypass_environment = {},
           .seccomp_flags = kYoukiSeccompFlags},
    Traits{.kind = Kind::kUnknown,
           .name = "unknown",
           .accepts_config_option = false,
           .starts_by_execve = false,
           .passes_over_cgroups = true,
           .never_notify = kUnknownNeverNotify,
           .bypass_annotation_prefixes = kCrunBypassAnnotations,
           .bypass_environment = "RUN_OCI_SECCOMP_RECEIVER",
           .seccomp_flags = kUnknownSeccompFlags},
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

}  // namespace

std::string_view Traits::why_never_notify(std::string_view syscall) const {
  for (const NeverNotify& row : never_notify) {
    if (row.syscall == syscall) return row.reason;
  }
  return {};
}

std::string_view Traits::why_not_with_listener(std::string_view seccomp_flag) const {
  for (const SeccompFlag& row : seccomp_flags) {
    if (row.name == seccomp_flag) return row.not_with_listener;
  }
  return {};
}

Result<std::string> version_line(const std::string& path) {
  return output_of({path, "--version"}, Until::kLineEnd, kMaxVersionText, kVersionTimeout);
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
