#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "oci/policy/policy.h"
#include "oci/policy/syscalls.h"
#include "supervisor/syscalls/table.h"

namespace tidewaiter::supervisor {

// A syscall of one ABI: its name, what is known of it, and the operation that supervises it.
struct Syscall {
  std::string name;
  policy::Category category = policy::Category::kProcess;
  policy::Operation meaning = policy::Operation::kNone;
  bool made_while_starting = false;         // policy::SyscallEntry::made_while_starting
  bool executes = false;                    // execve, execveat
  std::vector<std::uint32_t> rules = {};    // of Policy::syscalls, those that name it, in their order
  const OperationRow* operation = nullptr;  // only on the native ABI, whose structures it decodes
};

// (architecture, number) -> Syscall, for the ABIs of this machine. Built once from libseccomp's tables.
class SyscallIndex {
 public:
  // `rules`: Policy::syscalls.
  explicit SyscallIndex(const std::vector<policy::SyscallRule>& rules);

  // nullptr: no such call.
  [[nodiscard]] const Syscall* find(std::uint32_t audit_architecture, int number) const;

 private:
  // x32 shares AUDIT_ARCH_X86_64 and is told apart by this bit (__X32_SYSCALL_BIT).
  static constexpr int kX32Bit = 0x40000000;
  // Larger than any syscall number in use; a number beyond it is no call of ours.
  static constexpr int kNumbers = 1024;

  struct Abi {
    std::uint32_t audit_architecture = 0;
    int offset = 0;  // added to every number
    std::vector<Syscall> calls;
  };
  std::vector<Abi> abis_;
};

}  // namespace tidewaiter::supervisor
