#include "oci/seccomp/notify.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace tidewaiter::seccomp {
namespace {

constexpr int kLargestErrno = 4095;  // MAX_ERRNO, include/linux/err.h

Result<NotifySizes> ask_notify_sizes() {
  struct seccomp_notif_sizes sizes {};
  if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) {
    return fail(errno, "ask the kernel for the size of a seccomp notification");
  }
  return NotifySizes{sizes.seccomp_notif, sizes.seccomp_notif_resp, sizes.seccomp_data};
}

// Answering and asking only wait for a lock in the kernel: a signal there leaves nothing done, so that it
// is safe to ask again.
int ioctl_again(int fd, unsigned long request, void* argument) {
  int result = 0;
  do {
    result = ::ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

// Every answer leaves through here.
Status send(int notify_fd, const struct seccomp_notif_resp& response) {
  const NotifySizes sizes = TRY(notify_sizes());
  // A kernel newer than our headers reads more than our structure; what we know nothing of has to be zero.
  std::vector<std::byte> bytes(std::max<std::size_t>(sizes.response, sizeof response));
  std::memcpy(bytes.data(), &response, sizeof response);
  if (ioctl_again(notify_fd, SECCOMP_IOCTL_NOTIF_SEND, bytes.data()) != 0) {
    return fail(errno, "answer notification " + std::to_string(response.id));
  }
  return {};
}

// No signal reaches this thread while it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() {
    const int saved = errno;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<NotifySizes> notify_sizes() {
  static const Result<NotifySizes> sizes = ask_notify_sizes();
  return sizes;
}

Result<NotificationBuffer> NotificationBuffer::make() {
  const NotifySizes sizes = TRY(notify_sizes());
  return NotificationBuffer(std::max<std::size_t>(sizes.notification, sizeof(struct seccomp_notif)));
}

Status receive(int notify_fd, NotificationBuffer& buffer) {
  // The kernel answers EINVAL to a buffer that is not zero.
  std::fill(buffer.bytes_.begin(), buffer.bytes_.end(), std::byte{0});
  if (::ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_RECV, buffer.bytes_.data()) != 0) {
    return fail(errno, "receive a seccomp notification");
  }
  return {};
}

Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value) {
  struct seccomp_notif_resp response {};
  response.id = id;
  response.val = value;
  return send(notify_fd, response);
}

Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) {
  if (errno_value < 1 || errno_value > kLargestErrno) {
    return fail(EINVAL,
                "answer notification " + std::to_string(id) + " with errno " + std::to_string(errno_value));
  }
  struct seccomp_notif_resp response {};
  response.id = id;
  response.error = -errno_value;
  return send(notify_fd, response);
}

Status answer_continue(int notify_fd, std::uint64_t id) {
  struct seccomp_notif_resp response {};
  response.id = id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  return send(notify_fd, response);
}

Result<bool> id_valid(int notify_fd, std::uint64_t id) {
  __u64 asked = id;
  if (ioctl_again(notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &asked) == 0) return true;
  if (errno == ENOENT) return false;
  return fail(errno, "ask whether notification " + std::to_string(id) + " still waits");
}

Result<int> add_fd(int notify_fd, std::uint64_t id, const AddFd& request) {
  struct seccomp_notif_addfd argument {};
  argument.id = id;
  argument.srcfd = static_cast<__u32>(request.source_fd);
  if (request.target_fd) {
    argument.flags |= SECCOMP_ADDFD_FLAG_SETFD;
    argument.newfd = static_cast<__u32>(*request.target_fd);
  }
  if (request.close_on_exec) argument.newfd_flags = O_CLOEXEC;
  if (request.send) argument.flags |= SECCOMP_ADDFD_FLAG_SEND;

  // With SEND the kernel marks the notification answered before it waits for the target to install the
  // descriptor (seccomp_notify_addfd). Interrupted in between, it takes the descriptor back but not the
  // mark: the target's call would return 0, as if descriptor 0 had been opened for it.
  const SignalsBlocked blocked;
  const int number = ::ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &argument);
  if (number < 0) return fail(errno, "add a descriptor for notification " + std::to_string(id));
  return number;
}

Status set_flags(int notify_fd, std::uint64_t flags) {
  // The flags themselves, not a pointer to them, although the number is made with _IOW.
  if (::ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, static_cast<unsigned long>(flags)) != 0) {
    return fail(errno, "set flags " + std::to_string(flags) + " on a seccomp notify descriptor");
  }
  return {};
}

}  // namespace tidewaiter::seccomp
