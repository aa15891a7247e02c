#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/seccomp/notify.h"
#include "supervisor/target/file_calls.h"
#include "supervisor/target/inject_calls.h"
#include "supervisor/target/trace_calls.h"

// Newer than the headers of Debian 12 (include/uapi/linux/pidfd.h).
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

namespace tidewaiter::supervisor {

// An address in a target's memory. It cannot be dereferenced here, which is its point.
enum class TargetAddress : std::uint64_t {};

// One message for sendmsg(2). An empty name is none.
struct OutgoingMessage {
  std::span<const std::byte> name;
  std::span<const std::byte> control;
  std::span<const std::byte> payload;
  // Where the kernel is to note how much it took (`msg_len`), whatever becomes of this process; nullptr:
  // nowhere.
  struct mmsghdr* note = nullptr;
};

// Every system call the agent makes between receiving a notification and answering it. The one seam: tests
// put a scripted kernel here and make each call fail in turn. Errors carry the positive errno.
class Kernel {
 public:
  virtual ~Kernel() = default;

  // Notifications: oci/seccomp/notify.h has the contracts.
  virtual Status receive(int notify_fd, seccomp::NotificationBuffer& buffer) = 0;
  virtual Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value) = 0;
  virtual Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) = 0;
  virtual Status answer_continue(int notify_fd, std::uint64_t id) = 0;
  virtual Result<bool> id_valid(int notify_fd, std::uint64_t id) = 0;
  virtual Result<int> add_fd(int notify_fd, std::uint64_t id, const seccomp::AddFd& request) = 0;

  // A pidfd of the thread `tid` (PIDFD_THREAD, Linux 6.9), or of its thread group on an older kernel.
  virtual Result<UniqueFd> open_thread(pid_t tid) = 0;
  // pidfd_getfd(2): a copy of the target's descriptor `number`. EBADF: it has no such descriptor.
  virtual Result<UniqueFd> duplicate_fd(int pidfd, int number) = 0;
  // process_vm_readv(2): fills `buffer` wholly, or EFAULT.
  virtual Status read_memory(pid_t tid, TargetAddress address, std::span<std::byte> buffer) = 0;
  // /proc/TID/mem for writing: the memory the thread has now, whoever gets its number later.
  virtual Result<UniqueFd> open_memory(pid_t tid) = 0;
  // Writes `bytes` wholly, or EFAULT.
  virtual Status write_memory(int memory, TargetAddress address, std::span<const std::byte> bytes) = 0;
  // SIGKILL to the thread group (pidfd_send_signal(2)).
  virtual Status kill(int pidfd) = 0;
  // SIGPIPE, as a thread's own write gets it: to the thread where `pidfd` names one.
  virtual Status break_pipe(int pidfd) = 0;

  // /proc/TID/NAME: a file's text, a link's text. EFBIG: the file has more than `limit` bytes.
  static constexpr std::size_t kProcFileLimit = 64U << 10U;
  virtual Result<std::string> read_proc_file(pid_t tid, const char* name, std::size_t limit) = 0;
  virtual Result<std::string> read_proc_link(pid_t tid, const char* name) = 0;

  // Files, tracing, and having a thread of the target's make calls.
  virtual FileCalls& files() = 0;
  virtual TraceCalls& trace() = 0;
  virtual InjectCalls& inject() = 0;

  // socket(7) calls on a copy of the target's socket.
  virtual Result<int> socket_option(int socket, int level, int name) = 0;
  virtual Result<std::uint64_t> socket_cookie(int socket) = 0;  // SO_COOKIE: unique per socket and boot
  // getpeername(2), getsockname(2).
  virtual Result<std::vector<std::byte>> peer_address(int socket) = 0;
  virtual Result<std::vector<std::byte>> own_address(int socket) = 0;
  virtual Status connect(int socket, std::span<const std::byte> address) = 0;
  virtual Status bind(int socket, std::span<const std::byte> address) = 0;
  // bind() as a task without CAP_NET_BIND_SERVICE would do it.
  // `port` is the one in the address. EACCES: the port needs the capability.
  virtual Status bind_unprivileged(int socket, std::span<const std::byte> address, std::uint16_t port) = 0;
  // sendmsg(2), of one buffer. The number of bytes.
  virtual Result<std::size_t> send(int socket, const OutgoingMessage& message, int flags) = 0;
  // Of what was sent by a Unix socket, bytes of memory that nobody has read yet (SIOCOUTQ, unix(7)).
  virtual Result<std::uint64_t> unread(int socket) = 0;
  // O_NONBLOCK of its open file description.
  virtual Result<bool> nonblocking(int socket) = 0;
  // Whether `tid` lives in our own user namespace.
  virtual Result<bool> shares_users(pid_t tid) = 0;
  // Whether the user namespace that owns the socket's network namespace is the one `tid` lives in.
  virtual Result<bool> owns_network(pid_t tid, int socket) = 0;
};

// The real one; it has no state.
Kernel& system_kernel();

}  // namespace tidewaiter::supervisor
