#pragma once

#include <sys/types.h>

#include <cstdint>

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// What waiting for a traced thread told (ptrace(2)).
struct TraceStop {
  enum class Kind {
    kExec,   // PTRACE_EVENT_EXEC: the new program is in place and has not run an instruction
    kOther,  // any other stop, on its way back to user mode
    kEnded,  // it has exited or was killed
    kGone,   // nothing is traced any more: another thread's exec took its place
  };
  Kind kind = Kind::kGone;
  pid_t tid = 0;   // the thread as it is called now: an exec gives it its process's number
  int signal = 0;  // kOther: the signal that was about to be delivered; 0: none
};

// The call from which a stopped thread returns.
struct StoppedCall {
  long number = -1;               // -1: it came from none
  std::uint64_t instruction = 0;  // where it goes on, as in seccomp_data
  long result = 0;                // a value, or a negative errno
};

// The part of the seam (kernel.h) that traces. The calling thread is the tracer: every call on a thread has
// to come from the one that attached to it.
class TraceCalls {
 public:
  virtual ~TraceCalls() = default;

  // PTRACE_SEIZE with PTRACE_O_TRACEEXEC, PTRACE_O_TRACEEXIT and PTRACE_O_EXITKILL. EPERM: it is traced
  // already, or we may not.
  virtual Status seize(pid_t tid) = 0;
  // PTRACE_INTERRUPT: it stops before it is back in user mode.
  virtual Status interrupt(pid_t tid) = 0;
  // Waits for the next stop, or the end, of a thread that the calling one traces.
  virtual Result<TraceStop> wait() = 0;
  virtual Result<StoppedCall> stopped_call(pid_t tid) = 0;
  // Lets a stopped thread go, with `signal` delivered unless it is 0.
  virtual Status detach(pid_t tid, int signal) = 0;
  // SIGKILL to the process of a thread that is traced, and so keeps its number.
  virtual Status kill_traced(pid_t tid) = 0;
};

TraceCalls& system_trace_calls();

}  // namespace tidewaiter::supervisor
