#pragma once

#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "hooks/precreate.h"
#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "tests/oci/base/temporary_folder.h"

// Policies, folders and a stand-in for the agent. "network" needs an agent, "filter" does not.

namespace tidewaiter::hook {

class HookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Agents that end become ours to wait for, wherever they came from.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (const char* each : {"etc/policies", "run", "log"})
      std::filesystem::create_directories(folder_ / each);
    write("etc/policies/network.json", R"({"version": 1, "network": {"allow": ["127.0.0.1:80"]}})");
    write("etc/policies/filter.json",
          R"({"version": 1, "syscalls": [{"names": ["ptrace"], "action": "errno"}], "events": {"log": []}})");
    write("etc/policies/limits.json", R"({"version": 1, "limits": {"memory": "64M"}})");
    write("etc/policies/wrong.json", R"({"version": 1, "netwrok": {}})");
    ::setenv("FAKE_FOLDER", folder_.path().c_str(), 1);
    ::unsetenv("FAKE_AGENT");
    host_.directories = {folder_ / "etc/config.json", folder_ / "run", folder_ / "log"};
    host_.settings.path = host_.directories.config_file;
    host_.settings.agent = FAKE_AGENT;
    host_.hook_path = "/usr/bin/tidewaiter-hook";
    host_.surroundings = runtime::Surroundings::of_a_full_machine();
  }

  void TearDown() override {
    std::filesystem::remove(folder_ / "container");
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "run")) {
      if (const pid_t pid = container::agent_pid(entry.path())) ::kill(pid, SIGKILL);
    }
    wait_for_agents();
  }

  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }

  // The stand-in for an agent stays while its container is there.
  void container_exists() { write("container", ""); }
  static void wait_for_agents() {
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  [[nodiscard]] bool state_is_empty() const { return std::filesystem::is_empty(folder_ / "run"); }

  static std::string config_under(const std::string& policy) {
    return R"({"ociVersion":"1.0.2","process":{"args":["sh"],"noNewPrivileges":true},"annotations":)"
           R"({"io.tidewaiter.policy":")" +
           policy + R"("},"linux":{}})";
  }

  testing::TemporaryFolder folder_{"/dev/shm"};
  Host host_;
};

}  // namespace tidewaiter::hook
