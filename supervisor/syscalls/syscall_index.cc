#include "supervisor/syscalls/syscall_index.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <cstdlib>
#include <map>
#include <string_view>

namespace tidewaiter::supervisor {

SyscallIndex::SyscallIndex(const std::vector<policy::SyscallRule>& rules) {
  std::map<std::string_view, std::vector<std::uint32_t>> naming;
  for (std::uint32_t rule = 0; rule < rules.size(); ++rule) {
    for (const std::string& name : rules[rule].names) {
      auto& those = naming[name];
      if (those.empty() || those.back() != rule) those.push_back(rule);
    }
  }
  struct Known {
    std::uint32_t libseccomp;
    std::uint32_t audit;
    int offset;
  };
#if defined(__x86_64__)
  constexpr std::array kAbis = {Known{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0},
                                Known{SCMP_ARCH_X32, AUDIT_ARCH_X86_64, kX32Bit},
                                Known{SCMP_ARCH_X86, AUDIT_ARCH_I386, 0}};
#elif defined(__aarch64__)
  constexpr std::array kAbis = {Known{SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
                                Known{SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0}};
#else
#error "the syscall table of this architecture has not been looked at"
#endif
  for (const Known& known : kAbis) {
    Abi abi{known.audit, known.offset, std::vector<Syscall>(kNumbers)};
    for (int number = 0; number < kNumbers; ++number) {
      char* name = ::seccomp_syscall_resolve_num_arch(known.libseccomp, number + known.offset);
      if (name == nullptr) continue;
      Syscall& call = abi.calls[static_cast<std::size_t>(number)];
      call.name = name;
      std::free(name);
      if (const auto those = naming.find(call.name); those != naming.end()) call.rules = those->second;
      call.executes = call.name == "execve" || call.name == "execveat";
      const policy::SyscallEntry* entry = policy::find_syscall(call.name);
      if (entry == nullptr) continue;
      call.category = entry->category;
      call.meaning = entry->operation;
      call.made_while_starting = entry->made_while_starting;
      if (known.libseccomp == kAbis.front().libseccomp) call.operation = find_operation(entry->operation);
    }
    abis_.push_back(std::move(abi));
  }
}

const Syscall* SyscallIndex::find(std::uint32_t audit_architecture, int number) const {
  for (const Abi& abi : abis_) {
    if (abi.audit_architecture != audit_architecture) continue;
    const std::int64_t index = std::int64_t{number} - abi.offset;
    if (index < 0 || index >= kNumbers) continue;
    const Syscall& call = abi.calls[static_cast<std::size_t>(index)];
    if (!call.name.empty()) return &call;
  }
  return nullptr;
}

}  // namespace tidewaiter::supervisor
