#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// The real kernel, of which one call fails as ordered. Thread-safe.
class FaultyKernel final : public Kernel {
 public:
  // Asked before each call but receive(), with its name; the errno it is to fail with, 0 when it is to be
  // made, or one of the cuts, which mean something to the calls that read().
  using Fault = std::function<int(std::string_view name)>;
  static constexpr int kHalf = -1;     // the half of what it would have read
  static constexpr int kNothing = -2;  // as if there were nothing to read
  static constexpr bool reads(std::string_view name) {
    for (const std::string_view each :
         {"read_memory", "read_proc_file", "read_proc_link", "read_link", "path", "first_bytes"}) {
      if (name == each) return true;
    }
    return false;
  }

  explicit FaultyKernel(Fault fault)
      : fault_(std::move(fault)), files_(*this), trace_(*this), inject_(*this) {}

  Status receive(int notify_fd, seccomp::NotificationBuffer& buffer) override {
    return real_.receive(notify_fd, buffer);
  }
  Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value) override {
    TRY(ask("answer_value"));
    return real_.answer_value(notify_fd, id, value);
  }
  Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) override {
    TRY(ask("answer_errno"));
    return real_.answer_errno(notify_fd, id, errno_value);
  }
  Status answer_continue(int notify_fd, std::uint64_t id) override {
    TRY(ask("answer_continue"));
    return real_.answer_continue(notify_fd, id);
  }
  Result<bool> id_valid(int notify_fd, std::uint64_t id) override {
    TRY(ask("id_valid"));
    return real_.id_valid(notify_fd, id);
  }
  Result<UniqueFd> open_thread(pid_t tid) override {
    TRY(ask("open_thread"));
    return real_.open_thread(tid);
  }
  Result<UniqueFd> duplicate_fd(int pidfd, int number) override {
    TRY(ask("duplicate_fd"));
    return real_.duplicate_fd(pidfd, number);
  }
  Status read_memory(pid_t tid, TargetAddress address, std::span<std::byte> buffer) override {
    const int cut = TRY(ask_to_read("read_memory"));
    if (cut == 0) return real_.read_memory(tid, address, buffer);
    // As process_vm_readv(2) at the edge of what is mapped: some bytes have come.
    if (cut == kHalf) TRY(real_.read_memory(tid, address, buffer.first(buffer.size() / 2)));
    return fail(EFAULT, "read_memory: cut as ordered");
  }
  Result<UniqueFd> open_memory(pid_t tid) override {
    TRY(ask("open_memory"));
    return real_.open_memory(tid);
  }
  Status write_memory(int memory, TargetAddress address, std::span<const std::byte> bytes) override {
    TRY(ask("write_memory"));
    return real_.write_memory(memory, address, bytes);
  }
  Status break_pipe(int pidfd) override {
    TRY(ask("break_pipe"));
    return real_.break_pipe(pidfd);
  }
  Result<std::size_t> send(int socket, const OutgoingMessage& message, int flags) override {
    TRY(ask("send"));
    return real_.send(socket, message, flags);
  }
  Result<std::uint64_t> unread(int socket) override {
    TRY(ask("unread"));
    return real_.unread(socket);
  }
  Result<bool> nonblocking(int socket) override {
    TRY(ask("nonblocking"));
    return real_.nonblocking(socket);
  }
  Result<bool> shares_users(pid_t tid) override {
    TRY(ask("shares_users"));
    return real_.shares_users(tid);
  }
  Status kill(int pidfd) override {
    TRY(ask("kill"));
    return real_.kill(pidfd);
  }
  Result<std::string> read_proc_file(pid_t tid, const char* name, std::size_t limit) override {
    const int cut = TRY(ask_to_read("read_proc_file"));
    return shortened(TRY(real_.read_proc_file(tid, name, limit)), cut);
  }
  Result<std::string> read_proc_link(pid_t tid, const char* name) override {
    const int cut = TRY(ask_to_read("read_proc_link"));
    return shortened(TRY(real_.read_proc_link(tid, name)), cut);
  }
  FileCalls& files() override { return files_; }
  TraceCalls& trace() override { return trace_; }
  InjectCalls& inject() override { return inject_; }
  Result<int> add_fd(int notify_fd, std::uint64_t id, const seccomp::AddFd& request) override {
    TRY(ask("add_fd"));
    return real_.add_fd(notify_fd, id, request);
  }
  Result<int> socket_option(int socket, int level, int name) override {
    TRY(ask("socket_option"));
    return real_.socket_option(socket, level, name);
  }
  Result<std::uint64_t> socket_cookie(int socket) override {
    TRY(ask("socket_cookie"));
    return real_.socket_cookie(socket);
  }
  Result<std::vector<std::byte>> peer_address(int socket) override { return real_.peer_address(socket); }
  Result<std::vector<std::byte>> own_address(int socket) override { return real_.own_address(socket); }
  Status connect(int socket, std::span<const std::byte> address) override {
    TRY(ask("connect"));
    return real_.connect(socket, address);
  }
  Status bind(int socket, std::span<const std::byte> address) override {
    TRY(ask("bind"));
    return real_.bind(socket, address);
  }
  Status bind_unprivileged(int socket, std::span<const std::byte> address, std::uint16_t port) override {
    TRY(ask("bind_unprivileged"));
    return real_.bind_unprivileged(socket, address, port);
  }
  Result<bool> owns_network(pid_t tid, int socket) override {
    TRY(ask("owns_network"));
    return real_.owns_network(tid, socket);
  }

 private:
  class Files final : public FileCalls {
   public:
    explicit Files(FaultyKernel& kernel) : kernel_(kernel) {}
    Result<UniqueFd> open_proc_link(pid_t tid, const char* name) override {
      TRY(kernel_.ask("open_proc_link"));
      return real_.open_proc_link(tid, name);
    }
    Result<UniqueFd> open_component(int directory, const std::string& name, bool follow) override {
      TRY(kernel_.ask("open_component"));
      return real_.open_component(directory, name, follow);
    }
    Result<bool> is_magic_link(int directory, const std::string& name) override {
      TRY(kernel_.ask("is_magic_link"));
      return real_.is_magic_link(directory, name);
    }
    Result<std::string> read_link(int link) override {
      const int cut = TRY(kernel_.ask_to_read("read_link"));
      return shortened(TRY(real_.read_link(link)), cut);
    }
    Result<FileStatus> status(int fd) override {
      TRY(kernel_.ask("status"));
      return real_.status(fd);
    }
    Result<bool> on_procfs(int fd) override {
      TRY(kernel_.ask("on_procfs"));
      return real_.on_procfs(fd);
    }
    Result<std::string> path(int fd) override {
      const int cut = TRY(kernel_.ask_to_read("path"));
      return shortened(TRY(real_.path(fd)), cut);
    }
    Result<std::string> first_bytes(int fd, std::size_t size) override {
      const int cut = TRY(kernel_.ask_to_read("first_bytes"));
      return shortened(TRY(real_.first_bytes(fd, size)), cut);
    }

   private:
    FaultyKernel& kernel_;
    FileCalls& real_ = system_file_calls();
  };

  class Trace final : public TraceCalls {
   public:
    explicit Trace(FaultyKernel& kernel) : kernel_(kernel) {}
    Status seize(pid_t tid) override {
      TRY(kernel_.ask("seize"));
      return real_.seize(tid);
    }
    Status interrupt(pid_t tid) override {
      TRY(kernel_.ask("interrupt"));
      return real_.interrupt(tid);
    }
    Result<TraceStop> wait() override {
      TRY(kernel_.ask("wait"));
      return real_.wait();
    }
    Result<StoppedCall> stopped_call(pid_t tid) override {
      TRY(kernel_.ask("stopped_call"));
      return real_.stopped_call(tid);
    }
    Status detach(pid_t tid, int signal) override {
      TRY(kernel_.ask("detach"));
      return real_.detach(tid, signal);
    }
    Status kill_traced(pid_t tid) override {
      TRY(kernel_.ask("kill_traced"));
      return real_.kill_traced(tid);
    }

   private:
    FaultyKernel& kernel_;
    TraceCalls& real_ = system_trace_calls();
  };

  class Inject final : public InjectCalls {
   public:
    explicit Inject(FaultyKernel& kernel) : kernel_(kernel) {}
    [[nodiscard]] bool available() const override { return real_.available(); }
    Status attach(pid_t tid) override {
      TRY(kernel_.ask("attach"));
      return real_.attach(tid);
    }
    Status interrupt(pid_t tid) override {
      TRY(kernel_.ask("inject interrupt"));
      return real_.interrupt(tid);
    }
    Status suspend_filter(pid_t tid, bool suspended) override {
      TRY(kernel_.ask("suspend_filter"));
      return real_.suspend_filter(tid, suspended);
    }
    Result<std::uint64_t> signal_mask(pid_t tid) override {
      TRY(kernel_.ask("signal_mask"));
      return real_.signal_mask(tid);
    }
    Status set_signal_mask(pid_t tid, std::uint64_t mask) override {
      TRY(kernel_.ask("set_signal_mask"));
      return real_.set_signal_mask(tid, mask);
    }
    Result<ThreadRegisters> registers(pid_t tid) override {
      TRY(kernel_.ask("registers"));
      return real_.registers(tid);
    }
    Status set_registers(pid_t tid, const ThreadRegisters& registers) override {
      TRY(kernel_.ask("set_registers"));
      return real_.set_registers(tid, registers);
    }
    Status resume(pid_t tid) override {
      TRY(kernel_.ask("resume"));
      return real_.resume(tid);
    }
    Status pass_on(pid_t tid, int signal) override {
      TRY(kernel_.ask("pass_on"));
      return real_.pass_on(tid, signal);
    }
    Result<InjectStop> wait() override {
      TRY(kernel_.ask("inject wait"));
      return real_.wait();
    }
    Status let_go(pid_t tid, int signal) override {
      TRY(kernel_.ask("let_go"));
      return real_.let_go(tid, signal);
    }
    Status kill_traced(pid_t tid) override {
      TRY(kernel_.ask("inject kill_traced"));
      return real_.kill_traced(tid);
    }
    Result<SharedMemory> make_shared_memory(std::size_t size) override {
      TRY(kernel_.ask("make_shared_memory"));
      return real_.make_shared_memory(size);
    }
    void unmap(std::span<std::byte> bytes) override { real_.unmap(bytes); }
    Result<Mapping> mapping_at(pid_t tid, std::uint64_t address) override {
      TRY(kernel_.ask("mapping_at"));
      return real_.mapping_at(tid, address);
    }
    Result<bool> sealed_at(pid_t tid, std::uint64_t address) override {
      TRY(kernel_.ask("sealed_at"));
      return real_.sealed_at(tid, address);
    }
    Result<EnteredCall> entered(pid_t tid) override {
      TRY(kernel_.ask("entered"));
      return real_.entered(tid);
    }

   private:
    FaultyKernel& kernel_;
    InjectCalls& real_ = system_inject_calls();
  };

  Status ask(std::string_view name) {
    if (const int code = fault_(name); code > 0) return fail(code, std::string(name) + ": as ordered");
    return {};
  }
  // 0, or a cut.
  Result<int> ask_to_read(std::string_view name) {
    const int code = fault_(name);
    if (code > 0) return fail(code, std::string(name) + ": as ordered");
    return code;
  }
  static std::string shortened(std::string text, int cut) {
    if (cut != 0) text.resize(cut == kHalf ? text.size() / 2 : 0);
    return text;
  }

  Fault fault_;
  Kernel& real_ = system_kernel();
  Files files_;
  Trace trace_;
  Inject inject_;
};

}  // namespace tidewaiter::supervisor
