#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/policy.h"

// What network and exec rules, limits and denied files need beside their own words. Rules are decided where
// connect(2), bind(2) and execve(2) are called, so the other ways to the same have to be shut, or named as
// open; limits are kept in files that nobody within may come to write to; what is denied lies under mounts
// that nobody may look under. What is shut can be given back by name: the policy's `unsafe_allow`.

namespace tidewaiter::policy {

// Calls that are refused, because they would do unseen what the rules decide.
struct BaselineRow {
  std::string_view name;  // the word for it in unsafe_allow; rows that belong together share it
  std::span<const std::string_view> syscalls;  // none: it is no matter of calls (`in_bundle`)
  std::span<const ArgumentTest> tests = {};    // all must hold; empty: every such call
  int errno_value = 0;
  bool for_connect = false;    // needed when connections are restricted
  bool for_bind = false;       // needed when binding is
  bool for_exec = false;       // needed when programs are
  bool for_unix = false;       // needed when a rule names Unix sockets, which it does by their paths
  bool in_bundle = false;      // what the bundle has the runtime mount is changed, and no call refused
  bool for_limits = false;     // needed when a cgroup holds a limit
  bool beside_others = false;  // and then only where the container sees processes of others
  bool of_memory = false;      // and then only where memory is limited
  bool for_deny = false;       // needed when files are denied
  bool for_files = false;      // needed when files are restricted, where there are snapshots
  bool where_known =
      false;              // a call so new that the libseccomp in use may not know it, and then cannot refuse
  std::string_view what;  // "SCTP sockets"; rows of the same words are one to the reader
  std::string_view reason;
  std::string_view exec_reason = {};    // why exec rules need it; empty: for the same reason
  std::string_view limits_reason = {};  // likewise limits
  std::string_view deny_reason = {};    // likewise denied files
};
std::span<const BaselineRow> baseline();

// The words of unsafe_allow, in the order of baseline(), each once.
std::vector<std::string_view> baseline_names();

// Why `name` cannot be a word of unsafe_allow although one might look for it there; empty when it can be, or
// means nothing.
std::string_view why_never_given_back(std::string_view name);

// A way around the rules that stays open in this version.
struct OpenWay {
  bool for_connect = false;
  bool for_bind = false;
  bool for_exec = false;
  bool for_unix = false;
  bool for_limits = false;
  bool beside_others = false;
  bool of_memory = false;
  bool for_deny = false;
  std::string_view what;
  std::string_view reason;
};
std::span<const OpenWay> left_open();

// Whether limits need it.
template <typename Row>
bool concerns_limits(const Row& row, const Policy& policy) {
  return row.for_limits && policy.limits && policy.limits->needs_cgroup() &&
         (!row.beside_others || policy.limits->sees_others) && (!row.of_memory || policy.limits->memory);
}

// Whether denied files need it.
template <typename Row>
bool concerns_deny(const Row& row, const Policy& policy) {
  return row.for_deny && policy.files && !policy.files->deny.empty();
}

// Whether the lists of files need it.
inline bool concerns_files(const BaselineRow& row, const Policy& policy) {
  return row.for_files && policy.files && policy.files->restricts() && policy.files->snapshots;
}
inline bool concerns_files(const OpenWay& /*way*/, const Policy& /*policy*/) { return false; }

// Whether a row concerns this policy.
template <typename Row>
bool concerns(const Row& row, const Policy& policy) {
  return (policy.network && ((row.for_connect && policy.network->restricts_connect()) ||
                             (row.for_bind && policy.network->restricts_bind()) ||
                             (row.for_unix && policy.network->names_unix()))) ||
         (row.for_exec && policy.exec && policy.exec->restricts()) || concerns_limits(row, policy) ||
         concerns_deny(row, policy) || concerns_files(row, policy);
}

// The entry of unsafe_allow that gives the row back, or nullptr. Writing to procfs comes with ptrace and
// process_vm_writev, which can do what it can.
const UnsafeAllow* given_back(const BaselineRow& row, const Policy& policy);

// Why this policy needs the row. REQUIRES: concerns(row, policy).
std::string reason_for(const BaselineRow& row, const Policy& policy);

// SyscallRule::pointer of the rules that complete() adds: "baseline/" and the row's name. A JSON pointer
// begins with "/", so none of the file's own rules is taken for one.
inline constexpr std::string_view kBaselinePointer = "baseline/";
inline bool is_baseline(const SyscallRule& rule) { return rule.pointer.starts_with(kBaselinePointer); }

// The policy as filter and agent apply it: the baseline's refusals are `syscalls` rules too. A call that
// either refuses is refused: a rule that allows or logs does not open what the baseline shuts; unsafe_allow
// does. In audit mode nothing is refused, hence no baseline.
//
// Compiling and deciding both start from this, so that they cannot part.
Policy complete(const Policy& policy);

}  // namespace tidewaiter::policy
