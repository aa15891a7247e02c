#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "tests/shim/own_root.h"
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

// Executes in a container under limits.open_files, of 64.
class ExecUnderLimits : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    write("bundle/config.json", kConfigUnderLimits);
    ASSERT_EQ(run_create().exit_code(), 0);
    wait_for_agents();
    std::filesystem::remove(folder_ / "runtime");
  }

  Outcome exec_under(runtime::Kind kind, const std::vector<std::string>& words) {
    Invocation made = invocation(words);
    made.runtime_kind = kind;
    return run([&] { return exec(made); });
  }

  // The runtime finds `process`, and inherits `limits` itself.
  void expect_runtime(const std::string& process, const std::string& limits) {
    EXPECT_EQ(read("process.json"), process);
    EXPECT_THAT(given("runtime", "open files"), ElementsAre(limits));
  }
};

constexpr const char* kGreedy =
    R"({"args":["ls"],"rlimits":[{"type":"RLIMIT_NOFILE","hard":4096,"soft":32},{"type":"RLIMIT_CORE","hard":0,"soft":0}]})";
constexpr const char* kHeld =
    R"({"args":["ls"],"rlimits":[{"type":"RLIMIT_NOFILE","hard":64,"soft":32},{"type":"RLIMIT_CORE","hard":0,"soft":0}]})";

TEST_F(ExecUnderLimits, LowersTheLimitsOfAProcessFile) {
  write("p.json", kGreedy);
  const std::string option = "--process=" + (folder_ / "p.json");
  for (const auto kind : {runtime::Kind::kCrun, runtime::Kind::kRunc, runtime::Kind::kUnknown}) {
    const Outcome outcome = exec_under(kind, {"exec", "--detach", option, "box"});
    EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
    expect_runtime(kHeld, "64 64");
    EXPECT_FALSE(exists("agent"));
    EXPECT_EQ(read("p.json"), kGreedy);
  }
}

TEST_F(ExecUnderLimits, LeavesAProcessFileWithoutLimitsAsItIs) {
  write("p.json", R"({"args":["ls"]})");
  EXPECT_EQ(
      exec_under(runtime::Kind::kCrun, {"exec", "--process=" + (folder_ / "p.json"), "box"}).exit_code(), 0);
  expect_runtime(R"({"args":["ls"]})", "64 64");
}

TEST_F(ExecUnderLimits, HandsOverTheOtherArgumentsAsTheyCame) {
  write("p.json", kGreedy);
  EXPECT_EQ(exec_under(runtime::Kind::kCrun, {"exec", "-p", folder_ / "p.json", "-t", "box"}).exit_code(), 0);
  const auto arguments = given("runtime", "argument");
  ASSERT_EQ(arguments.size(), 6U);
  EXPECT_EQ(arguments[2], "-p");
  EXPECT_THAT(arguments[3], StartsWith("/proc/self/fd/"));
  EXPECT_EQ(arguments[4], "-t");
  EXPECT_EQ(arguments[5], "box");
}

TEST_F(ExecUnderLimits, LowersWhatIsInherited) {
  EXPECT_EQ(exec_under(runtime::Kind::kCrun, {"exec", "box", "ls"}).exit_code(), 0);
  EXPECT_THAT(given("runtime", "argument"), ElementsAre(FAKE_RUNTIME, "exec", "box", "ls"));
  EXPECT_THAT(given("runtime", "open files"), ElementsAre("64 64"));
}

// It reads the bundle, which has been put back.
TEST_F(ExecUnderLimits, RefusesWhatRuncWouldTakeFromTheBundle) {
  EXPECT_EQ(exec_under(runtime::Kind::kRunc, {"exec", "box", "ls"}).exit_code(), 0);
  EXPECT_THAT(given("runtime", "open files"), ElementsAre("64 64"));
  std::filesystem::remove(folder_ / "runtime");
  write("bundle/config.json",
        R"({"process": {"args": ["sh"], "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 64}]}})");
  const Outcome outcome = exec_under(runtime::Kind::kRunc, {"exec", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_THAT(outcome.error, HasSubstr("the limit of the bundle, 1024, which is more than the policy's 64"));
  EXPECT_FALSE(exists("runtime"));
  write("bundle/config.json",
        R"({"process": {"args": ["sh"], "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}]}})");
  EXPECT_EQ(exec_under(runtime::Kind::kRunc, {"exec", "box", "ls"}).exit_code(), 0);
}

