#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/profile.h"

// libseccomp, with an owner and results that can be read.

namespace tidewaiter::seccomp {

struct LibraryVersion {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned micro = 0;
  bool operator==(const LibraryVersion&) const = default;
};

// The libseccomp that is loaded, which may be newer than the one compiled against.
LibraryVersion library_version();

// What library and kernel can do together (seccomp_api_get(3)): 5 has notifications, 6 notifications
// beside thread synchronisation, 7 wait-killable notifications.
unsigned api_level();

// Forces the level for the whole process. For finding out how an older kernel would fare.
Status set_api_level(unsigned level);

// --- architectures and syscall numbers ------------------------------------------------------------

// The name config.json has for an architecture token ("SCMP_ARCH_X86_64"); profile.h has the way back. A
// token that this libseccomp does not know fails with a sentence.
Result<std::string> architecture_name(std::uint32_t token);
std::uint32_t native_architecture();

// The number of a syscall on an architecture, and back. A syscall of another architecture has a negative
// number, made up by libseccomp and good for add_rule. Absent: libseccomp knows no syscall of that name (or
// number) at all.
std::optional<int> syscall_number(std::uint32_t architecture, const std::string& name);
std::optional<std::string> syscall_name(std::uint32_t architecture, int number);

// Like syscall_number, except that a call that the architecture makes through another one (socket through
// socketcall on x86) has the other one's number.
std::optional<int> multiplexed_syscall_number(std::uint32_t architecture, const std::string& name);

// --- the filter -----------------------------------------------------------------------------------

// What a filter is made with (seccomp_attr_set(3)). Values are 0 and 1 where nothing else is said.
enum class Attribute {
  kDefaultAction,          // a return_value() of bpf.h; read only, given by create and reset
  kBadArchitectureAction,  // likewise; for calls of an architecture that the filter does not hold
  kNoNewPrivileges,        // load sets no_new_privs first; 1 at the beginning
  kThreadSync,             // load covers every thread of the process
  kSkipSyscall,            // rules on syscall -1, by which a tracer skips a call, are admitted
  kLog,                    // the kernel logs every action but kAllow
  kSpeculativeStore,       // no mitigation of Speculative Store Bypass
  kOptimize,               // 1: rules sorted by priority; 2: a binary tree of syscall numbers
  kRawReturnCodes,  // failures carry the kernel's errno instead of ECANCELED; 1 at the beginning, since
                    // only then do our errors say why
  kWaitKillable,    // once received, a notification is cancelled by fatal signals only; libseccomp 2.6
};

enum class Exactness {
  kAdapt,  // libseccomp may change the rule to fit an architecture, or leave it out there
  kExact,  // it may not; EOPNOTSUPP when the filter has more than one architecture
};

// A seccomp filter under construction (scmp_filter_ctx). Move-only; one thread at a time. It starts with the
// native architecture and no rules.
//
// Errors carry the errno libseccomp gives. What this libseccomp is too old for is EOPNOTSUPP and names
// both versions. A context that was moved from, or merged into another, can only be assigned to or destroyed.
class FilterContext {
 public:
  // EINVAL: the kernel does not know the action, or memory ran out; libseccomp does not tell.
  static Result<FilterContext> create(const ProfileAction& default_action);

  // Back to the beginning: rules, architectures and attributes.
  Status reset(const ProfileAction& default_action);

  // Takes over the architectures of `other` with their rules, and consumes it. EEXIST when both have one in
  // common, EINVAL when attributes differ; `other` is then as before.
  Status merge(FilterContext&& other);

  // EEXIST when the architecture is there already, or is not there to be removed. Rules cover the
  // architectures that are there when they are added.
  Status add_architecture(std::uint32_t token);
  Status remove_architecture(std::uint32_t token);
  [[nodiscard]] Result<bool> has_architecture(std::uint32_t token) const;

  // `action` for calls of `syscall` for which all tests hold. EACCES when `action` is the default action,
  // EINVAL when two tests are on the same argument.
  Status add_rule(const ProfileAction& action, int syscall,
                  const std::vector<policy::ArgumentTest>& tests = {},
                  Exactness exactness = Exactness::kAdapt);

  // The higher, the earlier in the filter. Without effect when kOptimize is 2.
  Status set_syscall_priority(int syscall, std::uint8_t priority);

  [[nodiscard]] Result<std::uint32_t> attribute(Attribute attribute) const;
  Status set_attribute(Attribute attribute, std::uint32_t value);

  // What is done after start can be taken back as a whole by reject. They nest. EINVAL: none is open.
  // libseccomp 2.6.
  Status start_transaction();
  Status commit_transaction();
  Status reject_transaction();

  // Compiles now what load and the exports need, once for all of them. libseccomp 2.6.
  Status precompute();

  // Installs the filter on the calling thread (with kThreadSync: the process). EBUSY: it notifies, and so
  // does a filter that is installed already; EACCES: neither no_new_privs nor CAP_SYS_ADMIN.
  //
  // If descriptor 0 is free, it is opened on /dev/null and stays so: libseccomp cannot hold a notify
  // descriptor numbered 0, and closing it again might not be allowed by the filter.
  Status load();

  // The descriptor on which the loaded filter notifies. libseccomp owns it; it holds one per process, that
  // of the first filter loaded that notifies.
  [[nodiscard]] Result<int> notify_fd() const;

  // Writes the filter as pseudo code for people, or as struct sock_filter[].
  [[nodiscard]] Status export_pfc(int fd) const;
  [[nodiscard]] Status export_bpf(int fd) const;

  // What export_bpf writes, in memory; by way of `scratch`, which serves any number of filters.
  [[nodiscard]] Result<BpfProgram> program(ScratchFile& scratch) const;
  [[nodiscard]] Result<BpfProgram> program() const;

 private:
  struct Release {
    void operator()(void* context) const;
  };
  explicit FilterContext(void* context) : context_(context) {}

  std::unique_ptr<void, Release> context_;  // scmp_filter_ctx
  unsigned open_transactions_ = 0;          // libseccomp crashes when one more is ended than was started
};

}  // namespace tidewaiter::seccomp
