#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "oci/policy/call_rules.h"
#include "oci/policy/policy.h"
#include "oci/policy/syscalls.h"
#include "supervisor/syscalls/table.h"

namespace tidewaiter::supervisor {

// A syscall of one ABI: its name, what is known of it, and the operation that supervises it.
struct Syscall {
  std::string name;
  unsigned place = 0;  // of the name among all that there are: the ABIs' calls of one name share it
  policy::Category category = policy::Category::kProcess;
  policy::Operation meaning = policy::Operation::kNone;
  bool made_while_starting = false;         // policy::SyscallEntry::made_while_starting
  bool executes = false;                    // execve, execveat
  const OperationRow* operation = nullptr;  // only on the native ABI, whose structures it decodes
};

// (architecture, number) -> Syscall, for the ABIs of this machine, and which rules of a policy name it. The
// calls are the same for every policy: all indices of a process share them, built once from libseccomp's
// tables, for they take hundreds of kilobytes.
class SyscallIndex {
 public:
  // `rules`: Policy::syscalls.
  explicit SyscallIndex(const std::vector<policy::SyscallRule>& rules);

  // nullptr: no such call.
  [[nodiscard]] const Syscall* find(std::uint32_t audit_architecture, int number) const;

  // Those that name the call. REQUIRES: find() gave it.
  [[nodiscard]] policy::CallRules rules(const Syscall& syscall) const;

 private:
  std::vector<std::uint32_t> rules_;  // one call's after another's
  std::vector<std::uint32_t> first_;  // by Syscall::place: where a call's begin, and the one's before end
  std::map<unsigned, policy::RulesByValue> by_value_;  // by Syscall::place, where there are many
};

}  // namespace tidewaiter::supervisor
