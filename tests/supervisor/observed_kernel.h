#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// The real kernel, watched: tests wait for what the agent does instead of sleeping. Thread-safe.
class ObservedKernel : public Kernel {
 public:
  // Until `count` connects have begun, or ended, altogether. False: ten seconds have passed.
  [[nodiscard]] bool wait_for_connects_begun(std::size_t count);
  [[nodiscard]] bool wait_for_connects_ended(std::size_t count);
  [[nodiscard]] std::size_t connects_begun() const;

  // What the agent has sent itself.
  [[nodiscard]] std::size_t sends() const { return sends_; }

  // How often each notification was answered: a successful answer, and one that came too late (ENOENT).
  struct Answers {
    int delivered = 0;
    int late = 0;
    int failed = 0;
  };
  [[nodiscard]] std::map<std::uint64_t, Answers> answers() const;

  Status receive(int notify_fd, seccomp::NotificationBuffer& buffer) override;
  Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value) override;
  Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) override;
  Status answer_continue(int notify_fd, std::uint64_t id) override;
  Status connect(int socket, std::span<const std::byte> address) override;

  Result<std::vector<std::byte>> peer_address(int socket) override { return real_.peer_address(socket); }
  Result<std::vector<std::byte>> own_address(int socket) override { return real_.own_address(socket); }
  Result<bool> id_valid(int notify_fd, std::uint64_t id) override { return real_.id_valid(notify_fd, id); }
  Result<UniqueFd> open_thread(pid_t tid) override { return real_.open_thread(tid); }
  Result<UniqueFd> duplicate_fd(int pidfd, int number) override { return real_.duplicate_fd(pidfd, number); }
  Status read_memory(pid_t tid, TargetAddress address, std::span<std::byte> buffer) override {
    return real_.read_memory(tid, address, buffer);
  }
  Status kill(int pidfd) override { return real_.kill(pidfd); }
  Result<std::string> read_proc_file(pid_t tid, const char* name, std::size_t limit) override {
    return real_.read_proc_file(tid, name, limit);
  }
  FileCalls& files() override { return real_.files(); }
  TraceCalls& trace() override { return real_.trace(); }
  InjectCalls& inject() override { return real_.inject(); }
  Result<int> add_fd(int notify_fd, std::uint64_t id, const seccomp::AddFd& request) override {
    return real_.add_fd(notify_fd, id, request);
  }
  Result<std::string> read_proc_link(pid_t tid, const char* name) override {
    return real_.read_proc_link(tid, name);
  }
  Result<int> socket_option(int socket, int level, int name) override {
    return real_.socket_option(socket, level, name);
  }
  Result<std::uint64_t> socket_cookie(int socket) override { return real_.socket_cookie(socket); }
  Status bind(int socket, std::span<const std::byte> address) override { return real_.bind(socket, address); }
  Status bind_unprivileged(int socket, std::span<const std::byte> address, std::uint16_t port) override {
    return real_.bind_unprivileged(socket, address, port);
  }
  Result<bool> owns_network(pid_t tid, int socket) override { return real_.owns_network(tid, socket); }
  Result<UniqueFd> open_memory(pid_t tid) override { return real_.open_memory(tid); }
  Status write_memory(int memory, TargetAddress address, std::span<const std::byte> bytes) override {
    return real_.write_memory(memory, address, bytes);
  }
  Status break_pipe(int pidfd) override { return real_.break_pipe(pidfd); }
  Result<std::size_t> send(int socket, const OutgoingMessage& message, int flags) override {
    ++sends_;
    return real_.send(socket, message, flags);
  }
  Result<std::uint64_t> unread(int socket) override { return real_.unread(socket); }
  Result<bool> nonblocking(int socket) override { return real_.nonblocking(socket); }
  Result<bool> shares_users(pid_t tid) override { return real_.shares_users(tid); }

 private:
  Status answered(std::uint64_t id, Status status);
  bool wait_for(const std::size_t& counter, std::size_t count);

  Kernel& real_ = system_kernel();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<std::size_t> sends_{0};
  std::size_t begun_ = 0;
  std::size_t ended_ = 0;
  std::map<std::uint64_t, Answers> answers_;
};

}  // namespace tidewaiter::supervisor
