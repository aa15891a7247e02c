#include "supervisor/target/kernel.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <memory>
#include <string_view>
#include <type_traits>

#include "oci/base/system.h"
#include "supervisor/target/proc_status.h"

// Newer than the headers of Debian 12.
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

namespace tidewaiter::supervisor {
namespace {

std::string proc_path(pid_t tid, const char* name) { return "/proc/" + std::to_string(tid) + "/" + name; }

// The thread group of `tid`, from /proc/TID/status.
Result<pid_t> thread_group(pid_t tid) {
  const std::string status = TRY(sys::read_file(proc_path(tid, "status"), Kernel::kProcFileLimit));
  const std::string_view field = status_field(status, "Tgid");
  pid_t group = 0;
  if (std::from_chars(field.data(), field.data() + field.size(), group).ec != std::errc{}) {
    return fail(ESRCH, proc_path(tid, "status") + ": no Tgid");
  }
  return group;
}

struct CapabilitiesDeleter {
  void operator()(cap_t capabilities) const { ::cap_free(capabilities); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, CapabilitiesDeleter>;

// Whether our effective user owns the user namespace of the socket's network, or one that it lies in: to the
// owner the kernel grants every capability there, whatever the capability sets say (cap_capable,
// security/commoncap.c). True where that cannot be told.
Result<bool> owns_by_user(int socket) {
  const UniqueFd network(::ioctl(socket, SIOCGSKNS));
  if (!network.valid() && errno == EPERM) return true;  // no CAP_NET_ADMIN there
  if (!network.valid()) return fail(errno, "ioctl SIOCGSKNS");
  const auto own = TRY(sys::stat("/proc/thread-self/ns/user"));
  UniqueFd user(::ioctl(network.get(), NS_GET_USERNS));
  if (!user.valid() && errno == EPERM) return false;  // neither ours nor below ours
  uid_t owner = 0;
  bool below = false;
  while (user.valid()) {
    const auto status = TRY(sys::fstat(user.get()));
    if (status.st_ino == own.st_ino && status.st_dev == own.st_dev) return below && owner == ::geteuid();
    // What counts is the last one, right below ours.
    if (::ioctl(user.get(), NS_GET_OWNER_UID, &owner) != 0) return fail(errno, "ioctl NS_GET_OWNER_UID");
    below = true;
    user.reset(::ioctl(user.get(), NS_GET_PARENT));
  }
  return fail(errno, below ? "ioctl NS_GET_PARENT" : "ioctl NS_GET_USERNS");
}

// Takes from this thread, for a scope, what lets it bind privileged ports on a socket: CAP_NET_BIND_SERVICE,
// and being the user who owns the network. Both calls act on the calling thread alone: libcap would spread
// its own over all threads only with libpsx, and setresuid(2) is called without the C library.
class WithoutBindService {
 public:
  static Result<WithoutBindService> enter(int socket) {
    WithoutBindService scope;
    const bool owner = TRY(owns_by_user(socket));
    scope.before_.reset(::cap_get_proc());
    const Capabilities without(::cap_get_proc());
    constexpr cap_value_t kBindService = CAP_NET_BIND_SERVICE;
    if (scope.before_ == nullptr || without == nullptr) return fail(errno, "cap_get_proc");
    if (::cap_set_flag(without.get(), CAP_EFFECTIVE, 1, &kBindService, CAP_CLEAR) != 0 ||
        ::cap_set_proc(without.get()) != 0) {
      return fail(errno, "cap_set_proc");
    }
    scope.user_ = ::geteuid();
    scope.still_owner_ = owner && !scope.become_another();
    return scope;
  }
  WithoutBindService(WithoutBindService&&) noexcept = default;
  WithoutBindService& operator=(WithoutBindService&&) = delete;
  ~WithoutBindService() {
    if (before_ == nullptr) return;
    // Neither can fail: the user is still the real one, and the capabilities are still permitted.
    if (changed_user_) (void)set_effective_user(user_);
    (void)::cap_set_proc(before_.get());
  }

  // True: we may be the owner, and as an ordinary user cannot be anybody else.
  [[nodiscard]] bool still_owner() const { return still_owner_; }

 private:
  WithoutBindService() = default;

  static bool set_effective_user(uid_t user) { return ::syscall(SYS_setresuid, -1, user, -1) == 0; }

  bool become_another() {
    // Any other has no capability there. While the real user remains, there is a way back.
    constexpr uid_t kNobody = 65534;
    if (::getuid() != user_) return false;
    changed_user_ = set_effective_user(user_ == kNobody ? kNobody - 1 : kNobody);
    return changed_user_;
  }

  Capabilities before_;
  uid_t user_ = 0;
  bool changed_user_ = false;
  bool still_owner_ = false;
};

class SystemKernel final : public Kernel {
 public:
  Status receive(int notify_fd, seccomp::NotificationBuffer& buffer) override {
    return seccomp::receive(notify_fd, buffer);
  }
  Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value) override {
    return seccomp::answer_value(notify_fd, id, value);
  }
  Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) override {
    return seccomp::answer_errno(notify_fd, id, errno_value);
  }
  Status answer_continue(int notify_fd, std::uint64_t id) override {
    return seccomp::answer_continue(notify_fd, id);
  }
  Result<bool> id_valid(int notify_fd, std::uint64_t id) override { return seccomp::id_valid(notify_fd, id); }
  Result<int> add_fd(int notify_fd, std::uint64_t id, const seccomp::AddFd& request) override {
    return seccomp::add_fd(notify_fd, id, request);
  }

