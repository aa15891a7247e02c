#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>

#include "oci/base/unix_socket.h"
#include "supervisor/node/asker.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

using testing::TemporaryFolder;

class Asker : public ::testing::Test {
 protected:
  Asker() : path_(folder_ / "agent.sock"), listener_(std::move(*listen_unix(path_, 1, SOCK_SEQPACKET))) {}

  // What is said to a process that connects after it has become what `become` makes of it.
  Status answer_to(const std::function<void()>& become) {
    const pid_t child = ::fork();
    if (child == 0) {
      become();
      auto connection = connect_unix(path_, SOCK_SEQPACKET);
      if (!connection) ::_exit(1);
      // Until it is answered.
      char byte = 0;
      (void)!::read(connection->get(), &byte, 1);
      ::_exit(0);
    }
    Status answer;
    {
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      answer = may_ask(connection.get());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    return answer;
  }

  TemporaryFolder folder_;
  std::string path_;
  UniqueFd listener_;
};

TEST_F(Asker, MayBeOfOurOwnUser) {
  const Status answer = answer_to([] {});
  EXPECT_TRUE(answer) << answer.error().message();
}

// As in a container that has the socket.
TEST_F(Asker, IsRefusedInAnotherPidNamespace) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes a pid namespace";
  const Status answer = answer_to([] {
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(1);
    const pid_t first = ::fork();
    if (first == 0) return;
    int status = 0;
    (void)::waitpid(first, &status, 0);
    ::_exit(WEXITSTATUS(status));
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "who asks is in a container, or has gone");
}

TEST_F(Asker, IsRefusedWhenItHasGone) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto connection = connect_unix(path_, SOCK_SEQPACKET);
    ::_exit(connection ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_FALSE(may_ask(connection.get()));
}

}  // namespace
}  // namespace tidewaiter::supervisor
