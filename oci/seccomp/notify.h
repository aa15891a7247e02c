#pragma once

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "oci/base/result.h"

// Newer than the kernel headers of Debian 12 (linux/seccomp.h of 6.6).
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

// The calls on a seccomp notify descriptor (seccomp_unotify(2)), as raw ioctls: libseccomp 2.5 hides
// their errno behind ECANCELED. Everything here may be called from any thread and any process that holds
// the descriptor. Errors carry the kernel's errno; where the target is to blame they are:
//
//   ENOENT       the target died, or a signal took it out of the call; nothing more is owed to it
//   EINPROGRESS  the notification has been answered already

namespace tidewaiter::seccomp {

// How large the running kernel's structures are, in bytes. They grow with the kernel: a buffer must hold
// the larger of the kernel's and ours.
struct NotifySizes {
  std::uint16_t notification = 0;  // struct seccomp_notif
  std::uint16_t response = 0;      // struct seccomp_notif_resp
  std::uint16_t data = 0;          // struct seccomp_data
};

// SECCOMP_GET_NOTIF_SIZES, asked once per process. ENOSYS or EINVAL: the kernel has no notifications
// (before 5.0, or built without CONFIG_SECCOMP_FILTER).
Result<NotifySizes> notify_sizes();

// Room for one notification of the kernel's size. Make one per receiving thread and use it again.
class NotificationBuffer {
 public:
  static Result<NotificationBuffer> make();
  // Borrowed room, which may lie in memory that other processes share. REQUIRES: it holds the larger of the
  // kernel's structure and ours, aligned to 8 bytes.
  explicit NotificationBuffer(std::span<std::byte> room) : bytes_(room) {}

  // The last notification received, or zeros after a receive that failed. `pid` is a thread id as this
  // process's pid namespace sees it, and 0 when it cannot see it.
  [[nodiscard]] const struct seccomp_notif& get() const {
    return *reinterpret_cast<const struct seccomp_notif*>(bytes_.data());
  }

 private:
  friend Status receive(int notify_fd, NotificationBuffer& buffer);
  explicit NotificationBuffer(std::size_t size) : own_(size), bytes_(own_) {}

  std::vector<std::byte> own_;  // from operator new, hence aligned for every structure
  std::span<std::byte> bytes_;  // of `own_`, which keeps its place when it is moved
};

// Waits for the next notification (SECCOMP_IOCTL_NOTIF_RECV), whatever O_NONBLOCK says. Not retried:
//
//   EINTR   a signal whose handler was installed without SA_RESTART; the caller may want to stop
//   ENOENT  the target is gone again, or, from Linux 6.6 on, every task of the filter is: poll for POLLHUP
Status receive(int notify_fd, NotificationBuffer& buffer);

// The target's call returns `value`, and errno stays as it was. A value of -4095 to -1 reaches the program
// as an errno all the same, since that is how system calls report one: use answer_errno.
Status answer_value(int notify_fd, std::uint64_t id, std::int64_t value);

// The target's call fails with `errno_value`, 1 to 4095. Anything else is EINVAL and nothing is sent: 0
// would tell the target that the call succeeded.
Status answer_errno(int notify_fd, std::uint64_t id, int errno_value);

// The kernel runs the target's call (SECCOMP_USER_NOTIF_FLAG_CONTINUE, Linux 5.5). It reads the target's
// memory again: no security decision may rest on what was read there before.
Status answer_continue(int notify_fd, std::uint64_t id);

// Whether the target still waits in the notified call, so that what was opened through its pid before this
// question belongs to it.
Result<bool> id_valid(int notify_fd, std::uint64_t id);

// A descriptor to put into the target (struct seccomp_notif_addfd).
struct AddFd {
  int source_fd = -1;            // ours; borrowed
  std::optional<int> target_fd;  // the number it gets there, replacing what is open
                                 // (SECCOMP_ADDFD_FLAG_SETFD); absent: the lowest free one
  bool close_on_exec = false;
  bool send =
      false;  // also answer the call with the number, atomically (SECCOMP_ADDFD_FLAG_SEND, Linux 5.14)
};

// Installs a descriptor in the target; returns its number there. Returns when the target has taken it up.
// That may take as long as the target is frozen, and only SIGKILL ends the wait. When it fails, the call is
// still to be answered.
Result<int> add_fd(int notify_fd, std::uint64_t id, const AddFd& request);

// SECCOMP_IOCTL_NOTIF_SET_FLAGS with SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP or 0. EINVAL or ENOTTY: the kernel
// is older than 6.6, or knows the flag not.
Status set_flags(int notify_fd, std::uint64_t flags);

}  // namespace tidewaiter::seccomp
