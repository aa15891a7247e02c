#include "supervisor/node/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

using ::testing::HasSubstr;

// Plays the manager: the socket that NOTIFY_SOCKET names.
class Manager {
 public:
  explicit Manager(bool abstract = false) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    name_ = abstract ? "@tidewaiter.manager." + std::to_string(::getpid()) : folder_ / "notify";
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (abstract) address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + name_.size());
    if (::bind(socket_.get(), reinterpret_cast<const struct sockaddr*>(&address), size) != 0) std::abort();
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  struct Heard {
    std::string text;
    UniqueFd fd;
  };
  Heard hear() {
    std::array<char, 512> text{};
    alignas(struct cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    struct iovec part = {text.data(), text.size()};
    struct msghdr message {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return {};
    Heard heard{std::string(text.data(), static_cast<std::size_t>(size)), {}};
    if (const struct cmsghdr* header = CMSG_FIRSTHDR(&message)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      heard.fd = UniqueFd(fd);
    }
    return heard;
  }

 private:
  testing::TemporaryFolder folder_;
  UniqueFd socket_;
  std::string name_;
};

TEST(ServiceManager, IsToldWhatHappens) {
  for (const bool abstract : {false, true}) {
    Manager manager(abstract);
    const auto told = ServiceManager::from_environment();
    ASSERT_TRUE(told) << told.error().message();
    EXPECT_TRUE(told->present());
    EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
    EXPECT_TRUE(told->ready("serving"));
    EXPECT_EQ(manager.hear().text, "READY=1\nSTATUS=serving");
    EXPECT_TRUE(told->reloading());
    EXPECT_THAT(manager.hear().text, HasSubstr("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_TRUE(told->alive());
    EXPECT_EQ(manager.hear().text, "WATCHDOG=1");
    EXPECT_TRUE(told->stopping());
    EXPECT_EQ(manager.hear().text, "STOPPING=1");
  }
}

TEST(ServiceManager, KeepsDescriptors) {
  Manager manager;
  const auto told = ServiceManager::from_environment();
  ASSERT_TRUE(told);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  EXPECT_TRUE(told->keep(write_end.get(), "box-1"));
  write_end.reset();
  const auto heard = manager.hear();
  EXPECT_EQ(heard.text, "FDSTORE=1\nFDPOLL=0\nFDNAME=box-1");
  EXPECT_EQ(::write(heard.fd.get(), "x", 1), 1);
  EXPECT_TRUE(told->drop("box-1"));
  EXPECT_EQ(manager.hear().text, "FDSTOREREMOVE=1\nFDNAME=box-1");
}

TEST(ServiceManager, IsNobodyWithoutAnAddress) {
  ::unsetenv("NOTIFY_SOCKET");
  const auto nobody = ServiceManager::from_environment();
  ASSERT_TRUE(nobody);
  EXPECT_FALSE(nobody->present());
  EXPECT_TRUE(nobody->ready("serving"));
  EXPECT_TRUE(nobody->keep(0, "name"));
}

TEST(ServiceManager, WatchesWhomItNames) {
  Manager manager;
  struct Case {
    const char* interval;
    std::string pid;
    std::int64_t expected;  // microseconds; 0: none
  };
  for (const Case& each : {Case{"3000000", std::to_string(::getpid()), 3'000'000}, Case{"3000000", "1", 0}}) {
    const Manager another;
    ::setenv("WATCHDOG_USEC", each.interval, 1);
    ::setenv("WATCHDOG_PID", each.pid.c_str(), 1);
    const auto told = ServiceManager::from_environment();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->watchdog().value_or(std::chrono::microseconds(0)).count(), each.expected);
  }
}

TEST(ServiceManager, SaysWhichVariableIsWrong) {
  struct Case {
    const char* variable;
    const char* value;
    const char* complaint;
  };
  for (const Case& each :
       {Case{"NOTIFY_SOCKET", "relative", "NOTIFY_SOCKET is \"relative\", must be an absolute path"},
        Case{"WATCHDOG_USEC", "0", "WATCHDOG_USEC is 0, must be a number of microseconds"},
        Case{"WATCHDOG_USEC", "soon", "WATCHDOG_USEC is \"soon\", must be a number"}}) {
    const Manager manager;
    ::setenv(each.variable, each.value, 1);
    const auto told = ServiceManager::from_environment();
    ASSERT_FALSE(told) << each.value;
    EXPECT_THAT(told.error().message(), HasSubstr(each.complaint));
  }
}

// In a process that has the descriptors where the manager puts them.
int exit_code_of(int (*body)()) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ServiceManager, PassesDescriptorsByName) {
  EXPECT_EQ(exit_code_of([] {
              ::dup2(STDERR_FILENO, 3);
              ::dup2(STDERR_FILENO, 4);
              ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
              ::setenv("LISTEN_FDS", "2", 1);
              ::setenv("LISTEN_FDNAMES", "registration:box-1", 1);
              const auto passed = ServiceManager::take_passed();
              if (!passed || passed->size() != 2) return 1;
              if ((*passed)[0].name != "registration" || (*passed)[0].fd.get() != 3) return 2;
              if ((*passed)[1].name != "box-1" || (*passed)[1].fd.get() != 4) return 3;
              if (::fcntl(3, F_GETFD) != FD_CLOEXEC) return 4;
              return std::getenv("LISTEN_FDS") == nullptr ? 0 : 5;
            }),
            0);
}

TEST(ServiceManager, PassesNothingToAnotherProcess) {
  EXPECT_EQ(exit_code_of([] {
              ::setenv("LISTEN_PID", "1", 1);
              ::setenv("LISTEN_FDS", "2", 1);
              const auto passed = ServiceManager::take_passed();
              return passed && passed->empty() ? 0 : 1;
            }),
            0);
}

TEST(ServiceManager, RefusesDescriptorsThatAreNotThere) {
  EXPECT_EQ(exit_code_of([] {
              ::close(3);
              ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
              ::setenv("LISTEN_FDS", "1", 1);
              return ServiceManager::take_passed() ? 1 : 0;
            }),
            0);
}

}  // namespace
}  // namespace tidewaiter::supervisor
