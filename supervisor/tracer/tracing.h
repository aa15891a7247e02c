#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/target/expected_calls.h"
#include "supervisor/target/kernel.h"
#include "supervisor/tracer/tracer.h"

// Who traces a thread has to see it to its end: when a tracer dies, the kernel kills whom it traces
// (PTRACE_O_EXITKILL), for nobody would be left to compare what an execve runs with what was decided on, or
// to drive a stand-in. So that the death of a worker is no reason to kill anybody, tracing is left to a
// process of its own. It decides nothing: of an execve it is given the thread, a file's device and inode, and
// bytes to be compared with those of /proc/TID/cmdline; of a stand-in, one call after the other.
//
// It is not the keeper, which must never wait, while reading another's arguments may take its time; and it
// waits for the threads it traces in threads of its own, as ptrace(2) wants it. It is not the worker for one
// reason more: who is under a filter of its own may not pass over the target's (PTRACE_O_SUSPEND_SECCOMP).
//
// It is also who answers an execve's notification, between attaching and waiting: so that only one process
// has to be woken before the target goes on. A worker that dies meanwhile changes nothing for the target:
// either the tracer has not yet answered, and the next worker decides and asks again, or the execve is seen
// to its end as always. A tracer that dies before it has said anything to a request has that request made
// again, for the next one. For stand-ins see remote_stand_in.h. Their own notifications come to the worker
// like all others; it passes them on.

namespace tidewaiter::supervisor {

// The worker's side.
class RemoteTracer final : public Tracer {
 public:
  // `requests` and `notified`: SOCK_SEQPACKET sockets, at whose other ends the tracing process is. `threads`:
  // its stand-ins. `refusals`: Slots::tracer_refusals().
  RemoteTracer(Kernel& kernel, UniqueFd requests, UniqueFd notified, const StandInThreads& threads,
               const std::atomic<std::uint32_t>& refusals)
      : kernel_(kernel),
        requests_(std::move(requests)),
        notified_(std::move(notified)),
        threads_(threads),
        refusals_(refusals) {}
  Result<std::unique_ptr<Trace>> attach(pid_t tid, CallSite site, DecidedExecution decided) override;
  Status start_stand_in(const Notification& notification, const StandInRequest& request,
                        std::unique_ptr<StandInCalls>& stand_in) override;
  [[nodiscard]] bool drives(pid_t tid) const override { return threads_.has(tid); }
  bool answer_stand_in(Notification& notification) override;

 private:
  // As RemoteStandIn::start().
  Result<bool> ask_for_stand_in(const Notification& notification, const StandInRequest& request,
                                std::unique_ptr<StandInCalls>& stand_in);

  Kernel& kernel_;
  UniqueFd requests_;
  UniqueFd notified_;
  const StandInThreads& threads_;
  const std::atomic<std::uint32_t>& refusals_;
};

// How many may be traced at once.
struct TracerLimits {
  unsigned threads = 512;  // more of them wait
  // Of these, stand-ins; more of them are refused. A workload has as many calls on Unix sockets wait as it
  // likes, and whatever is executed in the container meanwhile has to be traced as well.
  unsigned stand_ins = 448;
};

// The process's side: serves requests until their other end is closed. Its exit code.
int run_tracer(Kernel& kernel, UniqueFd requests, UniqueFd notified, StandInThreads& threads,
               const TracerLimits& limits = {});

}  // namespace tidewaiter::supervisor
