#include "supervisor/target/stand_in.h"

#include <linux/audit.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

#include "oci/base/log.h"
#include "supervisor/target/proc_status.h"
#include "supervisor/target/restarts.h"

// Newer than the headers of Debian 12 (Linux 6.10); the same number on every architecture.
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

namespace tidewaiter::supervisor {
namespace {

// What it shares with the target beside memory; no descriptors, no folders.
constexpr std::uint64_t kThreadFlags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

constexpr std::uint64_t kAllSignals = ~0ULL;

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kArchitecture = 0;  // InjectCalls::attach() refuses
#endif

// Where the sealed memory is wanted when it has to be looked for among all mappings: below the others. The
// default of vm.mmap_min_addr.
constexpr std::uint64_t kLowPlace = 65536;

// How long it may run in user mode, in clock ticks (a hundredth of a second) of its own time: from one call
// to the next it is one instruction, unless somebody has put others there.
constexpr std::uint64_t kLongestInUserMode = 20;

// How often it may be seen to run there, of looks that are 20 ms apart: what it does in page faults is not
// time of its own. So long that a processor which is busy with others does not matter.
constexpr int kOftenestRunning = 1500;

// How long to wait for one to end that has been killed: so many interruptions, of which there is one every 20
// ms (Waiting).
constexpr int kLongestEnd = 25;

// The signals that do nothing to whom they are sent unless there is a handler (signal(7)).
constexpr std::uint64_t bit(int signal) { return 1ULL << static_cast<unsigned>(signal - 1); }
constexpr std::uint64_t kIgnoredByDefault = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH);

// What a thread has run in user mode, in clock ticks: utime in /proc/TID/stat (proc_pid_stat(5)). Not the
// time in the kernel, where job control can keep it as busy as it likes. 0 where it cannot be read.
std::uint64_t user_time(std::string_view stat) {
  // Behind the name, which may hold anything, and ten more fields from the state on.
  constexpr int kFields = 11;
  std::size_t at = stat.rfind(')');
  for (int field = 0; at != std::string_view::npos && field <= kFields; ++field) at = stat.find(' ', at + 1);
  std::uint64_t ticks = 0;
  if (at != std::string_view::npos) std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), ticks);
  return ticks;
}

// Whether it runs, or would: not who is stopped or frozen.
bool runs(std::string_view stat) {
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string_view::npos && stat.substr(name_end).starts_with(") R");
}

// A set of signals in /proc/TID/status; all of them where it cannot be read.
std::uint64_t signals(std::string_view status, std::string_view key) {
  const std::string_view field = status_field(status, key);
  std::uint64_t set = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), set, 16);
  return error == std::errc() ? set : kAllSignals;
}

}  // namespace

bool is_driven(Kernel& kernel, pid_t tid, const ExpectedCalls::Expected& expected) {
  const auto status = kernel.read_proc_file(tid, "status", Kernel::kProcFileLimit);
  return status && expected.tracer != 0 &&
         status->find("\nTracerPid:\t" + std::to_string(expected.tracer) + "\n") != std::string::npos;
}

void answer_stand_in(Kernel& kernel, int notify_fd, std::uint64_t id, pid_t tid,
                     const ExpectedCalls::Expected& expected) {
  const bool driven = is_driven(kernel, tid, expected);
  if (driven && expected.install >= 0) {
    seccomp::AddFd request;
    request.source_fd = expected.install;
    request.close_on_exec = true;
    request.send = true;
    if (kernel.add_fd(notify_fd, id, request)) return;
  }
  // SAFETY: see ExpectedCalls.
  const bool makes = driven && expected.number >= 0 && expected.install < 0;
  const Status answered =
      makes ? kernel.answer_continue(notify_fd, id) : kernel.answer_errno(notify_fd, id, EPERM);
  if (!answered && answered.error().code != ENOENT) {
    log::error("cannot answer a stand-in", {{"error", answered.error().message()}});
    (void)kernel.answer_errno(notify_fd, id, EPERM);
  }
}

Status StandIn::start(Kernel& kernel, StandIns& shared, const StandInRequest& request,
                      std::unique_ptr<StandIn>& stand_in) {
  std::unique_ptr<StandIn> made(new StandIn(kernel, shared, request));
  TRY(made->take_out());
  stand_in = std::move(made);
  TRY(stand_in->make_thread());
  return stand_in->map_memory();
}

StandIn::~StandIn() {
  if (attached_) (void)finish(-EPERM);
}