  Result<UniqueFd> open_thread(pid_t tid) override {
    auto thread = sys::pidfd_open(tid, PIDFD_THREAD);
    if (thread || thread.error().code != EINVAL) return thread;
    return sys::pidfd_open(TRY(thread_group(tid)));
  }

  Result<UniqueFd> duplicate_fd(int pidfd, int number) override {
    const long fd = ::syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (fd < 0) return fail(errno, "pidfd_getfd");
    return UniqueFd(static_cast<int>(fd));  // close-on-exec, says pidfd_getfd(2)
  }

  Status read_memory(pid_t tid, TargetAddress address, std::span<std::byte> buffer) override {
    const struct iovec local = {buffer.data(), buffer.size()};
    // SAFETY: the pointer is only a number for the kernel to look up in the target's address space.
    auto* const there =
        reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));  // NOLINT(performance-no-int-to-ptr)
    const struct iovec remote = {there, buffer.size()};
    const ssize_t count = ::process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (count < 0) return fail(errno, "process_vm_readv");
    if (static_cast<std::size_t>(count) != buffer.size()) return fail(EFAULT, "process_vm_readv");
    return {};
  }

  Result<UniqueFd> open_memory(pid_t tid) override {
    UniqueFd memory(::open(proc_path(tid, "mem").c_str(), O_WRONLY | O_CLOEXEC));
    if (!memory.valid()) return fail(errno, "open " + proc_path(tid, "mem"));
    return memory;
  }

  Status write_memory(int memory, TargetAddress address, std::span<const std::byte> bytes) override {
    const ssize_t count =
        ::pwrite(memory, bytes.data(), bytes.size(), static_cast<off_t>(static_cast<std::uint64_t>(address)));
    if (count < 0) return fail(errno == EIO ? EFAULT : errno, "write memory");
    if (static_cast<std::size_t>(count) != bytes.size()) return fail(EFAULT, "write memory");
    return {};
  }

  Status break_pipe(int pidfd) override {
    if (::syscall(SYS_pidfd_send_signal, pidfd, SIGPIPE, nullptr, 0) != 0) {
      return fail(errno, "pidfd_send_signal");
    }
    return {};
  }

