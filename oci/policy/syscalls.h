#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// THE list of syscalls the project knows something about beyond their names. The filter, the agent's
// dispatch, `policy explain` and the docs derive from it.

namespace tidewaiter::policy {

// The `category` field of an event.
enum class Category { kFile, kNetwork, kProcess, kMemory };

std::string_view to_string(Category category);

// Which part of a policy makes a syscall a supervised operation.
enum class Operation {
  kNone,     // only `syscalls` rules concern it: decided from registers
  kConnect,  // network.allow, network.deny
  kBind,     // network.bind
};

struct SyscallEntry {
  std::string_view name;
  Category category = Category::kProcess;
  Operation operation = Operation::kNone;

  // Bit i: the kernel takes argument i as a 32-bit number and does not look at the upper half of the
  // register, so a comparison of the whole register can be got round by setting it.
  std::uint8_t narrow = 0;

  // Whether a runtime makes it between loading the filter, which without noNewPrivileges is early, and
  // executing the container's program (runc libcontainer/standard_init_linux.go, crun src/libcrun/linux.c).
  bool made_while_starting = false;

  // Why this call must not notify under any runtime (a lost `close` hangs pipelines); empty when it may.
  std::string_view never_notify = {};

  // Why refusing this call makes an impossible policy (no program starts, or ends, without it); empty when
  // it may be refused.
  std::string_view never_refuse = {};
};

// Sorted by name.
std::span<const SyscallEntry> syscalls();

// The entry of `name`, or nullptr: nothing special is known, category kProcess.
const SyscallEntry* find_syscall(std::string_view name);

}  // namespace tidewaiter::policy
