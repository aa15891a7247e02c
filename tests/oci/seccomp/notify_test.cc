#include "oci/seccomp/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <thread>

#include "tests/oci/seccomp/target.h"

namespace tidewaiter::seccomp {
namespace {

long notified_call() { return raw_call(SYS_getppid); }

NotificationBuffer make_buffer() {
  auto buffer = NotificationBuffer::make();
  if (!buffer) std::abort();
  return std::move(*buffer);
}

// SECCOMP_IOCTL_NOTIF_SET_FLAGS came with Linux 6.6.
bool kernel_has_set_flags(int notify_fd) {
  return ::ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0UL) == 0;
}

int code_of(const Status& status) { return status ? 0 : status.error().code; }
template <typename T>
int code_of(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

// --- sizes and receiving --------------------------------------------------------------------------

TEST(NotifySizes, AreThoseTheKernelGives) {
  struct seccomp_notif_sizes kernel {};
  ASSERT_EQ(::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &kernel), 0);
  const auto sizes = notify_sizes();
  ASSERT_TRUE(sizes) << sizes.error().message();
  EXPECT_EQ(sizes->notification, kernel.seccomp_notif);
  EXPECT_EQ(sizes->response, kernel.seccomp_notif_resp);
  EXPECT_EQ(sizes->data, kernel.seccomp_data);
}

TEST(Receive, TellsWhatWasCalledByWhom) {
  Target target(SYS_getppid,
                [] { return std::vector<long>{raw_call(SYS_getppid, 1, 2, 3, 4, 5, 6UL << 40U)}; });
  NotificationBuffer buffer = make_buffer();
  const Status received = receive(target.fd(), buffer);
  ASSERT_TRUE(received) << received.error().message();
  const struct seccomp_notif& notification = buffer.get();
  EXPECT_EQ(notification.pid, static_cast<__u32>(target.child().pid()));
  EXPECT_EQ(notification.data.nr, SYS_getppid);
  EXPECT_EQ(notification.data.args[0], 1U);
  EXPECT_EQ(notification.data.args[4], 5U);
  EXPECT_EQ(notification.data.args[5], 6UL << 40U);
  EXPECT_TRUE(answer_value(target.fd(), notification.id, 0));
}

TEST(Receive, TakesAUsedBuffer) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call(), notified_call()}; });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  const std::uint64_t first = buffer.get().id;
  ASSERT_TRUE(answer_value(target.fd(), first, 1));
  const Status again = receive(target.fd(), buffer);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_NE(buffer.get().id, first);
  ASSERT_TRUE(answer_value(target.fd(), buffer.get().id, 2));
  EXPECT_EQ(target.child().report(), (std::vector<long>{1, 2}));
}

