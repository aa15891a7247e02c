#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "oci/base/result.h"
#include "supervisor/target/expected_calls.h"
#include "supervisor/target/kernel.h"
#include "supervisor/target/sealed_memory.h"

namespace tidewaiter::supervisor {

// What stand-ins of one container share. Thread-safe.
struct StandIns {
  ExpectedCalls expected;
  SealedMemories memories;
};

// Whether the thread, whose call a notification is that still stands, is the stand-in that `expected` was
// expected of.
bool is_driven(Kernel& kernel, pid_t tid, const ExpectedCalls::Expected& expected);

// A thread of the target's own process that makes a call for it, with arguments that nobody else can change.
//
// Some calls can be made neither by the agent nor by the target: whoever is connected to over a Unix socket
// is told which process called (SO_PEERCRED), and the kernel takes for that whoever makes the call; but it
// also reads the address from memory, the descriptor from a table and the path from a file system that others
// can change after the decision. So the agent takes the target out of its call, has it make a thread
// (clone(2)), and drives that thread from one system call to the next (ptrace(2)):
//
//   - It is of the target's process, user, group, capabilities and namespaces: the kernel, and the peer, see
//     the target.
//   - Its descriptors are a copy (no CLONE_FILES): nobody else can exchange one.
//   - Its root and working directory are a copy (no CLONE_FS): nobody has it look elsewhere.
//   - Its arguments lie in SealedMemory: nobody changes what the kernel reads.
//   - Its registers are set when it enters the kernel: it does not matter what code lies there.
//   - It gets no signal: the handler is the target's own to run.
//
// When it is done it is gone, and the target returns from its call with the result.
//
// The thread that starts it is its tracer and has to finish; should that one die, the target dies with it.
class StandIn {
 public:
  struct Request {
    pid_t tid = 0;      // the target
    pid_t process = 0;  // its thread group
    long number = -1;   // of the call it waits in, and what it said
    std::array<std::uint64_t, 6> arguments = {};
    // Whether the notification still stands.
    std::function<bool()> stands;
    // Whether calls that the container's filter does not know may be tried under it, where it cannot be
    // passed over: they fail, and kill nobody.
    bool spares_unknown_calls = false;
    // Whether what is under way is to be given up, the agent being about to end.
    std::function<bool()> stopping;
  };

  // Puts it into `stand_in` as soon as the target has been taken out of its call, so that finish() has to be
  // called even if this fails. EINTR: a signal has done that before, or is to, and nothing else was done.
  // EPERM: the target is traced by somebody else, or not ours to trace. ENOSYS, ENOTTY: the kernel is too
  // old.
  static Status start(Kernel& kernel, StandIns& shared, const Request& request,
                      std::optional<StandIn>& stand_in);
  StandIn(StandIn&& other) noexcept;
  StandIn& operator=(StandIn&&) = delete;
  // Not finished: the target's call fails with EPERM.
  ~StandIn();

  // Where `bytes`, put into the sealed memory at `offset` of this call's part, will be read.
  // REQUIRES: they fit into SealedMemory::kSlotSize.
  std::uint64_t put(std::size_t offset, std::span<const std::byte> bytes);

  // Makes a call that the filter is not to see, or that it lets run; its value, or its errno.
  // EINTR: the target got a signal meanwhile. Where filters cannot be passed over, one of the target's own
  // may have answered in the kernel's place: what matters is to be looked at.
  Result<long> call(long number, const std::array<std::uint64_t, 6>& arguments);

  // Makes a call of the kind the target waits in, as the filter tells the agent. The value, or a negative
  // errno, as a thread's register has it; -ERESTARTSYS and its like when a signal for the target ended it.
  Result<long> perform(long number, const std::array<std::uint64_t, 6>& arguments);

  // A copy of its descriptor. ESRCH: it is gone.
  Result<UniqueFd> duplicate_fd(int number) const;
  // What its descriptor stands for, and its working directory (O_PATH).
  Result<UniqueFd> open_descriptor(int number) const;
  Result<UniqueFd> open_working_directory() const;

  // Ends the thread, and has the target return `result` from its call. ENOENT: there is no target any more.
  Status finish(long result);

  // -ERESTARTSYS (include/linux/errno.h): a signal came in between.
  static constexpr long kRestart = -512;
  // Whether the kernel would make the call again, or have it fail with EINTR, as the target's handler says.
  static bool restarts(long result) { return -516 <= result && result <= -512; }

 private:
  StandIn(Kernel& kernel, StandIns& shared, const Request& request)
      : kernel_(&kernel), shared_(&shared), request_(request) {}

  enum class Phase {
    kUser,  // in user mode, on its way to a call: it has no business there
    kCall,  // in a call, which may take its time
  };

  Status take_out();
  Status make_thread();
  Status map_memory();
  Status seal(const SealedMemory& memory, std::uint64_t address);
  Status park(bool returned);
  Result<long> make_call(pid_t tid, long number, const std::array<std::uint64_t, 6>& arguments);
  Result<InjectStop> enter(pid_t tid);
  Status replace_call(pid_t tid, long number, const std::array<std::uint64_t, 6>& arguments);
  Result<InjectStop> wait_for(pid_t tid, Phase phase);
  Status look_after(pid_t tid, Phase phase);
  [[nodiscard]] bool caller_interrupted() const;
  Status suspend_filter(pid_t tid, bool suspended);
  Status end_thread();
  Status let_go(long result);
  void see_end();
  void kill();

  Kernel* kernel_;
  StandIns* shared_;
  Request request_;
  bool attached_ = false;                    // the target is traced
  bool parked_ = false;                      // and stopped, out of its call
  bool gone_ = false;                        // it has ended
  bool filter_passed_ = false;               // filters can be suspended
  pid_t thread_ = 0;                         // the stand-in; 0: there is none
  bool interrupted_ = false;                 // it has been told to leave its call
  std::optional<std::uint64_t> ran_before_;  // its user time when it was first looked at, in clock ticks
  int seen_running_ = 0;                     // how often it was since
  bool astray_ = false;                      // one of them may stand in front of a call that is not ours
  bool masked_ = false;                      // it gets no signal
  std::uint64_t mask_ = 0;                   // the target's own signal mask
  ThreadRegisters registers_;                // the target's, as it left its call
  std::optional<SealedMemory::Slot> slot_;
};

}  // namespace tidewaiter::supervisor
