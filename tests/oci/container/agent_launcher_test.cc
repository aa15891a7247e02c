#include "oci/container/agent_launcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "oci/container/bundle.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class AgentLauncherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // agents become ours to wait for
    ::setenv("FAKE_FOLDER", folder_.path().c_str(), 1);
    ::unsetenv("FAKE_AGENT");
    record_.id = "box";
    record_.log_directory = folder_ / "logs/deep";
    std::ofstream(container_) << "";  // the agent stays while this does
  }
  void TearDown() override {
    std::filesystem::remove(container_);
    if (const pid_t pid = agent_pid(state_)) ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  void kill_agent() {
    const pid_t pid = agent_pid(state_);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  }
  std::string failure(const Status& status) { return status ? "none" : status.error().message(); }
  [[nodiscard]] std::vector<std::string> arguments() const {
    std::vector<std::string> values;
    std::ifstream file(folder_ / "agent");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("argument ")) values.push_back(line.substr(9));
    }
    return values;
  }

  testing::TemporaryFolder folder_{"/dev/shm"};
  const std::string state_ = folder_ / "run/deep/box";
  const std::string container_ = folder_ / "container";
  Record record_;
};

TEST_F(AgentLauncherTest, LaunchesAnAgentThatListens) {
  const Status launched = launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess);
  ASSERT_TRUE(launched) << launched.error().message();
  EXPECT_TRUE(agent_alive(state_));
  EXPECT_GT(agent_pid(state_), 0);
  EXPECT_EQ(read_record(state_)->id, "box");
  EXPECT_TRUE(connect_unix(state_ + "/agent.sock"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "logs/deep/agent.log"));
  EXPECT_THAT(arguments(), ::testing::Contains("--creator-fd"));
}

TEST_F(AgentLauncherTest, GivesNoCreatorWhereItIsUnknown) {
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kUnknown));
  EXPECT_THAT(arguments(), ::testing::Not(::testing::Contains("--creator-fd")));
  EXPECT_EQ(arguments().size(), 7U);
}

TEST_F(AgentLauncherTest, RefusesAFolderThatExists) {
  std::filesystem::create_directories(state_);
  EXPECT_THAT(failure(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess)),
              HasSubstr("the id is in use"));
  EXPECT_TRUE(std::filesystem::exists(state_));
}

TEST_F(AgentLauncherTest, DoesSomethingElseWhileTheAgentStarts) {
  ::setenv("FAKE_AGENT", "hang", 1);  // it is not waited for before
  int calls = 0;
  const auto meanwhile = [&]() -> Status {
    ++calls;
    EXPECT_TRUE(read_record(state_));
    return {};
  };
  EXPECT_THAT(failure(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess, -1, milliseconds(100),
                                   meanwhile)),
              HasSubstr("is not ready after 100 ms"));
  EXPECT_EQ(calls, 1);
  ::unsetenv("FAKE_AGENT");
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess, -1, kReadyTimeout, meanwhile));
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(agent_alive(state_));
}

TEST_F(AgentLauncherTest, LeavesNothingBehindWhenTheOtherThingFails) {
  for (const char* behaviour : {"", "hang"}) {
    ::setenv("FAKE_AGENT", behaviour, 1);
    const Status launched = launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess, -1,
                                         kReadyTimeout, [] { return fail("no room for it"); });
    EXPECT_EQ(failure(launched), "no room for it") << behaviour;
    EXPECT_FALSE(std::filesystem::exists(state_)) << behaviour;
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
}

TEST_F(AgentLauncherTest, LeavesNothingBehindWhenTheAgentDoesNotComeUp) {
  const struct {
    const char* behaviour;
    const char* reason;
  } cases[] = {
      {"refuse", "/network/allow/0: cannot resolve \"nowhere\""},
      {"die", "ended before it was ready"},
      {"hang", "is not ready after 300 ms"},
  };
  for (const auto& each : cases) {
    ::setenv("FAKE_AGENT", each.behaviour, 1);
    const Status launched =
        launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess, -1, milliseconds(300));
    EXPECT_THAT(failure(launched), HasSubstr(each.reason));
    EXPECT_THAT(failure(launched), HasSubstr(FAKE_AGENT));
    EXPECT_FALSE(std::filesystem::exists(state_)) << each.behaviour;
    // Ended too, and not left to somebody to wait for.
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
}