// Interrupts this process with SIGALRM again and again while it lives, so that no single signal can come
// too early. The handler does nothing and does not restart calls.
class Interruptions {
 public:
  explicit Interruptions(suseconds_t microseconds) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &action, &before_);
    const struct itimerval timer {
      {0, microseconds}, { 0, microseconds }
    };
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
  ~Interruptions() {
    const struct itimerval off {};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

TEST(Receive, ReturnsWhenASignalInterruptsIt) {
  Target target(SYS_getppid, [] {
    ::pause();
    return std::vector<long>{};
  });
  NotificationBuffer buffer = make_buffer();
  const Interruptions interruptions(10'000);
  EXPECT_EQ(code_of(receive(target.fd(), buffer)), EINTR);
  EXPECT_EQ(buffer.get().id, 0U);
}

TEST(Receive, FailsOnceNobodyIsLeftToNotify) {
  Target target(SYS_getppid, [] { return std::vector<long>{}; });
  (void)target.child().wait();
  struct pollfd waiting {
    target.fd(), POLLIN, 0
  };
  ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
  EXPECT_EQ(waiting.revents & POLLHUP, POLLHUP);

  NotificationBuffer buffer = make_buffer();
  // Before Linux 6.6 the call waits for ever.
  const bool old_kernel = !kernel_has_set_flags(target.fd());
  const Interruptions interruptions(10'000);
  EXPECT_EQ(code_of(receive(target.fd(), buffer)), old_kernel ? EINTR : ENOENT);
}

// --- answers --------------------------------------------------------------------------------------

struct AnswerCase {
  const char* name;
  Status (*answer)(int notify_fd, std::uint64_t id);
  long result;  // of the target's call; kOwnPid for the caller's parent, which is this process
};
constexpr long kOwnPid = -1'000'000;

const std::vector<AnswerCase> kAnswerCases = {
    {"value 0", [](int fd, std::uint64_t id) { return answer_value(fd, id, 0); }, 0},
    {"value 7", [](int fd, std::uint64_t id) { return answer_value(fd, id, 7); }, 7},
    {"64-bit value", [](int fd, std::uint64_t id) { return answer_value(fd, id, 1L << 40U); }, 1L << 40U},
    {"negative value", [](int fd, std::uint64_t id) { return answer_value(fd, id, -5000); }, -5000},
    {"EPERM", [](int fd, std::uint64_t id) { return answer_errno(fd, id, EPERM); }, -EPERM},
    {"EACCES", [](int fd, std::uint64_t id) { return answer_errno(fd, id, EACCES); }, -EACCES},
    {"largest errno", [](int fd, std::uint64_t id) { return answer_errno(fd, id, 4095); }, -4095},
    {"continue", [](int fd, std::uint64_t id) { return answer_continue(fd, id); }, kOwnPid},
};

TEST(Answer, IsWhatTheTargetSees) {
  for (const AnswerCase& test : kAnswerCases) {
    SCOPED_TRACE(test.name);
    Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
    NotificationBuffer buffer = make_buffer();
    ASSERT_TRUE(receive(target.fd(), buffer));
    const Status answered = test.answer(target.fd(), buffer.get().id);
    EXPECT_TRUE(answered) << answered.error().message();
    EXPECT_EQ(target.child().result(), test.result == kOwnPid ? ::getpid() : test.result);
  }
}

TEST(Answer, RefusesWhatIsNoErrnoAndLeavesTheCallWaiting) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  for (const int value : {0, -1, -EPERM, 4096}) {
    EXPECT_EQ(code_of(answer_errno(target.fd(), buffer.get().id, value)), EINVAL) << value;
  }
  const auto valid = id_valid(target.fd(), buffer.get().id);
  ASSERT_TRUE(valid);
  EXPECT_TRUE(*valid);
  EXPECT_TRUE(answer_errno(target.fd(), buffer.get().id, EIO));
  EXPECT_EQ(target.child().result(), -EIO);
}

TEST(Answer, IsTakenFromAnyThread) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  std::thread([&] { EXPECT_TRUE(answer_value(target.fd(), buffer.get().id, 42)); }).join();
  EXPECT_EQ(target.child().result(), 42);
}

TEST(Answer, IsRefusedTheSecondTime) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  ASSERT_TRUE(answer_value(target.fd(), buffer.get().id, 1));
  // EINPROGRESS until the target has run, ENOENT from then on.
  const int at_once = code_of(answer_value(target.fd(), buffer.get().id, 2));
  EXPECT_TRUE(at_once == EINPROGRESS || at_once == ENOENT) << at_once;
  EXPECT_EQ(target.child().result(), 1);
  EXPECT_EQ(code_of(answer_value(target.fd(), buffer.get().id, 3)), ENOENT);
}

// Every call about a notification, for what they have in common.
struct CallCase {
  const char* name;
  int (*code)(int notify_fd, std::uint64_t id);
};
const std::vector<CallCase> kCallCases = {
    {"value", [](int fd, std::uint64_t id) { return code_of(answer_value(fd, id, 0)); }},
    {"errno", [](int fd, std::uint64_t id) { return code_of(answer_errno(fd, id, EPERM)); }},
    {"continue", [](int fd, std::uint64_t id) { return code_of(answer_continue(fd, id)); }},
    {"add fd",
     [](int fd, std::uint64_t id) {
       return code_of(add_fd(fd, id, {STDERR_FILENO, {}, false, false}));
     }},
    {"add fd and send",
     [](int fd, std::uint64_t id) {
       return code_of(add_fd(fd, id, {STDERR_FILENO, {}, false, true}));
     }},
};

