#include "oci/seccomp/listener_trial.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "oci/base/system.h"
#include "oci/seccomp/notify.h"

namespace tidewaiter::seccomp {
namespace {

// Of this process, for good: only a child of ours does it.
ListenerTrial make_listener() {
  std::array<struct sock_filter, 1> allow_everything{{BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  struct sock_fprog program {};
  program.len = allow_everything.size();
  program.filter = allow_everything.data();
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ListenerTrial trial;
  const UniqueFd listener(static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
  if (!listener.valid()) {
    trial.listener = errno;
    return trial;
  }
  const Status set = set_flags(listener.get(), SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  if (!set) trial.sync_wake_up = set.error().code;
  const auto self = sys::pidfd_open(::getpid());
  if (!self) {
    trial.take_fd = self.error().code;
  } else if (const UniqueFd taken(
                 static_cast<int>(::syscall(SYS_pidfd_getfd, self->get(), listener.get(), 0)));
             !taken.valid()) {
    trial.take_fd = errno;
  }
  return trial;
}

}  // namespace

Result<ListenerTrial> try_listener() {
  sys::Pipe pipe = TRY(sys::pipe());
  const pid_t child = ::fork();
  if (child < 0) return fail(errno, "fork");
  if (child == 0) {
    const ListenerTrial trial = make_listener();
    const ssize_t written = ::write(pipe.write_end.get(), &trial, sizeof trial);
    ::_exit(written == sizeof trial ? 0 : 1);
  }
  pipe.write_end.reset();
  ListenerTrial trial;
  const auto size = sys::read(pipe.read_end.get(), &trial, sizeof trial);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!size) return tl::unexpected(size.error());
  // A filter that is in force here may kill for the attempt.
  if (*size != sizeof trial) return fail("the process that tried did not live to tell");
  return trial;
}

Status check_own_filter() {
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_DISABLED) return {};
  const auto trial = try_listener();
  // That it could not be tried says nothing of what the runtime will meet.
  if (!trial || trial->listener == 0) return {};
  if (trial->listener == EBUSY) {
    return fail(
        "the policy takes a seccomp listener, and the filters that this process is under have one already: "
        "the kernel admits one (seccomp(2): EBUSY): expected to be run from outside the sandbox that "
        "listens (on WSL2, with seccomp off for its own init)");
  }
  return fail(
      "the policy takes a seccomp listener, and a filter that this process is under lets nobody make one (" +
      Error{trial->listener, "seccomp(2)"}.message() +
      "): expected to be run from outside the sandbox that has it, or that sandbox to allow seccomp(2)");
}

}  // namespace tidewaiter::seccomp
