#pragma once

#include <sys/types.h>

#include <memory>

#include "oci/base/result.h"
#include "supervisor/target/exec_trace.h"
#include "supervisor/target/stand_in.h"

namespace tidewaiter::supervisor {

class Notification;

// An execve that was decided on. Dropped before finish(), it lets the caller go.
class Trace {
 public:
  virtual ~Trace() = default;
  // Answers the notification, so that the kernel performs the execve while its caller is traced. False: it
  // cannot be traced, and the notification is still to be answered. ENOENT: it does not wait any more.
  virtual Result<bool> let_go_on(Notification& notification) = 0;
  // Waits for the end of the execve. REQUIRES: let_go_on() said true.
  virtual ExecTrace::End finish() = 0;
};

// Who holds an execve to what was decided on it, and drives stand-ins.
class Tracer {
 public:
  virtual ~Tracer() = default;
  // As ExecTrace::attach(); or that is left to let_go_on().
  virtual Result<std::unique_ptr<Trace>> attach(pid_t tid, CallSite site, DecidedExecution decided) = 0;

  // As StandIn::start(), for the notification's target.
  virtual Status start_stand_in(const Notification& notification, const StandInRequest& request,
                                std::unique_ptr<StandInCalls>& stand_in) = 0;
  // Whether the thread is a stand-in.
  [[nodiscard]] virtual bool drives(pid_t tid) const = 0;
  // Sees to the notification's answer if it is a stand-in that calls; whether it is. May take its time then.
  virtual bool answer_stand_in(Notification& notification) = 0;
};

// The calling thread itself. When it dies, the callers die that it traces.
class LocalTracer final : public Tracer {
 public:
  explicit LocalTracer(Kernel& kernel) : kernel_(kernel) {}
  Result<std::unique_ptr<Trace>> attach(pid_t tid, CallSite site, DecidedExecution decided) override;
  Status start_stand_in(const Notification& notification, const StandInRequest& request,
                        std::unique_ptr<StandInCalls>& stand_in) override;
  [[nodiscard]] bool drives(pid_t tid) const override { return stand_ins_.expected.has(tid); }
  bool answer_stand_in(Notification& notification) override;

 private:
  Kernel& kernel_;
  StandIns stand_ins_;
};

}  // namespace tidewaiter::supervisor