TEST(Answer, FindsNobodyAfterTheTargetDied) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  const std::uint64_t id = buffer.get().id;
  ::kill(target.child().pid(), SIGKILL);
  (void)target.child().wait();
  for (const CallCase& test : kCallCases) EXPECT_EQ(test.code(target.fd(), id), ENOENT) << test.name;
  const auto valid = id_valid(target.fd(), id);
  ASSERT_TRUE(valid) << valid.error().message();
  EXPECT_FALSE(*valid);
}

TEST(Answer, FindsNobodyAfterASignalEndedTheCall) {
  Target target(SYS_getppid, [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, nullptr);
    return std::vector<long>{notified_call()};
  });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  ::kill(target.child().pid(), SIGUSR1);
  EXPECT_EQ(target.child().result(), -EINTR);
  for (const CallCase& test : kCallCases) {
    EXPECT_EQ(test.code(target.fd(), buffer.get().id), ENOENT) << test.name;
  }
}

TEST(Answer, NeedsANotifyDescriptor) {
  const UniqueFd other(::eventfd(0, EFD_CLOEXEC));
  for (const CallCase& test : kCallCases) {
    EXPECT_EQ(test.code(other.get(), 1), ENOTTY) << test.name;
    EXPECT_EQ(test.code(-1, 1), EBADF) << test.name;
  }
  NotificationBuffer buffer = make_buffer();
  EXPECT_EQ(code_of(receive(other.get(), buffer)), ENOTTY);
  EXPECT_EQ(code_of(id_valid(other.get(), 1)), ENOTTY);
  EXPECT_EQ(code_of(set_flags(other.get(), 0)), ENOTTY);
}

TEST(IdValid, SaysWhetherTheTargetStillWaits) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  auto valid = id_valid(target.fd(), buffer.get().id);
  ASSERT_TRUE(valid) << valid.error().message();
  EXPECT_TRUE(*valid);
  valid = id_valid(target.fd(), buffer.get().id + 1);
  ASSERT_TRUE(valid) << valid.error().message();
  EXPECT_FALSE(*valid);
  ASSERT_TRUE(answer_value(target.fd(), buffer.get().id, 0));
  (void)target.child().report();
  valid = id_valid(target.fd(), buffer.get().id);
  ASSERT_TRUE(valid) << valid.error().message();
  EXPECT_FALSE(*valid);
}

// --- descriptors ----------------------------------------------------------------------------------

// A file of ours that the child cannot have by itself.
UniqueFd make_file() { return UniqueFd(::memfd_create("added", MFD_CLOEXEC)); }

long inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<long>(status.st_ino) : -errno;
}

constexpr int kTakenFd = 70;  // open in the target before the call
constexpr int kFreeFd = 71;

