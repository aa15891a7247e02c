#pragma once

#include <sys/types.h>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/target/tracer.h"

// Who traces an execve has to see it to its end: when a tracer dies, the kernel kills whom it traces
// (PTRACE_O_EXITKILL), for nobody would be left to compare what runs with what was decided on. So that the
// death of a worker is no reason to kill anybody, tracing is left to a process of its own. It does nothing
// else: it is given a thread to trace, a file's device and inode, and bytes to be compared with those of
// /proc/TID/cmdline.
//
// It is not the keeper, which must never wait, while reading another's arguments may take its time; and it
// waits for the threads it traces in threads of its own, as ptrace(2) wants it.
//
// It is also who answers the notification, between attaching and waiting: so that only one process has to be
// woken before the target goes on. A worker that dies meanwhile changes nothing for the target: either the
// tracer has not yet answered, and the next worker decides and asks again, or the execve is seen to its end
// as always.

namespace tidewaiter::supervisor {

// The worker's side: asks the process at the other end of `requests`, a SOCK_SEQPACKET socket.
class RemoteTracer final : public Tracer {
 public:
  explicit RemoteTracer(UniqueFd requests) : requests_(std::move(requests)) {}
  Result<std::unique_ptr<Trace>> attach(pid_t tid, CallSite site, DecidedExecution decided) override;

 private:
  UniqueFd requests_;
};

// The process's side: serves requests until the other end is closed. Its exit code.
int run_tracer(Kernel& kernel, UniqueFd requests);

}  // namespace tidewaiter::supervisor
