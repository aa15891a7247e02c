#include "supervisor/target/tracer.h"

#include <utility>

namespace tidewaiter::supervisor {
namespace {

class LocalTrace final : public Trace {
 public:
  LocalTrace(ExecTrace trace, DecidedExecution decided)
      : trace_(std::move(trace)), decided_(std::move(decided)) {}
  ExecTrace::End finish() override { return trace_.finish(decided_); }

 private:
  ExecTrace trace_;
  DecidedExecution decided_;
};

}  // namespace

Result<std::unique_ptr<Trace>> LocalTracer::attach(pid_t tid, CallSite site, DecidedExecution decided) {
  return std::make_unique<LocalTrace>(TRY(ExecTrace::attach(kernel_, tid, site)), std::move(decided));
}

}  // namespace tidewaiter::supervisor
