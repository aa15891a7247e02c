#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cstring>

#include "oci/seccomp/bpf.h"
#include "oci/seccomp/decision_diagram.h"
#include "oci/seccomp/symbolic.h"
#include "tests/fuzz/fuzz.h"

// Compiled filters, run and taken apart.
//
//   8 bytes   the call's number and architecture
//   48 bytes  its arguments
//   9 bytes   a place, and the instruction that another program has there
//   rest      instructions

namespace tidewaiter::seccomp {
namespace {

void check(fuzz::Input input) {
  struct seccomp_data call {};
  const auto number = input.take<std::uint32_t>();
  call.nr = static_cast<int>(number);
  call.arch = input.take<std::uint32_t>();
  for (auto& argument : call.args) argument = input.take<std::uint64_t>();
  const auto place = input.take<std::uint8_t>();
  struct sock_filter put_there {};
  put_there.code = input.take<std::uint16_t>();
  put_there.jt = input.take<std::uint8_t>();
  put_there.jf = input.take<std::uint8_t>();
  put_there.k = input.take<std::uint32_t>();
  BpfProgram program(std::min<std::size_t>(input.rest().size() / sizeof(struct sock_filter), BPF_MAXINSNS));
  if (!program.empty()) {
    std::memcpy(program.data(), input.rest().data(), program.size() * sizeof(struct sock_filter));
  }

  const auto value = evaluate(program, call);
  fuzz::note(value.has_value());
  MUST(value || !value.error().message().empty());
  if (value) static_cast<void>(action_of(*value));

  // One that looks the same answers the same.
  if (!program.empty()) {
    BpfProgram other = program;
    other[place % other.size()] = put_there;
    if (look_alike(program, other, call.arch, number)) {
      const auto same = evaluate(other, call);
      MUST(value && same && *same == *value);
    }
  }

  // Where all paths are understood, the one that this call takes is among them.
  DecisionDiagrams diagrams(20'000);
  const auto answers = answers_of(program, call.arch, number, diagrams);
  if (!answers) return;
  std::uint64_t arguments[6];
  std::copy(std::begin(call.args), std::end(call.args), std::begin(arguments));
  MUST(value && diagrams.at(*answers, arguments) == *value);
}

}  // namespace
}  // namespace tidewaiter::seccomp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::seccomp::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}
