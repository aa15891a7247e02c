#include "supervisor/target/exec_trace.h"

#include <cerrno>

#include "oci/base/log.h"
#include "supervisor/target/restarts.h"

namespace tidewaiter::supervisor {
Result<ExecTrace> ExecTrace::attach(Kernel& kernel, pid_t tid, CallSite site) {
  TRY(kernel.trace().seize(tid));
  return ExecTrace(kernel, tid, site);
}

ExecTrace::~ExecTrace() {
  if (attached_) (void)finish_with(nullptr);
}

ExecTrace::End ExecTrace::finish(const DecidedExecution& decided) { return finish_with(&decided); }

ExecTrace::End ExecTrace::finish_with(const DecidedExecution* decided) {
  attached_ = false;
  // Not before the answer: it would take the target out of its call. Fails when the exec was made by a thread
  // that is not its process's first, and so goes by another number now; its stop comes all the same.
  (void)kernel_->trace().interrupt(tid_);
  for (;;) {
    const auto stop = kernel_->trace().wait();
    if (stop) {
      if (const auto end = end_of(*stop, decided)) return *end;
      continue;
    }
    // Interrupted by those who look after abandoned calls. The target must not be left behind.
    if (stop.error().code != EINTR) {
      log::error("cannot wait for an execve; its process is killed", {{"error", stop.error().message()}});
      return kill(tid_);
    }
  }
}

std::optional<ExecTrace::End> ExecTrace::end_of(const TraceStop& stop, const DecidedExecution* decided) {
  switch (stop.kind) {
    case TraceStop::Kind::kExec:
      // Nobody let an execve go on that was not decided on: this is not the task that had asked.
      if (decided != nullptr && !runs(stop.tid, *decided)) return kill(stop.tid);
      if (!let_go(stop)) return std::nullopt;
      return End{End::Kind::kRuns, 0};
    case TraceStop::Kind::kOther: {
      const End end = not_run(stop.tid);
      if (!let_go(stop)) return std::nullopt;
      return end;
    }
    case TraceStop::Kind::kEnded:
    case TraceStop::Kind::kGone:
      break;
  }
  return End{End::Kind::kNotRun, 0};
}

// False: nothing but SIGKILL takes a thread out of its stop, as when another thread of its process executes.
bool ExecTrace::let_go(const TraceStop& stop) const {
  constexpr int kAttempts = 2;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (kernel_->trace().detach(stop.tid, stop.signal)) return true;
  }
  return false;
}

ExecTrace::End ExecTrace::not_run(pid_t tid) const {
  const auto call = kernel_->trace().stopped_call(tid);
  // It may have gone on after its execve had failed, until the interrupt reached it.
  if (!call || call->number != site_.number || call->instruction != site_.instruction) {
    return {End::Kind::kNotRun, 0};
  }
  if (restarts(call->result)) return {End::Kind::kAgain, 0};
  return {End::Kind::kNotRun, call->result < 0 ? static_cast<int>(-call->result) : 0};
}

bool ExecTrace::runs(pid_t tid, const DecidedExecution& decided) const {
  const auto file = kernel_->files().open_proc_link(tid, "exe");
  if (!file) return false;
  const auto status = kernel_->files().status(file->get());
  if (!status || !status->same_file(decided.file)) return false;
  // One byte more, so that longer arguments are told from these.
  const auto arguments = kernel_->read_proc_file(tid, "cmdline", decided.arguments.size() + 1);
  return arguments && *arguments == decided.arguments;
}

ExecTrace::End ExecTrace::kill(pid_t tid) {
  if (const Status killed = kernel_->trace().kill_traced(tid); !killed) {
    // It stays stopped, and dies with the thread that traces it.
    log::error("cannot kill a process that runs another program than was decided",
               {{"error", killed.error().message()}});
    return {End::Kind::kKilled, 0};
  }
  // Until its tracer has seen it end, its parent does not.
  for (;;) {
    const auto stop = kernel_->trace().wait();
    if (!stop && stop.error().code == EINTR) continue;
    if (stop && stop->kind == TraceStop::Kind::kExec) continue;
    // On its way out it may stop once more.
    if (stop && stop->kind == TraceStop::Kind::kOther && !let_go(*stop)) continue;
    return {End::Kind::kKilled, 0};
  }
}

}  // namespace tidewaiter::supervisor
