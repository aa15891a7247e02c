#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DeleteTest : public ShimTest {
 protected:
  // A container whose agent was killed, so that everything is still there.
  void create_and_kill_agent() {
    ASSERT_EQ(run_create().exit_code(), 0);
    const pid_t agent = container::agent_pid(state_folder_);
    ASSERT_EQ(::kill(agent, SIGKILL), 0);
    ASSERT_EQ(::waitpid(agent, nullptr, 0), agent);
    std::filesystem::remove(folder_ / "runtime");
  }
};

TEST_F(DeleteTest, IsTheRuntimesAloneForAContainerWithoutState) {
  const Invocation made = invocation({"delete", "--force", "box"});
  const Outcome outcome = run([&] {
    write("pid", std::to_string(::getpid()));
    return remove(made);
  });
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_THAT(given("runtime", "argument"), ElementsAre(FAKE_RUNTIME, "delete", "--force", "box"));
  EXPECT_THAT(given("runtime", "pid"), ElementsAre(read("pid")));
}

TEST_F(DeleteTest, ReturnsWhenTheAgentHasCleanedUp) {
  ::setenv("FAKE_AGENT", "slow", 1);
  ASSERT_EQ(run_create().exit_code(), 0);
  const Outcome outcome = run(remove, {"delete", "box"});
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_EQ(outcome.output, "runtime's output\n");
  EXPECT_EQ(outcome.error, "runtime's error\n");
  EXPECT_FALSE(exists("run/box"));
  EXPECT_FALSE(exists("asked"));  // a `delete` that succeeded needs no second call
}

TEST_F(DeleteTest, ClearsWhatADeadAgentLeft) {
  const std::string original = read("bundle/config.json");
  create_and_kill_agent();
  EXPECT_EQ(run(remove, {"delete", "box"}).exit_code(), 0);
  EXPECT_FALSE(exists("run/box"));
  EXPECT_FALSE(is_rewritten());
  EXPECT_EQ(read("bundle/config.json"), original);
}

TEST_F(DeleteTest, LeavesAllWhenTheRuntimeRefuses) {
  create_and_kill_agent();
  ::setenv("FAKE_EXIT", "3", 1);  // the container is running, say
  const Outcome outcome = run(remove, {"delete", "box"});
  EXPECT_EQ(outcome.exit_code(), 3);
  EXPECT_TRUE(exists("run/box"));
  EXPECT_TRUE(is_rewritten());
}

TEST_F(DeleteTest, ClearsAStaleStateWhenTheRuntimeKnowsNoSuchContainer) {
  for (const bool force : {false, true}) {
    create_and_kill_agent();
    std::filesystem::remove(folder_ / "container");
    const Outcome outcome =
        force ? run(remove, {"delete", "--force", "box"}) : run(remove, {"delete", "box"});
    EXPECT_EQ(outcome.exit_code(), force ? 0 : 1);
    EXPECT_FALSE(exists("run/box"));
    EXPECT_FALSE(is_rewritten());
  }
}

TEST_F(DeleteTest, LeavesAContainerOfTheSameIdUnderAnotherRootAlone) {
  std::filesystem::create_directory(folder_ / "other");
  ::setenv("FAKE_AGENT", "stay", 1);
  ASSERT_EQ(run_create({"--root", folder_ / "other"}).exit_code(), 0);
  const pid_t agent = container::agent_pid(state_folder_);
  EXPECT_EQ(run(remove, {"delete", "--force", "box"}).exit_code(), 0);
  EXPECT_EQ(container::agent_pid(state_folder_), agent);
  EXPECT_TRUE(exists("run/box/record.json"));
  EXPECT_EQ(run(remove, {"--root", folder_ / "other", "delete", "box"}).exit_code(), 0);
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(DeleteTest, EndsAnAgentThatStays) {
  ::setenv("FAKE_AGENT", "stay", 1);
  ASSERT_EQ(run_create().exit_code(), 0);
  const Outcome outcome = run(remove, {"delete", "box"});
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_EQ(outcome.error, "runtime's error\n");
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(DeleteTest, WarnsOfAnAgentThatCannotBeEnded) {
  ::setenv("FAKE_AGENT", "deaf", 1);
  ASSERT_EQ(run_create().exit_code(), 0);
  const pid_t agent = container::agent_pid(state_folder_);
  const Outcome outcome = run(remove, {"--log", folder_ / "caller.log", "delete", "box"});
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_THAT(outcome.error, HasSubstr("tidewaiter: delete box: the agent with pid " + std::to_string(agent) +
                                       " does not end"));
  EXPECT_FALSE(exists("caller.log"));
}

TEST_F(DeleteTest, DiesOfTheSignalThatTheRuntimeDiedOf) {
  create_and_kill_agent();
  for (const int signal : {SIGTERM, SIGKILL, SIGSEGV}) {
    ::setenv("FAKE_SIGNAL", std::to_string(signal).c_str(), 1);
    const Outcome outcome = run(remove, {"delete", "box"});
    ASSERT_TRUE(WIFSIGNALED(outcome.status));
    EXPECT_EQ(WTERMSIG(outcome.status), signal);
    EXPECT_TRUE(exists("run/box"));
  }
}

TEST_F(DeleteTest, KnowsTheExitCodeOfACallerWhoIgnoresSigchld) {
  create_and_kill_agent();
  ::setenv("FAKE_EXIT", "5", 1);
  const Invocation made = invocation({"delete", "box"});
  const Outcome outcome = run([&] {
    ::signal(SIGCHLD, SIG_IGN);
    return remove(made);
  });
  EXPECT_EQ(outcome.exit_code(), 5);
  EXPECT_THAT(read("runtime"), HasSubstr("SigIgn:\t0000000000010000\n"));
}

}  // namespace
}  // namespace tidewaiter::shim
