#pragma once

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {

// execve(2) and execveat(2) under exec.allow and exec.deny. The kernel runs what is allowed, under an
// ExecTrace, which Session finishes when it has answered.
Outcome exec(Call& call);

// Of an execve that is allowed, and must not run all the same.
void refuse_untraced(Outcome& outcome, const Supervision& supervision, const std::string& why);

}  // namespace tidewaiter::supervisor
