#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "oci/container/record.h"
#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class CreateTest : public ShimTest {
 protected:
  // The config that the runtime found.
  [[nodiscard]] json seen() const { return json::parse(read("seen.json"), nullptr, false); }

  // What every refusal has to look like: one line, exit 1, no runtime, nothing left.
  void expect_refused(const Outcome& outcome, const std::string& reason) {
    EXPECT_EQ(outcome.exit_code(), 1);
    EXPECT_THAT(outcome.error, StartsWith("tidewaiter: create box: "));
    EXPECT_THAT(outcome.error, HasSubstr(reason));
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
    EXPECT_FALSE(exists("runtime"));
    EXPECT_FALSE(exists("run/box"));
    EXPECT_FALSE(is_rewritten());
    wait_for_agents();
  }
};

TEST_F(CreateTest, RunsTheRuntimeUnderThePolicy) {
  const std::string original = read("bundle/config.json");
  const Outcome outcome = run_create({"--root", "/r"});
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_EQ(outcome.error, "runtime's error\n");
  EXPECT_THAT(given("runtime", "argument"),
              ElementsAre(FAKE_RUNTIME, "--root", "/r", "create", "--bundle", folder_ / "bundle", "box"));

  EXPECT_EQ(seen()["linux"]["seccomp"]["listenerPath"], state_folder_ + "/agent.sock");
  EXPECT_TRUE(container::agent_alive(state_folder_));
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_EQ(record->id, "box");
  EXPECT_EQ(record->config_path, folder_ / "bundle/config.json");
  EXPECT_EQ(record->runtime, FAKE_RUNTIME);
  EXPECT_NE(record->config_owner, "");
  EXPECT_EQ(record->policy_name, "network");
  EXPECT_EQ(record->policy_text, read("etc/policies/network.json"));
  EXPECT_FALSE(record->own_seccomp);
  EXPECT_FALSE(record->exempts_start);
  EXPECT_EQ(record->log_directory, folder_ / "log");
  EXPECT_EQ(record->log_max_bytes, 16U << 20U);
  EXPECT_EQ(record->log_total_bytes, 1U << 30U);
  EXPECT_EQ(record->restart_seconds, 60U);
  const auto bundle = container::Bundle::open(folder_ / "bundle");
  EXPECT_EQ(bundle->original(), nlohmann::ordered_json::parse(original));

  struct stat status {};
  ASSERT_EQ(::stat(state_folder_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
}

TEST_F(CreateTest, RecordsTheBundlesOwnProfile) {
  write("bundle/config.json",
        R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/", "noNewPrivileges": true},
            "annotations": {"io.tidewaiter.policy": "network"},
            "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}})");
  ASSERT_EQ(run_create().exit_code(), 0);
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record);
  ASSERT_TRUE(record->own_seccomp);
  EXPECT_EQ(record->own_seccomp->dump(), R"({"defaultAction":"SCMP_ACT_ALLOW"})");
}

TEST_F(CreateTest, DoesTheSameForRun) {
  const Outcome outcome = run(create, {"run", "-b", folder_ / "bundle", "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_TRUE(container::agent_alive(state_folder_));
  EXPECT_THAT(given("runtime", "argument"), Contains("run"));
}

TEST_F(CreateTest, TakesTheCurrentFolderAsBundle) {
  const Invocation made = invocation({"create", "box"});
  const Outcome outcome = run([&] { return ::chdir((folder_ / "bundle").c_str()) == 0 ? create(made) : 99; });
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_TRUE(is_rewritten());
}

TEST_F(CreateTest, RewritesTheConfigThatCrunIsTold) {
  write("bundle/other.json", kConfigUnderPolicy);
  write("bundle/config.json", kConfig);
  const Outcome outcome =
      run(create, {"create", "-b", folder_ / "bundle", "-f", folder_ / "bundle/other.json", "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_TRUE(exists("bundle/other.json.tidewaiter"));
  EXPECT_EQ(read("bundle/config.json"), kConfig);
}

TEST_F(CreateTest, StartsNoAgentForAFilterAlone) {
  write("bundle/config.json", kConfigUnderFilterAlone);
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_FALSE(exists("run/box"));
  EXPECT_FALSE(exists("agent"));
  EXPECT_TRUE(seen()["linux"].contains("seccomp"));
  EXPECT_FALSE(seen()["linux"]["seccomp"].contains("listenerPath"));
}

TEST_F(CreateTest, WritesLimitsIntoTheBundleAndKeepsARecordForExec) {
  write("bundle/config.json", kConfigUnderLimits);
  const Outcome outcome = run_create();
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
  wait_for_agents();
  EXPECT_EQ(seen()["linux"]["resources"]["memory"], json::parse(R"({"limit": 67108864, "swap": 67108864})"));
  EXPECT_EQ(seen()["process"]["rlimits"],
            json::parse(R"([{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}])"));
  EXPECT_FALSE(exists("agent"));
  EXPECT_EQ(read("bundle/config.json"), kConfigUnderLimits);
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_FALSE(record->agent);
  EXPECT_EQ(record->open_files, 64);

  // And `delete` clears it.
  const Outcome deleted = run(remove, {"delete", "box"});
  EXPECT_EQ(deleted.exit_code(), 0) << deleted.error;
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, WritesTheIdentityIntoTheBundleAndItsFilesIntoTheStateFolder) {
  write("bundle/config.json", kConfigUnderIdentity);
  const Outcome outcome = run_create();
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
  wait_for_agents();
  EXPECT_FALSE(exists("agent"));
  EXPECT_EQ(seen()["process"]["user"], json::parse(R"({"uid": 7, "gid": 8, "additionalGids": [9]})"));
  EXPECT_EQ(seen()["process"]["env"], json({"A=1", "C=1"}));
  // Of this machine, the first that this process may run on.
  const std::string processor = seen()["linux"]["resources"]["cpu"]["cpus"];
  EXPECT_EQ(processor.find_first_not_of("0123456789"), std::string::npos) << processor;
  std::vector<std::string> sources;
  const json config = seen();
  for (const json& mount : config["mounts"]) sources.push_back(mount["source"]);
  EXPECT_THAT(sources, ElementsAre("proc", state_folder_ + "/hosts", state_folder_ + "/cpuinfo"));
  EXPECT_THAT(read("run/box/hosts"), HasSubstr("10.0.0.5\tdb.test\n"));
  EXPECT_THAT(read("run/box/cpuinfo"), StartsWith("processor\t: " + processor + "\n"));
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_FALSE(record->agent);
  EXPECT_TRUE(record->holds_process);
  EXPECT_EQ(record->processors, processor);
  EXPECT_EQ(record->pinned_hosts, "10.0.0.5\tdb.test\n");
  EXPECT_TRUE(record->hosts);
  EXPECT_EQ(read("bundle/config.json"), kConfigUnderIdentity);

  EXPECT_EQ(run(remove, {"delete", "box"}).exit_code(), 0);
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, LeavesNothingOfAnIdentityBehindWhereTheContainerDoesNotComeToBe) {
  write("bundle/config.json", kConfigUnderIdentity);
  ::setenv("FAKE_EXIT", "3", 1);
  EXPECT_EQ(run_create().exit_code(), 3);
  wait_for_agents();
  EXPECT_FALSE(exists("run/box"));
  ::unsetenv("FAKE_EXIT");
  std::filesystem::remove(folder_ / "runtime");
  Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  made.found->uids = {{0, 7}};
  expect_refused(
      run([&] { return create(made); }),
      "/identity/user/uid: expected one of the users that the container's user namespace has, 0 to 6, "
      "found 7");
}

// A program that is found by the PATH of the bundle is not by that of the policy.
TEST_F(CreateTest, LooksForTheFirstProgramInThePathOfThePolicy) {
  std::filesystem::create_directories(folder_ / "bundle/rootfs/good");
  std::filesystem::create_directories(folder_ / "bundle/rootfs/bad");
  for (const char* each : {"bundle/rootfs/good/sh", "bundle/rootfs/bad/sh"}) {
    write(each, "x");
    ASSERT_EQ(::chmod((folder_ / each).c_str(), 0755), 0);
  }
  write("etc/policies/path.json", R"({"version": 1, "exec": {"allow": ["/good/sh"]},
      "identity": {"env": {"set": {"PATH": "/bad"}}}})");
  write("bundle/config.json", R"({"ociVersion": "1.0.2", "root": {"path": "rootfs"},
      "process": {"args": ["sh"], "cwd": "/", "env": ["PATH=/good"]}, "linux": {"namespaces": [{"type": "mount"}]},
      "annotations": {"io.tidewaiter.policy": "path"}})");
  expect_refused(run_create(), "does not let the container run \"/bad/sh\"");
}

TEST_F(CreateTest, KeepsNoRecordOfAContainerThatDidNotComeToBe) {
  write("bundle/config.json", kConfigUnderLimits);
  ::setenv("FAKE_EXIT", "3", 1);
  EXPECT_EQ(run_create().exit_code(), 3);
  wait_for_agents();
  EXPECT_TRUE(exists("runtime"));
  EXPECT_FALSE(exists("run/box"));
  EXPECT_EQ(read("bundle/config.json"), kConfigUnderLimits);
}

TEST_F(CreateTest, RefusesLimitsThatNoCgroupWouldHold) {
  write("bundle/config.json", kConfigUnderLimits);
  expect_refused(run_create({"--cgroup-manager", "disabled"}),
                 "/limits/memory: no cgroup would hold it: the runtime is told to make none");
  Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  made.found->cgroups = runtime::Cgroups::kNone;
  expect_refused(run([&] { return create(made); }), "there are none on /sys/fs/cgroup");
}

TEST_F(CreateTest, PutsTheBundleOfAFilterAloneBackWhenTheRuntimeHasEnded) {
  write("bundle/config.json", kConfigUnderFilterAlone);
  const Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  const Outcome outcome = run([&] {
    ::dup2(::open("/dev/zero", O_RDONLY), 9);
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    return create(made);
  });
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  wait_for_agents();
  EXPECT_EQ(read("bundle/config.json"), kConfigUnderFilterAlone);
  EXPECT_FALSE(is_rewritten());
  EXPECT_THAT(given("runtime", "children"), ElementsAre("[]"));
  EXPECT_THAT(given("runtime", "fd"), Contains("9 /dev/zero"));
  EXPECT_THAT(read("runtime"), HasSubstr("SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n"));
}

TEST_F(CreateTest, KeepsARecordOfFileRulesWithoutAnAgent) {
  write("bundle/config.json", config_under("files"));
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  wait_for_agents();
  EXPECT_FALSE(exists("agent"));
  EXPECT_EQ(seen()["process"]["args"], json::parse(R"(["/.tidewaiter-init", "r", "r/usr", "--", "sh"])"));
  EXPECT_FALSE(seen()["linux"].contains("seccomp"));
  EXPECT_EQ(read("bundle/config.json"), config_under("files"));
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_FALSE(record->agent);
  EXPECT_THAT(record->init, ElementsAre("/.tidewaiter-init", "r", "r/usr", "--"));
  EXPECT_FALSE(container::agent_alive(state_folder_));
}

TEST_F(CreateTest, WritesFileRulesAndIdentityIntoOneBundle) {
  write("bundle/config.json", config_under("told"));
  const Outcome outcome = run_create();
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
  wait_for_agents();
  EXPECT_FALSE(exists("agent"));
  EXPECT_EQ(seen()["process"]["args"], json::parse(R"(["/.tidewaiter-init", "r", "r/usr", "--", "sh"])"));
  EXPECT_EQ(seen()["process"]["env"], json::array({"C=1"}));
  EXPECT_EQ(seen()["process"]["user"], json::parse(R"({"uid": 7, "gid": 8, "additionalGids": []})"));
  EXPECT_EQ(read("bundle/config.json"), config_under("told"));
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_TRUE(record->holds_process);
  EXPECT_THAT(record->init, ElementsAre("/.tidewaiter-init", "r", "r/usr", "--"));
  EXPECT_TRUE(record->init_file);
}

// What tidewaiter-init becomes is what the policy decides on.
TEST_F(CreateTest, LooksForTheFirstProgramBehindInit) {
  std::filesystem::create_directories(folder_ / "bundle/rootfs/bad");
  write("bundle/rootfs/bad/sh", "x");
  ASSERT_EQ(::chmod((folder_ / "bundle/rootfs/bad/sh").c_str(), 0755), 0);
  write("etc/policies/programs.json",
        R"({"version": 1, "exec": {"allow": ["/good/sh"]}, "files": {"read": ["/"]}})");
  json config = json::parse(config_under("programs"));
  config["root"]["path"] = "rootfs";
  config["process"]["args"] = json::array({"/bad/sh"});
  write("bundle/config.json", config.dump());
  expect_refused(run_create(), "does not let the container run \"/bad/sh\"");
}

TEST_F(CreateTest, LeavesNoRecordWhereNoContainerHasComeOfIt) {
  write("bundle/config.json", config_under("files"));
  ::setenv("FAKE_EXIT", "1", 1);
  EXPECT_EQ(run_create().exit_code(), 1);
  wait_for_agents();
  EXPECT_FALSE(exists("run/box"));
  EXPECT_FALSE(is_rewritten());
  ::unsetenv("FAKE_EXIT");

  // The id is taken as long as there is the container.
  EXPECT_EQ(run_create().exit_code(), 0);
  wait_for_agents();
  EXPECT_EQ(run_create().exit_code(), 1);
  wait_for_agents();
  EXPECT_TRUE(exists("run/box/record.json"));
  EXPECT_EQ(run(remove, {"delete", "box"}).exit_code(), 0);
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, CoversWhatIsDenied) {
  write("etc/policies/deny.json", R"({"version": 1, "files": {"deny": ["/etc/key", "/new"]}})");
  std::filesystem::create_directories(folder_ / "bundle/rootfs/etc");
  write("bundle/rootfs/etc/key", "hidden");
  json config = json::parse(config_under("deny"));
  config["root"]["path"] = "rootfs";
  write("bundle/config.json", config.dump());
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  wait_for_agents();
  EXPECT_FALSE(exists("agent"));
  const json mounts = seen()["mounts"];
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0]["source"], state_folder_ + "/denied");
  EXPECT_EQ(mounts[1]["type"], "tmpfs");
  const auto cover = sys::stat(state_folder_ + "/denied");
  ASSERT_TRUE(cover) << cover.error().message();
  EXPECT_TRUE(S_ISSOCK(cover->st_mode));
  EXPECT_EQ(cover->st_mode & 07777U, 0U);
  EXPECT_EQ(run(remove, {"delete", "box"}).exit_code(), 0);
  EXPECT_FALSE(exists("run/box"));

  std::filesystem::create_hard_link(folder_ / "bundle/rootfs/etc/key", folder_ / "bundle/rootfs/etc/other");
  const Outcome refused = run_create();
  EXPECT_EQ(refused.exit_code(), 1);
  EXPECT_THAT(refused.error, HasSubstr("/files/deny/0: \"/etc/key\" is one of 2 names"));
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, TellsTheAgentOfFileRules) {
  write("bundle/config.json", config_under("both"));
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  const auto record = container::read_record(state_folder_);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_TRUE(record->agent);
  EXPECT_FALSE(record->init.empty());
  EXPECT_TRUE(container::agent_alive(state_folder_));
}

TEST_F(CreateTest, LeavesABundleWithoutPolicyAlone) {
  write("bundle/config.json", kConfig);
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_EQ(outcome.output, "runtime's output\n");
  EXPECT_EQ(read("bundle/config.json"), kConfig);
  EXPECT_FALSE(is_rewritten());
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, RestoresABundleThatHadAPolicyBefore) {
  write("bundle/config.json", kConfig);
  const pid_t earlier = ::fork();
  if (earlier == 0) {
    ::_exit(container::Bundle::open(folder_ / "bundle")->install({{"rewritten", true}}, "somebody") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(earlier, &status, 0), earlier);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(run_create().exit_code(), 0);
  EXPECT_EQ(seen(), json::parse(kConfig));
  EXPECT_EQ(read("bundle/config.json"), kConfig);
  EXPECT_FALSE(is_rewritten());
}

TEST_F(CreateTest, CanBeRepeatedAndStartsFromTheOriginal) {
  const std::string original = read("bundle/config.json");
  ASSERT_EQ(run_create().exit_code(), 0);
  const std::string rewritten = read("bundle/config.json");
  std::filesystem::remove(folder_ / "container");
  wait_for_agents();
  ASSERT_EQ(run_create().exit_code(), 0);
  EXPECT_EQ(read("bundle/config.json"), rewritten);
  std::filesystem::remove(folder_ / "container");
  wait_for_agents();  // the bundle's lock goes with it
  ASSERT_TRUE(container::Bundle::restore_if_idle(folder_ / "bundle/config.json"));
  EXPECT_EQ(read("bundle/config.json"), original);
}

TEST_F(CreateTest, GivesTheAgentNothingOfTheCallers) {
  ::setenv("NOTIFY_SOCKET", "/run/caller", 1);
  ::setenv("_OCI_SYNCPIPE", "7", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("ORDINARY", "kept", 1);
  const Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  const Outcome outcome = run([&] {
    const int inherited = ::open("/dev/zero", O_RDONLY);  // as a container's stdio would be
    ::dup2(inherited, 9);
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    ::umask(0);
    return create(made);
  });
  for (const char* each : {"NOTIFY_SOCKET", "_OCI_SYNCPIPE", "LISTEN_FDS", "ORDINARY"}) ::unsetenv(each);
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;

  std::vector<std::string> others;
  for (const std::string& fd : given("agent", "fd")) {
    if (fd.find("socket:") == std::string::npos && fd.find("pipe:") == std::string::npos &&
        fd.find("[pidfd]") == std::string::npos) {
      others.push_back(fd);
    }
  }
  EXPECT_THAT(others, ElementsAre("0 /dev/null", "1 /dev/null", "2 " + (folder_ / "log/agent.log"),
                                  ::testing::EndsWith(folder_ / "bundle")))
      << "the last is the bundle's lock";
  EXPECT_EQ(given("agent", "fd").size(), 7U);
  EXPECT_THAT(given("agent", "variable"), Contains("ORDINARY=kept"));
  for (const std::string& variable : given("agent", "variable")) {
    EXPECT_THAT(variable, Not(::testing::AnyOf(StartsWith("NOTIFY_SOCKET="), StartsWith("_OCI_"),
                                               StartsWith("LISTEN_FDS="))));
  }
  EXPECT_THAT(given("agent", "SigBlk:\t0000000000000000"), IsEmpty());
  EXPECT_THAT(read("agent"), HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
  EXPECT_THAT(given("agent", "umask"), ElementsAre("63"));
  EXPECT_THAT(given("agent", "folder"), ElementsAre("/"));
  EXPECT_THAT(given("agent", "terminal"), ElementsAre("none"));

  // And the runtime has all of it, as if we had never been.
  EXPECT_THAT(given("runtime", "variable"),
              ::testing::AllOf(Contains("NOTIFY_SOCKET=/run/caller"), Contains("_OCI_SYNCPIPE=7"),
                               Contains("LISTEN_FDS=1")));
  EXPECT_THAT(given("runtime", "umask"), ElementsAre("0"));
  EXPECT_THAT(given("runtime", "fd"), Contains("9 /dev/zero"));
  EXPECT_THAT(read("runtime"), HasSubstr("SigBlk:\t0000000000000200\nSigIgn:\t0000000000001000\n"));
}

TEST_F(CreateTest, LeavesTheRuntimeNoTraceOfTheAgent) {
  const Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  const Outcome outcome = run([&] {
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    return create(made);
  });
  ASSERT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(given("runtime", "children"), ElementsAre("[]"));
  EXPECT_THAT(read("runtime"), HasSubstr("SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n"));
  // Descriptors: ours close on exec, so there are the caller's three and what the test itself inherited.
  for (const std::string& fd : given("runtime", "fd")) {
    EXPECT_THAT(fd, Not(HasSubstr(state_folder_)));
    EXPECT_THAT(fd, Not(HasSubstr("pidfd")));
    EXPECT_THAT(fd, Not(HasSubstr("agent.log")));
  }
}

TEST_F(CreateTest, BecomesTheRuntimeWithTheSamePid) {
  const Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  const Outcome outcome = run([&] {
    write("pid", std::to_string(::getpid()));
    return create(made);
  });
  ASSERT_EQ(outcome.exit_code(), 0);
  EXPECT_THAT(given("runtime", "pid"), ElementsAre(read("pid")));
}

TEST_F(CreateTest, WorksForACallerWhoIgnoresSigchld) {
  const Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  const Outcome outcome = run([&] {
    ::signal(SIGCHLD, SIG_IGN);
    return create(made);
  });
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(read("runtime"), HasSubstr("SigIgn:\t0000000000010000\n"));
}

TEST_F(CreateTest, GivesTheRuntimeTheCallersSigchldAfterAskingItAboutALostId) {
  ASSERT_TRUE(sys::make_directories(state_folder_, 0700));
  const Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  const Outcome outcome = run([&] {
    ::signal(SIGCHLD, SIG_IGN);
    return create(made);
  });
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(read("runtime"), HasSubstr("SigIgn:\t0000000000010000\n"));
}

TEST_F(CreateTest, EndsTheAgentWhenTheRuntimeFails) {
  ::setenv("FAKE_EXIT", "7", 1);
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 7);
  wait_for_agents();
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, HandsALineWithoutIdToTheRuntime) {
  const Outcome outcome = run(create, {"create", "--bundle", folder_ / "bundle"});
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_THAT(given("runtime", "argument"), Contains("create"));
  EXPECT_FALSE(is_rewritten());
}

// --- refusals ---------------------------------------------------------------------------------------

TEST_F(CreateTest, RefusesWhenTheAgentReportsAnError) {
  ::setenv("FAKE_AGENT", "refuse", 1);
  expect_refused(run_create(), "/network/allow/0: cannot resolve \"nowhere\"");
}

TEST_F(CreateTest, RefusesWhenTheAgentDies) {
  ::setenv("FAKE_AGENT", "die", 1);
  expect_refused(run_create(), "ended before it was ready; see " + (folder_ / "log/agent.log"));
}

TEST_F(CreateTest, RefusesWhenThereIsNoAgent) {
  Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  made.settings.agent = "/nowhere/tidewaiter-agent";
  expect_refused(run([&] { return create(made); }), "/nowhere/tidewaiter-agent");
}

TEST_F(CreateTest, RefusesABadPolicy) {
  write("etc/policies/network.json", R"({"version": 1, "network": {"allow": ["300.0.0.1"]}})");
  expect_refused(run_create(), "etc/policies/network.json: /network/allow/0");
}

TEST_F(CreateTest, RefusesAMissingPolicyWithoutSoundingLikeAMissingProgram) {
  std::filesystem::remove(folder_ / "etc/policies/network.json");
  const Outcome outcome = run_create();
  expect_refused(outcome, "there is no policy file " + (folder_ / "etc/policies/network.json"));
  EXPECT_THAT(outcome.error, Not(HasSubstr("No such file")));
}

TEST_F(CreateTest, LeavesABrokenBundleToTheRuntimeWhereNoPolicyCanApply) {
  for (const char* broken : {"", "{\"a\": ", "{\"a\": 1, \"a\": 2}"}) {
    write("bundle/config.json", broken);
    const Outcome outcome = run_create();
    EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
    EXPECT_EQ(read("seen.json"), broken);
    std::filesystem::remove(folder_ / "container");
  }
  std::filesystem::remove(folder_ / "runtime");
  const Outcome outcome = run(create, {"create", "-b", folder_ / "nowhere", "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_TRUE(exists("runtime"));
}

TEST_F(CreateTest, RefusesABrokenConfigThatNamesAPolicy) {
  // A runtime may take the last of two equal keys, or a comment, for good.
  write("bundle/config.json", std::string(kConfigUnderPolicy) + "/* the end */");
  expect_refused(run_create(), "config.json");
}

TEST_F(CreateTest, RefusesABrokenBundleWhereAPolicyApplies) {
  for (const bool by_default : {true, false}) {
    for (const char* bundle : {"bundle", "nowhere"}) {
      write("bundle/config.json", "{\"a\": ");
      Invocation made = invocation({"create", "-b", folder_ / bundle, "box"});
      if (by_default) made.settings.default_policy = "network";
      made.settings.require_policy = !by_default;
      expect_refused(run([&] { return create(made); }), bundle);
    }
  }
}

TEST_F(CreateTest, RefusesABundleItCannotWrite) {
  // Root may write anywhere, but not a folder in the place of the record.
  std::filesystem::create_directories(folder_ / "bundle/config.json.tidewaiter");
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("config.json.tidewaiter"));
  EXPECT_FALSE(exists("runtime"));
  EXPECT_FALSE(exists("run/box"));
}

TEST_F(CreateTest, RefusesAnEnvironmentThatBypassesTheFilter) {
  ::setenv("RUN_OCI_SECCOMP_RECEIVER", "/somebody/else", 1);
  expect_refused(run_create(), "RUN_OCI_SECCOMP_RECEIVER");
}

TEST_F(CreateTest, LeavesThatEnvironmentToContainersWithoutPolicy) {
  write("bundle/config.json", kConfig);
  ::setenv("RUN_OCI_SECCOMP_RECEIVER", "/somebody/else", 1);
  EXPECT_EQ(run_create().exit_code(), 0);
}

TEST_F(CreateTest, RefusesAnAnnotationThatBypassesTheFilter) {
  write("bundle/config.json",
        R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/"},
            "annotations": {"io.tidewaiter.policy": "network", "run.oci.seccomp_bpf_data": "AAAA"}})");
  expect_refused(run_create(), "run.oci.seccomp_bpf_data");
}

TEST_F(CreateTest, RefusesAContainerWithoutPolicyWhereOneIsRequired) {
  write("bundle/config.json", kConfig);
  Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  made.settings.require_policy = true;
  expect_refused(run([&] { return create(made); }), "io.tidewaiter.policy");
}

TEST_F(CreateTest, RefusesAnIdThatIsNoFileName) {
  const Outcome outcome = run(create, {"create", "--bundle", folder_ / "bundle", "../box"});
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("../box"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(CreateTest, RefusesAnIdInUseAndLeavesItsContainerAlone) {
  ASSERT_EQ(run_create().exit_code(), 0);
  std::filesystem::remove(folder_ / "runtime");
  const std::string rewritten = read("bundle/config.json");
  const pid_t agent = container::agent_pid(state_folder_);
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("the id is in use"));
  EXPECT_FALSE(exists("runtime"));
  EXPECT_EQ(read("bundle/config.json"), rewritten);
  EXPECT_EQ(container::agent_pid(state_folder_), agent);
}

// Ids are unique to a root of the runtime's.
TEST_F(CreateTest, RefusesAnIdThatAContainerUnderAnotherRootHas) {
  ASSERT_EQ(run_create().exit_code(), 0);
  std::filesystem::create_directory(folder_ / "other");
  std::filesystem::remove(folder_ / "runtime");
  const pid_t agent = container::agent_pid(state_folder_);
  const std::string record = read("run/box/record.json");
  const Outcome outcome = run_create({"--root", folder_ / "other"});
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("the id is in use by a container under another --root"));
  EXPECT_FALSE(exists("runtime"));
  // One that has no policy concerns nobody.
  write("bundle/config.json", kConfig);
  EXPECT_EQ(run_create({"--root", folder_ / "other"}).exit_code(), 0);
  EXPECT_TRUE(exists("other/container"));
  EXPECT_EQ(container::agent_pid(state_folder_), agent);
  EXPECT_EQ(read("run/box/record.json"), record);
}

TEST_F(CreateTest, RefusesAnIdWhoseAgentStays) {
  ::setenv("FAKE_AGENT", "stay", 1);
  ASSERT_EQ(run_create().exit_code(), 0);
  std::filesystem::remove(folder_ / "container");
  std::filesystem::remove(folder_ / "runtime");
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("its agent is alive, with pid " +
                                       std::to_string(container::agent_pid(state_folder_))));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(CreateTest, TakesOverAnIdWhoseAgentDied) {
  ASSERT_EQ(run_create().exit_code(), 0);
  const pid_t first = container::agent_pid(state_folder_);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  ASSERT_EQ(::waitpid(first, nullptr, 0), first);
  std::filesystem::remove(folder_ / "container");
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_TRUE(container::agent_alive(state_folder_));
  EXPECT_NE(container::agent_pid(state_folder_), first);
}

TEST_F(CreateTest, WaitsForTheAgentOfAContainerThatJustEnded) {
  ::setenv("FAKE_AGENT", "slow", 1);
  ASSERT_EQ(run_create().exit_code(), 0);
  std::filesystem::remove(folder_ / "container");  // its agent is ending now
  const Outcome outcome = run_create();
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_TRUE(container::agent_alive(state_folder_));
}

TEST_F(CreateTest, TellsTheCallersLogWhy) {
  write("etc/policies/network.json", "{}");
  const std::string log = folder_ / "caller.log";
  Outcome outcome = run_create({"--log", log, "--log-format", "json"});
  EXPECT_EQ(outcome.exit_code(), 1);
  const json line = json::parse(read("caller.log"), nullptr, false);
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["msg"].get<std::string>() + "\n", outcome.error);
  EXPECT_TRUE(line.contains("time"));
}

// --- restore ----------------------------------------------------------------------------------------

TEST_F(CreateTest, RefusesToRestoreUnderAPolicy) {
  const Outcome outcome = run(restore, {"restore", "--bundle", folder_ / "bundle", "box"});
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("a checkpoint cannot be put under one"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(CreateTest, RestoresWithoutAPolicy) {
  write("bundle/config.json", kConfig);
  const Outcome outcome = run(restore, {"restore", "--bundle", folder_ / "bundle", "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_THAT(given("runtime", "argument"), Contains("restore"));
}

}  // namespace
}  // namespace tidewaiter::shim