std::uint64_t StandIn::put(std::size_t offset, std::span<const std::byte> bytes) {
  const std::span<std::byte> part = slot_->bytes();
  std::memcpy(part.subspan(offset, bytes.size()).data(), bytes.data(), bytes.size());
  return address() + offset;
}

// --- the target -------------------------------------------------------------------------------------

// Takes the target out of its notified call: nothing is owed to that any more, and it stands where it came
// from.
Status StandIn::take_out() {
  InjectCalls& calls = kernel_->inject();
  TRY(calls.attach(request_.tid));
  attached_ = true;
  // Now it is known that who is traced is who had called.
  const bool stands = request_.stands();
  if (Status interrupted = calls.interrupt(request_.tid); !interrupted) {
    // Who is not there has been killed, maybe by a thread that executes a program, which has its number then.
    // But nobody would interrupt the waiting for one whose call still stands.
    if (interrupted.error().code == ESRCH && !request_.stands()) see_end();
    if (!gone_) kill();
    return interrupted;
  }
  for (;;) {
    const InjectStop stop = TRY(wait_for(request_.tid, Phase::kCall));
    if (stop.kind == InjectStop::Kind::kSignal) {
      TRY(calls.let_go(request_.tid, stop.signal));
      attached_ = false;
      return fail(EINTR, "a signal");
    }
    if (stop.kind == InjectStop::Kind::kTrap) break;
    TRY(calls.resume(request_.tid));
  }
  registers_ = TRY(calls.registers(request_.tid));
  mask_ = TRY(calls.signal_mask(request_.tid));
  parked_ = true;
  const bool in_call = registers_.number() == request_.number && registers_.result() == kRestart;
  if (!stands || !in_call) {
    TRY(calls.let_go(request_.tid, 0));
    attached_ = false;
    return fail(EINTR, "the call has ended");
  }
  return {};
}

// Has the target make the thread, and stand aside again.
Status StandIn::make_thread() {
  InjectCalls& calls = kernel_->inject();
  // Before the thread is made, which inherits it.
  TRY(calls.set_signal_mask(request_.tid, kAllSignals));
  masked_ = true;
  filter_passed_ = calls.suspend_filter(request_.tid, true).has_value();
  if (!filter_passed_ && !request_.spares_unknown_calls) {
    return fail(EPERM, "the container's seccomp profile kills for calls it does not know");
  }
  ThreadRegisters registers = registers_;
  registers.repeat();
  TRY(calls.set_registers(request_.tid, registers));
  TRY(enter(request_.tid));
  parked_ = false;
  TRY(replace_call(request_.tid, SYS_clone, {kThreadFlags, 0, 0, 0, 0, 0}));
  // The thread's first stop, and the target's, in any order.
  pid_t made = 0;
  bool stopped = false;
  long failed = 0;
  while (failed == 0 && (made == 0 || !stopped)) {
    const auto stop = calls.wait();
    if (!stop && stop.error().code == EINTR) continue;
    if (!stop) return tl::unexpected(stop.error());
    if (stop->tid != request_.tid && stop->kind != InjectStop::Kind::kGone) {
      thread_ = stop->tid;
      stopped = true;
      if (stop->kind == InjectStop::Kind::kEnded) return fail(ESRCH, "the stand-in ended");
      continue;
    }
    switch (stop->kind) {
      case InjectStop::Kind::kCloned:
        made = thread_ = stop->thread;
        break;
      case InjectStop::Kind::kExit:
        failed = TRY(calls.registers(request_.tid)).result();
        if (failed >= 0) return fail(EPROTO, "clone");
        break;
      case InjectStop::Kind::kTrap:
        TRY(calls.resume(request_.tid));
        break;
      case InjectStop::Kind::kEnded:
      case InjectStop::Kind::kGone:
        gone_ = true;
        return fail(ESRCH, "the target ended");
      case InjectStop::Kind::kSignal:
        if (stop->signal != SIGSTOP) return fail(EPROTO, "clone");
        TRY(calls.pass_on(request_.tid, SIGSTOP));
        break;
      case InjectStop::Kind::kEntry:
        return fail(EPROTO, "clone");
    }
  }
  TRY(park(failed != 0));
  // To be stopped, or frozen, is no failure (copy_process, kernel/fork.c).
  if (restarts(failed)) return fail(EINTR, "clone");
  if (failed != 0) return fail(static_cast<int>(-failed), "clone");
  shared_->expected.expect(thread_, {});
  return suspend_filter(thread_, true);
}