TEST_F(AgentLauncherTest, PutsALongLogAsideAndKeepsAShortOne) {
  const std::string path = record_.log_directory + "/agent.log";
  ASSERT_TRUE(sys::make_directories(record_.log_directory, 0700));
  ASSERT_TRUE(sys::replace_file(path, std::string(1U << 20U, 'x')));
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  EXPECT_FALSE(std::filesystem::exists(path + ".1"));
  kill_agent();
  ASSERT_TRUE(clear_state_folder(state_));

  ASSERT_TRUE(sys::replace_file(path, std::string((1U << 20U) + 1, 'x')));
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  EXPECT_EQ(std::filesystem::file_size(path + ".1"), (1U << 20U) + 1);
  EXPECT_LT(std::filesystem::file_size(path), 1000U);
}

TEST_F(AgentLauncherTest, ReportsAProgramThatCannotBeStarted) {
  std::ofstream(folder_ / "text") << "no program";
  std::filesystem::permissions(folder_ / "text", std::filesystem::perms::owner_all);
  EXPECT_THAT(failure(launch_agent(folder_ / "nothing", state_, record_, Creator::kThisProcess)),
              HasSubstr("cannot be started: No such file or directory"));
  EXPECT_THAT(failure(launch_agent(folder_ / "text", state_, record_, Creator::kThisProcess)),
              HasSubstr("cannot be started: Exec format error"));
  EXPECT_FALSE(std::filesystem::exists(state_));
}

TEST_F(AgentLauncherTest, LeavesNoChildToTheCaller) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(AgentLauncherTest, WorksWithoutStdio) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    ::_exit(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(connect_unix(state_ + "/agent.sock"));
}

TEST_F(AgentLauncherTest, EnsuresAnAgentOnce) {
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  const pid_t first = agent_pid(state_);
  ASSERT_TRUE(ensure_agent(FAKE_AGENT, state_));
  EXPECT_EQ(agent_pid(state_), first);
  kill_agent();
  EXPECT_FALSE(agent_alive(state_));
  EXPECT_EQ(agent_pid(state_), 0);
  EXPECT_FALSE(connect_unix(state_ + "/agent.sock"));
  const Status ensured = ensure_agent(FAKE_AGENT, state_);
  ASSERT_TRUE(ensured) << ensured.error().message();
  EXPECT_TRUE(agent_alive(state_));
  EXPECT_TRUE(connect_unix(state_ + "/agent.sock"));
}

TEST_F(AgentLauncherTest, EnsuresOneAgentForManyAtOnce) {
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  kill_agent();
  std::vector<pid_t> callers;
  for (int i = 0; i < 8; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(ensure_agent(FAKE_AGENT, state_) ? 0 : 1);
    callers.push_back(pid);
  }
  for (const pid_t pid : callers) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(connect_unix(state_ + "/agent.sock"));
}

TEST_F(AgentLauncherTest, FailsToEnsureAnAgentWhereThereIsNoState) {
  EXPECT_FALSE(ensure_agent(FAKE_AGENT, state_));
  EXPECT_FALSE(std::filesystem::exists(state_));
}

