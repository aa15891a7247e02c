#pragma once

#include <linux/seccomp.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "oci/base/result.h"
#include "supervisor/target/target.h"

namespace tidewaiter::supervisor {

// What a notified call gets.
struct Answer {
  enum class Kind {
    kErrno,   // it fails with `errno_value`
    kValue,   // it returns `value`: the agent performed it
    kLetRun,  // the kernel runs it. Never after a decision on memory that somebody can still change
    kKill,    // its process is killed
  };
  Kind kind = Kind::kErrno;
  int errno_value = EPERM;
  std::int64_t value = 0;

  static Answer refuse(int errno_value) { return {Kind::kErrno, errno_value, 0}; }
  static Answer result(std::int64_t value) { return {Kind::kValue, 0, value}; }
  static Answer let_run() { return {Kind::kLetRun, 0, 0}; }
  static Answer kill() { return {Kind::kKill, 0, 0}; }

  [[nodiscard]] bool fails_with(int errno_asked) const {
    return kind == Kind::kErrno && errno_value == errno_asked;
  }
};

// A notification that still owes its target an answer. Move-only, so that there is exactly one; dropped
// without one it answers EPERM, so that nothing hangs and nothing fails open. It borrows the notify
// descriptor: the Session outlives it.
class Notification {
 public:
  Notification(Kernel& kernel, int notify_fd, const struct seccomp_notif& received)
      : kernel_(&kernel), notify_fd_(notify_fd), received_(received) {}
  Notification(Notification&& other) noexcept
      : kernel_(other.kernel_),
        notify_fd_(other.notify_fd_),
        received_(other.received_),
        owed_(std::exchange(other.owed_, false)) {}
  Notification& operator=(Notification&&) = delete;
  // One that owes nothing: only to be asked about.
  static Notification borrowed(Kernel& kernel, int notify_fd, const struct seccomp_notif& received) {
    Notification notification(kernel, notify_fd, received);
    notification.owed_ = false;
    return notification;
  }
  ~Notification() {
    if (owed_) (void)kernel_->answer_errno(notify_fd_, received_.id, EPERM);
  }

  [[nodiscard]] std::uint64_t id() const { return received_.id; }
  [[nodiscard]] pid_t tid() const { return static_cast<pid_t>(received_.pid); }
  [[nodiscard]] const struct seccomp_data& call() const { return received_.data; }

  // Whether the target still waits; what was opened of it before this is then its own. Not an answer counts
  // as no.
  [[nodiscard]] bool still_stands() const {
    return kernel_->id_valid(notify_fd_, received_.id).value_or(false);
  }

  // Somebody else has sent the one answer, with a copy of the descriptor.
  void answered_elsewhere() { owed_ = false; }
  [[nodiscard]] int notify_fd() const { return notify_fd_; }

  // Sends the one answer. ENOENT: a signal took the target out of the call, or it died.
  // When a kill does not succeed, the call is refused with EPERM all the same; and where the kernel does not
  // take the answer for another reason than ENOENT, which is returned.
  Status answer(const Answer& answer, Target& target);

 private:
  Status send(const Answer& answer, Target& target) const;
  Status kill(Target& target) const;

  Kernel* kernel_;
  int notify_fd_;
  struct seccomp_notif received_;
  bool owed_ = true;
};

}  // namespace tidewaiter::supervisor
