#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "oci/base/unique_fd.h"
#include "supervisor/target/kernel.h"
#include "tests/supervisor/no_calls.h"

namespace tidewaiter::supervisor {

// A kernel that a test writes: targets with sockets, memory and /proc files, calls that fail when told to,
// and a record of every call in order. Thread-safe. Descriptors it gives out are real ones, so that a leak
// shows.
class ScriptedKernel final : public Kernel {
 public:
  enum class Kind {
    kReceive,
    kAnswerValue,
    kAnswerErrno,
    kAnswerContinue,
    kIdValid,
    kOpenThread,
    kDuplicateFd,
    kReadMemory,
    kKill,
    kReadProcFile,
    kReadProcLink,
    kSocketOption,
    kSocketCookie,
    kConnect,
    kBind,
    kBindUnprivileged,
    kOwnsNetwork,
    kOpenMemory,
    kWriteMemory,
    kBreakPipe,
    kSend,
    kNonblocking,
    kSharesUsers,
  };

  struct Recorded {
    Kind kind = Kind::kReceive;
    std::uint64_t id = 0;                 // of a notification
    std::int64_t value = 0;               // answered, or the errno answered
    pid_t tid = 0;                        // whom it concerned
    int socket = -1;                      // the target's number of the descriptor
    std::uint64_t cookie = 0;             // of the very socket that was connected or bound
    std::vector<std::byte> bytes;         // address of a connect, bind or send; what was written
    std::vector<std::byte> control = {};  // of a send, whose flags are `value`
    std::vector<std::byte> payload = {};
  };

  struct Socket {
    int domain = 0;
    int type = 0;
    int protocol = 0;
    std::uint64_t cookie = 1;
  };

  struct Process {
    std::string status;       // /proc/TID/status
    std::string executable;   // what the link /proc/TID/exe says
    std::string id_map = {};  // /proc/TID/uid_map and gid_map
  };

  ScriptedKernel();

  // --- the script; before the calls, or from `before` and the hooks ---------------------------------

  // The only target there is: thread id, descriptors, memory.
  void set_target(pid_t tid) { tid_ = tid; }
  void put_socket(int number, Socket socket);
  void put_file(int number);  // a descriptor that is no socket
  void put_memory(std::uint64_t address, std::span<const std::byte> bytes);
  void put_process(pid_t tid, Process process);
  void set_owns_network(bool owns) { owns_network_ = owns; }
  void set_shares_users(bool shares) { shares_users_ = shares; }
  void set_nonblocking(bool nonblocking) { nonblocking_ = nonblocking; }
  // No longer waits: a signal took its target out of the call.
  void invalidate(std::uint64_t id);

  // Waits for an answer, though receive() does not give it out.
  void stand(std::uint64_t id);

  // What the next receive() gets; the notification stands until it is answered.
  void notify(const struct seccomp_notif& notification);

  // Call number `index` (from 0, in order; receive() and answers count) fails.
  void fail_at(std::size_t index, int code) { fail_at_[index] = code; }
  // Every call from `index` on fails, but for receive().
  void fail_from(std::size_t index, int code) { fail_from_ = {index, code}; }
  void fail_always(Kind kind, int code) { fail_always_[kind] = code; }

  // What a socket says it is connected and bound to.
  std::vector<std::byte> peer;
  std::vector<std::byte> own;

  // Runs before each call; may change the script. Called without the lock.
  std::function<void(const Recorded&)> before;
  // What the call does, when no failure was ordered; default: success. Called without the lock.
  std::function<Status(int socket, std::span<const std::byte> address)> on_connect;
  std::function<Status(int socket, std::span<const std::byte> address)> on_bind;
  // Default: what put_memory() put at this very address.
  std::function<Status(TargetAddress address, std::span<std::byte> buffer)> on_read;
  // Default: all of it is sent.
  std::function<Result<std::size_t>(const OutgoingMessage& message, int flags)> on_send;
  std::function<Status(int socket, std::span<const std::byte> address)> on_bind_unprivileged;
  // Borrowed; default: every call of it fails.
  FileCalls* file_calls = nullptr;

  // --- what happened --------------------------------------------------------------------------------