TEST_F(ExecUnderLimits, RefusesWhatItCannotTell) {
  EXPECT_THAT(exec_under(runtime::Kind::kUnknown, {"exec", "box", "ls"}).error, HasSubstr("is not known"));
  write("p.json", "{");
  const std::string option = "--process=" + (folder_ / "p.json");
  EXPECT_THAT(exec_under(runtime::Kind::kCrun, {"exec", option, "box"}).error, HasSubstr("line 1"));
  write("p.json", R"({"Rlimits": []})");
  EXPECT_THAT(exec_under(runtime::Kind::kCrun, {"exec", option, "box"}).error, HasSubstr("Rlimits"));
  EXPECT_THAT(exec_under(runtime::Kind::kCrun, {"exec", "--process=/no/such", "box"}).error,
              HasSubstr("/no/such"));
  EXPECT_FALSE(exists("runtime"));
}

// crun takes ".." as the kernel does.
TEST_F(ExecTest, StaysBelowTheCgroupThatHoldsALimit) {
  write("etc/policies/limits.json", R"({"version": 1, "limits": {"processes": 30}})");
  write("bundle/config.json", kConfigUnderLimits);
  ASSERT_EQ(run_create().exit_code(), 0);
  wait_for_agents();
  std::filesystem::remove(folder_ / "runtime");
  for (const char* cgroup : {"..", "../other", "a/../..", "/..", "pids:..", "pids,memory:a/../../b"}) {
    for (const auto& words : {std::vector<std::string>{"exec", "--cgroup", cgroup, "box", "ls"},
                              {"exec", std::string("--cgroup=") + cgroup, "--cgroup=a", "box", "ls"}}) {
      const Outcome outcome = run(exec, words);
      EXPECT_EQ(outcome.exit_code(), 255) << cgroup;
      EXPECT_THAT(outcome.error, HasSubstr("leads out of the cgroup that holds the policy's /limits"));
      EXPECT_FALSE(exists("runtime"));
    }
  }
  for (const char* cgroup : {"a", "/", "a..b/c", "pids:a"})
    EXPECT_EQ(run(exec, {"exec", "--cgroup", cgroup, "box", "ls"}).exit_code(), 0) << cgroup;
}

// Under limits.cpus, which holds no real-time process.
TEST_F(ExecTest, LeavesNoRightToRealTimeUnderLimitsOfProcessors) {
  write("etc/policies/limits.json", R"({"version": 1, "limits": {"cpus": 1}})");
  write("bundle/config.json", kConfigUnderLimits);
  ASSERT_EQ(run_create().exit_code(), 0);
  wait_for_agents();
  struct rlimit limit {
    10, 10
  };
  const bool root = ::setrlimit(RLIMIT_RTPRIO, &limit) == 0;
  std::filesystem::remove(folder_ / "runtime");
  const std::string option = "--process=" + (folder_ / "p.json");
  write("p.json", R"({"args":["ls"]})");
  for (const auto& words : {std::vector<std::string>{"exec", "box", "ls"}, {"exec", option, "box"}}) {
    const Outcome outcome = run(exec, words);
    EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
    EXPECT_THAT(given("runtime", "real time"), ElementsAre("0 0"));
    std::filesystem::remove(folder_ / "runtime");
  }
  const std::pair<const char*, const char*> refused[] = {
      {R"({"scheduler": {"policy": "SCHED_RR"}})", "/scheduler: with SCHED_RR"},
      {R"({"rlimits": [{"type": "RLIMIT_RTPRIO", "hard": 1, "soft": 0}]})", "/rlimits/0: with RLIMIT_RTPRIO"},
      {R"({"scheduler": {"Policy": "SCHED_RR"}})", "/scheduler/Policy: expected"},
  };
  for (const auto& [process, reason] : refused) {
    write("p.json", process);
    EXPECT_THAT(run(exec, {"exec", option, "box"}).error, HasSubstr(reason));
    EXPECT_FALSE(exists("runtime")) << process;
  }
  if (!root) return;
  limit = {0, 0};
  ASSERT_EQ(::setrlimit(RLIMIT_RTPRIO, &limit), 0);
}

// Executes in a container under an identity: user 7, group 8, of the variables A alone, and C.
class ExecUnderIdentity : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    write("bundle/config.json", kConfigUnderIdentity);
    ASSERT_EQ(run_create().exit_code(), 0);
    wait_for_agents();
    std::filesystem::remove(folder_ / "runtime");
  }
  Outcome exec_under(runtime::Kind kind, const std::vector<std::string>& words) {
    Invocation made = invocation(words);
    made.runtime_kind = kind;
    return run([&] { return exec(made); });
  }
  const std::string option_ = "--process=" + (folder_ / "p.json");
};

