#include "supervisor/syscalls/syscall_index.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>

namespace tidewaiter::supervisor {
namespace {

// x32 shares AUDIT_ARCH_X86_64 and is told apart by this bit (__X32_SYSCALL_BIT).
constexpr int kX32Bit = 0x40000000;

// Larger than any syscall number in use; a number beyond it is no call of ours.
constexpr int kNumbers = 1024;

struct KnownAbi {
  std::uint32_t libseccomp;
  std::uint32_t audit;
  int offset;  // added to every number
};

// The native one first.
#if defined(__x86_64__)
constexpr std::array kAbis = {KnownAbi{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0},
                              KnownAbi{SCMP_ARCH_X32, AUDIT_ARCH_X86_64, kX32Bit},
                              KnownAbi{SCMP_ARCH_X86, AUDIT_ARCH_I386, 0}};
#elif defined(__aarch64__)
constexpr std::array kAbis = {KnownAbi{SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
                              KnownAbi{SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0}};
#else
#error "the syscall table of this architecture has not been looked at"
#endif

// Every call of this machine.
struct Calls {
  std::array<std::vector<Syscall>, kAbis.size()> of_abi;  // by number, without kAbis' offset
  std::map<std::string, unsigned, std::less<>> places;    // Syscall::place, by name
};

Syscall describe(std::string name, bool native, Calls& calls) {
  Syscall call;
  call.place = calls.places.emplace(name, static_cast<unsigned>(calls.places.size())).first->second;
  call.name = std::move(name);
  call.executes = call.name == "execve" || call.name == "execveat";
  const policy::SyscallEntry* entry = policy::find_syscall(call.name);
  if (entry == nullptr) return call;
  call.category = entry->category;
  call.meaning = entry->operation;
  call.made_while_starting = entry->made_while_starting;
  if (native) call.operation = find_operation(entry->operation);
  return call;
}

Calls make_calls() {
  Calls calls;
  for (std::size_t abi = 0; abi < kAbis.size(); ++abi) {
    auto& numbered = calls.of_abi.at(abi);
    numbered.resize(kNumbers);
    std::size_t used = 0;
    for (int number = 0; number < kNumbers; ++number) {
      char* name =
          ::seccomp_syscall_resolve_num_arch(kAbis.at(abi).libseccomp, number + kAbis.at(abi).offset);
      if (name == nullptr) continue;
      numbered[static_cast<std::size_t>(number)] = describe(name, abi == 0, calls);
      std::free(name);
      used = static_cast<std::size_t>(number) + 1;
    }
    // Less than half: it is the largest thing that an idle worker has.
    numbered.resize(used);
    numbered.shrink_to_fit();
  }
  return calls;
}

const Calls& all_calls() {
  static const Calls calls = make_calls();
  return calls;
}

}  // namespace

SyscallIndex::SyscallIndex(const std::vector<policy::SyscallRule>& rules) {
  const auto& places = all_calls().places;
  std::vector<std::vector<std::uint32_t>> naming(places.size());
  for (std::uint32_t rule = 0; rule < rules.size(); ++rule) {
    for (const std::string& name : rules[rule].names) {
      const auto place = places.find(name);
      if (place == places.end()) continue;  // no ABI of this machine has it
      auto& those = naming[place->second];
      if (those.empty() || those.back() != rule) those.push_back(rule);
    }
  }
  first_.reserve(places.size() + 1);
  for (unsigned place = 0; place < naming.size(); ++place) {
    const auto& those = naming[place];
    first_.push_back(static_cast<std::uint32_t>(rules_.size()));
    rules_.insert(rules_.end(), those.begin(), those.end());
    if (auto by_value = policy::RulesByValue::make(rules, those))
      by_value_.emplace(place, std::move(*by_value));
  }
  first_.push_back(static_cast<std::uint32_t>(rules_.size()));
}

policy::CallRules SyscallIndex::rules(const Syscall& syscall) const {
  const std::uint32_t first = first_[syscall.place];
  const auto by_value = by_value_.find(syscall.place);
  return {std::span(rules_).subspan(first, first_[syscall.place + 1] - first),
          by_value == by_value_.end() ? nullptr : &by_value->second};
}

const Syscall* SyscallIndex::find(std::uint32_t audit_architecture, int number) const {
  for (std::size_t abi = 0; abi < kAbis.size(); ++abi) {
    if (kAbis.at(abi).audit != audit_architecture) continue;
    const std::int64_t index = std::int64_t{number} - kAbis.at(abi).offset;
    const auto& numbered = all_calls().of_abi.at(abi);
    if (index < 0 || index >= static_cast<std::int64_t>(numbered.size())) continue;
    const Syscall& call = numbered[static_cast<std::size_t>(index)];
    if (!call.name.empty()) return &call;
  }
  return nullptr;
}

}  // namespace tidewaiter::supervisor