  Status kill(int pidfd) override {
    // Through a PIDFD_THREAD descriptor SIGKILL reaches the whole group all the same (signal(7)).
    if (::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) != 0) {
      return fail(errno, "pidfd_send_signal");
    }
    return {};
  }

  Result<std::string> read_proc_file(pid_t tid, const char* name, std::size_t limit) override {
    return sys::read_file(proc_path(tid, name), limit);
  }
  Result<std::string> read_proc_link(pid_t tid, const char* name) override {
    return sys::readlink(proc_path(tid, name));
  }

  FileCalls& files() override { return system_file_calls(); }
  TraceCalls& trace() override { return system_trace_calls(); }
  InjectCalls& inject() override { return system_inject_calls(); }

  Result<int> socket_option(int socket, int level, int name) override {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(socket, level, name, &value, &size) != 0) return fail(errno, "getsockopt");
    return value;
  }

  Result<std::uint64_t> socket_cookie(int socket) override {
    std::uint64_t value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(socket, SOL_SOCKET, SO_COOKIE, &value, &size) != 0) return fail(errno, "getsockopt");
    return value;
  }

  Result<std::vector<std::byte>> peer_address(int socket) override {
    return address_by(::getpeername, socket, "getpeername");
  }
  Result<std::vector<std::byte>> own_address(int socket) override {
    return address_by(::getsockname, socket, "getsockname");
  }

  Status connect(int socket, std::span<const std::byte> address) override {
    if (::connect(socket, reinterpret_cast<const struct sockaddr*>(address.data()),
                  static_cast<socklen_t>(address.size())) != 0) {
      return fail(errno, "connect");
    }
    return {};
  }

  Status bind(int socket, std::span<const std::byte> address) override {
    if (::bind(socket, reinterpret_cast<const struct sockaddr*>(address.data()),
               static_cast<socklen_t>(address.size())) != 0) {
      return fail(errno, "bind");
    }
    return {};
  }

  Status bind_unprivileged(int socket, std::span<const std::byte> address, std::uint16_t port) override {
    const auto scope = TRY(WithoutBindService::enter(socket));
    // There the kernel would grant it, so it has to be refused here. 1024 is the default of
    // net.ipv4.ip_unprivileged_port_start, which an ordinary user cannot ask of another network namespace.
    constexpr std::uint16_t kFirstUnprivileged = 1024;
    if (scope.still_owner() && port < kFirstUnprivileged) return fail(EACCES, "bind");
    return bind(socket, address);
  }

  Result<std::size_t> send(int socket, const OutgoingMessage& message, int flags) override {
    // sendmsg(2) reads these and writes none of them.
    const auto mutable_data = [](std::span<const std::byte> bytes) {
      return const_cast<std::byte*>(bytes.data());
    };
    struct iovec payload = {mutable_data(message.payload), message.payload.size()};
    struct msghdr header {};
    header.msg_name = message.name.empty() ? nullptr : mutable_data(message.name);
    header.msg_namelen = static_cast<socklen_t>(message.name.size());
    header.msg_iov = &payload;
    header.msg_iovlen = 1;
    header.msg_control = message.control.empty() ? nullptr : mutable_data(message.control);
    header.msg_controllen = message.control.size();
    if (message.note != nullptr) {
      // Not sendmsg(2): what that tells, it tells us alone.
      message.note->msg_hdr = header;
      if (::sendmmsg(socket, message.note, 1, flags) != 1) return fail(errno, "sendmmsg");
      return message.note->msg_len;
    }
    const ssize_t count = ::sendmsg(socket, &header, flags);
    if (count < 0) return fail(errno, "sendmsg");
    return static_cast<std::size_t>(count);
  }

  template <typename Call>
  static Result<std::vector<std::byte>> address_by(const Call& call, int socket, const char* name) {
    std::vector<std::byte> bytes(sizeof(struct sockaddr_storage));
    auto size = static_cast<socklen_t>(bytes.size());
    if (call(socket, reinterpret_cast<struct sockaddr*>(bytes.data()), &size) != 0) return fail(errno, name);
    bytes.resize(size);
    return bytes;
  }

  Result<std::uint64_t> unread(int socket) override {
    int bytes = 0;
    if (::ioctl(socket, SIOCOUTQ, &bytes) != 0) return fail(errno, "ioctl SIOCOUTQ");
    return static_cast<std::uint64_t>(bytes);
  }

  Result<bool> nonblocking(int socket) override {
    const int flags = ::fcntl(socket, F_GETFL);
    if (flags < 0) return fail(errno, "fcntl F_GETFL");
    return (flags & O_NONBLOCK) != 0;
  }

  Result<bool> shares_users(pid_t tid) override {
    const auto ours = TRY(sys::stat("/proc/thread-self/ns/user"));
    const auto theirs = TRY(sys::stat(proc_path(tid, "ns/user")));
    return ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
  }

  Result<bool> owns_network(pid_t tid, int socket) override {
    const UniqueFd network(::ioctl(socket, SIOCGSKNS));
    if (!network.valid()) return fail(errno, "ioctl SIOCGSKNS");
    const UniqueFd owner(::ioctl(network.get(), NS_GET_USERNS));
    if (!owner.valid()) return fail(errno, "ioctl NS_GET_USERNS");
    const auto owner_stat = TRY(sys::fstat(owner.get()));
    const auto task_stat = TRY(sys::stat(proc_path(tid, "ns/user")));
    return owner_stat.st_ino == task_stat.st_ino && owner_stat.st_dev == task_stat.st_dev;
  }
};

}  // namespace

Kernel& system_kernel() {
  static SystemKernel kernel;
  return kernel;
}

}  // namespace tidewaiter::supervisor
