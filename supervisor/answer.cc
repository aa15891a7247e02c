#include "supervisor/answer.h"

#include <cerrno>

#include "oci/base/log.h"

namespace tidewaiter::supervisor {

Status Notification::kill(Target& target) const {
  TRY(target.open());
  // By now its number may be another's, who has done nothing.
  if (!still_stands()) return fail(ESRCH, "kill");
  return target.kill();
}

Status Notification::answer(const Answer& answer, Target& target) {
  owed_ = false;
  Status sent = send(answer, target);
  // The kernel did not take it, and the target still waits.
  if (!sent && sent.error().code != ENOENT) (void)kernel_->answer_errno(notify_fd_, received_.id, EPERM);
  return sent;
}

Status Notification::send(const Answer& answer, Target& target) const {
  switch (answer.kind) {
    case Answer::Kind::kErrno:
      return kernel_->answer_errno(notify_fd_, received_.id, answer.errno_value);
    case Answer::Kind::kValue:
      return kernel_->answer_value(notify_fd_, received_.id, answer.value);
    case Answer::Kind::kLetRun:
      return kernel_->answer_continue(notify_fd_, received_.id);
    case Answer::Kind::kKill: {
      // Killed first: once answered, it would run on until the signal arrived.
      if (const Status killed = kill(target); !killed && killed.error().code != ESRCH) {
        log::error("could not kill a process as its policy asks; the call is refused",
                   {{"error", killed.error().message()}});
      }
      return kernel_->answer_errno(notify_fd_, received_.id, EPERM);
    }
  }
  return fail(EINVAL, "answer");
}

}  // namespace tidewaiter::supervisor
