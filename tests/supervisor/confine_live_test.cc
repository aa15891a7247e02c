#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "oci/base/system.h"
#include "supervisor/confine.h"
#include "tests/oci/seccomp/child.h"

namespace tidewaiter::supervisor {
namespace {

using seccomp::Child;

// A line of our /proc/thread-self/status, as a number of `base`.
long status_of(const std::string& key, int base = 16) {
  const auto status = sys::read_file("/proc/thread-self/status");
  const std::size_t at = status ? status->find(key + ":\t") : std::string::npos;
  return at == std::string::npos ? -1 : std::stol(status->substr(at + key.size() + 2), nullptr, base);
}

bool has(long capabilities, int number) { return (capabilities & (1L << number)) != 0; }

long result(long value) { return value < 0 ? -errno : value; }

constexpr int kSysAdmin = 21;
constexpr int kSysPtrace = 19;
constexpr int kNetAdmin = 12;
constexpr int kSysModule = 16;
constexpr int kSetuid = 7;

TEST(LiveConfine, KeepsFewCapabilities) {
  const long before = status_of("CapPrm");
  if (!has(before, kSysAdmin)) GTEST_SKIP() << "an ordinary user has none to give up";
  for (const auto confine : {confine_worker, confine_tracer}) {
    Child child([&]() -> std::vector<long> {
      const bool confined = confine().has_value();
      return {confined ? 1 : 0,    status_of("CapPrm"), status_of("CapEff"),
              status_of("CapInh"), status_of("CapAmb"), status_of("NoNewPrivs", 10)};
    });
    const auto report = child.report();
    ASSERT_EQ(report.size(), 6U);
    EXPECT_EQ(report[0], 1);
    EXPECT_EQ(report[1], report[2]);
    EXPECT_TRUE(has(report[1], kSysPtrace));
    EXPECT_FALSE(has(report[1], kSysModule));
    EXPECT_EQ(has(report[1], kNetAdmin), confine == confine_worker && has(before, kNetAdmin));
    EXPECT_EQ(has(report[1], kSetuid), confine == confine_worker && has(before, kSetuid));
    EXPECT_EQ(report[3], 0);
    EXPECT_EQ(report[4], 0);
    EXPECT_EQ(report[5], 1);
  }
}

// What the filter refuses; without it each works, or fails otherwise.
std::vector<long> refused_calls() {
  std::vector<long> results;
  results.push_back(result(::syscall(SYS_unshare, 0)));
  results.push_back(result(::syscall(SYS_personality, 0xffffffff)) < 0 ? -EPERM : 0);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  results.push_back(child < 0 ? -errno : 0);
  if (child > 0) (void)::waitpid(child, nullptr, 0);
  results.push_back(::syscall(SYS_setns, -1, 0) == 0 ? 0 : -errno);
  results.push_back(result(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)));
  for (const int space : {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET}) {
    // Flags that the kernel does not take together either.
    const auto flags = static_cast<unsigned long>(CLONE_THREAD | space);
    results.push_back(result(::syscall(SYS_clone, flags, 0, 0, 0, 0)));
  }
  for (const auto& [family, protocol] : {std::pair(AF_PACKET, 0), {AF_NETLINK, NETLINK_KOBJECT_UEVENT}}) {
    const UniqueFd socket(::socket(family, SOCK_RAW, protocol));
    results.push_back(socket.valid() ? 0 : -errno);
  }
  results.push_back(result(::ioctl(-1, TIOCSTI, "x")));
  // Last: it would be another program.
  char* const arguments[] = {const_cast<char*>("true"), nullptr};
  results.push_back(::syscall(SYS_execve, "/no/such/program", arguments, arguments) == 0 ? 0 : -errno);
  return results;
}

TEST(LiveConfine, RefusesWhatNoWorkerHasToDo) {
  Child free([] { return refused_calls(); });
  EXPECT_EQ(free.report(),
            (std::vector<long>{0, 0, 0, -EBADF, 0, -EINVAL, -EINVAL, -EINVAL, 0, 0, -EBADF, -ENOENT}));
  Child confined([]() -> std::vector<long> {
    if (!confine_worker() || !install_worker_filter()) return {};
    return refused_calls();
  });
  EXPECT_EQ(confined.report(), (std::vector<long>{-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM,
                                                  -EPERM, -EAFNOSUPPORT, -EPROTONOSUPPORT, -EPERM, -EPERM}));
}

TEST(LiveConfine, LeavesWhatAWorkerDoes) {
  Child confined([]() -> std::vector<long> {
    if (!confine_worker() || !install_worker_filter()) return {};
    long from_thread = 0;
    std::thread([&] { from_thread = status_of("Seccomp", 10); }).join();
    const UniqueFd memory(::memfd_create("x", MFD_CLOEXEC));
    const auto ourselves = sys::pidfd_open(::getpid());
    const long copied = ourselves ? ::syscall(SYS_pidfd_getfd, ourselves->get(), memory.get(), 0) : -1;
    return {from_thread, memory.valid() ? 1 : 0, copied >= 0 ? 1 : 0};
  });
  EXPECT_EQ(confined.report(), (std::vector<long>{2, 1, 1}));
}

}  // namespace
}  // namespace tidewaiter::supervisor