// Stops the target on its way back to user mode, where it is to wait. REQUIRES: it is at the end of clone(2)
// if `returned`, else still in it.
Status StandIn::park(bool returned) {
  InjectCalls& calls = kernel_->inject();
  using Kind = InjectStop::Kind;
  for (Kind at = returned ? Kind::kExit : Kind::kCloned; at != Kind::kTrap;) {
    if (at != Kind::kExit && at != Kind::kCloned) return fail(EPROTO, "clone");
    // Not before: any other stop forgets it (ptrace_stop, kernel/signal.c).
    if (at == Kind::kExit) TRY(calls.interrupt(request_.tid));
    TRY(calls.resume(request_.tid));
    at = TRY(wait_for(request_.tid, Phase::kCall)).kind;
  }
  parked_ = true;
  return {};
}

// --- the thread -------------------------------------------------------------------------------------

Status StandIn::map_memory() {
  const auto memory = TRY(shared_->memories.of(*kernel_, request_.process));
  slot_.emplace(TRY(SealedMemory::lease(memory)));
  // Who has that number now may be another process, or another program with something of its own there, which
  // is not to be sealed.
  if (const std::uint64_t before = memory->address(); before != 0 && memory->mapped_at(thread_, before)) {
    if (seal(*memory, before)) return {};
  }
  // The descriptor comes as the answer to the target's own call.
  TRY(suspend_filter(thread_, false));
  shared_->expected.expect(thread_, {request_.number, request_.arguments, memory->fd()});
  const auto descriptor = make_call(thread_, request_.number, request_.arguments);
  shared_->expected.expect(thread_, {});
  TRY(suspend_filter(thread_, true));
  if (!descriptor) return tl::unexpected(descriptor.error());
  if (restarts(*descriptor)) return fail(EINTR, "a signal for the target");
  if (*descriptor < 0) return fail(static_cast<int>(-*descriptor), "install a descriptor");
  const std::uint64_t place = filter_passed_ ? 0 : kLowPlace;
  const auto address =
      static_cast<std::uint64_t>(TRY(call(SYS_mmap, {place, SealedMemory::kSize, PROT_READ, MAP_SHARED,
                                                     static_cast<std::uint64_t>(*descriptor), 0})));
  // Not for the children: they could not get rid of it either.
  TRY(call(SYS_madvise, {address, SealedMemory::kSize, MADV_DONTFORK, 0, 0, 0}));
  TRY(in_context("mseal", seal(*memory, address)));
  memory->set_address(address);
  return {};
}

// Seals what the process has at `address`, which is to be `memory`.
Status StandIn::seal(const SealedMemory& memory, std::uint64_t address) {
  TRY(call(SYS_mseal, {address, SealedMemory::kSize, 0, 0, 0, 0}));
  // In this order: what is sealed stays what it is.
  if (!filter_passed_ && !memory.sealed_at(thread_, address)) {
    return fail(EPERM, "a filter of the process says that it has been done");
  }
  if (!memory.mapped_at(thread_, address)) return fail(EPERM, "other memory is there");
  return {};
}

Result<long> StandIn::call(long number, const std::array<std::uint64_t, 6>& arguments) {
  if (!filter_passed_) shared_->expected.expect(thread_, {number, arguments, -1});
  const long result = TRY(make_call(thread_, number, arguments));
  if (restarts(result)) return fail(EINTR, "a signal for the target");
  if (result < 0 && result >= -4095) return fail(static_cast<int>(-result), "call");
  return result;
}

Result<long> StandIn::perform(long number, const std::array<std::uint64_t, 6>& arguments, long /*message*/) {
  TRY(suspend_filter(thread_, false));
  shared_->expected.expect(thread_, {number, arguments, -1});
  auto result = make_call(thread_, number, arguments);
  // Between two messages the filter is not to see our calls again.
  if (result) TRY(suspend_filter(thread_, true));
  return result;
}

Result<long> StandIn::make_call(pid_t tid, long number, const std::array<std::uint64_t, 6>& arguments) {
  InjectCalls& calls = kernel_->inject();
  ThreadRegisters registers = TRY(calls.registers(tid));
  registers.repeat();
  TRY(calls.set_registers(tid, registers));
  TRY(enter(tid));
  TRY(replace_call(tid, number, arguments));
  const InjectStop stop = TRY(wait_for(tid, Phase::kCall));
  if (stop.kind != InjectStop::Kind::kExit) return fail(EPROTO, "call");
  return TRY(calls.registers(tid)).result();
}