TEST_F(ExecUnderIdentity, GivesItToAProcessFile) {
  write("p.json", R"({"user":{"uid":0,"gid":0,"additionalGids":[0]},"args":["ls"],"env":["A=2","B=2","C=2"],
      "capabilities":{"bounding":["CAP_KILL"],"effective":["CAP_KILL"],"permitted":["CAP_KILL"],"ambient":["CAP_KILL"]}})");
  for (const auto kind : {runtime::Kind::kCrun, runtime::Kind::kRunc, runtime::Kind::kUnknown}) {
    const Outcome outcome = exec_under(kind, {"exec", "--detach", option_, "box"});
    ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
    EXPECT_EQ(
        read("process.json"),
        R"({"user":{"uid":7,"gid":8,"additionalGids":[9]},"args":["ls"],"env":["A=2","C=1"],)"
        R"("capabilities":{"bounding":["CAP_KILL"],"effective":[],"permitted":[],"ambient":[],"inheritable":[]}})");
    EXPECT_FALSE(exists("agent"));
  }
}

// crun takes a process without one for root's, and so does runc.
TEST_F(ExecUnderIdentity, GivesItToAProcessFileThatSaysNothing) {
  write("p.json", R"({"args":["ls"]})");
  EXPECT_EQ(exec_under(runtime::Kind::kCrun, {"exec", option_, "box"}).exit_code(), 0);
  EXPECT_EQ(read("process.json"),
            R"({"args":["ls"],"env":["C=1"],"user":{"uid":7,"gid":8,"additionalGids":[9]}})");
}

TEST_F(ExecUnderIdentity, RefusesAProcessThatTheRuntimeWouldDescribe) {
  for (const auto kind : {runtime::Kind::kCrun, runtime::Kind::kRunc, runtime::Kind::kUnknown}) {
    for (const auto& words :
         {std::vector<std::string>{"exec", "box", "ls"}, {"exec", "--user", "7", "box", "ls"}}) {
      const Outcome outcome = exec_under(kind, words);
      EXPECT_EQ(outcome.exit_code(), 255);
      EXPECT_THAT(outcome.error,
                  HasSubstr("/identity/user: without --process the runtime takes another one than "
                            "the policy's"));
      EXPECT_FALSE(exists("runtime"));
    }
  }
}

TEST_F(ExecUnderIdentity, RefusesWhatItCannotTell) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"User":{"uid":0}})", "/User: expected \"user\""},
      {R"({"user":{"UID":0}})", "/user/UID: expected \"uid\""},
      {R"({"user":[]})", "/user: expected an object, found array"},
      {R"({"user":{"uid":-1}})", "/user/uid: expected a whole number that is not negative, found -1"},
      {R"({"env":"A=1"})", "/env: expected an array, found string"},
      {R"({"capabilities":[]})", "/capabilities: expected an object, found array"},
      {R"([])", "expected an object, found array"},
  };
  for (const auto& [process, reason] : refused) {
    write("p.json", process);
    EXPECT_THAT(exec_under(runtime::Kind::kCrun, {"exec", option_, "box"}).error, HasSubstr(reason));
    EXPECT_FALSE(exists("runtime")) << process;
  }
}

// Its variable is all that a process of its own has of it.
TEST_F(ExecTest, TellsAHostNameByItsVariable) {
  write("etc/policies/identity.json", R"({"version": 1, "identity": {"hostname": "build"}})");
  write("bundle/config.json", kConfigUnderIdentity);
  ASSERT_EQ(run_create().exit_code(), 0);
  wait_for_agents();
  write("p.json", R"({"args":["ls"],"env":["HOSTNAME=0123456789ab"]})");
  EXPECT_EQ(run(exec, {"exec", "--process=" + (folder_ / "p.json"), "box"}).exit_code(), 0);
  EXPECT_EQ(read("process.json"), R"({"args":["ls"],"env":["HOSTNAME=build"]})");
  EXPECT_EQ(run(exec, {"exec", "box", "ls"}).exit_code(), 0);
}

// What goes before the program under file rules.
class ExecUnderFileRules : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    write("bundle/config.json", config_under(policy_));
    ASSERT_EQ(run_create().exit_code(), 0);
    wait_for_agents();
    std::filesystem::remove(folder_ / "runtime");
    std::filesystem::create_directory(folder_ / "root");
    container_has([] { return OwnRoot::bind(container::init_path().c_str(), ".tidewaiter-init"); });
  }
  void TearDown() override {
    process_.reset();
    ExecTest::TearDown();
  }

  std::string policy_ = "files";

  // The container that the runtime tells of.
  void container_has(const std::function<bool()>& furnish) {
    process_.emplace(folder_ / "root", furnish);
    write("state.json", R"({"pid": )" + std::to_string(process_->pid()) + "}");
  }

 private:
  std::optional<OwnRoot> process_;
};

