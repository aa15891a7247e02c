#pragma once

#include <sys/types.h>

#include <memory>

#include "oci/base/result.h"
#include "supervisor/target/exec_trace.h"

namespace tidewaiter::supervisor {

// An execve whose caller is traced. Dropped before finish(), it lets the caller go.
class Trace {
 public:
  virtual ~Trace() = default;
  // Waits for the end of the execve, which the answer has let go on.
  virtual ExecTrace::End finish() = 0;
};

// Who holds an execve to what was decided on it.
class Tracer {
 public:
  virtual ~Tracer() = default;
  // As ExecTrace::attach().
  virtual Result<std::unique_ptr<Trace>> attach(pid_t tid, CallSite site, DecidedExecution decided) = 0;
};

// The calling thread itself. When it dies, the callers die that it traces.
class LocalTracer final : public Tracer {
 public:
  explicit LocalTracer(Kernel& kernel) : kernel_(kernel) {}
  Result<std::unique_ptr<Trace>> attach(pid_t tid, CallSite site, DecidedExecution decided) override;

 private:
  Kernel& kernel_;
};

}  // namespace tidewaiter::supervisor