TEST_F(AgentLauncherTest, CountsAnAgentThatIsBeingStartedAsAlive) {
  std::filesystem::create_directories(state_);
  EXPECT_FALSE(agent_alive(state_));
  const UniqueFd held(::open(state_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  EXPECT_TRUE(agent_alive(state_));
  EXPECT_EQ(agent_pid(state_), 0);
}

TEST_F(AgentLauncherTest, WaitsForTheAgentsEnd) {
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  EXPECT_FALSE(wait_for_agent_end(state_, milliseconds(20)));
  std::filesystem::remove(container_);
  EXPECT_TRUE(wait_for_agent_end(state_, milliseconds(10'000)));
  EXPECT_FALSE(std::filesystem::exists(state_));
}

TEST_F(AgentLauncherTest, TerminatesAnAgentAndNobodyElse) {
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  ASSERT_TRUE(terminate_agent(state_));
  EXPECT_TRUE(wait_for_agent_end(state_, milliseconds(10'000)));
  EXPECT_TRUE(std::filesystem::exists(state_));
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  // A stale pid in the lock file, of a process that is no agent: this one.
  std::ofstream(state_ + "/agent.lock") << ::getpid() << "\n";
  EXPECT_TRUE(terminate_agent(state_));
}

// SIGUSR2 kills who does not await it.
TEST_F(AgentLauncherTest, OrdersNoReplacementOfAnAgentThatKnowsOfNone) {
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  EXPECT_THAT(failure(replace_agent(state_)), HasSubstr("is of a version that cannot be replaced"));
  EXPECT_FALSE(wait_for_agent_end(state_, milliseconds(20)));
}

TEST_F(AgentLauncherTest, ClearsWhatADeadAgentLeft) {
  std::filesystem::create_directories(folder_ / "bundle");
  const std::string config = folder_ / "bundle/config.json";
  std::ofstream(config) << "{\"a\": 1}";
  ASSERT_TRUE(Bundle::open(folder_ / "bundle")->install({{"a", 2}}, record_.config_owner));
  record_.config_path = config;
  ASSERT_TRUE(launch_agent(FAKE_AGENT, state_, record_, Creator::kThisProcess));
  EXPECT_THAT(failure(clear_state_folder(state_)), HasSubstr("alive"));
  kill_agent();
  const Status cleared = clear_state_folder(state_);
  ASSERT_TRUE(cleared) << cleared.error().message();
  EXPECT_FALSE(std::filesystem::exists(state_));
  EXPECT_EQ(sys::read_file(config).value(), "{\"a\": 1}");
  EXPECT_TRUE(clear_state_folder(state_));  // nothing left to do
}

TEST_F(AgentLauncherTest, ClearsAFolderThatTheIdIsALinkTo) {
  const std::string folder = folder_ / "run/hook";
  const std::string link = folder_ / "run/box";
  std::filesystem::create_directories(folder);
  std::filesystem::create_symlink(folder, link);
  ASSERT_TRUE(clear_state_folder(link));
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_FALSE(std::filesystem::is_symlink(link));
}

TEST_F(AgentLauncherTest, FindsTheAgentBesideItself) {
  EXPECT_EQ(agent_path(FAKE_AGENT).value(), FAKE_AGENT);
  EXPECT_THAT(failure(agent_path(folder_ / "nothing").map([](const std::string&) {})),
              HasSubstr("agent " + (folder_ / "nothing") + ": No such file or directory"));
  const std::string own = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const auto beside = agent_path("");
  if (beside) {
    EXPECT_EQ(*beside, own + "/tidewaiter-agent");
  } else {
    EXPECT_THAT(beside.error().message(), HasSubstr(own + "/tidewaiter-agent"));
  }
}

// While the runtime creates the container, and does not know it yet, another call must not take its record
// for that of a container that has gone.
TEST_F(AgentLauncherTest, KeepsARecordAsLongAsItsLockIsHeld) {
  record_.agent = false;
  {
    const auto kept = keep_record(state_, record_, [&]() -> Status {
      EXPECT_TRUE(read_record(state_));
      return {};
    });
    ASSERT_TRUE(kept) << kept.error().message();
    EXPECT_TRUE(agent_alive(state_));
    EXPECT_EQ(agent_pid(state_), 0);
    EXPECT_THAT(failure(clear_state_folder(state_)), HasSubstr("alive"));
    const auto twice = keep_record(state_, record_, [] { return Status(); });
    ASSERT_FALSE(twice);
    EXPECT_THAT(twice.error().message(), HasSubstr("the id is in use"));
  }
  EXPECT_FALSE(agent_alive(state_));
  EXPECT_EQ(failure(clear_state_folder(state_)), "none");
  const auto failed = keep_record(state_, record_, []() -> Status { return fail("no"); });
  ASSERT_FALSE(failed);
  EXPECT_FALSE(sys::stat(state_));
}

}  // namespace
}  // namespace tidewaiter::container
