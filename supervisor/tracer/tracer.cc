#include "supervisor/tracer/tracer.h"

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

Status LocalTracer::start_stand_in(const Notification& /*notification*/, const StandInRequest& request,
                                   std::unique_ptr<StandInCalls>& stand_in) {
  std::unique_ptr<StandIn> made;
  Status started = StandIn::start(kernel_, stand_ins_, request, made);
  stand_in = std::move(made);
  return started;
}

bool LocalTracer::answer_stand_in(Notification& notification) {
  const auto expected = stand_ins_.expected.take(notification.tid(), notification.call());
  if (!expected) return false;
  notification.answered_elsewhere();
  supervisor::answer_stand_in(kernel_, notification.notify_fd(), notification.id(), notification.tid(),
                              *expected);
  return true;
}

}  // namespace tidewaiter::supervisor
