#include "supervisor/target/tracer.h"

#include <utility>

#include "supervisor/answer.h"

namespace tidewaiter::supervisor {
namespace {

class LocalTrace final : public Trace {
 public:
  LocalTrace(Kernel& kernel, ExecTrace trace, DecidedExecution decided)
      : kernel_(kernel), trace_(std::move(trace)), decided_(std::move(decided)) {}
  Result<bool> let_go_on(Notification& notification) override {
    notification.answered_elsewhere();
    TRY(kernel_.answer_continue(notification.notify_fd(), notification.id()));
    return true;
  }
  ExecTrace::End finish() override { return trace_.finish(decided_); }

 private:
  Kernel& kernel_;
  ExecTrace trace_;
  DecidedExecution decided_;
};

}  // namespace

Result<std::unique_ptr<Trace>> LocalTracer::attach(pid_t tid, CallSite site, DecidedExecution decided) {
  return std::make_unique<LocalTrace>(kernel_, TRY(ExecTrace::attach(kernel_, tid, site)),
                                      std::move(decided));
}

}  // namespace tidewaiter::supervisor
