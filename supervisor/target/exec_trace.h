#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "oci/base/result.h"
#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// Where a thread made a call, as seccomp_data has it.
struct CallSite {
  int number = 0;
  std::uint64_t instruction = 0;
};

// What an execve was decided as: the file that the kernel is to run, an interpreter if it is a script, and
// the arguments as it lays them out, each with its NUL.
struct DecidedExecution {
  // What the kernel admits for arguments, environment and the pointers to both, whatever RLIMIT_STACK says
  // (bprm_stack_limits in fs/exec.c).
  static constexpr std::size_t kMostArguments = 6U << 20U;

  UniqueFd fd;  // of the file: while it is open, no other file gets its inode
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
  // EPERM: it is traced already, or we may not trace it. Only a notification that stands afterwards shows
  // that it is the thread that was meant.
  static Result<ExecTrace> attach(Kernel& kernel, pid_t tid, CallSite site);
  ExecTrace(ExecTrace&& other) noexcept
      : kernel_(other.kernel_),
        tid_(other.tid_),
        site_(other.site_),
        attached_(std::exchange(other.attached_, false)) {}
  ExecTrace& operator=(ExecTrace&& other) noexcept {
    std::swap(kernel_, other.kernel_);
    std::swap(tid_, other.tid_);
    std::swap(site_, other.site_);
    std::swap(attached_, other.attached_);
    return *this;
  }
  // An execve that was not let go on: the target is let go.
  ~ExecTrace();

  struct End {
    enum class Kind {
      kRuns,    // as decided
      kNotRun,  // the kernel did not run it, or the target was killed before
      kAgain,   // a signal took the target out of the call, which it makes again
      kKilled,  // it was not what had been decided
    };
    Kind kind = Kind::kNotRun;
    int errno_value = 0;  // kNotRun: what the call failed with; 0: not known
  };
  // Waits for the end of the execve, which the answer has let go on.
  End finish(const DecidedExecution& decided);

 private:
  ExecTrace(Kernel& kernel, pid_t tid, CallSite site) : kernel_(&kernel), tid_(tid), site_(site) {}

  // nullopt: the target is being killed, and its end is yet to come.
  std::optional<End> end_of(const TraceStop& stop, const DecidedExecution* decided);
  End finish_with(const DecidedExecution* decided);
  [[nodiscard]] End not_run(pid_t tid) const;
  [[nodiscard]] bool runs(pid_t tid, const DecidedExecution& decided) const;
  [[nodiscard]] bool let_go(const TraceStop& stop) const;
  End kill(pid_t tid);

  Kernel* kernel_;
  pid_t tid_;
  CallSite site_;
  bool attached_ = true;
};

}  // namespace tidewaiter::supervisor
