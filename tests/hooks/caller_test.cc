#include "hooks/caller.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "oci/base/system.h"

namespace tidewaiter::hook {
namespace {

// A process with an environment and a stderr of its own, until this goes.
class Caller {
 public:
  Caller(const char* const* environment, int error_fd) {
    auto pipe = sys::pipe();
    if (!pipe) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(error_fd, STDERR_FILENO);
      const char* const arguments[] = {"sleep", "1000", nullptr};
      ::execve("/bin/sleep", const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
      ::_exit(127);
    }
    pipe->write_end.reset();
    char byte = 0;
    // The child's end of the pipe is close-on-exec: this returns when the program runs.
    static_cast<void>(sys::read(pipe->read_end.get(), &byte, 1));
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

TEST(AdoptEnvironment, TakesWhatNamesFoldersAndIsUnsetHere) {
  const char* const environment[] = {"XDG_RUNTIME_DIR=/run/user/7", "HOME=/home/seven", "XDG_STATE_HOME=",
                                     "TIDEWAITER_OTHER=7",          "NONSENSE",         nullptr};
  const Caller caller(environment, STDERR_FILENO);
  ::unsetenv("XDG_RUNTIME_DIR");
  ::unsetenv("TIDEWAITER_OTHER");
  ::unsetenv("TIDEWAITER_CONFIG");
  ::setenv("HOME", "/home/own", 1);
  adopt_environment(caller.pid());
  EXPECT_STREQ(std::getenv("XDG_RUNTIME_DIR"), "/run/user/7");
  EXPECT_STREQ(std::getenv("HOME"), "/home/own");
  EXPECT_EQ(std::getenv("TIDEWAITER_OTHER"), nullptr);
  EXPECT_EQ(std::getenv("TIDEWAITER_CONFIG"), nullptr);
}

TEST(AdoptEnvironment, LeavesAllAsItIsWhenTheCallerIsGone) {
  ::unsetenv("XDG_RUNTIME_DIR");
  adopt_environment(0x7fffffff);
  EXPECT_EQ(std::getenv("XDG_RUNTIME_DIR"), nullptr);
}

TEST(StderrOf, SharesTheCallersOffset) {
  char path[] = "/tmp/tidewaiter-stderr-XXXXXX";
  const UniqueFd file(::mkstemp(path));
  ASSERT_TRUE(file.valid());
  ::unlink(path);
  const char* const environment[] = {nullptr};
  const Caller caller(environment, file.get());
  const UniqueFd taken = stderr_of(caller.pid());
  ASSERT_TRUE(taken.valid());
  ASSERT_TRUE(sys::write_all(file.get(), "first\n"));
  ASSERT_TRUE(sys::write_all(taken.get(), "second\n"));
  ASSERT_TRUE(sys::write_all(file.get(), "third\n"));
  ::lseek(file.get(), 0, SEEK_SET);
  EXPECT_EQ(sys::read_all(file.get()).value_or(""), "first\nsecond\nthird\n");
}

TEST(StderrOf, IsInvalidWhenTheCallerIsGone) { EXPECT_FALSE(stderr_of(0x7fffffff).valid()); }

}  // namespace
}  // namespace tidewaiter::hook
