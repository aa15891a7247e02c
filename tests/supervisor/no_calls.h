#pragma once

#include <cerrno>
#include <string>

#include "supervisor/target/file_calls.h"
#include "supervisor/target/inject_calls.h"
#include "supervisor/target/trace_calls.h"

namespace tidewaiter::supervisor {

// For tests of what looks up no file, and traces nobody: every call fails.
class NoFileCalls final : public FileCalls {
 public:
  Result<UniqueFd> open_proc_link(pid_t, const char*) override { return fail(ENOSYS, "no files"); }
  Result<UniqueFd> open_component(int, const std::string&, bool) override { return fail(ENOSYS, "no files"); }
  Result<bool> is_magic_link(int, const std::string&) override { return fail(ENOSYS, "no files"); }
  Result<std::string> read_link(int) override { return fail(ENOSYS, "no files"); }
  Result<FileStatus> status(int) override { return fail(ENOSYS, "no files"); }
  Result<bool> on_procfs(int) override { return fail(ENOSYS, "no files"); }
  Result<std::string> path(int) override { return fail(ENOSYS, "no files"); }
  Result<std::string> first_bytes(int, std::size_t) override { return fail(ENOSYS, "no files"); }
};

class NoTraceCalls final : public TraceCalls {
 public:
  Status seize(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Status interrupt(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Result<TraceStop> wait() override { return fail(ENOSYS, "no tracing"); }
  Result<StoppedCall> stopped_call(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Status detach(pid_t, int) override { return fail(ENOSYS, "no tracing"); }
  Status kill_traced(pid_t) override { return fail(ENOSYS, "no tracing"); }
};

class NoInjectCalls final : public InjectCalls {
 public:
  [[nodiscard]] bool available() const override { return false; }
  Status attach(pid_t) override { return fail(EPERM, "no tracing"); }
  Status interrupt(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Status suspend_filter(pid_t, bool) override { return fail(ENOSYS, "no tracing"); }
  Result<std::uint64_t> signal_mask(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Status set_signal_mask(pid_t, std::uint64_t) override { return fail(ENOSYS, "no tracing"); }
  Result<ThreadRegisters> registers(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Status set_registers(pid_t, const ThreadRegisters&) override { return fail(ENOSYS, "no tracing"); }
  Status resume(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Status pass_on(pid_t, int) override { return fail(ENOSYS, "no tracing"); }
  Result<InjectStop> wait() override { return fail(ENOSYS, "no tracing"); }
  Status let_go(pid_t, int) override { return fail(ENOSYS, "no tracing"); }
  Status kill_traced(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Result<SharedMemory> make_shared_memory(std::size_t) override { return fail(ENOSYS, "no tracing"); }
  void unmap(std::span<std::byte>) override {}
  Result<EnteredCall> entered(pid_t) override { return fail(ENOSYS, "no tracing"); }
  Result<Mapping> mapping_at(pid_t, std::uint64_t) override { return fail(ENOSYS, "no tracing"); }
  Result<bool> sealed_at(pid_t, std::uint64_t) override { return fail(ENOSYS, "no tracing"); }
};

}  // namespace tidewaiter::supervisor
