#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/decide.h"
#include "supervisor/answer.h"
#include "supervisor/memory_budget.h"
#include "supervisor/operations/repeats.h"
#include "supervisor/slots.h"
#include "supervisor/supervision.h"
#include "supervisor/target/stand_in_calls.h"
#include "supervisor/target/target.h"
#include "supervisor/tracer/tracer.h"
#include "supervisor/waiting.h"

// An operation is what a supervised call means, however it is spelled. Each is one function in a file of its
// own, and each has the same shape: open what the call names, read target memory once, ask whether the
// notification still stands, decide, perform with the very thing that was decided on.

namespace tidewaiter::supervisor {

// What an operation gets to work with.
struct Call {
  Kernel& kernel;
  const Supervision& supervision;
  const Notification& notification;
  Target& target;
  Waiting& waiting;
  Repeats& repeats;
  Slot& slot;  // how far an earlier worker has come with it, and this one
  Tracer& tracer;
  // What makes the call for the target, which it has then been taken out of; the outcome's answer is what it
  // gets.
  std::unique_ptr<StandInCalls> stand_in = {};
  // Its descriptor of the working directory that it had; -1: it is there still.
  int working_directory = -1;
  // Of a call that sends several messages: which one is next, from 1 on; else 0.
  long message = 0;

  // Whether what is read of the target is its own still.
  [[nodiscard]] bool still_stands() const { return stand_in != nullptr || notification.still_stands(); }
  [[nodiscard]] std::uint64_t argument(int index) const { return notification.call().args[index]; }
};

// What `performed` came to if it was made before, and its answer lost. Noted in the call's slot before it is
// forgotten, so that whoever comes next knows it. EINTR: nobody knows, and who begins it anew has it
// forgotten.
std::optional<Answer> lost_answer(Call& call, PerformedCall& performed);

// A program, as an event tells of it.
struct ExecutedProgram {
  std::string path;
  std::vector<std::string> argv;  // at most kMaxArguments bytes of them
  bool cut = false;               // there were more

  static constexpr std::size_t kMaxArguments = 4096;
};

// An execve that the kernel may perform once it is answered, and what it has to come to.
struct PendingExec {
  std::unique_ptr<Trace> trace;
  MemoryBudget::Share memory;  // what was decided on takes it
};

// What became of it.
struct Outcome {
  Answer answer = {};
  std::optional<policy::Decision> decision = {};  // absent: it failed before there was anything to decide
  std::optional<policy::Endpoint> endpoint = {};
  std::string unix_name = {};  // of the Unix socket that was called: its path, or "@" and an abstract name
  std::optional<PerformedCall> performed = {};  // to be remembered when the answer is lost
  bool attempted = false;                       // the kernel was asked, so that a lost answer is an event too
  bool repeated = false;                        // the call was performed, and reported, before
  bool broken_pipe = false;                     // a SIGPIPE goes with the answer
  std::optional<std::uint64_t> size = {};       // bytes that were sent, or would have been
  std::optional<ExecutedProgram> program = {};
  std::optional<PendingExec> exec = {};  // to be finished when the answer is sent
  std::string reason = {};               // why it ended otherwise than its rule says; empty: it did not

  // Whether it is to be told of, as far as is known by now.
  [[nodiscard]] bool logged() const { return !decision || decision->log; }

  static Outcome failed(int errno_value) {
    Outcome outcome;
    outcome.answer = Answer::refuse(errno_value);
    return outcome;
  }
  // What was named could not be looked up. Where nothing has the name, that is the kernel's own answer, and
  // there is nothing to decide and nothing to tell of: a search along PATH asks for many a file that is not
  // there, and who looks for a service for many a socket.
  static Outcome not_looked_up(const Error& error) {
    Outcome outcome = failed(error.code != 0 ? error.code : EIO);
    if (error.code == ENOENT || error.code == ENOTDIR) {
      outcome.decision =
          policy::Decision{.verdict = policy::Verdict::kAllow, .errno_value = 0, .rule = "", .log = false};
    }
    return outcome;
  }
};

}  // namespace tidewaiter::supervisor