// Lets it come into the kernel.
Result<InjectStop> StandIn::enter(pid_t tid) {
  ran_before_.reset();
  seen_running_ = 0;
  TRY(kernel_->inject().resume(tid));
  InjectStop stop = TRY(wait_for(tid, Phase::kUser));
  if (stop.kind == InjectStop::Kind::kEntry) return stop;
  // Somebody has put other code where it comes from.
  kill();
  return fail(EPERM, "it ran code of its own");
}

// Has it make this call instead of that with which it came into the kernel. It may have come as what it is
// not: from 32-bit code, or by an instruction of the other ABI, where the kernel reads other registers and
// numbers. What the kernel is about to do is therefore asked of the kernel, and whoever is about to do
// anything else goes no further.
Status StandIn::replace_call(pid_t tid, long number, const std::array<std::uint64_t, 6>& arguments) {
  InjectCalls& calls = kernel_->inject();
  const auto replace = [&]() -> Status {
    ThreadRegisters registers = TRY(calls.registers(tid));
    registers.set_call(number, arguments);
    TRY(calls.set_registers(tid, registers));
    const EnteredCall entered = TRY(calls.entered(tid));
    if (entered.architecture != kArchitecture || entered.number != number || entered.arguments != arguments) {
      return fail(EPERM, "it came into the kernel by another way");
    }
    return calls.resume(tid);
  };
  Status replaced = replace();
  if (replaced) return replaced;
  astray_ = true;
  // Who is not there to be asked has been killed, and whoever has done that may go on: see_end().
  if (replaced.error().code != ESRCH) kill();
  return replaced;
}

Result<InjectStop> StandIn::wait_for(pid_t tid, Phase phase) {
  for (;;) {
    const auto stop = kernel_->inject().wait();
    if (!stop && stop.error().code == EINTR) {
      TRY(look_after(tid, phase));
      continue;
    }
    if (!stop) return tl::unexpected(stop.error());
    switch (stop->kind) {
      case InjectStop::Kind::kGone:
        if (thread_ != 0) shared_->expected.forget(thread_);
        thread_ = 0;
        gone_ = true;
        return fail(ESRCH, "the target has gone");
      case InjectStop::Kind::kEnded:
        if (stop->tid == request_.tid) gone_ = true;
        if (stop->tid == thread_) {
          shared_->expected.forget(thread_);
          thread_ = 0;
        }
        if (stop->tid == tid) return fail(ESRCH, "it has ended");
        continue;
      case InjectStop::Kind::kTrap:
        // Interrupted, or told to stop by job control, which is for the target.
        if (stop->tid == tid && (tid == thread_ || phase == Phase::kUser)) {
          TRY(kernel_->inject().resume(tid));
          continue;
        }
        break;
      case InjectStop::Kind::kSignal:
        // The one that cannot be blocked: job control, which begins here and ends when they are let go.
        if (masked_ && stop->signal == SIGSTOP) {
          // This stop has made it forget that it is to stop on its way back, and SIGCONT may end the other.
          if (stop->tid == request_.tid) TRY(kernel_->inject().interrupt(stop->tid));
          TRY(kernel_->inject().pass_on(stop->tid, SIGSTOP));
          continue;
        }
        break;
      case InjectStop::Kind::kEntry:
      case InjectStop::Kind::kExit:
      case InjectStop::Kind::kCloned:
        break;
    }
    if (stop->tid == tid) return *stop;
  }
}

// Called every now and then while it does not come to its next stop.
Status StandIn::look_after(pid_t tid, Phase phase) {
  if (phase == Phase::kUser) {
    const auto stat = kernel_->read_proc_file(tid, "stat", Kernel::kProcFileLimit);
    const std::uint64_t ran = stat ? user_time(*stat) : 0;
    if (!ran_before_) ran_before_ = ran;
    if (stat && runs(*stat)) ++seen_running_;
    if (ran > *ran_before_ + kLongestInUserMode || seen_running_ > kOftenestRunning) {
      kill();
      return fail(EPERM, "it ran code of its own");
    }
    // Nobody knows where it stands, and nobody will be there to see.
    if (request_.stopping()) {
      kill();
      return fail(EPERM, "the agent is about to end");
    }
    return {};
  }
  if (tid != thread_ || interrupted_) return {};
  if (caller_interrupted() || request_.stopping()) {
    interrupted_ = true;
    return kernel_->inject().interrupt(thread_);
  }
  return {};
}

