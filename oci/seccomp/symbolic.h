#pragma once

#include <cstdint>

#include "oci/base/result.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/decision_diagram.h"

namespace tidewaiter::seccomp {

// What `program` returns for call `number` on the architecture `audit_arch` (AUDIT_ARCH_*), as a function of
// the argument registers: every path of the program at once.
//
// Understands what libseccomp writes: loads of words, AND with a constant, comparisons with constants, jumps
// and constant answers. Anything else is an error, as is a diagram that grows beyond its bound.
Result<DecisionDiagrams::Function> answers_of(const BpfProgram& program, std::uint32_t audit_arch,
                                              std::uint32_t number, DecisionDiagrams& diagrams);

// Whether two programs look at the same words of the call, in the same order and with the same outcomes, so
// that they answer the same for all arguments. That is quick to tell; where it is not so they may still
// answer the same.
bool look_alike(const BpfProgram& one, const BpfProgram& other, std::uint32_t audit_arch,
                std::uint32_t number);

}  // namespace tidewaiter::seccomp
