#include "supervisor/target/trace_calls.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace tidewaiter::supervisor {
namespace {

class SystemTraceCalls final : public TraceCalls {
 public:
  Status seize(pid_t tid) override {
    return trace(PTRACE_SEIZE, tid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL,
                 "PTRACE_SEIZE");
  }

  Status interrupt(pid_t tid) override { return trace(PTRACE_INTERRUPT, tid, 0, "PTRACE_INTERRUPT"); }

  Result<TraceStop> wait() override {
    int status = 0;
    // __WNOTHREAD: only whom this thread traces.
    const pid_t tid = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (tid < 0 && errno == ECHILD) return TraceStop{};
    if (tid < 0) return fail(errno, "waitpid");
    if (!WIFSTOPPED(status)) return TraceStop{TraceStop::Kind::kEnded, tid, 0};
    const int event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) return TraceStop{TraceStop::Kind::kExec, tid, 0};
    // About to exit (PTRACE_EVENT_EXIT) it can still be let go; the first thread of a process, once it has
    // exited, is told of only when all others have. Stopped by SIGSTOP and its like (PTRACE_EVENT_STOP), it
    // stays so when it is let go.
    return TraceStop{TraceStop::Kind::kOther, tid, event == 0 ? WSTOPSIG(status) : 0};
  }

  Result<StoppedCall> stopped_call(pid_t tid) override {
    struct user_regs_struct registers {};
    TRY(read_registers(tid, NT_PRSTATUS, &registers, sizeof registers));
#if defined(__x86_64__)
    return StoppedCall{static_cast<long>(registers.orig_rax), registers.rip,
                       static_cast<long>(registers.rax)};
#elif defined(__aarch64__)
    int number = -1;
    TRY(read_registers(tid, NT_ARM_SYSTEM_CALL, &number, sizeof number));
    return StoppedCall{number, registers.pc, static_cast<long>(registers.regs[0])};
#else
#error "where this architecture has a call's number and result has not been looked at"
#endif
  }

  Status detach(pid_t tid, int signal) override { return trace(PTRACE_DETACH, tid, signal, "PTRACE_DETACH"); }

  Status kill_traced(pid_t tid) override {
    if (::kill(tid, SIGKILL) != 0) return fail(errno, "kill");
    return {};
  }

 private:
  static Status read_registers(pid_t tid, long set, void* registers, std::size_t size) {
    struct iovec where = {registers, size};
    if (::ptrace(PTRACE_GETREGSET, tid, set, &where) != 0) return fail(errno, "PTRACE_GETREGSET");
    return {};
  }

  static Status trace(__ptrace_request request, pid_t tid, long data, const char* name) {
    if (::ptrace(request, tid, nullptr, data) != 0) return fail(errno, name);
    return {};
  }
};

}  // namespace

TraceCalls& system_trace_calls() {
  static SystemTraceCalls calls;
  return calls;
}

}  // namespace tidewaiter::supervisor