TEST(AddFd, InstallsWithEveryFlag) {
  const std::vector<std::optional<int>> targets = {std::nullopt, kTakenFd, kFreeFd};
  for (const std::optional<int> number : targets) {
    for (const bool close_on_exec : {false, true}) {
      for (const bool send : {false, true}) {
        SCOPED_TRACE(testing::Message() << "target_fd " << number.value_or(-1) << " close_on_exec "
                                        << close_on_exec << " send " << send);
        Target target(SYS_getppid, [] {
          ::dup2(STDERR_FILENO, kTakenFd);
          const long installed = notified_call();
          const int fd = static_cast<int>(installed);
          return std::vector<long>{installed, ::fcntl(fd, F_GETFD) & FD_CLOEXEC, inode_of(fd),
                                   inode_of(kTakenFd)};
        });
        NotificationBuffer buffer = make_buffer();
        ASSERT_TRUE(receive(target.fd(), buffer));
        const UniqueFd file = make_file();
        const auto installed =
            add_fd(target.fd(), buffer.get().id, {file.get(), number, close_on_exec, send});
        ASSERT_TRUE(installed) << installed.error().message();
        if (!send) {
          ASSERT_TRUE(answer_value(target.fd(), buffer.get().id, *installed));
        }

        const std::vector<long> report = target.child().report();
        ASSERT_EQ(report.size(), 4U);
        EXPECT_EQ(report[0], *installed);
        EXPECT_EQ(*installed, number.value_or(*installed));
        EXPECT_EQ(report[1], close_on_exec ? FD_CLOEXEC : 0);
        EXPECT_EQ(report[2], inode_of(file.get()));
        EXPECT_EQ(report[3], inode_of(number == kTakenFd ? file.get() : STDERR_FILENO));
      }
    }
  }
}

TEST(AddFd, LeavesTheCallToBeAnsweredWhenItFails) {
  Target target(SYS_getppid, [] {
    const struct rlimit limit { 100, 100 };
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return std::vector<long>{notified_call()};
  });
  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  const std::uint64_t id = buffer.get().id;
  EXPECT_EQ(code_of(add_fd(target.fd(), id, {-1, {}, false, true})), EBADF);
  // Beyond the target's limit of open files.
  EXPECT_EQ(code_of(add_fd(target.fd(), id, {STDERR_FILENO, 100, false, true})), EBADF);
  EXPECT_EQ(code_of(add_fd(target.fd(), id, {STDERR_FILENO, 100, false, false})), EBADF);
  ASSERT_TRUE(answer_errno(target.fd(), id, EMFILE));
  EXPECT_EQ(target.child().result(), -EMFILE);
}

TEST(AddFd, IsNotCutShortBySignals) {
  constexpr int kCalls = 3000;
  Target target(SYS_getppid, [] {
    long wrong = 0;
    for (int call = 0; call < kCalls; ++call) {
      const long installed = notified_call();
      if (installed <= STDERR_FILENO || ::close(static_cast<int>(installed)) != 0) ++wrong;
    }
    return std::vector<long>{wrong};
  });
  NotificationBuffer buffer = make_buffer();
  const UniqueFd file = make_file();
  int failed = 0;
  {
    const Interruptions interruptions(30);
    for (int call = 0; call < kCalls; ++call) {
      Status received;
      do {
        received = receive(target.fd(), buffer);
      } while (code_of(received) == EINTR);
      ASSERT_TRUE(received) << received.error().message();
      if (!add_fd(target.fd(), buffer.get().id, {file.get(), {}, true, true})) ++failed;
    }
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(target.child().result(), 0);
}

// --- flags ----------------------------------------------------------------------------------------

TEST(SetFlags, TakesTheFlagsByValue) {
  Target target(SYS_getppid, [] { return std::vector<long>{notified_call()}; });
  if (!kernel_has_set_flags(target.fd())) {
    const int code = code_of(set_flags(target.fd(), SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
    EXPECT_TRUE(code == EINVAL || code == ENOTTY) << code;
    GTEST_SKIP() << "this kernel is older than 6.6";
  }
  const Status set = set_flags(target.fd(), SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  EXPECT_TRUE(set) << set.error().message();
  EXPECT_TRUE(set_flags(target.fd(), 0));
  EXPECT_EQ(code_of(set_flags(target.fd(), 1UL << 40U)), EINVAL);

  // What a pointer would have done: its bits are flags that do not exist.
  __u64 flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
  EXPECT_EQ(::ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, &flags), -1);
  EXPECT_EQ(errno, EINVAL);

  NotificationBuffer buffer = make_buffer();
  ASSERT_TRUE(receive(target.fd(), buffer));
  EXPECT_TRUE(answer_value(target.fd(), buffer.get().id, 5));
  EXPECT_EQ(target.child().result(), 5);
}

}  // namespace
}  // namespace tidewaiter::seccomp
