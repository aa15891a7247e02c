#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "oci/base/result.h"
#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// What an execve was decided as: the file that the kernel is to run, an interpreter if it is a script, and
// the arguments as it lays them out, each with its NUL.
struct DecidedExecution {
  FileStatus file;
  std::string arguments;
};

// Holds an execve to what was decided on it.
//
// An execve cannot be performed on a target's behalf, and while the kernel performs it, path, arguments and
// files can change: by another thread, a peer that shares memory, a rename. So the target is traced before
// the kernel may go on. When the new program is in place, and before it has run an instruction, the file and
// the arguments are compared with those that were decided. Nobody else can reach the fresh copy of the
// arguments then, and nothing has to be stopped that might have reached the old. What differs is killed.
//
// The thread that attaches is the tracer (ptrace(2)) and has to finish; should it die, the target dies with
// it.
class ExecTrace {
 public:
  // EPERM: it is traced already, or we may not trace it. The notification has to be known to stand.
  static Result<ExecTrace> attach(Kernel& kernel, pid_t tid);
  ExecTrace(ExecTrace&& other) noexcept
      : kernel_(other.kernel_), tid_(other.tid_), attached_(std::exchange(other.attached_, false)) {}
  ExecTrace& operator=(ExecTrace&& other) noexcept {
    std::swap(kernel_, other.kernel_);
    std::swap(tid_, other.tid_);
    std::swap(attached_, other.attached_);
    return *this;
  }
  // An execve that was not let go on: the target is let go.
  ~ExecTrace();

  struct End {
    enum class Kind {
      kRuns,      // as decided
      kFailed,    // the kernel refused it with `errno_value`
      kAgain,     // a signal took the target out; the call, if it is made again, is a new one
      kKilled,    // it was not what had been decided
      kVanished,  // the target was killed by somebody else
    };
    Kind kind = Kind::kVanished;
    int errno_value = 0;
  };
  // Waits for the end of the execve, which the answer has let go on.
  End finish(const DecidedExecution& decided);

 private:
  ExecTrace(Kernel& kernel, pid_t tid) : kernel_(&kernel), tid_(tid) {}

  End end_of(const TraceStop& stop, const DecidedExecution* decided);
  End finish_with(const DecidedExecution* decided);
  [[nodiscard]] bool runs(pid_t tid, const DecidedExecution& decided) const;
  End kill(pid_t tid);

  Kernel* kernel_;
  pid_t tid_;
  bool attached_ = true;
};

}  // namespace tidewaiter::supervisor