// Whether a signal waits for the target that would have taken it out of its call.
bool StandIn::caller_interrupted() const {
  const auto status = kernel_->read_proc_file(request_.tid, "status", Kernel::kProcFileLimit);
  if (!status) return true;
  const std::uint64_t pending = signals(*status, "SigPnd") | signals(*status, "ShdPnd");
  const std::uint64_t caught = signals(*status, "SigCgt");
  const std::uint64_t ignored = signals(*status, "SigIgn");
  return (pending & ~mask_ & (caught | ~(ignored | kIgnoredByDefault))) != 0;
}

Status StandIn::suspend_filter(pid_t tid, bool suspended) {
  if (!filter_passed_) return {};
  return kernel_->inject().suspend_filter(tid, suspended);
}

Result<UniqueFd> StandIn::duplicate_fd(int number) const {
  return kernel_->duplicate_fd(TRY(kernel_->open_thread(thread_)).get(), number);
}

Result<UniqueFd> StandIn::open_working_directory() const {
  return kernel_->files().open_proc_link(thread_, "cwd");
}

Result<UniqueFd> StandIn::open_descriptor(int number) const {
  return kernel_->files().open_proc_link(thread_, ("fd/" + std::to_string(number)).c_str());
}

// --- the end ----------------------------------------------------------------------------------------

Status StandIn::finish(long result) {
  // Where it was not taken out, or not parked again, nobody knows where it stands.
  Status ended = parked_ || gone_ ? end_thread() : fail(ESRCH, "not parked");
  if (ended && !gone_) ended = let_go(result);
  if (gone_ || (!ended && ended.error().code == ESRCH)) see_end();
  if (!ended && !gone_) {
    log::error("a stand-in cannot be ended; its process is killed", {{"error", ended.error().message()}});
    kill();
  }
  attached_ = false;
  slot_.reset();
  if (gone_) return fail(ENOENT, "the target has gone");
  return ended;
}

Status StandIn::end_thread() {
  if (astray_) return fail(ESRCH, "in front of a call");
  if (thread_ == 0) return {};
  TRY(suspend_filter(thread_, true));
  if (!filter_passed_) shared_->expected.expect(thread_, {SYS_exit, {0, 0, 0, 0, 0, 0}, -1});
  const auto ended = make_call(thread_, SYS_exit, {0, 0, 0, 0, 0, 0});
  if (ended || thread_ != 0) return fail(EPROTO, "exit");
  return {};
}

Status StandIn::let_go(long result) {
  InjectCalls& calls = kernel_->inject();
  ThreadRegisters registers = registers_;
  registers.set_result(result);
  TRY(calls.set_registers(request_.tid, registers));
  TRY(calls.set_signal_mask(request_.tid, mask_));
  return calls.let_go(request_.tid, 0);
}

// Who is not there to be asked has been killed: with its process, or without it, by a thread that executes a
// program (de_thread, fs/exec.c). That program is not to be killed, and it begins when all of them have been
// seen to end.
void StandIn::see_end() {
  for (int interrupted = 0; interrupted < kLongestEnd;) {
    const auto stop = kernel_->inject().wait();
    if (!stop && stop.error().code == EINTR) {
      ++interrupted;
      continue;
    }
    if (!stop) return;
    if (stop->kind == InjectStop::Kind::kGone) {
      if (thread_ != 0) shared_->expected.forget(thread_);
      thread_ = 0;
      gone_ = true;
      return;
    }
  }
}

// The process, and waits for those of its threads that are traced: until their tracer has seen them end,
// nobody does.
void StandIn::kill() {
  if (const Status killed = kernel_->inject().kill_traced(request_.tid); !killed) {
    // It stays stopped, and dies with the thread that traces it.
    log::error("cannot kill a process that is being traced", {{"error", killed.error().message()}});
  } else {
    for (;;) {
      const auto stop = kernel_->inject().wait();
      if (!stop && stop.error().code == EINTR) continue;
      if (!stop || stop->kind == InjectStop::Kind::kGone) break;
      if (stop->kind != InjectStop::Kind::kEnded) (void)kernel_->inject().let_go(stop->tid, 0);
    }
  }
  if (thread_ != 0) shared_->expected.forget(thread_);
  thread_ = 0;
  gone_ = true;
  attached_ = false;
}

}  // namespace tidewaiter::supervisor