  [[nodiscard]] std::vector<Recorded> calls() const;
  [[nodiscard]] std::vector<Recorded> calls(Kind kind) const;
  [[nodiscard]] std::vector<Recorded> answers() const;  // every attempt to answer
  // connect, bind, bind_unprivileged and send: what takes effect outside the agent.
  [[nodiscard]] std::vector<Recorded> performed() const;
  // False: ten seconds have passed.
  [[nodiscard]] bool wait_for_answers(std::size_t count) const;

  Status receive(int notify_fd, seccomp::NotificationBuffer& buffer) override;
  Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value) override;
  Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) override;
  Status answer_continue(int notify_fd, std::uint64_t id) override;
  Result<bool> id_valid(int notify_fd, std::uint64_t id) override;
  Result<UniqueFd> open_thread(pid_t tid) override;
  Result<UniqueFd> duplicate_fd(int pidfd, int number) override;
  Status read_memory(pid_t tid, TargetAddress address, std::span<std::byte> buffer) override;
  Status kill(int pidfd) override;
  Result<std::string> read_proc_file(pid_t tid, const char* name, std::size_t limit) override;
  FileCalls& files() override { return file_calls != nullptr ? *file_calls : files_; }
  TraceCalls& trace() override { return trace_; }
  InjectCalls& inject() override { return inject_; }
  Result<int> add_fd(int, std::uint64_t, const seccomp::AddFd&) override { return fail(ENOSYS, "add_fd"); }
  Result<std::string> read_proc_link(pid_t tid, const char* name) override;
  Result<int> socket_option(int socket, int level, int name) override;
  Result<std::uint64_t> socket_cookie(int socket) override;
  Result<std::vector<std::byte>> peer_address(int socket) override;
  Result<std::vector<std::byte>> own_address(int socket) override;
  Status connect(int socket, std::span<const std::byte> address) override;
  Status bind(int socket, std::span<const std::byte> address) override;
  Status bind_unprivileged(int socket, std::span<const std::byte> address, std::uint16_t port) override;
  Result<bool> owns_network(pid_t tid, int socket) override;
  Result<UniqueFd> open_memory(pid_t tid) override;
  Status write_memory(int memory, TargetAddress address, std::span<const std::byte> bytes) override;
  Status break_pipe(int pidfd) override;
  Result<std::size_t> send(int socket, const OutgoingMessage& message, int flags) override;
  Result<bool> nonblocking(int socket) override;
  Result<std::uint64_t> unread(int /*socket*/) override { return fail(ENOTTY, "no Unix sockets"); }
  Result<bool> shares_users(pid_t tid) override;

 private:
  // Records the call; the error that was ordered for it.
  Status call(Recorded recorded);
  Status answer(Kind kind, std::uint64_t id, std::int64_t value);
  Result<Socket> socket_at(int fd) const;
  int number_of(int fd) const;
  // connect, bind, bind_unprivileged.
  Status perform(Kind kind, int fd, std::span<const std::byte> address,
                 const std::function<Status(int, std::span<const std::byte>)>& effect);

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Recorded> calls_;
  std::map<std::size_t, int> fail_at_;
  std::optional<std::pair<std::size_t, int>> fail_from_;
  std::map<Kind, int> fail_always_;

  pid_t tid_ = 100;
  std::map<int, std::optional<Socket>> descriptors_;  // the target's; nullopt is a file
  struct Duplicate {
    int number = -1;
    std::optional<Socket> socket;  // as it was when it was duplicated
  };
  std::map<int, Duplicate> duplicates_;  // ours -> the target's
  std::map<std::uint64_t, std::vector<std::byte>> memory_;
  std::map<pid_t, Process> processes_;
  bool owns_network_ = true;
  bool shares_users_ = true;
  bool nonblocking_ = false;
  std::set<std::uint64_t> standing_;
  std::deque<struct seccomp_notif> queue_;
  NoFileCalls files_;
  NoTraceCalls trace_;
  NoInjectCalls inject_;
  UniqueFd queued_;  // eventfd that counts `queue_`: a signal ends a read(2) from it
};

}  // namespace tidewaiter::supervisor
