#pragma once

#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/bundle.h"
#include "shim/commands/commands.h"
#include "shim/invocation.h"
#include "tests/oci/base/temporary_folder.h"

// A bundle, policies, a configuration and two stand-ins, runtime and agent, in a folder of their own. The
// commands run in a fork, for they end in another program.

namespace tidewaiter::shim {

class ShimTest : public ::testing::Test {
 protected:
  static constexpr const char* kConfig =
      R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/"}})";
  static constexpr const char* kConfigUnderPolicy =
      R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/"},
          "annotations": {"io.tidewaiter.policy": "network"}})";
  static constexpr const char* kConfigUnderFilterAlone =
      R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/"},
          "annotations": {"io.tidewaiter.policy": "filter"}})";

  static constexpr const char* kConfigUnderLimits =
      R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/"}, "linux": {"cgroupsPath": "/box"},
          "annotations": {"io.tidewaiter.policy": "limits"}})";
  static std::string config_under(const std::string& policy) {
    return R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "cwd": "/"},
               "linux": {"namespaces": [{"type": "mount"}]},
               "annotations": {"io.tidewaiter.policy": ")" +
           policy + R"("}})";
  }

  static constexpr const char* kConfigUnderIdentity =
      R"({"ociVersion": "1.0.2", "process": {"args": ["/sh"], "cwd": "/", "env": ["A=1", "B=1"]},
          "annotations": {"io.tidewaiter.policy": "identity"},
          "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}]})";

  struct Outcome {
    int status = 0;      // as waitpid(2) gives it
    std::string output;  // stdout
    std::string error;   // stderr
    [[nodiscard]] int exit_code() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
  };

  void SetUp() override {
    // Agents that end become ours to wait for, wherever they came from.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (const char* each : {"bundle", "etc/policies", "run", "log"}) {
      std::filesystem::create_directories(folder_ / each);
    }
    write("etc/policies/network.json", R"({"version": 1, "network": {"allow": ["127.0.0.1:80"]}})");
    write("etc/policies/filter.json",
          R"({"version": 1, "syscalls": [{"names": ["ptrace"], "action": "errno"}], "events": {"log": []}})");
    write("etc/policies/limits.json", R"({"version": 1, "limits": {"memory": "64M", "open_files": 64}})");
    write("etc/policies/identity.json", R"({"version": 1, "identity": {
        "hosts": {"db.test": "10.0.0.5"}, "cpus": 1, "env": {"clean": true, "pass": ["A"], "set": {"C": "1"}},
        "user": {"uid": 7, "gid": 8, "additional_gids": [9]}}})");
    write("etc/policies/files.json", R"({"version": 1, "files": {"read": ["/usr"]}})");
    write("etc/policies/both.json",
          R"({"version": 1, "files": {"read": ["/usr"]}, "network": {"allow": []}})");
    write("etc/policies/told.json", R"({"version": 1, "files": {"read": ["/usr"]}, "identity": {
        "env": {"clean": true, "pass": ["A"], "set": {"C": "1"}}, "user": {"uid": 7, "gid": 8}}})");
    // Beside the program that looks for it, which is the test's.
    std::error_code exists_already;
    std::filesystem::create_symlink(
        "/bin/true", std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tidewaiter-init",
        exists_already);
    write("bundle/config.json", kConfigUnderPolicy);
    write("etc/config.json", "{}");
    ::setenv("FAKE_FOLDER", folder_.path().c_str(), 1);
    for (const char* each : {"FAKE_AGENT", "FAKE_EXIT", "FAKE_SIGNAL", "RUN_OCI_SECCOMP_RECEIVER"}) {
      ::unsetenv(each);
    }
  }

  void TearDown() override {
    std::filesystem::remove(folder_ / "container");
    std::error_code error;  // a test may have removed the folder
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "run", error)) {
      if (const pid_t pid = container::agent_pid(entry.path())) ::kill(pid, SIGKILL);
    }
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  [[nodiscard]] std::string read(const std::string& name) const {
    return sys::read_file(folder_ / name).value_or("");
  }
  [[nodiscard]] bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  // The lines of what a stand-in was given that begin with `kind`, without it.
  [[nodiscard]] std::vector<std::string> given(const std::string& name, const std::string& kind) const {
    std::vector<std::string> values;
    std::ifstream file(folder_ / name);
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(kind + " ")) values.push_back(line.substr(kind.size() + 1));
    }
    return values;
  }

  // The call that main() would make of `words`, with our folders.
  Invocation invocation(const std::vector<std::string>& words) {
    words_ = words;
    words_.insert(words_.begin(), "tidewaiter");
    pointers_.clear();
    for (std::string& word : words_) pointers_.push_back(word.data());
    pointers_.push_back(nullptr);
    Invocation made;
    made.line = read_command_line(static_cast<int>(words_.size()), pointers_.data()).value();
    made.directories = {folder_ / "etc/config.json", folder_ / "run", folder_ / "log"};
    made.settings.path = made.directories.config_file;
    made.settings.agent = FAKE_AGENT;
    made.runtime = FAKE_RUNTIME;
    made.runtime_kind = runtime::Kind::kCrun;
    made.found = runtime::Surroundings::of_a_full_machine();
    return made;
  }

  // Runs `body` in a fork, with its output in files.
  Outcome run(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      redirect(STDOUT_FILENO, "stdout");
      redirect(STDERR_FILENO, "stderr");
      ::_exit(body());
    }
    Outcome outcome;
    while (::waitpid(pid, &outcome.status, 0) < 0 && errno == EINTR) {
    }
    outcome.output = read("stdout");
    outcome.error = read("stderr");
    return outcome;
  }

  Outcome run(int (*command)(const Invocation&), const std::vector<std::string>& words) {
    const Invocation made = invocation(words);
    return run([&] { return command(made); });
  }

  Outcome run_create(const std::vector<std::string>& before = {}) {
    std::vector<std::string> words = before;
    words.insert(words.end(), {"create", "--bundle", folder_ / "bundle", "box"});
    return run(create, words);
  }

  // Waits until every agent has ended.
  static void wait_for_agents() {
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  [[nodiscard]] bool is_rewritten() const { return exists("bundle/config.json.tidewaiter"); }

  testing::TemporaryFolder folder_{"/dev/shm"};
  const std::string state_folder_ = folder_ / "run/box";

 private:
  void redirect(int fd, const char* name) {
    const auto file = sys::open(folder_ / name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (!file || ::dup2(file->get(), fd) < 0) ::_exit(126);
  }

  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

}  // namespace tidewaiter::shim
