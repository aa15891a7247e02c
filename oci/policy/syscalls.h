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
  kExec,     // exec.allow, exec.deny
  kSend,     // network.allow, network.deny: what is sent with an address of its own
};

struct SyscallEntry {
  std::string_view name;
  Category category = Category::kProcess;
  Operation operation = Operation::kNone;

  // What the kernel makes of each argument, a letter for each: "p" an address and "l" another number of 64
  // bits, "i" a number of 32 bits, "h" one of 16, "x" of 32 or 64, as the other arguments say, "-" nothing.
  // What is above a narrow number the kernel does not look at, so a comparison of the whole register could be
  // got round by setting it. Empty for calls that only ABIs of 32 bits have, too, where every argument is
  // one.
  std::string_view takes = {};

  // The argument without which the operation concerns nothing: a null pointer in it (all 64 bits) says so in
  // a register, where the filter sees it. -1: there is none.
  int only_with = -1;

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

// The entry of `name`, or nullptr: nothing is known, category kProcess.
const SyscallEntry* find_syscall(std::string_view name);

// How much of an argument's register the kernel looks at.
enum class Width {
  kNone,     // nothing: the call has no such argument
  kShort,    // 16 bits
  kHalf,     // 32 bits
  kWhole,    // 64 bits
  kDepends,  // 32 or 64 bits, as other arguments say
};

// The width of argument `index` where registers have 64 bits.
Width width_of(const SyscallEntry& entry, unsigned index);

}  // namespace tidewaiter::policy
