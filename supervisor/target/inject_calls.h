#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstdint>
#include <span>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// What happened to a thread that a StandIn drives, or to its caller (ptrace(2)).
struct InjectStop {
  enum class Kind {
    kEntry,   // about to make a system call; nothing of it has been looked at yet, not by the filter either
    kExit,    // back from one, and not in user mode yet
    kCloned,  // its clone(2) has made the thread `thread`
    kTrap,    // interrupted, new, or stopped by job control
    kSignal,  // `signal` is about to be delivered
    kEnded,   // it has exited or was killed
    kGone,    // nothing is traced any more
  };
  Kind kind = Kind::kGone;
  pid_t tid = 0;
  pid_t thread = 0;
  int signal = 0;
};

// A thread's registers, of which only those of a system call are spoken of here.
class ThreadRegisters {
 public:
  [[nodiscard]] long number() const;  // of the call it is in, or returns from; -1: none
  [[nodiscard]] long result() const;  // a value, or a negative errno

  // To be made at kEntry: it makes this call instead of its own.
  void set_call(long number, const std::array<std::uint64_t, 6>& arguments);
  // It goes back to the instruction that brought it into the kernel, and comes in once more.
  // REQUIRES: it stands behind that instruction.
  void repeat();
  // It returns `result` from its call.
  void set_result(long result);

 private:
  friend class SystemInjectCalls;
  struct user_regs_struct registers_ {};
};

// The call that a thread at kEntry is about to make, as the kernel will read it.
struct EnteredCall {
  std::uint32_t architecture = 0;  // AUDIT_ARCH_*, of the way by which it came in
  long number = -1;
  std::array<std::uint64_t, 6> arguments = {};
};

// A page range of a process (PROCMAP_QUERY).
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  dev_t device = 0;  // of a file, as FileStatus has it
  ino_t inode = 0;
  bool writable = false;
  bool shared = false;
};

// The part of the seam (kernel.h) that has a thread of the target's make calls. As with TraceCalls, the
// calling thread is the tracer.
class InjectCalls {
 public:
  virtual ~InjectCalls() = default;

  // Whether this kernel, on this architecture, has what that takes. Not every caller can be had all the same.
  [[nodiscard]] virtual bool available() const = 0;

  // PTRACE_SEIZE; a new thread of it is traced too, and both die with the tracer (PTRACE_O_EXITKILL). EPERM:
  // it is traced already, or we may not.
  virtual Status attach(pid_t tid) = 0;
  virtual Status interrupt(pid_t tid) = 0;
  // Whether its filter is passed over from here on (PTRACE_O_SUSPEND_SECCOMP). EPERM: it takes CAP_SYS_ADMIN,
  // and no filter of our own.
  virtual Status suspend_filter(pid_t tid, bool suspended) = 0;
  virtual Result<std::uint64_t> signal_mask(pid_t tid) = 0;
  virtual Status set_signal_mask(pid_t tid, std::uint64_t mask) = 0;
  // EPERM: it has those of another ABI, in which the kernel would read ours as something else.
  virtual Result<ThreadRegisters> registers(pid_t tid) = 0;
  virtual Status set_registers(pid_t tid, const ThreadRegisters& registers) = 0;
  // REQUIRES: it is at kEntry.
  virtual Result<EnteredCall> entered(pid_t tid) = 0;
  // Lets it go on to its next entry or exit of a call.
  virtual Status resume(pid_t tid) = 0;
  // The same, with the signal for which it stands at kSignal.
  virtual Status pass_on(pid_t tid, int signal) = 0;
  // The next stop, or the end, of whom the calling thread traces. EINTR.
  virtual Result<InjectStop> wait() = 0;
  virtual Status let_go(pid_t tid, int signal) = 0;
  // SIGKILL to the process of a thread that is traced, and so keeps its number.
  virtual Status kill_traced(pid_t tid) = 0;

  // memfd_create(2) of `size` bytes that we alone write: mapped for us, then sealed against everybody's
  // further writing, growing and shrinking.
  struct SharedMemory {
    UniqueFd fd;
    std::span<std::byte> bytes;
  };
  virtual Result<SharedMemory> make_shared_memory(std::size_t size) = 0;
  virtual void unmap(std::span<std::byte> bytes) = 0;
  // What lies at an address of the thread's process. ENOENT: nothing. ENOTTY: the kernel (before 6.11) does
  // not say.
  virtual Result<Mapping> mapping_at(pid_t tid, std::uint64_t address) = 0;
  // Whether the mapping there is sealed (mseal(2)): "sl" among its VmFlags in /proc/TID/smaps
  // (proc_pid_smaps(5)). EFBIG: there are too many mappings below it to look through.
  virtual Result<bool> sealed_at(pid_t tid, std::uint64_t address) = 0;
};

InjectCalls& system_inject_calls();

}  // namespace tidewaiter::supervisor
