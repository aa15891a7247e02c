#include <sys/stat.h>

#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ExecTest : public ShimTest {};

TEST_F(ExecTest, IsTheRuntimesAloneForAContainerWithoutState) {
  const Outcome outcome = run(exec, {"--root", "/r", "exec", "-t", "box", "ls", "--force"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(given("runtime", "argument"),
              ElementsAre(FAKE_RUNTIME, "--root", "/r", "exec", "-t", "box", "ls", "--force"));
  EXPECT_FALSE(exists("agent"));
}

TEST_F(ExecTest, LeavesAnAgentThatIsAliveAlone) {
  ASSERT_EQ(run_create().exit_code(), 0);
  const pid_t before = container::agent_pid(state_folder_);
  ASSERT_NE(before, 0);
  EXPECT_EQ(run(exec, {"exec", "box", "ls"}).exit_code(), 0);
  EXPECT_EQ(container::agent_pid(state_folder_), before);
}

TEST_F(ExecTest, StartsADeadAgentAgain) {
  ASSERT_EQ(run_create().exit_code(), 0);
  const pid_t before = container::agent_pid(state_folder_);
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  ASSERT_EQ(::waitpid(before, nullptr, 0), before);
  ASSERT_FALSE(container::agent_alive(state_folder_));
  std::filesystem::remove(folder_ / "agent");

  const Outcome outcome = run(exec, {"exec", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_NE(container::agent_pid(state_folder_), 0);
  EXPECT_NE(container::agent_pid(state_folder_), before);
  // Nobody knows whether this process is what makes the container go on.
  for (const std::string& argument : given("agent", "argument")) EXPECT_NE(argument, "--creator-fd");
}

TEST_F(ExecTest, FailsAsNoProgramWouldWhenTheAgentCannotBeStarted) {
  ASSERT_EQ(run_create().exit_code(), 0);
  const pid_t before = container::agent_pid(state_folder_);
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  ASSERT_EQ(::waitpid(before, nullptr, 0), before);
  std::filesystem::remove(folder_ / "runtime");
  ::setenv("FAKE_AGENT", "die", 1);
  const Outcome outcome = run(exec, {"exec", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_THAT(outcome.error, StartsWith("tidewaiter: exec box: "));
  EXPECT_FALSE(exists("runtime"));
  EXPECT_TRUE(exists("run/box"));  // the container is still there
}

TEST_F(ExecTest, RefusesAnEnvironmentThatBypassesTheAgent) {
  ASSERT_EQ(run_create().exit_code(), 0);
  std::filesystem::remove(folder_ / "runtime");
  ::setenv("RUN_OCI_SECCOMP_RECEIVER", "/somebody/else", 1);
  const Outcome outcome = run(exec, {"exec", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_THAT(outcome.error, HasSubstr("RUN_OCI_SECCOMP_RECEIVER"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ExecTest, LeavesAnOddIdToTheRuntime) {
  EXPECT_EQ(run(exec, {"exec", "../box", "ls"}).exit_code(), 0);
  EXPECT_TRUE(exists("runtime"));
}

}  // namespace
}  // namespace tidewaiter::shim
