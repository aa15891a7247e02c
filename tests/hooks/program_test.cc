#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/hooks/hook_fixture.h"

// The program as podman runs it: without environment, without stderr, its parent podman itself.

namespace tidewaiter::hook {
namespace {

using ::testing::HasSubstr;

class Program : public HookTest {
 protected:
  // Runs a shell command in podman's place, with its environment and stderr; returns its exit code.
  int podman(const std::string& command) {
    write("etc/config.json", "{}");
    const std::string config = "TIDEWAITER_CONFIG=" + host_.directories.config_file;
    const std::string script = "cd " + folder_.path() + " && { " + command + "; } 2>error >output";
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::execl("/usr/bin/env", "env", config.c_str(), "/bin/bash", "-c", script.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] std::string read(const char* name) const {
    return sys::read_file(folder_ / name).value_or("");
  }
};

TEST_F(Program, FindsConfigurationAndPolicyByPodmansEnvironment) {
  write("config", config_under("filter"));
  EXPECT_EQ(podman("env -i " HOOK_PROGRAM " precreate <config 2>/dev/null; exit $?"), 0);
  const auto config = nlohmann::json::parse(read("output"), nullptr, false);
  ASSERT_FALSE(config.is_discarded()) << read("error");
  EXPECT_EQ(config["linux"]["seccomp"]["syscalls"][0]["names"][0], "ptrace");
}

TEST_F(Program, TellsPodmansUserWhyItRefuses) {
  write("config", config_under("wrong"));
  EXPECT_EQ(podman("echo before >&2; env -i " HOOK_PROGRAM " precreate <config 2>/dev/null; code=$?; "
                   "echo after >&2; exit $code"),
            1);
  EXPECT_EQ(read("output"), "");
  EXPECT_THAT(read("error"), ::testing::MatchesRegex(
                                 "before\ntidewaiter-hook: precreate: .*wrong.json: /netwrok: .*\nafter\n"));
}

TEST_F(Program, WritesToItsOwnStderrWhereItHasOne) {
  write("config", config_under("wrong"));
  EXPECT_EQ(podman("env -i " HOOK_PROGRAM " precreate <config 2>own; exit $?"), 1);
  EXPECT_THAT(read("own"), HasSubstr("/netwrok"));
  EXPECT_EQ(read("error"), "");
}

TEST_F(Program, PrintsNoControlCharactersOfAnAnnotation) {
  write("config", config_under(R"(\u001b[2Jx\ny)"));
  EXPECT_EQ(podman(HOOK_PROGRAM " precreate <config; exit $?"), 1);
  const std::string error = read("error");
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
  EXPECT_EQ(error.find('\n'), error.size() - 1);
}

TEST_F(Program, SaysHowItIsUsed) {
  for (const char* arguments : {"", " precreat", " cleanup", " precreate more"}) {
    EXPECT_EQ(podman(std::string(HOOK_PROGRAM) + arguments + " </dev/null; exit $?"), 1) << arguments;
    EXPECT_THAT(read("error"), HasSubstr("usage")) << arguments;
  }
  EXPECT_EQ(podman(HOOK_PROGRAM " </dev/null; exit $?"), 1);
  EXPECT_THAT(read("error"), ::testing::StartsWith("tidewaiter-hook: usage: "));
  EXPECT_EQ(podman(HOOK_PROGRAM " --help; exit $?"), 0);
  EXPECT_THAT(read("output"), ::testing::StartsWith("usage: tidewaiter-hook precreate"));
  EXPECT_EQ(read("error"), "");
}

TEST_F(Program, TellsItsVersion) {
  EXPECT_EQ(podman(HOOK_PROGRAM " --version; exit $?"), 0);
  EXPECT_EQ(read("output"), "tidewaiter-hook " TIDEWAITER_VERSION "\n");
}

TEST(HookFile, NamesTheProgramThatWasBuilt) {
  const auto text = sys::read_file(HOOK_FILE);
  ASSERT_TRUE(text);
  const auto file = nlohmann::json::parse(*text, nullptr, false);
  ASSERT_FALSE(file.is_discarded());
  EXPECT_EQ(file["version"], "1.0.0");
  EXPECT_EQ(file["hook"]["path"], HOOK_PROGRAM);
  EXPECT_EQ(file["hook"]["args"], nlohmann::json({"tidewaiter-hook", "precreate"}));
  EXPECT_EQ(file["stages"], nlohmann::json({"precreate"}));
  EXPECT_EQ(file["when"]["always"], true);
}

}  // namespace
}  // namespace tidewaiter::hook
