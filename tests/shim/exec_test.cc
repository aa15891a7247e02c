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

// What goes before the program under file rules.
class ExecUnderFileRules : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    write("bundle/config.json", config_under("files"));
    ASSERT_EQ(run_create().exit_code(), 0);
    wait_for_agents();
    std::filesystem::remove(folder_ / "runtime");
  }
};

TEST_F(ExecUnderFileRules, PutsInitBeforeTheProgram) {
  const Outcome outcome = run(exec, {"--root", "/r", "exec", "-t", "--", "box", "ls", "--force"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(given("runtime", "argument"),
              ElementsAre(FAKE_RUNTIME, "--root", "/r", "exec", "-t", "--", "box", "/.tidewaiter-init", "r",
                          "r/usr", "--", "ls", "--force"));
  EXPECT_FALSE(exists("agent"));
}

TEST_F(ExecUnderFileRules, PutsInitBeforeTheProgramOfAProcessFile) {
  write("process.json", R"({"terminal": true, "args": ["ls", "-l"], "cwd": "/"})");
  ::setenv("FAKE_PROCESS", "1", 1);
  const Outcome outcome = run(exec, {"exec", "--process", folder_ / "process.json", "--detach", "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  const auto arguments = given("runtime", "argument");
  ASSERT_EQ(arguments.size(), 7U);
  EXPECT_THAT(arguments[5], StartsWith("--process=/proc/self/fd/"));
  EXPECT_EQ(arguments[6], "box");
  EXPECT_EQ(read("process"),
            R"({"terminal":true,"args":["/.tidewaiter-init","r","r/usr","--","ls","-l"],"cwd":"/"})");
  ::unsetenv("FAKE_PROCESS");
}

TEST_F(ExecUnderFileRules, RefusesAProcessFileItCannotRead) {
  for (const char* text : {"{", R"({"args": "ls"})", R"({"Args": ["ls"], "args": ["ls"]})", "[]"}) {
    write("process.json", text);
    const Outcome outcome = run(exec, {"exec", "--process", folder_ / "process.json", "box"});
    EXPECT_EQ(outcome.exit_code(), 255) << text;
    EXPECT_THAT(outcome.error, HasSubstr("process.json"));
    EXPECT_FALSE(exists("runtime"));
  }
  EXPECT_EQ(run(exec, {"exec", "--process", folder_ / "absent.json", "box"}).exit_code(), 255);
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ExecUnderFileRules, RefusesToGuessWhereTheProgramBegins) {
  const Outcome outcome = run(exec, {"exec", "--new-option", "value", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_THAT(outcome.error, HasSubstr("an option of this `exec` is not known here"));
  EXPECT_FALSE(exists("runtime"));
  // Of others nothing is at stake.
  EXPECT_EQ(run(exec, {"exec", "--new-option", "value", "other", "ls"}).exit_code(), 0);
}

TEST_F(ExecUnderFileRules, RefusesWhereTheRecordCannotBeRead) {
  write("run/box/record.json", "{");
  const Outcome outcome = run(exec, {"exec", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ExecTest, LeavesAnOddIdToTheRuntime) {
  EXPECT_EQ(run(exec, {"exec", "../box", "ls"}).exit_code(), 0);
  EXPECT_TRUE(exists("runtime"));
}

}  // namespace
}  // namespace tidewaiter::shim
