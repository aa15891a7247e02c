#include "supervisor/target/kernel.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "oci/base/system.h"

// Newer than the headers of Debian 12.
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

namespace tidewaiter::supervisor {
namespace {

constexpr std::size_t kProcFileLimit = 64U << 10U;

std::string proc_path(pid_t tid, const char* name) { return "/proc/" + std::to_string(tid) + "/" + name; }

// The thread group of `tid`, from /proc/TID/status.
Result<pid_t> thread_group(pid_t tid) {
  const std::string status = TRY(sys::read_file(proc_path(tid, "status"), kProcFileLimit));
  const std::size_t at = status.find("\nTgid:");
  pid_t group = 0;
  if (at == std::string::npos || std::sscanf(status.c_str() + at, "\nTgid: %d", &group) != 1) {
    return fail(ESRCH, proc_path(tid, "status") + ": no Tgid");
  }
  return group;
}

// Takes CAP_NET_BIND_SERVICE out of this thread's effective set for a scope. capset(2) acts on the calling
// thread alone when called directly (the C library has no wrapper that would spread it).
class WithoutBindService {
 public:
  static Result<WithoutBindService> enter() {
    WithoutBindService scope;
    scope.header_ = {_LINUX_CAPABILITY_VERSION_3, 0};
    if (::syscall(SYS_capget, &scope.header_, scope.before_.data()) != 0) return fail(errno, "capget");
    auto without = scope.before_;
    without[0].effective &= ~(1U << CAP_NET_BIND_SERVICE);
    if (::syscall(SYS_capset, &scope.header_, without.data()) != 0) return fail(errno, "capset");
    scope.active_ = true;
    return scope;
  }
  WithoutBindService(WithoutBindService&& other) noexcept
      : header_(other.header_), before_(other.before_), active_(std::exchange(other.active_, false)) {}
  WithoutBindService& operator=(WithoutBindService&&) = delete;
  ~WithoutBindService() {
    // Raising an effective capability that is still permitted cannot fail.
    if (active_) ::syscall(SYS_capset, &header_, before_.data());
  }

  [[nodiscard]] bool had_it() const { return (before_[0].effective & (1U << CAP_NET_BIND_SERVICE)) != 0; }

 private:
  WithoutBindService() = default;

  struct __user_cap_header_struct header_ {};
  std::array<struct __user_cap_data_struct, 2> before_{};
  bool active_ = false;
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

  Status kill(int pidfd) override {
    // Through a PIDFD_THREAD descriptor SIGKILL reaches the whole group all the same (signal(7)).
    if (::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) != 0) {
      return fail(errno, "pidfd_send_signal");
    }
    return {};
  }

  Result<std::string> read_proc_file(pid_t tid, const char* name) override {
    return sys::read_file(proc_path(tid, name), kProcFileLimit);
  }
  Result<std::string> read_proc_link(pid_t tid, const char* name) override {
    return sys::readlink(proc_path(tid, name));
  }

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
    const auto scope = TRY(WithoutBindService::enter());
    // Without the capability in the first place we are an ordinary user who owns the container's user
    // namespace: there the kernel grants owners everything, whatever their capability sets say
    // (cap_capable, security/commoncap.c), so it has to be refused here. 1024 is the default of
    // net.ipv4.ip_unprivileged_port_start, which such a user cannot ask of another network namespace.
    constexpr std::uint16_t kFirstUnprivileged = 1024;
    if (!scope.had_it() && port < kFirstUnprivileged) return fail(EACCES, "bind");
    return bind(socket, address);
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