// Else the program that is executed in front would be the workload's own.
TEST_F(ExecUnderFileRules, RefusesWhereInitIsNotWhatWasBound) {
  const auto expect_refusal = [&](const char* reason) {
    const Outcome outcome = run(exec, {"exec", "box", "ls"});
    EXPECT_EQ(outcome.exit_code(), 255);
    EXPECT_THAT(outcome.error, HasSubstr(reason));
    EXPECT_FALSE(exists("runtime"));
  };
  container_has([] { return OwnRoot::bind("/bin/false", ".tidewaiter-init"); });
  expect_refusal("/.tidewaiter-init in the container is no longer the tidewaiter-init");
  container_has([] {
    return OwnRoot::bind(container::init_path().c_str(), "bound") &&
           ::symlink("bound", ".tidewaiter-init") == 0;
  });
  expect_refusal("a link on the way to it");
  write("state.json", R"({"pid": 0})");
  expect_refusal("container box: No such process");
  write("state.json", "{");
  expect_refusal("state box: line 1");
  std::filesystem::remove(folder_ / "container");
  expect_refusal("container box: No such process");
}

TEST_F(ExecUnderFileRules, PutsInitBeforeTheProgram) {
  const Outcome outcome = run(exec, {"--root", "/r", "exec", "-t", "--", "box", "ls", "--force"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(given("runtime", "argument"),
              ElementsAre(FAKE_RUNTIME, "--root", "/r", "exec", "-t", "--", "box", "/.tidewaiter-init", "r",
                          "r/usr", "--", "ls", "--force"));
  EXPECT_FALSE(exists("agent"));
}

TEST_F(ExecUnderFileRules, PutsInitBeforeTheProgramOfAProcessFile) {
  write("p.json", R"({"terminal": true, "args": ["ls", "-l"], "cwd": "/"})");
  const Outcome outcome = run(exec, {"exec", "--process=" + (folder_ / "p.json"), "--detach", "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  const auto arguments = given("runtime", "argument");
  ASSERT_EQ(arguments.size(), 5U);
  EXPECT_THAT(arguments[2], StartsWith("--process=/proc/self/fd/"));
  EXPECT_EQ(arguments[4], "box");
  EXPECT_EQ(read("process.json"),
            R"({"terminal":true,"args":["/.tidewaiter-init","r","r/usr","--","ls","-l"],"cwd":"/"})");
}

class ExecUnderFileRulesAndIdentity : public ExecUnderFileRules {
 protected:
  ExecUnderFileRulesAndIdentity() { policy_ = "told"; }
};

TEST_F(ExecUnderFileRulesAndIdentity, HoldsAProcessFileToBoth) {
  write("p.json", R"({"user":{"uid":0},"args":["ls"],"env":["A=2","B=2"]})");
  const Outcome outcome = run(exec, {"exec", "--process=" + (folder_ / "p.json"), "box"});
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_EQ(read("process.json"),
            R"({"user":{"uid":7,"gid":8,"additionalGids":[]},)"
            R"("args":["/.tidewaiter-init","r","r/usr","--","ls"],"env":["A=2","C=1"]})");
}

TEST_F(ExecUnderFileRulesAndIdentity, RefusesAProcessThatTheRuntimeWouldDescribe) {
  const Outcome outcome = run(exec, {"exec", "box", "ls"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_THAT(outcome.error, HasSubstr("/identity/user: without --process the runtime takes another one"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ExecUnderIdentity, RefusesToGuessWhereTheProgramBegins) {
  write("p.json", R"({"args":["ls"]})");
  const Outcome outcome = exec_under(runtime::Kind::kCrun, {"exec", "--new-option", "value", option_, "box"});
  EXPECT_EQ(outcome.exit_code(), 255);
  EXPECT_THAT(outcome.error, HasSubstr("box has limits, file rules or an identity that hold for it"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ExecUnderFileRules, RefusesAProcessFileItCannotRead) {
  for (const char* text : {"{", R"({"args": "ls"})", R"({"Args": ["ls"], "args": ["ls"]})", "[]"}) {
    write("p.json", text);
    const Outcome outcome = run(exec, {"exec", "--process", folder_ / "p.json", "box"});
    EXPECT_EQ(outcome.exit_code(), 255) << text;
    EXPECT_THAT(outcome.error, HasSubstr("p.json"));
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
