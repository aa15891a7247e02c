#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string_view>

#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// The real kernel, of which one call fails as ordered. Thread-safe.
class FaultyKernel final : public Kernel {
 public:
  // Asked before each call but receive(), with its name; the errno it is to fail with, 0 when it is to be
  // made.
  using Fault = std::function<int(std::string_view name)>;
  explicit FaultyKernel(Fault fault) : fault_(std::move(fault)), files_(*this), trace_(*this) {}

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
    TRY(ask("read_memory"));
    return real_.read_memory(tid, address, buffer);
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
    TRY(ask("read_proc_file"));
    return real_.read_proc_file(tid, name, limit);
  }
  Result<std::string> read_proc_link(pid_t tid, const char* name) override {
    TRY(ask("read_proc_link"));
    return real_.read_proc_link(tid, name);
  }
  FileCalls& files() override { return files_; }
  TraceCalls& trace() override { return trace_; }
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
      TRY(kernel_.ask("read_link"));
      return real_.read_link(link);
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
      TRY(kernel_.ask("path"));
      return real_.path(fd);
    }
    Result<std::string> first_bytes(int fd, std::size_t size) override {
      TRY(kernel_.ask("first_bytes"));
      return real_.first_bytes(fd, size);
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

  Status ask(std::string_view name) {
    if (const int code = fault_(name); code != 0) return fail(code, std::string(name) + ": as ordered");
    return {};
  }

  Fault fault_;
  Kernel& real_ = system_kernel();
  Files files_;
  Trace trace_;
};

}  // namespace tidewaiter::supervisor
