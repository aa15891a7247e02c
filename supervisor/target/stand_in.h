#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "oci/base/result.h"
#include "supervisor/target/expected_calls.h"
#include "supervisor/target/kernel.h"
#include "supervisor/target/sealed_memory.h"
#include "supervisor/target/stand_in_calls.h"

namespace tidewaiter::supervisor {

// What stand-ins of one container share. Thread-safe.
struct StandIns {
  ExpectedCalls expected;
  SealedMemories memories;
};

// Whether the thread, whose call a notification is that still stands, is the stand-in that `expected` was
// expected of.
bool is_driven(Kernel& kernel, pid_t tid, const ExpectedCalls::Expected& expected);

// Answers a notification of a call that the thread makes, of which `expected` was expected.
void answer_stand_in(Kernel& kernel, int notify_fd, std::uint64_t id, pid_t tid,
                     const ExpectedCalls::Expected& expected);

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
class StandIn final : public StandInCalls {
 public:
  // Puts it into `stand_in` as soon as the target has been taken out of its call, so that finish() has to be
  // called even if this fails. EINTR: a signal has done that before, or is to, and nothing else was done.
  // EPERM: the target is traced by somebody else, or not ours to trace. ENOSYS, ENOTTY: the kernel is too
  // old.
  static Status start(Kernel& kernel, StandIns& shared, const StandInRequest& request,
                      std::unique_ptr<StandIn>& stand_in);
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  ~StandIn() override;

  std::uint64_t put(std::size_t offset, std::span<const std::byte> bytes) override;
  Result<long> call(long number, const std::array<std::uint64_t, 6>& arguments) override;
  Result<long> perform(long number, const std::array<std::uint64_t, 6>& arguments, long message) override;
  [[nodiscard]] Result<UniqueFd> duplicate_fd(int number) const override;
  [[nodiscard]] Result<UniqueFd> open_descriptor(int number) const override;
  [[nodiscard]] Result<UniqueFd> open_working_directory() const override;
  Status finish(long result) override;

  // The thread; 0: there is none.
  [[nodiscard]] pid_t thread() const { return thread_; }
  // Of this call's part of the sealed memory, as the target has it. REQUIRES: start() succeeded.
  [[nodiscard]] std::uint64_t address() const { return slot_->memory().address() + slot_->offset(); }

 private:
  StandIn(Kernel& kernel, StandIns& shared, const StandInRequest& request)
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
  StandInRequest request_;
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
