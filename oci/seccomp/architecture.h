#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the filter law has to know about system call ABIs.

namespace tidewaiter::seccomp {

struct Architecture {
  std::string name;         // "SCMP_ARCH_X86_64"
  std::uint32_t token = 0;  // libseccomp's; x32 has one of its own

  // The `arch` field of seccomp_data, which x86-64 and x32 share: x32 has its own call numbers instead.
  [[nodiscard]] std::uint32_t audit_arch() const;

  // Whether libseccomp compares all 64 bits of a register. Where it does not, the upper half is ignored,
  // which on x32 the kernel does not do.
  [[nodiscard]] bool compares_64_bits() const;

  // The number of a call that has one here.
  [[nodiscard]] std::optional<std::uint32_t> number(const std::string& syscall) const;

  // The call (socketcall, ipc) that can make `syscall` too, with arguments in memory; empty when none can.
  [[nodiscard]] std::string_view multiplexer(const std::string& syscall) const;
};

// The calls that a multiplexer (socketcall, ipc) can make, itself included; empty for any other call.
std::vector<std::string> reached_through(std::string_view multiplexer);

// The ABIs that a kernel for the native architecture runs beside it, by name.
std::vector<std::string> second_abis();

// The calls that do the same as `syscall` under another name, and that only some ABIs have.
std::vector<std::string> other_spellings(std::string_view syscall);

}  // namespace tidewaiter::seccomp
